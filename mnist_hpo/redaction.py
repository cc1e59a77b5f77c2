"""The last door on the way to a person: no password of a URL, nothing that moves a cursor."""

import re

_PASSWORD = re.compile(r"(://[^\s:/@]*):(?!\*\*\*@).*@")
"""Up to the last @ of the line: one in a password may have been written as it is."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def redacted(text: str) -> str:
    """Returns a text in which the password of any URL is `***`.

    What this program says of a storage has none. This is for what people typed in another
    place than meant, and what a library may say of it.
    """
    return _PASSWORD.sub(r"\1:***@", text)


def printable(text: str) -> str:
    """Returns a text without passwords whose control characters are spelt out, as in `repr`.

    What a file or a command line brought along must not reach a terminal as an order to it.
    """
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], redacted(text))
