"""Connections to a PostgreSQL server that notice when it is gone."""

import psycopg

from search.postgres_url import PostgresUrl

Connection = psycopg.Connection[tuple[object, ...]]

_SETTINGS = {
    "client_encoding": "utf8",
    # A server that does not answer is given up in seconds; whoever can wait asks again.
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}


class Unanswered(Exception):  # noqa: N818 - reads as what it says
    """The server did not answer, or broke off: the same thing may work in a moment."""


def connect(url: PostgresUrl, *, name: str, autocommit: bool = False) -> Connection:
    """Connects.

    Args:
        url: Where to.
        name: Who we are, in the server's list of sessions.
        autocommit: Each statement is its own transaction.

    Raises:
        psycopg.Error: the server does not answer or refuses us.
    """
    return psycopg.connect(
        **{**_SETTINGS, **url.arguments(), "application_name": name},
        autocommit=autocommit,
        prepare_threshold=None,  # a pooler between us and the server may not know statements
    )


def detail_of(error: BaseException, url: PostgresUrl) -> str:
    """Returns what the driver says of an error, in one line and without a password."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return url.without_password(text.rstrip("."))
