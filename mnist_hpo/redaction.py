"""The last door on the way to a person: no password of a URL, nothing that moves a cursor."""

import re

from search.redaction import redacted

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Returns a text without passwords whose control characters are spelt out, as in `repr`.

    What a file or a command line brought along must not reach a terminal as an order to it.
    """
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], redacted(text))
