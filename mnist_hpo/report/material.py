"""Everything a page shows, read beforehand: the sections are functions of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnist_hpo.data.records import Pixels
from mnist_hpo.evidence import Evidence, Maps
from mnist_hpo.ranking import Standing
from mnist_hpo.statistics import TestResult
from search.reader import Snapshot
from search.records import Facts, History, Opening, Trial

if TYPE_CHECKING:
    from search.importance import Importance


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalMaterial:
    """A model that looked at the test set."""

    trial: Trial
    result: TestResult
    model_sha256: str
    evidence: Evidence | None
    missing: str
    """Why there is no evidence; "" where there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A study, ranked, with what finalize left behind."""

    snapshot: Snapshot
    rows: tuple[Standing, ...]
    """With predictions and reasons: complete, unfinished, failed."""

    importances: "tuple[Importance, ...]"
    """The surest first; nothing where too few trials tell."""

    final: FinalMaterial | None
    versions: Mapping[str, str]
    """Of the process that writes the page."""

    @property
    def history(self) -> History:
        """All that the ledger knows."""
        return self.snapshot.history

    @property
    def facts(self) -> Facts:
        """What the study is."""
        return self.snapshot.history.facts

    @property
    def complete(self) -> tuple[Standing, ...]:
        """The ranked trials, the best first."""
        return tuple(row for row in self.rows if row.score is not None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChosenDigit:
    """A development digit, and what the Conv2D layers make of it."""

    pixels: Pixels
    index: int
    label: int
    maps: Mapping[str, Maps]


def shown_look(history: History) -> Opening | None:
    """Returns the look that a page shows: the winner's, else the last one with a result."""
    seen = [own for own in history.openings if own.result is not None]
    best = history.incumbent
    own = [look for look in seen if best is not None and look.trial == best.number]
    chosen = own or seen
    return chosen[-1] if chosen else None


def result_of(look: Opening) -> tuple[TestResult, Mapping[str, Any]]:
    """Returns a look's result, and all that was recorded of it."""
    record = look.result or {}
    return TestResult.from_json(record), record
