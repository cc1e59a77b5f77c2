"""Where studies lie and which one a person means. Imports nothing that is slow to import."""

import re
from pathlib import Path

from mnist_hpo.errors import StorageError, UserError
from search import reader
from search.errors import UnknownStudy

LEDGER = "study.db"
"""File name of a ledger that lies in its study's own folder."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SQLITE = "sqlite:///"


def ledger_path(results: Path, study: str, storage: str | None = None) -> Path:
    """Returns where a study's ledger is, or would be; creates nothing.

    Args:
        results: Folder of all studies.
        study: Name of the study.
        storage: `sqlite:///PATH` of a ledger for several studies; None: a file for each.

    Raises:
        UserError: the name has other characters than a study's name may have.
        StorageError: the storage is of a kind that is not supported.
    """
    checked_name(study)
    return results / study / LEDGER if storage is None else storage_path(storage)


def checked_name(name: str) -> str:
    """Returns a name that can be a study's: it becomes a folder, and is typed by people.

    Raises:
        UserError: it cannot.
    """
    # "." and ".." have only characters that are allowed, and would leave the folder.
    if _NAME.fullmatch(name) is None or name in {".", ".."}:
        raise UserError(
            f"A study's name has 1 to 64 letters, digits, '.', '_' or '-', got {name!r}.",
            f"for instance {_nearest_name(name)!r}",
        )
    return name


def _nearest_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:64].strip(".-") or "mnist-2"


def storage_path(storage: str) -> Path:
    """Returns the file of a storage URL, read as SQLAlchemy reads it.

    Raises:
        StorageError: it is no `sqlite:///PATH`; the message hides a password.
    """
    path = storage.removeprefix(_SQLITE)
    if not storage.startswith(_SQLITE) or not path or "?" in path:
        raise StorageError(
            f"A storage is sqlite:///PATH (four slashes for an absolute path), got "
            f"{_without_secrets(storage)!r}.",
            "--storage sqlite:///studies.db, or leave it out to keep studies in --results",
        )
    return Path(path)


def _without_secrets(url: str) -> str:
    """Hides user, password and query, wherever odd characters would put them."""
    scheme, colon, rest = url.partition("://")
    if not colon:
        scheme, rest = "", url
    secret, at, place = rest.rpartition("@")
    del secret
    return scheme + colon + ("***@" if at else "") + place.partition("?")[0]


def all_studies(results: Path, storage: str | None = None) -> tuple[tuple[str, Path], ...]:
    """Returns name and ledger of every study, sorted by name; none if there is no folder yet.

    Raises:
        StorageError: the folder cannot be read, or the storage is not supported.
        LedgerError: the storage cannot be read.
    """
    if storage is not None:
        path = storage_path(storage)
        names = reader.study_names(path) if path.exists() else ()
        return tuple((name, path) for name in sorted(names))
    try:
        folders = sorted(results.iterdir()) if results.exists() else []
    except OSError as error:
        raise StorageError(
            f"The results {results} cannot be read: {error.strerror}.",
            "--results DIR names another folder",
        ) from error
    return tuple(
        (folder.name, folder / LEDGER)
        for folder in folders
        if _NAME.fullmatch(folder.name) and (folder / LEDGER).is_file()
    )


def find(results: Path, storage: str | None, name: str) -> tuple[str, Path]:
    """Returns name and ledger of the study that a person means.

    Args:
        results: Folder of all studies.
        storage: As in `ledger_path`.
        name: Its name, or the beginning of one name only.

    Raises:
        UserError: no study can have that name, or several begin with it.
        UnknownStudy: there is none.
        StorageError: as in `all_studies`.
        LedgerError: as in `all_studies`.
    """
    checked_name(name)
    known = dict(all_studies(results, storage))
    if name in known:
        return name, known[name]
    begin = [own for own in known if own.startswith(name)]
    if len(begin) == 1:
        return begin[0], known[begin[0]]
    if begin:
        raise UserError(
            f"Several studies begin with {name!r}: {', '.join(begin)}.",
            "type the name up to where it is the only one",
        )
    raise UnknownStudy(name, tuple(known))
