"""The loop around scripted curves: order, budgets, retries, stops, and equal resumption."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, final

import pytest

from search import events, reader
from search.candidates import Baseline, Candidates
from search.driver import MAX_STARTS, Driver
from search.errors import EnvironmentChanged, TooManyFailures
from search.policy import AbstractPolicy, Action, Allowance, Propose, Wait, going_on
from search.records import Budget, History, Job, Trial, TrialState
from search.samplers import proposer
from search.store import Ledger
from search.testing import ScriptedTrainer, scripted_accuracy
from search.trainer import AbstractTrainer, Task, Trained

Make = Callable[..., Any]


def history_of(study: Any) -> History:
    return reader.read(study.path, study.facts.study).history


def timeless(history: History) -> History:
    """Leaves out what a clock decides."""
    return replace(history, elapsed=0.0)


def stopped_at(study: Any, stop: Callable[[events.Event], bool], trainer: Any) -> str | None:
    """Runs a study until an event, as Ctrl-C would end it there."""
    drivers: list[Driver] = []

    def listen(event: events.Event) -> None:
        if stop(event):
            drivers[0].stop()

    ledger = Ledger.open(study.path, "demo")
    drivers.append(study.driver(ledger, trainer, listen=listen))
    try:
        return drivers[0].run()
    finally:
        ledger.close()


def stopped_after(study: Any, epochs: int, trainer: Any = None) -> str | None:
    """Runs a study until so many epochs are committed."""
    left = iter(range(epochs - 1, -1, -1))

    def stop(event: events.Event) -> bool:
        return isinstance(event, events.EpochsCommitted) and next(left, 0) == 0

    return stopped_at(study, stop, trainer or ScriptedTrainer())


def test_every_epoch_of_every_fold_is_trained_once(new_study: Make) -> None:
    """Three trials of three folds and four epochs are 36 fold-epochs."""
    study, trainer = new_study(), ScriptedTrainer()

    reason = study.run(trainer)

    assert reason == "3 trials"
    assert len(trainer.trained) == len(set(trainer.trained)) == 36
    assert [history_of(study).state_of(t) for t in history_of(study).trials] == ["complete"] * 3


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_a_study_stopped_at_every_epoch_is_the_uninterrupted_one(
    new_study: Make, sampler: str
) -> None:
    """Whatever the sampler, stopping and resuming changes no decision and no value."""
    whole = new_study(sampler=sampler)
    whole.run()
    cut = new_study(sampler=sampler)
    trained: Counter[tuple[int, int, int, int]] = Counter()

    reason = None
    while reason is None:
        trainer = ScriptedTrainer()
        reason = stopped_after(cut, 1, trainer)
        trained.update(trainer.trained)

    assert timeless(history_of(cut)) == timeless(history_of(whole))
    assert set(trained.values()) == {1}


class Heard(AbstractTrainer):
    """Remembers the graphs of its tasks."""

    def __init__(self) -> None:
        self.graphs: set[str] = set()

    def train(self, task: Task) -> Trained:
        self.graphs.add(task.graph)
        return ScriptedTrainer().train(task)


def test_every_task_says_what_a_worker_may_have_kept_for_it(new_study: Make) -> None:
    """By default nobody shares a graph with another configuration."""
    shared, alone = Heard(), Heard()

    new_study().run(shared, graph_of=lambda config: f"wide: {config['width'] > 20}")
    study = new_study()
    study.run(alone)

    assert shared.graphs
    assert shared.graphs <= {"wide: True", "wide: False"}
    assert alone.graphs == {own.key for own in history_of(study).trials}


def test_the_last_epoch_of_a_fold_leaves_no_checkpoint(new_study: Make) -> None:
    """Checkpoints live while a trial may go on."""
    study = new_study()

    study.run()

    assert list((study.folder / "checkpoints").glob("*")) == []


def test_baselines_come_first(new_study: Make) -> None:
    """In their order, under their names, before the sampler is asked."""
    study = new_study()
    known = [
        Baseline(name="A", config={"width": 3, "rate": 0.01}),
        Baseline(name="B", config={"documented": "B"}),
    ]

    study.run(baselines=known)

    trials = history_of(study).trials
    assert [t.origin for t in trials] == ["A", "B", "random"]
    assert [t.in_space for t in trials] == [True, False, True]


def test_impossible_and_oversized_models_are_no_trials(new_study: Make) -> None:
    """They are replaced by another proposal; no failure is recorded."""
    study = new_study(budget=Budget(trials=12), max_params=20_000)

    study.run()

    trials = history_of(study).trials
    assert len(trials) == 12
    assert max(t.params for t in trials) <= 20_000
    assert not any(t.failures for t in trials)


def test_no_configuration_is_tried_twice(new_study: Make) -> None:
    """A small space is exhausted, and the study says so."""
    study = new_study(budget=Budget(trials=50), ranges={}, max_params=4_000, sampler="grid")

    reason = study.run()

    keys = [t.key for t in history_of(study).trials]
    assert len(keys) == len(set(keys)) == 20  # widths 1 to 4, five rates
    assert reason == "every configuration of the space was tried"


def test_a_larger_total_goes_on(new_study: Make) -> None:
    """`--trials` is the study's total, however often it is resumed."""
    study, longer = new_study(budget=Budget(trials=2)), new_study(budget=Budget(trials=5))
    study.run()
    longer.run()

    ledger = Ledger.open(study.path, "demo")
    ledger.set_budget(Budget(trials=5))
    study.driver(ledger, ScriptedTrainer()).run()
    ledger.close()

    assert history_of(study).trials == history_of(longer).trials


def test_time_used_up_still_leaves_a_complete_trial(new_study: Make) -> None:
    """Whatever budget ends a search, one trial is complete."""
    study = new_study(budget=Budget(minutes=1.0))
    now = iter(range(0, 10**6, 100))

    reason = study.run(clock=lambda: float(next(now)))

    history = history_of(study)
    assert reason == "1 minutes"
    assert len(history.complete()) == len(history.trials) == 1


@final
class ThreeAtOnce(AbstractPolicy):
    """Proposes while fewer than three trials are unfinished, then trains the newest of them."""

    name = "three at once"

    def next(self, history: History, running: frozenset[Job], allowance: Allowance) -> Action:
        del running
        open_ = [t for t in history.trials if not t.is_final(history.facts.epochs)]
        if allowance.may_propose and len(open_) < 3:
            return Propose()
        if not open_ or not allowance.may_widen:
            return Wait()
        lengths = [len(curve) for curve in open_[-1].curves]
        fold = lengths.index(min(lengths))
        return going_on(open_[-1], fold, lengths[fold] + 1)

    def leader(self, history: History) -> Trial | None:
        return history.incumbent or next(iter(history.trials), None)


def begun(study: Any, **options: Any) -> list[int]:
    """Runs a study whose clock counts epochs, and returns when each of its trials began."""
    trainer, moments = ScriptedTrainer(), list[int]()

    def listen(event: events.Event) -> None:
        if isinstance(event, events.TrialAdded):
            moments.append(len(trainer.trained))

    study.run(trainer, listen=listen, clock=lambda: float(len(trainer.trained)), **options)
    assert len(trainer.trained) == round(study.budget.minutes * 60)
    return moments


def test_the_last_minutes_begin_nothing_while_something_is_unfinished(new_study: Make) -> None:
    """Of 100 epochs the last 15; a trial has 12, and two older ones wait all the time."""
    study = new_study(budget=Budget(minutes=100 / 60))

    moments = begun(study, policy=ThreeAtOnce())

    assert moments == [0, 0, 0, 12, 24, 36, 48, 60, 72, 84]
    assert len(history_of(study).complete()) == 8


def test_what_finishes_early_leaves_the_rest_of_the_time_to_others(new_study: Make) -> None:
    """The full loop has nothing unfinished at its 48th epoch of 56, so another trial begins."""
    study = new_study(budget=Budget(minutes=56 / 60))

    assert begun(study) == [0, 12, 24, 36, 48]


def test_a_failing_first_trial_is_replaced_even_after_the_time(new_study: Make) -> None:
    """Otherwise such a search would end without a complete trial."""
    study = new_study(budget=Budget(minutes=1.0))
    now = iter(range(0, 10**6, 100))

    study.run(ScriptedTrainer(broken={0: "nan!"}), clock=lambda: float(next(now)))

    history = history_of(study)
    assert [history.state_of(t) for t in history.trials] == ["failed", "complete"]


def test_a_failure_is_kept_and_the_search_goes_on(new_study: Make) -> None:
    """The trial is failed with its reason and traceback, and cannot win."""
    study = new_study()

    study.run(ScriptedTrainer(broken={1: "loss is nan"}))

    history = history_of(study)
    failed = history.trials[1]
    assert history.state_of(failed) is TrialState.FAILED
    assert failed.failures[0].message == "TrainingError: loss is nan"
    assert "Traceback" in failed.failures[0].traceback
    assert failed not in history.complete()
    assert len(history.trials) == 3


def test_a_retry_that_works_counts(new_study: Make) -> None:
    """The failed run is kept beside it, and its fold is trained anew."""
    study, trainer = new_study(retries=1), ScriptedTrainer(broken={1: "loss is nan"})

    study.run(trainer)

    second = history_of(study).trials[1]
    score = second.score(4)
    assert history_of(study).state_of(second) is TrialState.COMPLETE
    assert [failure.run for failure in second.failures] == [0, 0, 0]
    assert {run for number, _, run, _ in trainer.trained if number == 1} == {1}
    assert score is not None
    assert score.mean == pytest.approx(
        sum(scripted_accuracy(second.config, fold, 3) for fold in range(3)) / 3
    )


def test_failures_in_a_row_stop_after_they_are_committed(new_study: Make) -> None:
    """The next start finds them failed and goes on with another trial."""
    study = new_study(budget=Budget(trials=4))
    broken = ScriptedTrainer(broken=dict.fromkeys(range(3), "oom!"))

    with pytest.raises(TooManyFailures, match="3 trials failed in a row"):
        study.run(broken, max_failures=3)
    between = history_of(study)
    study.run(broken, max_failures=3)

    assert [between.state_of(t) for t in between.trials] == ["failed"] * 3
    assert len(history_of(study).complete()) == 1


def test_a_job_that_kills_its_process_is_given_up(new_study: Make) -> None:
    """Attempts are counted before the job starts, so even a start that ends at once counts."""
    study = new_study()
    stopped_at(study, lambda event: isinstance(event, events.TrialAdded), ScriptedTrainer())
    ledger = Ledger.open(study.path, "demo")
    for _ in range(MAX_STARTS):
        ledger.start(Job(trial=0, fold=0, start=0, stop=1))
    ledger.close()

    study.run()

    first = history_of(study).trials[0]
    assert first.verdict is not None
    assert "its process died 5 times" in first.verdict.reason
    assert len(history_of(study).complete()) == 2


@pytest.mark.parametrize("harm", ["gone", "torn"])
def test_a_lost_checkpoint_costs_only_its_fold(new_study: Make, harm: str) -> None:
    """The fold is trained again from its start and must give the ledger's values."""
    whole, study = new_study(), new_study()
    whole.run()
    stopped_after(study, 2)
    (checkpoint,) = (study.folder / "checkpoints").glob("*.npz")
    if harm == "gone":
        checkpoint.unlink()
    else:
        checkpoint.write_bytes(checkpoint.read_bytes()[:-3])
    trainer = ScriptedTrainer()

    study.run(trainer)

    assert trainer.trained[:3] == [(0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 0, 2)]
    assert [t.curves[0].accuracies for t in history_of(study).trials] == [
        t.curves[0].accuracies for t in history_of(whole).trials
    ]


def test_other_values_on_training_again_stop_the_search(new_study: Make) -> None:
    """A score mixed from two environments would mean nothing."""
    study = new_study()
    stopped_after(study, 2)
    for file in (study.folder / "checkpoints").glob("*"):
        file.unlink()

    with pytest.raises(EnvironmentChanged, match="fold 1, epoch 1: was"):
        study.run(ScriptedTrainer(accuracy=lambda *_: 0.5))

    # The job is not to blame, however often somebody tries.
    assert history_of(study).trials[0].attempts[0] == (2, 0)


def test_an_interrupt_takes_the_attempt_back(new_study: Make) -> None:
    """Stopping on purpose, however often, never fails a trial."""
    study = new_study()

    class Interrupted(AbstractTrainer):
        def train(self, task: Task) -> Trained:
            raise KeyboardInterrupt(task.job)

    for _ in range(MAX_STARTS + 2):
        with pytest.raises(KeyboardInterrupt):
            study.run(Interrupted())

    assert history_of(study).trials[0].attempts[0] == (0, 0)


def test_a_model_over_the_checkpoint_limit_trains_whole_folds(new_study: Make) -> None:
    """One job a fold, committed whole, no checkpoint written."""
    study = new_study(budget=Budget(trials=1), max_params=10**9, max_macs=10**9)
    heavy = Baseline(name="heavy", config={"documented": "heavy"})
    seen: list[Job] = []

    ledger = Ledger.open(study.path, "demo")
    driver = study.driver(
        ledger,
        ScriptedTrainer(),
        baselines=[heavy],
        listen=lambda e: seen.append(e.job) if isinstance(e, events.JobStarted) else None,
    )
    driver.run()
    ledger.close()

    assert [(job.start, job.stop) for job in seen] == [(0, 4)] * 3


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_every_proposal_can_be_had_again_from_the_ledger(
    new_study: Make, size_of: Any, sampler: str
) -> None:
    """The ledger keeps the order of its commits, so each decision can be checked afterwards."""
    study = new_study(budget=Budget(trials=14), sampler=sampler)
    stopped_after(study, 17)
    study.run()

    for trial in history_of(study).trials:
        before = reader.history_before(study.path, "demo", trial.number)
        assert len(before.trials) == trial.number
        again = Candidates(proposer(sampler), size_of).next(before)
        assert again is not None
        assert again.config == trial.config
