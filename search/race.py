"""The race over epochs and folds: promotion by rungs on one fold, then the missing folds.

    rungs    every trial trains to the first rung on its cohort's fold; the best of those that
             reached a rung go on to the next, from their checkpoints (ASHA)
    folds    trials with one whole fold race for the incumbent's place: the most promising one
             trains its next missing fold, the hopeless ones are stopped
    cohort   so many trials share the first fold and the moment when their fold race opens

All of it is a function of the history: no clock, no random number, no state.

References:
    Li et al. (2020), "A system for massively parallel hyperparameter tuning", MLSys: the
    promotion rule. Bergman, Purucker and Hutter (2024), "Don't waste your time", AutoML:
    stopping cross-validation early, there without pairing and without epochs.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist
from typing import Literal, final

from search.errors import StudyError
from search.policy import AbstractPolicy, Action, Allowance, Judge, Propose, Run, Wait
from search.prediction import Measure, Prediction, Predictor, fold_images
from search.records import Epoch, History, Job, Trial, TrialState, Verdict
from search.strata import stratum_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RaceOptions:
    """Constants of the race. docs/decisions.md tells what each was measured to do."""

    rungs: tuple[int, ...] = (1, 2, 4)
    """Epochs after which trials are compared; those below the study's epochs count."""

    factors: tuple[float, ...] = (2.0, 2.0, 1.5)
    """At each rung one trial in so many is promoted; the last holds for further rungs."""

    rank: Literal["model", "early"] = "early"
    """Rungs compare predicted means, or what was measured at the rung."""

    measure: Measure = "loss"
    """What the rungs compare."""

    cohort: int = 50
    """Trials that share a first fold; their fold race opens when all of them are proposed."""

    rotate: bool = False
    """Each cohort begins with another fold; else every trial begins with the first."""

    guard: bool = True
    """At the first rung, slow starters are compared among themselves as well."""

    alpha: float = 0.2
    """Chance to stop a trial that would win by more than a tie, over all looks at it."""

    settled: float = 0.05
    """The search stops when the chance of a next trial to win is below this."""

    def __post_init__(self) -> None:
        if not self.factors or not all(factor > 1 for factor in self.factors):
            raise StudyError(f"A race promotes one trial in `factors` > 1, got {self.factors}.")
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


@final
@dataclass(frozen=True, slots=True)
class RacePolicy(AbstractPolicy):
    """Races over epochs, then over folds."""

    options: RaceOptions = field(default_factory=RaceOptions)
    predictor: Predictor = field(init=False, compare=False, repr=False)
    _looks: "list[tuple[History, _Race]]" = field(
        default_factory=list, init=False, compare=False, repr=False
    )
    """The last look for `standing`, which is asked for one trial after another."""

    name = "race"

    def __post_init__(self) -> None:
        object.__setattr__(self, "predictor", Predictor(self.options.measure))

    def next(self, history: History, running: frozenset[Job], allowance: Allowance) -> Action:
        """Returns the most useful thing a free worker can do.

        First what is under way on a rung, then promotions (the highest rung first), the folds
        of cohorts that are all proposed, another trial, and last the folds of the others.
        """
        race = _Race(
            history, running, self.options, self.predictor, may_propose=allowance.may_propose
        )
        if not allowance.may_widen:
            return _first(race.to_a_complete_trial())
        return _first(race.actions())

    def leader(self, history: History) -> Trial | None:
        """Returns the trial with the best prospect."""
        return _Race(
            history, frozenset(), self.options, self.predictor, may_propose=False
        ).leader()

    def standing(self, history: History, trial: Trial) -> str | None:
        """Says why a trial waits: where it stands among those that reached its rung."""
        if not self._looks or self._looks[0][0] is not history:
            race = _Race(history, frozenset(), self.options, self.predictor, may_propose=False)
            self._looks[:] = [(history, race)]
        return self._looks[0][1].standing(trial)


def _first(actions: Iterator[Action]) -> Action:
    return next(actions, Wait())


class _Race:
    """One look at the history: everything `next` needs, computed where it is asked for."""

    def __init__(
        self,
        history: History,
        running: frozenset[Job],
        options: RaceOptions,
        predictor: Predictor,
        *,
        may_propose: bool,
    ) -> None:
        self._history = history
        self._options = options
        self._epochs = history.facts.epochs
        self._folds = history.facts.folds
        self._busy = {job.lane for job in running}
        self._active = {job.trial for job in running}
        self._may_propose = may_propose
        self._rungs = (*(r for r in options.rungs if r < self._epochs), self._epochs)
        self._open = [trial for trial in history.trials if trial.verdict is None]
        self._rankings: dict[tuple[int, int], list[Trial]] = {}
        self._predictor = predictor
        self._predicted: Mapping[int, Prediction] | None = None

    # What may be done, in order

    def actions(self) -> Iterator[Action]:
        """Yields what a free worker can do, the most useful first."""
        yield from self._started()
        yield from self._wanted_whole()
        settled = self._may_propose and self._is_settled()
        closing = not self._may_propose or settled
        yield from self._promotions(closing=closing)
        cohorts = len(self._history.trials) // self._options.cohort
        yield from self._fold_race(self._history.trials if closing else self._cohorts(cohorts))
        if not closing:
            yield Propose()
        elif not self._busy:  # if nothing else led to a complete trial
            yield from self.to_a_complete_trial()

    def to_a_complete_trial(self) -> Iterator[Action]:
        """Yields only what the first complete trial still needs."""
        leader = self.leader()
        if leader is None:
            if self._may_propose:
                yield Propose()
        elif self._history.incumbent is None:
            yield from self._jobs_of(leader)

    def leader(self) -> Trial | None:
        """Returns the open trial nearest to a good score: whole folds first, then prospects."""
        incumbent = self._history.incumbent
        if incumbent is not None:
            return incumbent
        if not self._open:
            return None
        return max(
            self._open,
            key=lambda t: (self._is_whole(t), self._mean(t), t.fold_epochs, -t.number),
        )

    # Rungs

    def _started(self) -> Iterator[Action]:
        """Yields the rest of rungs that a trial has begun, or not yet begun."""
        for trial in self._open:
            fold = self._first_fold(trial)
            epoch = len(trial.curves[fold].epochs)
            if epoch not in self._rungs and (trial.number, fold) not in self._busy:
                yield self._run(trial, fold, next(r for r in self._rungs if r > epoch))
        for trial in self._open:  # folds after the first are not raced by epochs: finish them
            for fold, curve in enumerate(trial.curves):
                begun = 0 < len(curve) < self._epochs and fold != self._first_fold(trial)
                if begun and (trial.number, fold) not in self._busy:
                    yield self._run(trial, fold, self._epochs)

    def _wanted_whole(self) -> Iterator[Action]:
        """Yields the folds of baselines, where each gets its complete cross-validation."""
        facts = self._history.facts
        if facts.baselines == "full":
            for trial in self._open:
                if trial.origin != facts.sampler:
                    yield from self._jobs_of(trial)

    def _promotions(self, *, closing: bool) -> Iterator[Action]:
        for index in range(len(self._rungs) - 2, -1, -1):
            for first in self._pools:
                for trial in self._promoted(first, index, closing=closing):
                    fold = self._first_fold(trial)
                    at_rung = len(trial.curves[fold]) == self._rungs[index]
                    if at_rung and (trial.number, fold) not in self._busy:
                        yield self._run(trial, fold, self._rungs[index + 1])

    def _promoted(self, first: int, index: int, *, closing: bool) -> list[Trial]:
        """Returns the best of those that reached a rung, one in `factor`, best first."""
        ranked = self._ranked(first, index)
        least = 1 if closing else 0
        places = max(least, int(len(ranked) / self._factor(index)))
        gone = sum(self._has_left(trial, index) for trial in ranked)
        chosen = [t for t in ranked[:places] if not self._has_left(t, index)][
            : max(places - gone, 0)
        ]
        if self._options.guard and index == 0:
            strata: dict[str, list[Trial]] = {}
            for trial in ranked:
                strata.setdefault(stratum_of(trial.config, self._history.facts.space), []).append(
                    trial
                )
            for own in strata.values():
                left = any(self._has_left(trial, index) for trial in own)
                if len(own) >= self._factor(index) and not left and own[0] not in chosen:
                    chosen.append(own[0])
        return chosen

    def _has_left(self, trial: Trial, index: int) -> bool:
        """Says whether a trial has gone on from a rung, is going on, or never may."""
        fold = self._first_fold(trial)
        at_rung = len(trial.curves[fold]) == self._rungs[index]
        return not at_rung or trial.verdict is not None or (trial.number, fold) in self._busy

    def _factor(self, index: int) -> float:
        factors = self._options.factors
        return factors[min(index, len(factors) - 1)]

    def _ranked(self, first: int, index: int) -> list[Trial]:
        """Returns the trials that reached a rung, the best first, equal ones by number."""
        if (first, index) not in self._rankings:
            rung = self._rungs[index]
            reached = [t for t in self._pools[first] if len(t.curves[first]) >= rung]
            if self._options.rank == "model":
                reached.sort(key=lambda t: (-self._mean(t), t.macs, t.number))
            else:
                reached.sort(key=lambda t: (*self._early(t, rung), t.macs, t.number))
            self._rankings[first, index] = reached
        return self._rankings[first, index]

    def _early(self, trial: Trial, rung: int) -> tuple[float, float]:
        """Returns what a rung sorts by, smaller is better; the other measure breaks ties."""
        epoch = trial.curves[self._first_fold(trial)].epochs[rung - 1]
        order = (-epoch.valid_accuracy, epoch.valid_loss)
        return order if self._options.measure == "accuracy" else (order[1], order[0])

    @cached_property
    def _pools(self) -> Mapping[int, list[Trial]]:
        """The trials that are compared with each other: those with one first fold."""
        pools: dict[int, list[Trial]] = {}
        for trial in self._history.trials:
            if trial.verdict is None or trial.verdict.state is not TrialState.FAILED:
                pools.setdefault(self._first_fold(trial), []).append(trial)
        return pools

    def _first_fold(self, trial: Trial) -> int:
        if not self._options.rotate:
            return 0
        return trial.number // self._options.cohort % self._folds

    # Folds

    def _cohorts(self, count: int) -> Sequence[Trial]:
        return self._history.trials[: count * self._options.cohort]

    def _fold_race(self, trials: Sequence[Trial]) -> Iterator[Action]:
        """Yields verdicts on the hopeless, then the folds of the most promising."""
        rivals = [
            trial
            for trial in trials
            if trial.verdict is None
            and self._is_whole(trial)
            and not trial.is_complete(self._epochs)
        ]
        best = self._history.incumbent
        if best is not None:
            for trial in rivals:
                if trial.number not in self._active:
                    verdict = self._verdict(trial, best)
                    if verdict is not None:
                        yield Judge(trial.number, verdict)
            hopeful = [trial for trial in rivals if self._verdict(trial, best) is None]
        else:
            hopeful = rivals
        hopeful.sort(key=lambda trial: (-self._mean(trial), trial.macs, trial.number))
        for place, trial in enumerate(hopeful):
            jobs = list(self._jobs_of(trial))
            # Whoever leads without an incumbent needs every fold; a rival's next fold may
            # already decide, so it gets one at a time.
            alone = trial.number not in self._active
            if best is None and place == 0:
                yield from jobs
            elif alone:
                yield from jobs[:1]

    def _verdict(self, trial: Trial, best: Trial) -> Verdict | None:
        """Stops a trial that is unlikely to beat the incumbent by more than a tie."""
        seen = [fold for fold, curve in enumerate(trial.curves) if len(curve) >= self._epochs]
        gains = [self._last(trial, fold) - self._last(best, fold) for fold in seen]
        k, j = self._folds, len(seen)
        gain = math.fsum(gains) / j
        spread = self._paired_sd(best) * math.sqrt((k - j) / (k * j))
        tie = self._tie(best)
        chance = 1 - NormalDist(gain, spread).cdf(tie)
        limit = self._options.alpha / (k - 1)
        if chance >= limit:
            return None
        last = seen[-1]
        return Verdict(
            state=TrialState.STOPPED,
            reason=(
                f"stopped after {j} of {k} folds: {gain:+.4f} against trial {best.number} on "
                f"{'it' if j == 1 else 'them'}; the chance to win by more than a tie "
                f"({tie:.4f}) is {chance:.4f}, below {limit:.4f}"
            ),
            fold=last,
            epoch=self._epochs - 1,
        )

    def _paired_sd(self, best: Trial) -> float:
        """Returns the spread of one fold's paired difference between two good models.

        Begins at the binomial value and learns from every trial that shares two folds or more
        with the incumbent.
        """
        prior = _PAIRED_NOISE * self._wrong(best) / fold_images(self._history)
        rest, freedom = _PRIOR_FREEDOM * prior, _PRIOR_FREEDOM
        for trial in self._history.trials:
            if trial.number == best.number or len(trial.curves[self._first_fold(trial)]) == 0:
                continue
            shared = [f for f, curve in enumerate(trial.curves) if len(curve) >= self._epochs]
            if len(shared) > 1:
                gains = [self._last(trial, fold) - self._last(best, fold) for fold in shared]
                mean = math.fsum(gains) / len(gains)
                rest += math.fsum((gain - mean) ** 2 for gain in gains)
                freedom += len(gains) - 1
        return math.sqrt(rest / freedom)

    def _tie(self, best: Trial) -> float:
        """Returns the noise floor: one paired standard error over all images."""
        return math.sqrt(_SHARE_OF_ERRORS * self._wrong(best) / self._history.facts.images)

    def _wrong(self, best: Trial) -> float:
        """Returns the incumbent's error rate, at least one image."""
        score = best.score(self._epochs)
        assert score is not None  # noqa: S101 - the incumbent is complete
        return max(1 - score.mean, 1 / self._history.facts.images)

    def _jobs_of(self, trial: Trial) -> Iterator[Action]:
        """Yields what a trial lacks of its cross-validation, the first fold first."""
        first = self._first_fold(trial)
        for fold in sorted(range(self._folds), key=lambda fold: (fold - first) % self._folds):
            curve = trial.curves[fold]
            if len(curve) < self._epochs and (trial.number, fold) not in self._busy:
                yield self._run(trial, fold, self._epochs)

    # The end

    def _is_settled(self) -> bool:
        """Says whether another trial is unlikely to win by more than a standard error.

        Since the first trial within a standard error of the best prospect, n trials have not
        beaten it by more. By Laplace's rule of succession the next one does with a chance of
        at most 1 / (n + 2).
        """
        if not self._history.budget.auto_stop:
            return False
        origin = self._history.facts.sampler
        known = [
            (t.number, self._means()[t.number].mean)
            for t in self._history.trials
            if t.origin == origin and t.number in self._means()
        ]
        if not known:
            return False
        best = max(mean for _, mean in known)
        error = math.sqrt(max(best * (1 - best), 0.0) / self._history.facts.images)
        since = next(i for i, (_, mean) in enumerate(known) if mean >= best - error)
        return 1 / (len(known) - 1 - since + 2) < self._options.settled

    # Words

    def standing(self, trial: Trial) -> str | None:
        """Says why a trial waits; None: it does not."""
        fold = self._first_fold(trial)
        epoch = len(trial.curves[fold])
        if trial.is_final(self._epochs) or epoch not in self._rungs:
            return None
        if epoch == self._epochs:
            return "waits for its missing folds"
        index = self._rungs.index(epoch)
        ranked = self._ranked(fold, index)
        promoted = self._promoted(fold, index, closing=True)
        place = 1 + ranked.index(trial)
        if trial in promoted:
            if self._history.is_done:
                return None
            return f"may go on: {place} of {len(ranked)} at fold {fold + 1}, epoch {epoch}"
        places = max(1, int(len(ranked) / self._factor(index)))
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

    # Small facts

    def _run(self, trial: Trial, fold: int, stop: int) -> Run:
        curve = trial.curves[fold]
        return Run(Job(trial=trial.number, fold=fold, start=len(curve), stop=stop, run=curve.run))

    def _is_whole(self, trial: Trial) -> bool:
        return len(trial.curves[self._first_fold(trial)]) >= self._epochs

    def _last(self, trial: Trial, fold: int) -> float:
        return trial.curves[fold].epochs[self._epochs - 1].valid_accuracy

    def _mean(self, trial: Trial) -> float:
        own = self._means().get(trial.number)
        return -1.0 if own is None else own.mean

    def _means(self) -> Mapping[int, Prediction]:
        if self._predicted is None:
            self._predicted = self._predictor.predictions(self._history)
        return self._predicted


_SHARE_OF_ERRORS = 2 / 3
"""Of the better model's error rate: what exactly one of two good models gets wrong. Gives the
0.0003 and 0.002 that were measured on 60,000 and 5,000 images."""

_PAIRED_NOISE = 2.0
"""Variance of one fold's paired difference, in binomial variances: one for each model, since
other seeds add what erring on the same images takes away (docs/decisions.md)."""

_PRIOR_FREEDOM = 4.0
"""Degrees of freedom that the binomial spread of a paired difference is worth."""
