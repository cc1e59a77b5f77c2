"""Passwords out of texts that other people wrote: library errors, tracebacks, typed words."""

import re

_SCHEME = re.compile(r"[a-z][a-z0-9+]*://", re.IGNORECASE)

_PLAIN = re.compile(r"[^:@%=]*")
"""What can have no password in it: every way to write one needs one of these signs."""

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # postgresql://me:PASSWORD@host. Up to the last @ of the line: one in a password may have been
    # written as it is.
    (re.compile(r"(:/{1,3}[^\s:/@]*):(?!\*\*\*@).*@"), r"\1:***@"),
    # The same with its host forgotten; up to five digits are a port, a bracket begins IPv6.
    (re.compile(r"(:/{1,3}[^\s:/@\[]*):(?!\*\*\*|PORT\b|\d{1,5}(?!\w)).*"), r"\1:***"),
    # "host=db password=PASSWORD", and behind the ? of a URL.
    (re.compile(r"(password\s*=).*", re.IGNORECASE), r"\1***"),
    # A URL that was encoded as a whole.
    (re.compile(r"(%3A(?:%2F){2}).*", re.IGNORECASE), r"\1***"),
)
"""What a password stands in, and what is left of it. Where it ends is anybody's guess when it
holds a space or a quote, so the rest of the line goes with it."""


def redacted(text: str) -> str:
    """Returns a text in which the password of any URL is `***`.

    What this program says of a storage has none. This is for what people typed in another
    place than meant, and what a library may say of it.
    """
    for pattern, left in _SECRETS:
        text = pattern.sub(left, text)
    return text


def hidden(text: str) -> str:
    """Returns what may be shown of a text that should have been a URL or a name and is none.

    Nobody knows what is what in it, so it is its scheme at most, unless it can have no password.
    """
    scheme = _SCHEME.match(text)
    if scheme is None:
        return text if _PLAIN.fullmatch(text) else "***"
    place, _, _ = text[scheme.end() :].partition("?")
    return scheme[0] + (place if _PLAIN.fullmatch(place) else "***")
