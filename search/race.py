"""The race over epochs and folds: promotion by rungs on one fold, then the missing folds.

    rungs    every trial trains to the first rung on its cohort's fold; the best of those that
             reached a rung go on to the next, from their checkpoints (ASHA)
    calls    before its cohort's folds race, whoever waits at a rung and may still win goes on,
             as long as calls win
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
from typing import final

from search.drop_rule import DropRule
from search.last_call import chance_to_win
from search.per_trial import PerTrial
from search.policy import AbstractPolicy, Action, Allowance, Judge, Propose, Wait, going_on
from search.prediction import Prediction, Predictor
from search.race_options import RaceOptions
from search.records import AGAIN, Facts, History, Job, Trial
from search.rungs import Rungs
from search.strata import stratum_of

_ONLY_LOOKING = Allowance(may_propose=False, may_widen=True)


@final
@dataclass(frozen=True, slots=True)
class RacePolicy(AbstractPolicy):
    """Races over epochs, then over folds."""

    options: RaceOptions = field(default_factory=RaceOptions)
    predictor: Predictor = field(init=False, compare=False, repr=False)
    strata: PerTrial[str] = field(
        default_factory=lambda: PerTrial(stratum_of), init=False, compare=False, repr=False
    )
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
        race = self._look(history, running, allowance)
        if not allowance.may_widen:
            return _first(race.to_a_complete_trial())
        return _first(race.actions())

    def leader(self, history: History) -> Trial | None:
        """Returns the trial with the best prospect."""
        return self._look(history).leader()

    def standing(self, history: History, trial: Trial) -> str | None:
        """Says why a trial waits: where it stands among those that reached its rung."""
        if not self._looks or self._looks[0][0] is not history:
            self._looks[:] = [(history, self._look(history))]
        return self._looks[0][1].standing(trial)

    def _look(
        self,
        history: History,
        running: frozenset[Job] = frozenset(),
        allowance: Allowance = _ONLY_LOOKING,
    ) -> "_Race":
        return _Race(history, running, self, allowance)


def is_wanted_whole(facts: Facts, trial: Trial) -> bool:
    """Says whether a trial gets its complete cross-validation in any case, without racing.

    These are the repeated ones, and the baselines of a study that wants them whole.
    """
    is_baseline = trial.origin not in {facts.sampler, AGAIN}
    return trial.origin == AGAIN or (is_baseline and facts.baselines == "full")


def run_since_best(history: History, predicted: Mapping[int, Prediction]) -> int | None:
    """Returns how many of the sampler's trials came since one within an error of its best.

    Args:
        history: The study.
        predicted: What its trials would score.

    Returns:
        None before the sampler's first trial with an epoch.
    """
    means = [
        predicted[t.number].mean
        for t in history.trials
        if t.origin == history.facts.sampler and t.number in predicted
    ]
    if not means:
        return None
    best = max(means)
    error = math.sqrt(max(best * (1 - best), 0.0) / history.facts.images)
    return len(means) - 1 - next(i for i, mean in enumerate(means) if mean >= best - error)


def _first(actions: Iterator[Action]) -> Action:
    return next(actions, Wait())


class _Race:
    """One look at the history: everything `next` needs, computed where it is asked for."""

    def __init__(
        self,
        history: History,
        running: frozenset[Job],
        policy: RacePolicy,
        allowance: Allowance,
    ) -> None:
        self._history = history
        self._options = policy.options
        self._epochs = history.facts.epochs
        self._folds = history.facts.folds
        self._busy = {job.lane for job in running}
        self._active = {job.trial for job in running}
        self._may_propose = allowance.may_propose
        self._promise = allowance.promise
        self._open = [trial for trial in history.trials if trial.verdict is None]
        self._predictor = policy.predictor
        self._predicted: Mapping[int, Prediction] | None = None
        self._rungs = Rungs(history, policy.options, self._busy, self._mean, policy.strata)

    # What may be done, in order

    def actions(self) -> Iterator[Action]:
        """Yields what a free worker can do, the most useful first."""
        yield from self._started()
        yield from self._wanted_whole()
        yield from self._promotions(closing=False)
        closing = not self._may_propose or self._is_settled()
        if closing:
            yield from self._promotions(closing=True)
        raced = self._history.trials if closing else self._whole_cohorts()
        yield from self._last_calls(raced)
        yield from self._fold_race(raced, closing=closing)
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
            fold = self._rungs.first_fold(trial)
            epoch = len(trial.curves[fold].epochs)
            if epoch not in self._rungs.epochs_of and (trial.number, fold) not in self._busy:
                yield going_on(trial, fold, self._rungs.after(trial))
        for trial in self._open:  # folds after the first are not raced by epochs: finish them
            for fold, curve in enumerate(trial.curves):
                begun = 0 < len(curve) < self._epochs and fold != self._rungs.first_fold(trial)
                if begun and (trial.number, fold) not in self._busy:
                    yield going_on(trial, fold, self._epochs)

    def _wanted_whole(self) -> Iterator[Action]:
        """Yields the folds of trials that get their complete cross-validation in any case."""
        for trial in self._open:
            if is_wanted_whole(self._history.facts, trial):
                yield from self._jobs_of(trial)

    def _promotions(self, *, closing: bool) -> Iterator[Action]:
        for index in range(len(self._rungs.epochs_of) - 2, -1, -1):
            for first in self._rungs.pools:
                for trial in self._rungs.promoted(first, index, closing=closing):
                    yield going_on(trial, first, self._rungs.epochs_of[index + 1])

    def _last_calls(self, trials: Sequence[Trial]) -> Iterator[Action]:
        """Yields the next rung of trials that wait and may still win, the likeliest first."""
        if self._calls_win(trials) < self._options.calls_win:
            return
        chances = {
            trial.number: self._chance_to_win(trial)
            for trial in trials
            if self._rungs.waits(trial)
        }
        for number in sorted(chances, key=lambda number: (-chances[number], number)):
            if chances[number] > self._options.last_call:
                trial = self._history.trials[number]
                yield going_on(trial, self._rungs.first_fold(trial), self._rungs.after(trial))

    def _calls_win(self, trials: Sequence[Trial]) -> float:
        """Returns the chance that one more call wins, by Laplace's rule of succession.

        It looks at the newest cohort's trials that went on though they have no place at a rung:
        of n that finished their fold w beat all others, so the next one does with a chance of
        (w + 1) / (n + 2). Predictions alone call too many where rungs tell much.
        """
        newest = (len(trials) - 1) // self._options.cohort * self._options.cohort
        called: list[float] = []
        best = 0.0
        for trial in trials:
            if self._is_whole(trial) and not trial.is_failed:
                if trial.number >= newest and self._rungs.went_past(trial):
                    called.append(self._mean(trial))
                else:
                    best = max(best, self._mean(trial))
        won = sum(mean > best for mean in called)
        return (won + 1) / (len(called) + 2)

    def _chance_to_win(self, trial: Trial) -> float:
        """Returns a trial's chance to beat the best that has a whole fold; without one, 0."""
        if self._best_whole is None:
            return 0.0
        images = self._history.facts.images
        return chance_to_win(self._means()[trial.number], self._best_whole, images)

    @cached_property
    def _best_whole(self) -> float | None:
        """The best prospect, or score, of the trials with a whole fold."""
        whole = (t for t in self._history.trials if t.verdict is None and self._is_whole(t))
        return max(map(self._mean, whole), default=None)

    # Folds

    def _whole_cohorts(self) -> Sequence[Trial]:
        """Returns the trials of the cohorts that are all proposed."""
        cohort = self._options.cohort
        return self._history.trials[: len(self._history.trials) // cohort * cohort]

    def _fold_race(self, trials: Sequence[Trial], *, closing: bool) -> Iterator[Action]:
        """Yields verdicts on the hopeless, then the folds of the most promising."""
        rivals = [
            trial
            for trial in trials
            if trial.verdict is None
            and self._is_whole(trial)
            and not trial.is_complete(self._epochs)
        ]
        best, hopeful = self._history.incumbent, rivals
        if best is not None:
            rule = DropRule(self._history, best, alpha=self._options.alpha)
            verdicts = [(trial, rule.verdict(trial)) for trial in rivals]
            for trial, verdict in verdicts:
                if verdict is not None and trial.number not in self._active:
                    yield Judge(trial.number, verdict)
            hopeful = [trial for trial, verdict in verdicts if verdict is None]
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
        if closing:  # nobody has anything better to do, and the end comes sooner
            for trial in hopeful:
                yield from self._jobs_of(trial)

    def _jobs_of(self, trial: Trial) -> Iterator[Action]:
        """Yields what a trial lacks of its cross-validation, the first fold first."""
        first = self._rungs.first_fold(trial)
        for fold in sorted(range(self._folds), key=lambda fold: (fold - first) % self._folds):
            curve = trial.curves[fold]
            if len(curve) < self._epochs and (trial.number, fold) not in self._busy:
                yield going_on(trial, fold, self._epochs)

    # The end

    def _is_settled(self) -> bool:
        """Says whether another trial is unlikely to win by more than a standard error.

        Two estimates of that chance are pooled by their geometric mean: the sampler's own, where
        it has one, and what the trials so far say without any model. Alone the first stays high
        in a space that the sampler cannot learn, and the second knows nothing of where the next
        trial lies.

        References:
            Genest and Zidek (1986), "Combining probability distributions: a critique and an
            annotated bibliography", Statistical Science 1: the logarithmic opinion pool.
        """
        if not self._history.budget.auto_stop:
            return False
        counted = self._chance_by_count()
        if counted is None:
            return False
        limit = self._options.settled
        if counted < limit**2:
            return True  # whatever the sampler says, which takes longer to ask
        told = self._promise()
        return (counted if told is None else math.sqrt(counted * told)) < limit

    def _chance_by_count(self) -> float | None:
        """Returns the chance by Laplace's rule of succession; None without a trial.

        Since the first trial within a standard error of the best prospect, n trials have not
        beaten it by more: the next one does with a chance of at most 1 / (n + 2).
        """
        run = run_since_best(self._history, self._means())
        return None if run is None else 1 / (run + 2)

    def standing(self, trial: Trial) -> str | None:
        """Says why a trial waits; None: it does not."""
        reason = self._rungs.standing(trial)
        if reason is None or not (self._history.is_done and self._rungs.waits(trial)):
            return reason
        return f"{reason}; its chance to win is {self._chance_to_win(trial):.3f}"

    # Small facts

    def _is_whole(self, trial: Trial) -> bool:
        return len(trial.curves[self._rungs.first_fold(trial)]) >= self._epochs

    def _mean(self, trial: Trial) -> float:
        own = self._means().get(trial.number)
        return -1.0 if own is None else own.mean

    def _means(self) -> Mapping[int, Prediction]:
        if self._predicted is None:
            self._predicted = self._predictor.predictions(self._history)
        return self._predicted
