"""Public doubles and conformance suites: anyone can test a policy, a sampler or a study of theirs.

Doubles, not mocks: `ScriptedTrainer` trains nothing but obeys every rule of a trainer, so the
driver, the ledger and the policies run unchanged around it, in milliseconds.
"""

import hashlib
import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

from search.errors import TrainingError
from search.policy import AbstractPolicy, Allowance, Judge, Propose, Run, Wait
from search.records import (
    Budget,
    Curve,
    Epoch,
    Facts,
    History,
    Job,
    Trial,
    TrialState,
    Verdict,
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


class PolicyConformance:
    """What every policy must do. Inherit it and give a `policy` fixture."""

    def test_it_answers_the_same_twice(self, policy: AbstractPolicy) -> None:
        """Nothing but the history decides."""
        study = facts()
        past = history(study, trial(0, study, [[0.1, 0.2, 0.3, 0.4]]))

        answers = {policy.next(past, frozenset(), ALL) for _ in range(3)}

        assert len(answers) == 1

    def test_it_begins_with_a_proposal(self, policy: AbstractPolicy) -> None:
        """An empty study needs a candidate."""
        answer = policy.next(history(facts()), frozenset(), ALL)

        assert answer == Propose()

    def test_it_gives_no_job_out_twice(self, policy: AbstractPolicy) -> None:
        """However many workers ask, no two work at the same fold of the same trial."""
        study = facts()
        past = history(study, trial(0, study), trial(1, study))

        running: set[Job] = set()
        for _ in range(50):
            answer = policy.next(past, frozenset(running), CLOSING)
            if not isinstance(answer, Run):
                break
            assert answer.job.lane not in {job.lane for job in running}
            running.add(answer.job)

        assert running

    def test_it_continues_where_a_fold_stands(self, policy: AbstractPolicy) -> None:
        """Finished epochs are never trained again, whichever fold it picks."""
        study = facts()
        retried = (Curve((), run=1), *(Curve(),) * (study.folds - 1))
        for own in (
            trial(0, study, [[0.1, 0.2]]),
            trial(0, study, [[0.1, 0.2, 0.3, 0.4], [0.1]]),
            trial(0, study, [[0.1] * 4] * (study.folds - 1)),
            replace(trial(0, study), curves=retried),
        ):
            answer = policy.next(history(study, own), frozenset(), CLOSING)

            assert isinstance(answer, Run)
            _assert_it_fits(answer.job, history(study, own))

    def test_it_ends(self, policy: AbstractPolicy) -> None:
        """A study of complete trials without a budget for more has nothing left to do."""
        study = facts()
        whole = [[0.5, 0.6, 0.7, 0.8]] * study.folds
        past = history(study, trial(0, study, whole), trial(1, study, whole))

        answer = policy.next(past, frozenset(), CLOSING)

        assert answer == Wait()

    def test_it_does_not_idle_before_a_score(self, policy: AbstractPolicy) -> None:
        """Nothing runs, nothing more may be proposed, no trial is complete: there is work."""
        study = facts()
        past = history(study, *(trial(number, study) for number in range(4)))

        for _ in range(4 * study.folds * study.epochs):
            answer = policy.next(past, frozenset(), CLOSING)
            if past.incumbent is not None:
                break
            assert isinstance(answer, Run)
            past = trained(past, replace(answer.job, stop=answer.job.start + 1))

        assert past.incumbent is not None

    def test_it_leaves_one_complete_trial(self, policy: AbstractPolicy) -> None:
        """With the time used up it still finishes a first trial, then nothing more."""
        study = facts()
        past = history(study, trial(0, study, [[0.1, 0.2]]), trial(1, study))

        for _ in range(100):
            answer = policy.next(past, frozenset(), LATE)
            if not isinstance(answer, Run | Judge):
                break
            assert isinstance(answer, Run)
            past = trained(past, answer.job)

        assert len(past.complete()) == 1
        assert policy.next(past, frozenset(), LATE) == Wait()

    def test_it_proposes_late_only_for_a_first_score(self, policy: AbstractPolicy) -> None:
        """With the time used up a trial is added if no other can become complete."""
        study, late = facts(), replace(LATE, may_propose=True)
        failed = trial(0, study, verdict=Verdict(state=TrialState.FAILED, reason="nan"))

        assert policy.next(history(study), frozenset(), late) == Propose()
        assert policy.next(history(study, failed), frozenset(), late) == Propose()
        assert policy.next(history(study, failed), frozenset(), LATE) == Wait()
        assert isinstance(policy.next(history(study, trial(0, study)), frozenset(), late), Run)

    def test_it_leaves_closed_trials_alone(self, policy: AbstractPolicy) -> None:
        """Neither a failed nor a stopped trial goes on, or leads, however good it looked."""
        study = facts()
        for state in (TrialState.FAILED, TrialState.STOPPED):
            closed = [
                trial(number, study, curves, verdict=Verdict(state=state, reason="because"))
                for number, curves in enumerate(([[0.9]], [[0.9] * 4], [[0.9] * 4] * 3))
            ]
            past = history(study, *closed, trial(3, study, [[0.1]]))

            answer = policy.next(past, frozenset(), CLOSING)

            assert isinstance(answer, Run)
            assert answer.job.trial == 3
            assert policy.leader(past) == past.trials[3]
            for some in (closed, *([replace(own, number=0)] for own in closed)):
                assert policy.next(history(study, *some), frozenset(), CLOSING) == Wait()
            assert policy.leader(history(study, *closed)) is None

    def test_a_complete_trial_leads(self, policy: AbstractPolicy) -> None:
        """The driver keeps time for the leader: once there is a score, it needs none."""
        study = facts()
        past = history(study, trial(0, study, [[0.9] * 4]), trial(1, study, [[0.1] * 4] * 3))

        assert policy.leader(past) == past.trials[1]

    def test_whole_studies_end_with_a_score(self, policy: AbstractPolicy) -> None:
        """Whatever the number of workers, no epoch is trained twice and no answer is odd."""
        for workers, newest_first in ((1, False), (3, False), (4, True)):
            ran = _rehearsed(policy, workers=workers, newest_first=newest_first)

            assert ran.reason == "9 trials"
            assert ran.past.incumbent is not None
            assert len(ran.past.trials) == 9
            assert len(ran.trained) == len(set(ran.trained)) <= 9 * 3 * 4
            assert len(ran.trained) == sum(t.fold_epochs for t in ran.past.trials)
            for asked in ran.asked:
                _assert_it_may(asked)

    def test_an_answer_can_be_had_again(self, policy: AbstractPolicy) -> None:
        """From an equal history, in any order: so a resumed study decides like any other."""
        ran = _rehearsed(policy, workers=2)

        for asked in reversed(ran.asked):
            past = rebuilt(asked.history)
            assert past == asked.history
            assert policy.next(past, asked.running, asked.allowance) == asked.answer

    def test_a_study_cut_at_every_epoch_is_the_uninterrupted_one(
        self, policy: AbstractPolicy
    ) -> None:
        """Stopping and going on changes no decision."""
        whole, cut = _rehearsed(policy), _rehearsed(policy, epochs=1)

        assert cut.past == whole.past
        assert cut.trained == whole.trained

    def test_broken_trials_are_no_end(self, policy: AbstractPolicy) -> None:
        """Some fail for good, some once: the others are searched as ever."""
        ran = _rehearsed(policy, workers=2, broken={0: "nan!", 3: "nan", 4: "nan!"}, retries=1)

        states = [ran.past.state_of(own) for own in ran.past.trials]
        assert [n for n, state in enumerate(states) if state is TrialState.FAILED] == [0, 4]
        assert ran.past.incumbent is not None

    def test_whenever_the_time_is_up_there_is_a_score(self, policy: AbstractPolicy) -> None:
        """At once, soon, later: also if the first trial cannot be trained."""
        for step in (100.0, 9.0, 1.0):
            for broken in ({}, {0: "nan!"}):
                ran = _rehearsed(policy, minutes=1.0, step=step, broken=broken)

                assert ran.past.incumbent is not None
                if step == 100:
                    assert len(ran.past.complete()) == 1
                    assert len(ran.past.trials) == 1 + len(broken)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rehearsed:
    """How a whole study went."""

    past: History
    reason: str | None
    asked: Sequence[Any]
    trained: Sequence[tuple[int, int, int, int]]


def _rehearsed(  # noqa: PLR0913 - one parameter for each way a study can go
    policy: AbstractPolicy,
    *,
    workers: int = 1,
    newest_first: bool = False,
    epochs: int | None = None,
    minutes: float | None = None,
    step: float = 0.0,
    broken: Mapping[int, str] | None = None,
    retries: int = 0,
) -> _Rehearsed:
    """Runs a study of nine trials; `step` is what the clock goes on at every look."""
    # Imported here: a double of a trainer alone need not wait for Optuna.
    from search.rehearsal import Rehearsal, WarmEngine  # noqa: PLC0415

    trainer = ScriptedTrainer(broken=broken or {})
    study = facts(policy=policy.name, sampler="grid", retries=retries)
    rehearsal = Rehearsal(
        policy,
        study,
        trainer,
        budget=Budget(trials=9, minutes=minutes),
        engine=WarmEngine(workers, newest_first=newest_first),
    )
    now = itertools.count()
    reason = None
    for _ in range(9 * study.folds * study.epochs + 1):
        reason = rehearsal.run(epochs=epochs, clock=lambda: next(now) * step)
        if reason is not None:
            break
    return _Rehearsed(
        past=rehearsal.history,
        reason=reason,
        asked=rehearsal.policy.asked,
        trained=trainer.trained,
    )


def _assert_it_fits(job: Job, past: History) -> None:
    """Checks that a job goes on from where its fold stands."""
    own = past.trials[job.trial]
    curve = own.curves[job.fold]
    assert not own.is_final(past.facts.epochs)
    assert (job.start, job.run) == (len(curve), curve.run)
    assert job.start < job.stop <= past.facts.epochs


def _assert_it_may(asked: Any) -> None:  # noqa: ANN401 - an `Asked`, which is imported late
    """Checks that an answer is one that may be given."""
    past: History = asked.history
    match asked.answer:
        case Run(job):
            _assert_it_fits(job, past)
            assert job.lane not in {running.lane for running in asked.running}
        case Judge(number, verdict):
            assert not past.trials[number].is_final(past.facts.epochs)
            assert number not in {running.trial for running in asked.running}
            assert verdict.reason
        case Propose():
            assert asked.allowance.may_propose
        case _:
            idle = not asked.running and not asked.allowance.may_propose
            assert not idle or past.incumbent is not None
