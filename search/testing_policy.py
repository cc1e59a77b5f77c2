"""A public conformance suite: anyone can test a policy of theirs against the driver's contract."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from search.policy import AbstractPolicy, Judge, Propose, Run, Wait
from search.records import Budget, Curve, History, Job, TrialState, Verdict
from search.testing import (
    ALL,
    CLOSING,
    LATE,
    ScriptedTrainer,
    facts,
    history,
    rebuilt,
    trained,
    trial,
)


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
