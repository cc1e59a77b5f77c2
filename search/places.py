"""From what a person or a caller names to the place that is meant."""

from pathlib import Path

from search.errors import PlaceError
from search.place import AbstractPlace
from search.redaction import hidden
from search.sqlite_file import SqliteFile

Where = Path | AbstractPlace
"""Where a ledger is: a path is an SQLite file's."""

_SQLITE = "sqlite:///"
_POSTGRES = "postgresql://"

_CURE = (
    "--storage postgresql://USER@HOST:PORT/DATABASE, the password in ~/.pgpass or the whole URL "
    "in MNIST_HPO_STORAGE;\nor leave it out to keep each study in a file under --results"
)


def place_of(where: Where) -> AbstractPlace:
    """Returns the place of a path, or the place itself."""
    return SqliteFile(where) if isinstance(where, Path) else where


def place_at(url: str) -> AbstractPlace:
    """Returns the place that a storage URL names; connects to nothing.

    Raises:
        PlaceError: it names none, or the driver is not installed. The message hides a password.
    """
    if url.startswith(_POSTGRES):
        return _server(url)
    path = url.removeprefix(_SQLITE)
    if not url.startswith(_SQLITE) or not path or "?" in path or "://" in path:
        raise PlaceError(
            f"A storage is postgresql://USER@HOST:PORT/DATABASE or sqlite:///PATH (four "
            f"slashes for an absolute path), got {hidden(url)!r}.",
            _CURE,
        )
    return SqliteFile(Path(path))


def _server(url: str) -> AbstractPlace:
    try:
        # Only here: whoever keeps files needs neither SQLAlchemy to read them nor the driver.
        from search.postgres import PostgresServer  # noqa: PLC0415 - see above
        from search.postgres_url import PostgresUrl  # noqa: PLC0415 - likewise
    except ImportError:
        raise PlaceError(
            "A storage on PostgreSQL needs the driver psycopg 3, which is not installed.",
            "pip install 'mnist-hpo[postgres]'",
        ) from None
    try:
        return PostgresServer(PostgresUrl.parse(url))
    except ValueError as error:
        raise PlaceError(
            f"A PostgreSQL storage is postgresql://USER@HOST:PORT/DATABASE; {error}, got "
            f"{hidden(url)!r}.",
            f"{_CURE}\n@, / and other signs in a password are written as %40, %2F and so on",
        ) from None
