"""What can go wrong with a study.

SearchError
├── FoldError            the data cannot be split as asked
├── StudyError           wrong name, changed space, a budget below what is done
│   └── UnknownStudy     no study of that name
├── PlaceError           a storage cannot be meant or used so: a wrong URL, no driver for it
├── LedgerError          storage is missing, full, read-only, unreachable or corrupt
│   ├── LedgerBusy       its owner does not come out of a commit
│   └── LedgerMoved      its file was removed, renamed or replaced while it was written
├── ClusterError         what hands jobs to workers has gone
├── StudyOwned           another process owns the study
├── EnvironmentChanged   resumed under other versions, another CPU or other data
├── TableError           a recorded table cannot be read, or a grid cannot be recorded
├── TrainingError        a trial cannot be trained (kept with the trial; the study goes on)
└── TooManyFailures      trials failed in a row; committed first, then stopped
"""

from collections.abc import Sequence


class SearchError(Exception):
    """Anything that this package raises on purpose: one message, made for a person."""


class FoldError(SearchError):
    """The development set cannot be split into the folds asked for."""


class StudyError(SearchError):
    """What was asked does not fit the study."""


class UnknownStudy(StudyError):  # noqa: N818 - reads as what it says
    """There is no study of that name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name = name
        self.known = tuple(known)
        listed = ", ".join(self.known) if self.known else "none yet"
        super().__init__(f"There is no study {name!r}; there are: {listed}.")


class PlaceError(SearchError):
    """No ledger can be kept where this URL points, whatever the state of the server."""

    def __init__(self, message: str, cure: str) -> None:
        self.cure = cure
        super().__init__(message)


class LedgerError(SearchError):
    """The ledger's storage fails; what was committed before is safe."""


class LedgerBusy(LedgerError):  # noqa: N818 - reads as what it says
    """Its owner is inside of a commit, and does not come out of it."""


class LedgerMoved(LedgerError):  # noqa: N818 - reads as what it says
    """The ledger's file was removed, renamed or replaced under its writer; nothing was written."""

    def __init__(self, message: str, cure: str) -> None:
        self.cure = cure
        super().__init__(message)


class ClusterError(SearchError):
    """What hands jobs to workers has gone; what was committed before is safe."""


class StudyOwned(SearchError):  # noqa: N818 - reads as what it says
    """Another living process owns the study."""

    def __init__(self, study: str, owner: str) -> None:
        self.study = study
        self.owner = owner
        super().__init__(f"Study {study!r} is being searched by {owner}.")


class EnvironmentChanged(SearchError):  # noqa: N818 - reads as what it says
    """Scores would come from another environment than the study's earlier ones."""

    def __init__(self, differences: Sequence[str]) -> None:
        self.differences = tuple(differences)
        listed = "".join(f"\n  {line}" for line in differences)
        super().__init__(f"The environment differs from the one that started the study:{listed}")


class TableError(SearchError):
    """A recorded table, or what should become one, is not as it has to be."""


class TrainingError(SearchError):
    """A trial cannot be trained: a non-finite loss, a model over the limits."""


class TooManyFailures(SearchError):  # noqa: N818 - reads as what it says
    """Trials failed one after another, so the next would most likely fail as well."""
