"""Where a PostgreSQL database is, and the password, which leaves this file for the driver only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, final

from psycopg import Error
from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_ELSEWHERE = {"user", "password", "dbname"}
"""What stands before the `?`; a password behind it would be shown with the other options."""

_SECRET = {"sslpassword", "passfile"}
"""A secret, and the way to one: its place is the environment (PGPASSFILE)."""

_OURS = {"application_name", "client_encoding"}
"""Set by us: the first tells other processes who owns a study."""


@final
@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """A `postgresql://` URL. As text, also inside a traceback, its password is `***`."""

    _url: URL = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a URL.

        Raises:
            ValueError: it is none; the message says what is wrong and repeats no part of it.
        """
        if not text.isprintable():
            raise ValueError("it has no control characters")
        try:
            url = make_url(text)
        except ArgumentError:
            raise ValueError("it has this form") from None
        except ValueError:
            raise ValueError("the port is a number") from None
        if url.port is not None and not 0 < url.port < 65536:
            raise ValueError("the port is 1 to 65535")
        if not url.database:
            raise ValueError("it names a database")
        # After three slashes everything is a database's name, a password in it as well.
        if "@" in (url.host or "") + url.database:
            raise ValueError("it has one @, before the host")
        if set(":/") & set(url.database):
            raise ValueError("the database's name has no : and no /")
        _check_options(url)
        return cls(url)

    def __str__(self) -> str:
        return self._url.render_as_string(hide_password=True)

    @property
    def has_password(self) -> bool:
        """Whether the URL itself holds a password."""
        return bool(self._url.password)

    def arguments(self) -> Mapping[str, Any]:
        """Returns what the driver connects with, the password among it."""
        url = self._url
        named = {
            "host": url.host,
            "port": url.port,
            "user": url.username,
            "password": url.password,
            "dbname": url.database,
        }
        return {name: value for name, value in named.items() if value} | dict(url.query)

    def without_password(self, text: str) -> str:
        """Returns a driver's message, the password taken out should it be there."""
        password = self._url.password
        if not password:
            return text
        encoded = URL.create("x", password=str(password)).render_as_string(hide_password=False)
        for form in (str(password), encoded.removeprefix("x://:").removesuffix("@")):
            text = text.replace(form, "***")
        return text


def _check_options(url: URL) -> None:
    for name, value in url.query.items():
        if name in _ELSEWHERE | _SECRET | _OURS:
            raise ValueError(f"{name} is no option behind the ?")
        if not isinstance(value, str):
            raise ValueError("each option behind the ? stands there once")  # noqa: TRY004 - a value
        if "@" in value or "://" in value:  # a second URL, pasted behind the first, would be shown
            raise ValueError("it has one @, before the host")
        if {"host": url.host, "port": url.port}.get(name):
            raise ValueError(f"the {name} stands there once")
        try:
            make_conninfo(**{name: value})
        except Error:
            raise ValueError("what stands behind the ? are options of PostgreSQL") from None
