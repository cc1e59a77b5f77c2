"""Public doubles: anyone can test a policy, a sampler or a study of theirs.

Doubles, not mocks: `ScriptedTrainer` trains nothing but obeys every rule of a trainer, so the
driver, the ledger and the policies run unchanged around it, in milliseconds.
"""

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

from search.errors import TrainingError
from search.policy import Allowance
from search.records import (
    Budget,
    Curve,
    Epoch,
    Facts,
    History,
    Job,
    Trial,
)
from search.trainer import AbstractTrainer, ColdWorker, Task, Trained
from spaces.space import Config, Range, Space, config_key

SMALL_SPACE = Space(
    "small",
    (
        Range(name="width", kind="int", low=1, high=64, default=8),
        Range(name="rate", kind="float", low=1e-4, high=1e-1, default=1e-2, sampling="log"),
    ),
)
"""Two numbers: enough for a sampler to have something to learn."""


def facts(**changes: Any) -> Facts:  # noqa: ANN401 - any field of Facts
    """Returns the facts of a small study, with changes."""
    plain = Facts(
        study="demo",
        dataset="scripted",
        data_sha256="0" * 64,
        images=100,
        folds=3,
        folds_sha256="1" * 64,
        epochs=4,
        seed=7,
        policy="full",
        sampler="random",
        model="small",
        space=SMALL_SPACE,
        ranges={},
        fixed={},
        baselines="none",
        max_params=2_000_000,
        max_macs=20_000_000,
        precision="float32",
        created="2026-01-01T00:00:00+00:00",
        environment={"python": "3"},
    )
    return replace(plain, **changes)


def scripted_accuracy(config: Config, fold: int, epoch: int, seed: int = 0) -> float:
    """Returns a made-up accuracy: a curve that rises with epochs and peaks at a good setting.

    Best near width 32 and rate 0.01; each fold and each epoch adds a small fixed noise.
    """
    width, rate = float(config.get("width", 8)), float(config.get("rate", 0.01))
    quality = 0.98 - 0.02 * math.log2(width / 32) ** 2 - 0.03 * math.log10(rate / 0.01) ** 2
    digest = hashlib.sha256(f"{config_key(config)}/{fold}/{epoch}/{seed}".encode()).digest()
    noise = (int.from_bytes(digest[:4], "big") / 2**32 - 0.5) * 0.004
    learned = 1 - math.exp(-(epoch + 1) / 1.5)
    return min(max(quality * learned + 0.1 * (1 - learned) + noise, 0.0), 1.0)


@final
@dataclass(kw_only=True)
class ScriptedTrainer(AbstractTrainer):
    """A trainer whose curves are a formula; its checkpoints must fit together like real ones."""

    accuracy: Callable[[Config, int, int], float] = scripted_accuracy
    """From a configuration, a fold and an epoch to a validation accuracy."""

    seconds: float = 0.0
    """How long an epoch takes."""

    broken: Mapping[int, str] = field(default_factory=dict)
    """Trials whose first run fails with this message, and every run if it ends in '!'."""

    trained: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Every (trial, fold, run, epoch) trained, in order."""

    _warm: bytes | None = field(default=None, init=False)

    def train(self, task: Task) -> Trained:
        job = task.job
        message = self.broken.get(job.trial)
        if message is not None and (job.run == 0 or message.endswith("!")):
            raise TrainingError(message)
        if job.start:
            expected = _state(task, job.start)
            if task.checkpoint is None and self._warm != expected:
                raise ColdWorker(f"no checkpoint of epoch {job.start}")
            if task.checkpoint not in (None, expected):
                raise TrainingError("this is the checkpoint of another job")
        epochs = []
        for epoch in range(job.start, job.stop):
            if self.seconds:
                time.sleep(self.seconds)
            self.trained.append((job.trial, job.fold, job.run, epoch))
            epochs.append(self._epoch(task.config, job.fold, epoch))
        self._warm = _state(task, job.stop)
        return Trained(epochs=tuple(epochs), checkpoint=self._warm if task.keep else None)

    def _epoch(self, config: Config, fold: int, epoch: int) -> Epoch:
        accuracy = self.accuracy(config, fold, epoch)
        return Epoch(
            valid_accuracy=accuracy,
            valid_loss=1 - accuracy,
            train_accuracy=accuracy,
            train_loss=1 - accuracy,
            seconds=self.seconds,
        )


def _state(task: Task, epochs: int) -> bytes:
    job = task.job
    return f"{config_key(task.config)}/{job.trial}/{job.fold}/{job.run}/{epochs}".encode()


def trial(
    number: int,
    study: Facts,
    curves: Sequence[Sequence[float]] = (),
    **changes: Any,  # noqa: ANN401 - any field of Trial
) -> Trial:
    """Returns a trial with these validation accuracies, a list a fold."""
    filled = tuple(
        Curve(
            tuple(
                Epoch(
                    valid_accuracy=value,
                    valid_loss=1 - value,
                    train_accuracy=value,
                    train_loss=1 - value,
                    seconds=1.0,
                )
                for value in values
            )
        )
        for values in curves
    )
    plain = Trial(
        number=number,
        config={"width": number % 64 + 1, "rate": 0.01},
        origin="random",
        params=1000,
        macs=1000,
        curves=(*filled, *(Curve(),) * (study.folds - len(filled))),
        attempts=((0, 0),) * study.folds,
    )
    return replace(plain, **changes)


def history(study: Facts, *trials: Trial, budget: Budget | None = None) -> History:
    """Returns a history of these trials."""
    return History(facts=study, budget=budget or Budget(trials=len(trials)), trials=trials)


def trained(
    past: History, job: Job, accuracy: Callable[[Config, int, int], float] = scripted_accuracy
) -> History:
    """Returns the history after a job, with scripted values."""
    own = past.trials[job.trial]
    curve = own.curves[job.fold]
    values = [*curve.accuracies]
    values += [accuracy(own.config, job.fold, epoch) for epoch in range(job.start, job.stop)]
    curves = list(own.curves)
    curves[job.fold] = replace(trial(0, past.facts, [values]).curves[0], run=curve.run)
    return past.with_trial(replace(own, curves=tuple(curves)))


def rebuilt(past: History) -> History:
    """Returns an equal history that shares no trial and no curve with it, as after a restart."""
    trials = tuple(
        replace(
            own,
            config=dict(own.config),
            curves=tuple(
                Curve(tuple(replace(epoch) for epoch in curve.epochs), curve.run)
                for curve in own.curves
            ),
        )
        for own in past.trials
    )
    return replace(past, facts=Facts.from_json(past.facts.to_json()), trials=trials)


ALL = Allowance(may_propose=True, may_widen=True)
"""A budget with everything left."""

CLOSING = Allowance(may_propose=False, may_widen=True)
"""No trial may be added; those there are may go on."""

LATE = Allowance(may_propose=False, may_widen=False)
"""The time is up."""
