"""A study for Python and notebooks: read-only, and a table where it stands alone in a cell."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

from mnist_hpo import schema
from mnist_hpo.conditions import holds, parsed
from mnist_hpo.errors import UserError
from mnist_hpo.flat import flat_trials
from mnist_hpo.leaderboard import chosen, common, leaderboard, legend
from mnist_hpo.options import DEFAULT_RESULTS
from mnist_hpo.prospects import with_predictions
from mnist_hpo.qualities import qualities
from mnist_hpo.ranking import Standing, standings
from mnist_hpo.storage import Storage
from mnist_hpo.studies import find
from mnist_hpo.tables import Table, to_html, to_text
from search import reader
from search.reader import Snapshot
from search.records import History

if TYPE_CHECKING:
    import pandas as pd

_TOP = 10


@final
@dataclass(frozen=True, slots=True, repr=False)
class Study:
    """A study as it was when it was opened. Nothing is ever written through it."""

    snapshot: Snapshot

    @classmethod
    def open(
        cls, name: str, *, results: str | Path = DEFAULT_RESULTS, storage: str | None = None
    ) -> Self:
        """Reads a study.

        Args:
            name: Its name, or the beginning of one name only.
            results: Folder of the studies.
            storage: URL of one database for several studies, as `--storage` takes it; None: a
                file for each study.

        Raises:
            UserError: several studies begin with that name.
            UnknownStudy: none does.
            PlaceError: the URL names no place.
            LedgerError: the ledger cannot be read.
        """
        place = None if storage is None else Storage.at(storage, typed=False)
        found, ledger = find(Path(results), place, name)
        return cls(reader.read(ledger, found))

    @property
    def name(self) -> str:
        """The study's name."""
        return self.history.facts.study

    @property
    def history(self) -> History:
        """Everything the ledger knows, as frozen records."""
        return self.snapshot.history

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Every trial with its rank, score and predicted mean: the best one first."""
        rows = standings(self.history, owned=self.snapshot.owner is not None)
        return with_predictions(self.history, rows)

    def to_json(self) -> dict[str, Any]:
        """Returns what `show --json` prints (docs/show-json.md)."""
        return schema.show_json(self.snapshot)

    def records(self) -> list[dict[str, object]]:
        """Returns a flat record a trial, by number, with the columns of `show --csv`."""
        return flat_trials(self.to_json(), self.history)

    def to_dataframe(self) -> "pd.DataFrame":
        """Returns the records as a data frame, the trial's number as its index.

        Raises:
            UserError: pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - only whoever asks needs it
        except ImportError:
            raise UserError(
                "A data frame needs pandas, which is not installed.",
                "pip install 'mnist-hpo[notebook]', or take Study.records()",
            ) from None
        frame = pd.DataFrame.from_records(self.records())
        return frame if frame.empty else frame.set_index("number")

    def leaderboard(self, top: int = _TOP, *, where: str | None = None) -> "Leaderboard":
        """Returns the ranking, to be looked at.

        Args:
            top: Complete trials in it.
            where: A condition as `show --where` takes it.

        Raises:
            UserError: it is no condition.
        """
        rows = self.standings
        if where is not None:
            condition = parsed(where, qualities(rows, self.history.facts.space))
            rows = tuple(row for row in rows if holds(condition, row))
        picked, same = chosen(rows, top=top, sort="score", every=False), common(rows)
        table = leaderboard(picked, folds=self.history.facts.folds, same=same)
        return Leaderboard(table, tuple(legend(rows, picked, same)))

    def __repr__(self) -> str:
        facts = self.history.facts
        complete = len(self.history.complete())
        return (
            f"<Study {facts.study!r}: {len(self.history.trials)} trials, {complete} complete, "
            f"{facts.folds} folds x {facts.epochs} epochs of {facts.dataset}>"
        )

    def _repr_html_(self) -> str:
        return self.leaderboard()._repr_html_()


@final
@dataclass(frozen=True, slots=True, repr=False)
class Leaderboard:
    """A ranking as text, or as HTML in a notebook."""

    table: Table
    notes: Sequence[str]

    def __repr__(self) -> str:
        return "\n".join([to_text(self.table), *self.notes])

    def _repr_html_(self) -> str:
        return to_html(self.table, self.notes)
