"""Frozen records of a study. The ledger stores them; everything else is derived from them.

Folds and epochs count from 0 here and from 1 for people.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from spaces.space import Config, Space, config_key


class TrialState(StrEnum):
    """Where a trial stands."""

    RUNNING = "running"
    """A job of it is in flight."""

    PAUSED = "paused"
    """Nothing of it is in flight, and it may go on."""

    STOPPED = "stopped"
    """Given up by a final verdict, or left unfinished by a study that is done."""

    COMPLETE = "complete"
    """Every epoch of every fold is there: it has a score."""

    FAILED = "failed"
    """It could not be trained, as often as the study tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What one finished epoch of one fold gave."""

    valid_accuracy: float
    """Share of the fold's validation images classified right, 0 to 1."""

    valid_loss: float
    """Mean cross-entropy over the fold's validation images, in nats."""

    train_accuracy: float
    """Running share over the epoch's batches, as Keras reports it."""

    train_loss: float
    """Running mean over the epoch's batches, as Keras reports it."""

    seconds: float
    """Training and validation time of this epoch."""

    build_seconds: float = 0.0
    """Time to build (or load) the model before this epoch; 0 on a warm worker."""

    cpu_seconds: float = 0.0
    """Processor time of this epoch: what it takes on a machine that nobody shares."""

    build_cpu_seconds: float = 0.0
    """Processor time of building; 0 on a warm worker."""

    checkpoint: str | None = None
    """SHA-256 of the checkpoint written after this epoch; None where none was kept."""

    def __post_init__(self) -> None:
        total = self.valid_accuracy + self.valid_loss + self.train_accuracy + self.train_loss
        if not math.isfinite(total):
            raise ValueError(f"A finished epoch has finite values, got {self}.")


@dataclass(frozen=True, slots=True)
class Curve:
    """The finished epochs of one fold, in order."""

    epochs: tuple[Epoch, ...] = ()
    run: int = 0
    """How many earlier runs of this fold failed; a retry starts afresh with other seeds."""

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Validation accuracy, epoch by epoch."""
        return tuple(epoch.valid_accuracy for epoch in self.epochs)

    def __len__(self) -> int:
        return len(self.epochs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The unit of work: epochs `start` to `stop` (excluded) of one fold of one trial."""

    trial: int
    fold: int
    start: int
    stop: int
    run: int = 0

    def first_epoch(self) -> "Job":
        """Returns the job of its first epoch alone: what the driver commits at once."""
        return replace(self, stop=self.start + 1)

    @property
    def lane(self) -> tuple[int, int]:
        """What only one job may work at, at any time: a fold of a trial."""
        return self.trial, self.fold


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A final decision on a trial, with its reason in words."""

    state: TrialState
    reason: str
    fold: int | None = None
    epoch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed run of a fold."""

    fold: int
    epoch: int
    run: int
    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A stratified k-fold mean at the last epoch: nothing less is called a score."""

    mean: float
    std: float
    """Over the folds, with k - 1 degrees of freedom."""

    folds: int

    @property
    def se(self) -> float:
        """Standard error, std x sqrt(1/k + 1/(k - 1)).

        The training parts of the folds overlap, so std / sqrt(k) claims too much. The term
        1/(k - 1) is n_valid / n_train of a k-fold split.

        References:
            Nadeau and Bengio (2003), "Inference for the generalization error", Machine
            Learning 52, section 3.
        """
        return self.std * math.sqrt(1 / self.folds + 1 / (self.folds - 1))

    @classmethod
    def of(cls, accuracies: Sequence[float]) -> "Score":
        """Computes the score of one validation accuracy a fold."""
        mean, folds = statistics.fmean(accuracies), len(accuracies)
        # statistics.stdev computes in fractions: exact, and half of the time of a large table.
        squares = math.fsum((accuracy - mean) ** 2 for accuracy in accuracies)
        return cls(mean=mean, std=math.sqrt(squares / (folds - 1)), folds=folds)


AGAIN = "again"
"""Origin of a trial that repeats another one's configuration with other seeds, as asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One candidate: its configuration and what it has trained so far."""

    number: int
    config: Config
    origin: str
    """A documented model's name, the sampler's, or `AGAIN`."""

    params: int
    """Weights of the model."""

    macs: int
    """Multiply-adds an image."""

    curves: tuple[Curve, ...]
    """One a fold; empty where not trained."""

    attempts: tuple[tuple[int, int], ...]
    """For each fold: the epoch its newest job starts at, and how often that was started."""

    failures: tuple[Failure, ...] = ()
    verdict: Verdict | None = None
    in_space: bool = True
    """Its configuration is a point of the study's space, so a sampler may learn from it."""

    @property
    def key(self) -> str:
        """Fingerprint of the configuration."""
        return config_key(self.config)

    @property
    def fold_epochs(self) -> int:
        """Epochs trained, over all folds: the unit of cost."""
        return sum([len(curve.epochs) for curve in self.curves])

    @property
    def seconds(self) -> float:
        """Worker time spent on it."""
        return sum([e.seconds + e.build_seconds for c in self.curves for e in c.epochs])

    @property
    def is_failed(self) -> bool:
        """It could not be trained, which tells nothing about its accuracy."""
        return self.verdict is not None and self.verdict.state is TrialState.FAILED

    def is_complete(self, epochs: int) -> bool:
        """Says whether every fold has all its epochs."""
        return all(len(curve.epochs) >= epochs for curve in self.curves)

    def is_final(self, epochs: int) -> bool:
        """Says whether nothing can change it any more."""
        return self.verdict is not None or self.is_complete(epochs)

    def score(self, epochs: int) -> Score | None:
        """Returns the score, or None unless all folds and all epochs are there."""
        if self.verdict is not None or not self.is_complete(epochs):
            return None
        return Score.of([curve.epochs[epochs - 1].valid_accuracy for curve in self.curves])

    def position(self) -> tuple[int, int] | None:
        """Returns the last fold worked at and its number of epochs, None before the first."""
        started = [(fold, len(curve)) for fold, curve in enumerate(self.curves) if len(curve)]
        return started[-1] if started else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """When a study is done. The first limit reached ends it; both are totals."""

    trials: int | None = None
    minutes: float | None = None
    auto_stop: bool = True
    """A policy may end the study once another trial is unlikely to win."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a study is, fixed at its start: change one and scores mean something else."""

    study: str
    dataset: str
    data_sha256: str
    images: int
    folds: int
    folds_sha256: str
    epochs: int
    seed: int
    policy: str
    sampler: str
    model: str
    """The catalogue's name of the space: what builds the networks."""

    space: Space
    """What may be tried, after `ranges` and `fixed`."""

    ranges: Mapping[str, str]
    """`--set`, as given: applied to the model's own space again on resume, to notice a change."""

    fixed: Mapping[str, str]
    """`--fix`, as given."""

    baselines: str
    max_params: int
    max_macs: int
    precision: str
    retries: int = 0
    """How often a fold that failed is tried again, with other seeds."""

    race: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """`--race`, as given: constants of the race other than their defaults."""

    fit: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Further arguments of `fit`, in words: a user's batch size or callbacks say."""

    created: str = ""
    """UTC, ISO 8601."""

    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def to_json(self) -> dict[str, Any]:
        """Returns the facts as plain JSON values."""
        own = {name: getattr(self, name) for name in self.__slots__}
        return own | {
            "space": self.space.to_json(),
            "ranges": dict(self.ranges),
            "fixed": dict(self.fixed),
            "fit": dict(self.fit),
            "race": dict(self.race),
            "environment": dict(self.environment),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Facts":
        """Reads what `to_json` wrote; unknown keys are an error of a newer tool."""
        return cls(**{**record, "space": Space.from_json(record["space"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why a study is done, and under which budget: a larger one opens it again."""

    reason: str
    budget: Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One look at the test set."""

    trial: int
    result: Mapping[str, Any] | None
    """What the application recorded; None if the process died while looking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything the ledger knows of a study. Decisions are functions of this alone."""

    facts: Facts
    budget: Budget
    trials: tuple[Trial, ...] = ()
    elapsed: float = 0.0
    """Seconds the study has been searched, up to its newest commit; idle times not counted."""

    ending: Ending | None = None
    openings: tuple[Opening, ...] = ()

    @property
    def is_done(self) -> bool:
        """The study has ended, and no larger budget was given since."""
        return self.ending is not None and self.ending.budget == self.budget

    @property
    def tried(self) -> frozenset[str]:
        """The keys of all configurations that have a trial."""
        return frozenset(trial.key for trial in self.trials)

    def with_trial(self, trial: Trial) -> "History":
        """Returns the history with this trial added, or exchanged for its older record."""
        trials = list(self.trials)
        if trial.number == len(trials):
            trials.append(trial)
        else:
            trials[trial.number] = trial
        return replace(self, trials=tuple(trials))

    def complete(self) -> tuple[Trial, ...]:
        """Returns the trials that have a score, best first; equal scores by number.

        Among equal means the smaller model comes first, then the earlier trial.
        """
        scored = [
            (-score.mean, trial.macs, trial.number, trial)
            for trial in self.trials
            if (score := trial.score(self.facts.epochs)) is not None
        ]
        return tuple(entry[-1] for entry in sorted(scored, key=lambda entry: entry[:3]))

    @property
    def incumbent(self) -> Trial | None:
        """The best complete trial so far."""
        complete = self.complete()
        return complete[0] if complete else None

    def state_of(self, trial: Trial, running: frozenset[int] = frozenset()) -> TrialState:
        """Derives the state of a trial, given the trials with a job in flight."""
        if trial.verdict is not None:
            return trial.verdict.state
        if trial.is_complete(self.facts.epochs):
            return TrialState.COMPLETE
        if trial.number in running:
            return TrialState.RUNNING
        return TrialState.STOPPED if self.is_done else TrialState.PAUSED
