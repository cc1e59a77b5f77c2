"""The address of somebody's Dask scheduler, as a person types it. Imports no Dask."""

import re

from search.errors import PlaceError

_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_LOOPBACK = re.compile(r"tcp://(127\.|localhost:|\[::1\])")


def checked_address(text: str) -> str:
    """Returns a scheduler's address.

    Raises:
        PlaceError: it is none. The message does not repeat it: it may be a storage's URL.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found[3]) < 65536:
        raise PlaceError(
            "A cluster is tcp://HOST:PORT or tls://HOST:PORT, the address that `dask scheduler` "
            "shows.",
            "leave --cluster out to train on this machine, with --workers N processes",
        )
    return text


def is_exposed(address: str) -> bool:
    """Says whether what is sent to an address could be read or changed on its way."""
    return address.startswith("tcp://") and _LOOPBACK.match(address) is None
