"""The last door on the way to a person: no URL passes it with its password."""

import re

_PASSWORD = re.compile(r"(://[^\s:/@]*):(?!\*\*\*@).*@")
"""Up to the last @ of the line: one in a password may have been written as it is."""


def redacted(text: str) -> str:
    """Returns a text in which the password of any URL is `***`.

    What this program says of a storage has none. This is for what people typed in another
    place than meant, and what a library may say of it.
    """
    return _PASSWORD.sub(r"\1:***@", text)
