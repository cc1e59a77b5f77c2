"""Where studies lie and which one a person means. Imports nothing that is slow to import."""

import re
from pathlib import Path

from mnist_hpo.errors import StorageError, UserError
from mnist_hpo.storage import Storage
from search import reader
from search.errors import UnknownStudy
from search.place import AbstractPlace
from search.redaction import hidden
from search.sqlite_file import SqliteFile

LEDGER = "study.db"
"""File name of a ledger that lies in its study's own folder."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def ledger_place(results: Path, study: str, storage: Storage | None = None) -> AbstractPlace:
    """Returns where a study's ledger is, or would be; creates nothing.

    Args:
        results: Folder of all studies.
        study: Name of the study.
        storage: One database for several studies; None: a file for each.

    Raises:
        UserError: the name has other characters than a study's name may have.
    """
    checked_name(study)
    return SqliteFile(results / study / LEDGER) if storage is None else storage.place


def checked_name(name: str) -> str:
    """Returns a name that can be a study's: it becomes a folder, and is typed by people.

    Raises:
        UserError: it cannot.
    """
    # "." and ".." have only characters that are allowed, and would leave the folder.
    if _NAME.fullmatch(name) is None or name in {".", ".."}:
        raise UserError(
            f"A study's name has 1 to 64 letters, digits, '.', '_' or '-', got {hidden(name)!r}.",
            f"for instance {_nearest_name(name)!r}",
        )
    return name


def _nearest_name(name: str) -> str:
    if hidden(name) != name:
        return "mnist-2"  # a storage in the wrong place, perhaps with a password
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:64].strip(".-") or "mnist-2"


def all_studies(
    results: Path, storage: Storage | None = None
) -> tuple[tuple[str, AbstractPlace], ...]:
    """Returns name and ledger of every study, sorted by name; none if there is no folder yet.

    Raises:
        StorageError: the folder cannot be read.
        LedgerError: the storage cannot be read.
    """
    if storage is not None:
        place = storage.place
        names = reader.study_names(place) if place.exists() else ()
        return tuple((name, place) for name in sorted(names))
    try:
        folders = sorted(results.iterdir()) if results.exists() else []
    except OSError as error:
        raise StorageError(
            f"The results {results} cannot be read: {error.strerror}.",
            "--results DIR names another folder",
        ) from error
    return tuple(
        (folder.name, SqliteFile(folder / LEDGER))
        for folder in folders
        if _NAME.fullmatch(folder.name) and (folder / LEDGER).is_file()
    )


def find(results: Path, storage: Storage | None, name: str) -> tuple[str, AbstractPlace]:
    """Returns name and ledger of the study that a person means.

    Args:
        results: Folder of all studies.
        storage: As in `ledger_place`.
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
