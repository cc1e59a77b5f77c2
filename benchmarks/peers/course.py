"""A search on recorded curves: what a library asks to train is looked up and charged.

The libraries are real, and so is the time they take to decide; only the training is simulated,
by one worker. Needs the standard library and NumPy, so that every environment can import it.
"""

import contextlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, final

from benchmarks.peers.free_space import completed, free
from search.table import Table
from search.table_space import Recorded, space_of
from spaces.space import Config

Setting = Literal["default", "best effort"]
"""As the library is without a thought, or as well as we know how to set it."""

Result = dict[str, Any]
"""One run as a JSON object; `README.md` lists the keys."""


@final
class Course:
    """What all runs on one table have in common."""

    def __init__(self, table: Table, candidates: int) -> None:
        self.table = table
        self.candidates = min(candidates, len(table.rows))
        self._whole = space_of(table)
        self.space = free(self._whole)
        self._recorded = Recorded(table, self._whole)

    def nearest(self, config: Config, used: frozenset[int]) -> int | None:
        """Returns the unused row nearest to a point of the space; None: all are used."""
        return self._recorded.nearest(completed(config, self._whole), used)


@final
class Runner:
    """One run's worker and clock: every second outside of its methods is the library's.

    Folds and epochs count from 0.
    """

    MODELS = 16
    """Built models that the worker keeps, the longest unused one goes first."""

    def __init__(self, course: Course, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self.course = course
        self._rows = course.table.rows
        self._clock = clock
        self._used: set[int] = set()
        self._built: OrderedDict[object, int] = OrderedDict()
        self._reached: dict[tuple[int, int], int] = {}
        self._training = 0.0
        self._fold_epochs = 0
        self._trajectory: list[tuple[float, int]] = []
        self._decision = 0.0
        self._mark = clock()

    @property
    def cost(self) -> float:
        """Seconds up to the last call of a method."""
        return self._training + self._decision

    @property
    def training_seconds(self) -> float:
        """Seconds of building and training so far."""
        return self._training

    def candidate(self, config: Config) -> int | None:
        """Takes a new proposal and returns the nearest unused row; None: no more candidates."""
        with self._stopped():
            if len(self._used) >= self.course.candidates:
                return None
            row = self.course.nearest(config, frozenset(self._used))
            if row is not None:
                self._used.add(row)
            return row

    def train(self, row: int, fold: int, start: int, stop: int) -> tuple[float, ...]:
        """Trains epochs `start` to `stop` of a fold and returns their validation accuracies.

        Who resumes begins where it was; who cannot begins at 0 again, and pays again.
        """
        with self._stopped():
            return self._train(row, fold, start, stop)

    def train_folds(
        self, row: int, folds: Iterable[int], start: int, stop: int
    ) -> tuple[float, ...]:
        """Trains the same epochs of several folds; returns the folds' mean after each epoch."""
        with self._stopped():
            curves = [self._train(row, fold, start, stop) for fold in folds]
            return tuple(math.fsum(epoch) / len(curves) for epoch in zip(*curves, strict=True))

    def recommend(self, row: int | None) -> None:
        """Logs what the library would answer now; None: it knows nothing yet."""
        with self._stopped():
            if row is not None and (not self._trajectory or self._trajectory[-1][1] != row):
                self._trajectory.append((self.cost, row))

    def finish(
        self, peer: str, setting: Setting, settings: Mapping[str, str], seed: int
    ) -> Result:
        """Completes the pick and returns the run's record.

        The pick's missing folds and epochs are trained and charged, whichever library left
        them out: only then is its score known.

        Raises:
            RuntimeError: the library recommended nothing.
        """
        with self._stopped():
            if not self._trajectory:
                raise RuntimeError(f"{peer} ({setting}, seed {seed}) recommended nothing.")
            pick = self._trajectory[-1][1]
            table = self.course.table
            before = self._training
            for fold in range(table.folds):
                reached = self._reached.get((pick, fold), 0)
                if reached < table.epochs:
                    self._train(pick, fold, reached, table.epochs)
            return {
                "peer": peer,
                "setting": setting,
                "settings": dict(settings),
                "seed": seed,
                "workers": 1,
                "cost": round(self.cost, 4),
                "decision": round(self._decision, 4),
                "completion": round(self._training - before, 4),
                "fold_epochs": self._fold_epochs,
                "tried": len(self._used),
                "pick": pick,
                "pick_score": self._rows[pick].score,
                "best_score": max(row.score for row in self._rows),
                "trajectory": [[round(cost, 4), row] for cost, row in self._trajectory],
            }

    @contextlib.contextmanager
    def _stopped(self) -> Iterator[None]:
        """Stops the library's clock while the table is read."""
        self._decision += self._clock() - self._mark
        try:
            yield
        finally:
            self._mark = self._clock()

    def _train(self, row: int, fold: int, start: int, stop: int) -> tuple[float, ...]:
        own = self._rows[row]
        self._training += self._build_seconds(row, fold) + math.fsum(own.seconds[fold][start:stop])
        self._fold_epochs += stop - start
        self._reached[row, fold] = max(stop, self._reached.get((row, fold), 0))
        return own.accuracy[fold][start:stop]

    def _build_seconds(self, row: int, fold: int) -> float:
        """Builds the row's model where the worker lacks it.

        Rows of one "graph" share a built model; who takes it over from another row pays that
        row's "warm" seconds for new values in it.
        """
        own = self._rows[row]
        graph: object = own.more.get("graph", row)
        owner = self._built.pop(graph, None)
        self._built[graph] = row
        if len(self._built) > self.MODELS:
            self._built.popitem(last=False)
        if owner is None:
            return own.build[fold]
        return 0.0 if owner == row else float(own.more.get("warm", 0.0))
