"""The constants of the race, each with its default and what it means."""

from dataclasses import dataclass
from typing import Literal

from search.errors import StudyError
from search.prediction import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceOptions:
    """Constants of the race. docs/decisions.md tells what each was measured to do."""

    rungs: tuple[int, ...] = (1, 2, 4)
    """Epochs after which trials are compared; those below the study's epochs count."""

    factors: tuple[float, ...] = (4.0, 3.0, 2.0)
    """At each rung one trial in so many is promoted; the last holds for further rungs."""

    latecomers: float = 1 / 3
    """Share of a rung's places whose trials go on though others took all places before they came:
    0, nobody does; 1, all do (ASHA's rule)."""

    rank: Literal["model", "early"] = "early"
    """Rungs compare predicted means, or what was measured at the rung."""

    measure: Measure = "accuracy"
    """What the rungs compare."""

    cohort: int = 50
    """Trials that share a first fold; their fold race opens when all of them are proposed."""

    rotate: bool = False
    """Each cohort begins with another fold; else every trial begins with the first."""

    guard: bool = True
    """At the first rung, slow starters are compared among themselves as well."""

    alpha: float = 0.4
    """Chance to stop a trial that would win by more than a tie, over all looks at it."""

    last_call: float = 0.15
    """Before its cohort's folds race, whoever waits with a larger chance to win goes on."""

    calls_win: float = 0.3
    """A cohort's calls end when, by those so far, another would win with a smaller chance."""

    settled: float = 0.02
    """The search stops when the chance of a next trial to win is below this."""

    def rungs_below(self, epochs: int) -> tuple[int, ...]:
        """Returns the epochs after which a study of so many compares, the last one included."""
        return (*(rung for rung in self.rungs if rung < epochs), epochs)

    def __post_init__(self) -> None:
        if not self.factors or not all(factor > 1 for factor in self.factors):
            raise StudyError(f"A race promotes one trial in `factors` > 1, got {self.factors}.")
        if not 0 <= self.latecomers <= 1:
            raise StudyError(f"`latecomers` is a share from 0 to 1, got {self.latecomers}.")
        for name, chance in (("last_call", self.last_call), ("calls_win", self.calls_win)):
            if not 0 <= chance <= 1:
                raise StudyError(f"`{name}` is a chance from 0 to 1, got {chance}.")
        if self.cohort < 1 or not 0 < self.alpha < 1:
            raise StudyError(
                "A race has a `cohort` of at least 1 and an `alpha` between 0 and 1, got "
                f"{self.cohort} and {self.alpha}."
            )
        if not self.rungs or sorted(set(self.rungs)) != list(self.rungs) or self.rungs[0] < 1:
            raise StudyError(f"Rungs are epochs in rising order, from 1, got {self.rungs}.")
        if self.rank not in {"model", "early"}:
            raise StudyError(f"`rank` is 'model' or 'early', got {self.rank!r}.")
        if self.measure not in {"accuracy", "loss"}:
            raise StudyError(f"`measure` is 'accuracy' or 'loss', got {self.measure!r}.")
        if not 0 < self.settled < 1:
            raise StudyError(f"`settled` is a chance between 0 and 1, got {self.settled}.")
