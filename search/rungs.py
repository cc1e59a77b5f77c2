"""The race over epochs: who reached a rung, who ranks there, who goes on."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import final

from search.per_trial import PerTrial
from search.race_options import RaceOptions
from search.records import Epoch, History, Trial


@final
class Rungs:
    """One look at the rungs of a history.

    References:
        Li et al. (2020), "A system for massively parallel hyperparameter tuning", MLSys.
    """

    def __init__(
        self,
        history: History,
        options: RaceOptions,
        busy: set[tuple[int, int]],
        mean: Callable[[Trial], float],
        strata: PerTrial[str],
    ) -> None:
        """Makes a look.

        Args:
            history: All that the ledger knows.
            options: Constants of the race.
            busy: Trials and folds with a job in flight.
            mean: Predicts a trial's score.
            strata: Names the stratum of a trial.
        """
        self._history = history
        self._options = options
        self._busy = busy
        self._mean = mean
        self._strata = strata
        self._epochs = history.facts.epochs
        self._folds = history.facts.folds
        self.epochs_of = options.rungs_below(self._epochs)
        """Epochs of each rung; the last one is the end of the fold."""

        self._rankings: dict[tuple[int, int], list[Trial]] = {}
        self._ranks: dict[tuple[int, int], Mapping[int, int]] = {}
        self._chosen: dict[tuple[int, int], frozenset[int]] = {}

    def first_fold(self, trial: Trial) -> int:
        """Returns the fold whose curve the rungs compare: the same for a whole cohort."""
        if not self._options.rotate:
            return 0
        return trial.number // self._options.cohort % self._folds

    def promoted(self, first: int, index: int, *, closing: bool) -> list[Trial]:
        """Returns the best of those that reached a rung, one in `factor`, best first.

        Whoever has left keeps its place, so all may be taken when a good trial comes late. It
        goes on all the same if it ranks among the first of the places (`latecomers`).
        """
        ranked = self._ranked(first, index)
        share = len(ranked) / self._factor(index)
        places, ahead = max(int(share), int(closing)), int(share * self._options.latecomers)
        free = places - sum(self._has_left(trial, index) for trial in ranked)
        chosen: list[Trial] = []
        for place, trial in enumerate(ranked[:places]):
            if not self._has_left(trial, index) and (len(chosen) < free or place < ahead):
                chosen.append(trial)
        if self._options.guard and index == 0:
            strata: dict[str, list[Trial]] = {}
            for trial in ranked:
                own = self._strata.of(trial, self._history.facts.space)
                strata.setdefault(own, []).append(trial)
            for kind in strata.values():
                left = any(self._has_left(trial, index) for trial in kind)
                if len(kind) >= self._factor(index) and not left and kind[0] not in chosen:
                    chosen.append(kind[0])
        return chosen

    def waits(self, trial: Trial) -> bool:
        """Says whether a trial stands at a rung below the last and has nothing to do there."""
        fold = self.first_fold(trial)
        epoch = len(trial.curves[fold])
        return (
            epoch in self.epochs_of[:-1]
            and not trial.is_final(self._epochs)
            and (trial.number, fold) not in self._busy
        )

    def went_past(self, trial: Trial) -> bool:
        """Says whether a trial has gone on from a rung where it ranks outside the places."""
        first = self.first_fold(trial)
        return any(
            len(trial.curves[first]) > rung
            and self._ranks_of(first, index)[trial.number] > self._places(first, index)
            for index, rung in enumerate(self.epochs_of[:-1])
        )

    def after(self, trial: Trial) -> int:
        """Returns the epochs of the next rung of a trial on its first fold."""
        epoch = len(trial.curves[self.first_fold(trial)])
        return next(rung for rung in self.epochs_of if rung > epoch)

    def _has_left(self, trial: Trial, index: int) -> bool:
        """Says whether a trial has gone on from a rung, is going on, or never may."""
        fold = self.first_fold(trial)
        at_rung = len(trial.curves[fold]) == self.epochs_of[index]
        return not at_rung or trial.verdict is not None or (trial.number, fold) in self._busy

    def _factor(self, index: int) -> float:
        factors = self._options.factors
        return factors[min(index, len(factors) - 1)]

    def _ranked(self, first: int, index: int) -> list[Trial]:
        """Returns the trials that reached a rung, the best first, equal ones by number."""
        if (first, index) not in self._rankings:
            rung = self.epochs_of[index]
            reached = [t for t in self.pools[first] if len(t.curves[first]) >= rung]
            if self._options.rank == "model":
                reached.sort(key=lambda t: (-self._mean(t), t.macs, t.number))
            else:
                reached.sort(key=lambda t: (*self._early(t, rung), t.macs, t.number))
            self._rankings[first, index] = reached
        return self._rankings[first, index]

    def _ranks_of(self, first: int, index: int) -> Mapping[int, int]:
        """Returns the rank of each trial at a rung, from 1, by number: asked for one by one."""
        if (first, index) not in self._ranks:
            ranked = self._ranked(first, index)
            self._ranks[first, index] = {t.number: rank for rank, t in enumerate(ranked, 1)}
        return self._ranks[first, index]

    def _places(self, first: int, index: int) -> int:
        """Returns how many go on from a rung in the end: one of so many, at least one."""
        return max(1, int(len(self._ranked(first, index)) / self._factor(index)))

    def _chosen_of(self, first: int, index: int) -> frozenset[int]:
        """Returns the numbers of those that may go on from a rung, likewise."""
        if (first, index) not in self._chosen:
            chosen = self.promoted(first, index, closing=True)
            self._chosen[first, index] = frozenset(trial.number for trial in chosen)
        return self._chosen[first, index]

    def _early(self, trial: Trial, rung: int) -> tuple[float, float]:
        """Returns what a rung sorts by, smaller is better; the other measure breaks ties."""
        epoch = trial.curves[self.first_fold(trial)].epochs[rung - 1]
        order = (-epoch.valid_accuracy, epoch.valid_loss)
        return order if self._options.measure == "accuracy" else (order[1], order[0])

    @cached_property
    def pools(self) -> Mapping[int, list[Trial]]:
        """The trials that are compared with each other: those with one first fold."""
        pools: dict[int, list[Trial]] = {}
        for trial in self._history.trials:
            if not trial.is_failed:
                pools.setdefault(self.first_fold(trial), []).append(trial)
        return pools

    def standing(self, trial: Trial) -> str | None:
        """Says why a trial waits; None: it does not."""
        fold = self.first_fold(trial)
        epoch = len(trial.curves[fold])
        if trial.is_final(self._epochs) or epoch not in self.epochs_of:
            return None
        if epoch == self._epochs:
            return "waits for its missing folds"
        index = self.epochs_of.index(epoch)
        ranked = self._ranked(fold, index)
        place = self._ranks_of(fold, index)[trial.number]
        if trial.number in self._chosen_of(fold, index):
            if self._history.is_done:
                return None
            return f"may go on: {place} of {len(ranked)} at fold {fold + 1}, epoch {epoch}"
        places = self._places(fold, index)
        if place <= places:
            return (
                f"stopped at fold {fold + 1}, epoch {epoch}: {place} of {len(ranked)} trials, but "
                f"others went on before it came, and only 1 in {self._factor(index):g} does"
            )
        last = ranked[places - 1]
        if self._options.rank == "model":
            what, own, need = "predicted", f"~{self._mean(trial):.4f}", f"~{self._mean(last):.4f}"
        else:
            what = self._options.measure
            own, need = (self._shown(t.curves[fold].epochs[epoch - 1]) for t in (trial, last))
        return (
            f"stopped at fold {fold + 1}, epoch {epoch}: {what} {own} is outside the best 1 in "
            f"{self._factor(index):g} (down to {need}) of {len(ranked)} trials"
        )

    def _shown(self, epoch: Epoch) -> str:
        """Writes what a rung compares."""
        accuracy = self._options.measure == "accuracy"
        return f"{epoch.valid_accuracy if accuracy else epoch.valid_loss:.4f}"
