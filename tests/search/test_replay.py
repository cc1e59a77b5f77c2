"""A table in place of training: its clock by hand, and its decisions against the real loop's."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from search.candidates import Candidates
from search.checkpoints import CheckpointFolder
from search.driver import Driver
from search.engine import InlineEngine
from search.policies import policy_for
from search.policy import POLICIES
from search.proposals import AbstractProposer, Misfit
from search.records import Budget, Curve, History, Job, Trial
from search.replay import Replay, Replayed, SimulatedEngine
from search.samplers import proposer
from search.store import Ledger
from search.table import Row, Table
from search.testing import ScriptedTrainer
from search.trainer import MAX_KEPT, Task
from spaces.space import Config


def row(
    config: Config,
    accuracies: Sequence[Sequence[float]],
    seconds: Sequence[Sequence[float]],
    build: Sequence[float],
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Row:
    return Row(
        config=config,
        accuracy=tuple(map(tuple, accuracies)),
        loss=tuple(tuple(1 - value for value in fold) for fold in accuracies),
        seconds=tuple(map(tuple, seconds)),
        build=tuple(build),
        params=1000,
        macs=1000,
        more=more,
    )


def table(*rows: Row) -> Table:
    return Table(grid=None, provenance={"images": 1000}, rows=rows)


class InOrder(AbstractProposer):
    """Proposes the values of `a` from 1 on."""

    name = "in-order"

    def propose(self, history: History, misfit: Misfit) -> Config | None:
        del misfit
        return {"a": len(history.trials) + 1}


def run(replay: Replay, policy: str, *, workers: int = 1, candidates: int = 99) -> Replayed:
    return replay.run(
        policy_for(policy), InOrder(), candidates=candidates, seed=0, workers=workers
    )


TWO_ROWS = table(
    row({"a": 1}, [[0.5, 0.6], [0.5, 0.7]], [[1, 2], [3, 4]], [10, 20]),
    row({"a": 2}, [[0.5, 0.8], [0.5, 0.9]], [[5, 6], [7, 8]], [30, 40]),
)
"""Two configurations, two folds, two epochs; no second is like another."""


# The clock


def test_one_worker_builds_once_and_trains_everything() -> None:
    """10 + 1 + 2 + 3 + 4 = 20, then 30 + 5 + 6 + 7 + 8 = 56."""
    ran = run(Replay(TWO_ROWS), "full")

    assert ran.training_seconds == ran.busy_seconds == 76
    assert ran.steps == ((20.0, 0), (76.0, 1))
    assert (ran.jobs, ran.fold_epochs, ran.trials) == (8, 8, 2)
    assert ran.cost == ran.training_seconds + ran.decision_seconds
    assert 0 < ran.decision_seconds < 60


def test_the_full_policy_costs_what_all_rows_cost() -> None:
    """Each row's own cost is its first build and all its seconds."""
    ran = run(Replay(TWO_ROWS), "full")

    assert ran.training_seconds == sum(own.cost for own in TWO_ROWS.rows)


def test_two_workers_build_both_and_the_last_one_counts() -> None:
    """Each takes a fold of the first row, then of the second.

    The first: 10 + 1 + 2 = 13 on fold 0, then 30 + 5 + 6 = 41 on fold 0 of the second row, 54.
    The second: 20 + 3 + 4 = 27 on fold 1, then 40 + 7 + 8 = 55, at 82.
    """
    ran = run(Replay(TWO_ROWS), "full", workers=2)

    assert ran.training_seconds == 82
    assert ran.busy_seconds == 54 + 82
    assert ran.steps == ((27.0, 0), (82.0, 1))


def test_an_answer_is_there_once_it_is_complete() -> None:
    """The race knows the better row after one epoch of each; its rest takes 6 + 7 + 8 seconds.

    10 + 1 for the first row and 30 + 5 for the second: known at 46, complete at 67.
    """
    replay = Replay(
        table(
            row({"a": 1}, [[0.5, 0.6], [0.5, 0.7]], [[1, 2], [3, 4]], [10, 20]),
            row({"a": 2}, [[0.7, 0.8], [0.5, 0.9]], [[5, 6], [7, 8]], [30, 40]),
        )
    )

    ran = run(replay, "race")

    assert ran.steps == ((20.0, 0), (67.0, 1))


def test_a_third_worker_of_two_folds_begins_the_next_row() -> None:
    """The third takes fold 0 of row 1, 41 seconds; who is free at 13 takes its fold 1, till 68."""
    ran = run(Replay(TWO_ROWS), "full", workers=3)

    assert ran.training_seconds == 13 + 40 + 7 + 8
    assert ran.busy_seconds == 13 + 27 + 41 + 55


def graphs(*names: str, warm: float = 0.5) -> Table:
    """Returns a row of two folds and one epoch for each name of a graph."""
    rows = [
        row(
            {"a": n},
            [[0.5], [0.5]],
            [[1.0], [1.0]],
            [100.0, 100.0],
            {"graph": name, "warm": warm},
        )
        for n, name in enumerate(names, start=1)
    ]
    return table(*rows)


def test_rows_with_one_graph_are_built_once() -> None:
    """One build of 100, 2 seconds of training a row, 0.5 for each of the 5 later folds."""
    ran = run(Replay(graphs("g", "g", "g")), "full")

    assert ran.training_seconds == 100 + 6 + 5 * 0.5


def test_warm_seconds_are_paid_where_a_fold_begins_only() -> None:
    """The second epoch of a fold goes on with what lies in the worker."""
    own = row(
        {"a": 1}, [[0.5] * 3] * 2, [[1.0] * 3] * 2, [100.0] * 2, {"graph": "g", "warm": 0.25}
    )

    ran = run(Replay(table(own, replace(own, config={"a": 2}))), "full")

    assert ran.training_seconds == 100 + 12 + 3 * 0.25


def test_a_worker_forgets_the_graph_it_used_longest_ago() -> None:
    """After as many others as it keeps, a graph is built again; not if it was used meanwhile."""
    names = [f"g{n}" for n in range(MAX_KEPT)]

    kept = run(Replay(graphs(*names, "g0", "one more", "g0")), "full")
    lost = run(Replay(graphs(*names, "one more", "g0")), "full")

    # A row costs 2 seconds of training and 0.5 for its second fold, 0.5 more if it is not built.
    assert kept.training_seconds == 100 * (MAX_KEPT + 1) + 2.5 * (MAX_KEPT + 3) + 2 * 0.5
    assert lost.training_seconds == 100 * (MAX_KEPT + 2) + 2.5 * (MAX_KEPT + 2)


def test_each_worker_has_graphs_of_its_own() -> None:
    """Two workers build twice, and then nothing more."""
    ran = run(Replay(graphs(*"gggg")), "full", workers=2)

    assert ran.busy_seconds == 200 + 8 + 6 * 0.5


def test_a_wish_has_the_graph_of_the_row_that_it_would_become() -> None:
    """Recorded or not; a table without graphs shares none."""
    named = Replay(graphs("g", "h", "h"))

    assert [named.graph_of({"a": value}) for value in (1, 2, 3, 2.9)] == ["g", "h", "h", "h"]
    bare = Replay(table(*(replace(own, more={}) for own in graphs("g", "g").rows)))
    assert bare.graph_of({"a": 1}) != bare.graph_of({"a": 2})


def test_who_has_the_graph_gets_the_job() -> None:
    """Worker 0 has built g, worker 1 h: the second fold of h costs no build, nor that of g."""
    replay = Replay(graphs("g", "h"))
    engine = SimulatedEngine(replay, 2)

    for fold in (0, 1):
        for number in (1, 0) if fold else (0, 1):
            job = Job(trial=number, fold=fold, start=0, stop=1)
            engine.submit(Task(job=job, config={"a": number + 1}))
        ended = [done.job.trial for _ in range(2) for done in engine.wait(0.0)]
        assert ended == ([1, 0] if fold else [0, 1])

    assert engine.busy_seconds == 2 * (100 + 1) + 2 * (0.5 + 1)
    assert engine.clock == 100 + 1 + 0.5 + 1


# What a replay finds


def grid(count: int = 24) -> Table:
    """Returns rows of 3 folds and 4 epochs whose best is a = 17; seconds tell them apart."""
    rows = []
    for a in range(1, count + 1):
        top = 0.98 - 0.002 * abs(a - 17)
        curves = [[top - 0.2 / (e + 1) ** 2 - 0.001 * f for e in range(4)] for f in range(3)]
        rows.append(row({"a": a}, curves, [[0.01 * a] * 4] * 3, [0.1] * 3))
    return table(*rows)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_pick_has_its_true_score(policy: str) -> None:
    """Whatever the policy knew of it, the table knows all of it."""
    replay = Replay(grid())

    ran = run(replay, policy, candidates=24)

    best = ran.history.incumbent
    assert best is not None
    assert best.config == replay.table.rows[ran.pick].config
    assert ran.score == replay.table.rows[ran.pick].score == best.score(4).mean  # type: ignore[union-attr]  # it is complete
    assert ran.steps[-1][1] == ran.pick
    assert replay.best == max(own.score for own in replay.table.rows)
    assert ran.fold_epochs <= 24 * 12


def test_the_full_policy_finds_the_best_of_all_rows() -> None:
    """It trains every row whole."""
    replay = Replay(grid())

    ran = run(replay, "full")

    assert (ran.score, ran.trials, ran.fold_epochs) == (replay.best, 24, 24 * 12)
    assert replay.table.rows[ran.pick].config == {"a": 17}


def test_a_race_costs_less_than_everything() -> None:
    """On a table where one epoch tells nearly all; its pick is the best, too."""
    replay = Replay(grid())

    full, raced = run(replay, "full"), run(replay, "race")

    assert raced.score == full.score
    assert raced.training_seconds < 0.6 * full.training_seconds


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("policy", POLICIES)
def test_equal_seeds_give_equal_replays(policy: str, workers: int) -> None:
    """All but the real seconds of deciding."""
    ran = []
    for seed in (5, 5, 6):
        replayed = Replay(grid()).run(
            policy_for(policy), proposer("random"), candidates=12, seed=seed, workers=workers
        )
        ran.append(replace(replayed, decision_seconds=0.0))

    first, again, other = ran
    assert first == again
    assert [own.key for own in first.history.trials] != [own.key for own in other.history.trials]


def test_proposals_become_the_nearest_rows_that_are_unused() -> None:
    """The same wish again and again gets its neighbours, one after another."""

    class Stubborn(AbstractProposer):
        name = "stubborn"

        def propose(self, history: History, misfit: Misfit) -> Config | None:
            del history, misfit
            return {"a": 9}

    ran = Replay(grid()).run(policy_for("full"), Stubborn(), candidates=5, seed=0)

    wishes = [own.config["a"] for own in ran.history.trials]
    assert wishes[0] == 9
    assert sorted(wishes[1:3]) == [8, 10]
    assert sorted(wishes[3:]) == [7, 11]


def test_a_table_can_be_used_up() -> None:
    """More candidates than rows: every row once, then the end."""
    ran = run(Replay(TWO_ROWS), "full", candidates=50)

    assert ran.trials == 2
    assert ran.history.ending is not None
    assert ran.history.ending.reason == "every configuration of the space was tried"


def test_no_recorded_configuration_is_too_large_for_a_replay() -> None:
    """Like a real one, its loop trains a model without checkpoints a fold at a time."""
    heavy = table(*(replace(own, params=10**9, macs=10**12) for own in TWO_ROWS.rows))

    ran = run(Replay(heavy), "full")

    assert (ran.trials, ran.fold_epochs, ran.jobs) == (2, 8, 4)
    assert ran.training_seconds == 76


# The real loop


@pytest.mark.parametrize("policy", POLICIES)
def test_a_replay_decides_as_the_real_loop_does(policy: str, tmp_path: Path) -> None:
    """A ledger on disk, checkpoints, an engine that trains: the same history in the end."""
    free = table(*(replace(own, seconds=((0.0,) * 4,) * 3) for own in grid(12).rows))
    replay = Replay(free)
    facts = replay.facts(policy=policy_for(policy), sampler="random", seed=3)
    path = tmp_path / "study.db"
    ledger = Ledger.create(path, facts, Budget(trials=5))
    engine = InlineEngine()
    engine.start(
        ScriptedTrainer(
            accuracy=lambda config, fold, epoch: replay.row(config).accuracy[fold][epoch]
        )
    )

    class Snapped(AbstractProposer):
        name = "random"

        def propose(self, history: History, misfit: Misfit) -> Config | None:
            wish = proposer("random").propose(history, misfit)
            used = {replay.recorded.index(own.config) for own in history.trials}
            row_ = replay.recorded.nearest(wish or {}, frozenset(u for u in used if u is not None))
            return None if row_ is None else replay.recorded.config(row_)

    Driver(
        ledger=ledger,
        policy=policy_for(policy),
        candidates=Candidates(Snapped(), replay.size_of),
        engine=engine,
        checkpoints=CheckpointFolder(tmp_path / "checkpoints"),
        listen=lambda _: None,
    ).run()
    real = ledger.history
    ledger.close()

    ran = replay.run(policy_for(policy), proposer("random"), candidates=5, seed=3)

    assert ran.history.ending == real.ending
    assert [_plain(own) for own in ran.history.trials] == [_plain(own) for own in real.trials]


def _plain(own: Trial) -> Trial:
    """Leaves out fingerprints of checkpoints, which a replay lacks, and the building of models."""
    curves = tuple(
        Curve(
            tuple(replace(epoch, checkpoint=None, build_seconds=0.0) for epoch in curve.epochs),
            curve.run,
        )
        for curve in own.curves
    )
    return replace(own, curves=curves)


def test_the_history_says_what_each_worker_was_busy_with() -> None:
    """Training and building of one worker, from the first second to the last."""
    ran = run(Replay(TWO_ROWS), "full")

    told = [
        epoch.seconds + epoch.build_seconds
        for own in ran.history.trials
        for curve in own.curves
        for epoch in curve.epochs
    ]
    assert sum(told) == ran.busy_seconds == ran.training_seconds


def test_the_simulated_clock_never_goes_back() -> None:
    """Commits carry it: the ledger's elapsed seconds end where the last worker ends."""
    for workers in (1, 2, 5):
        ran = run(Replay(grid()), "race", workers=workers)

        assert all(clock > 0 for clock, _ in ran.steps)
        assert ran.steps[-1][0] <= ran.training_seconds + 1e-9
        assert ran.history.elapsed == pytest.approx(ran.training_seconds)
        assert ran.busy_seconds <= workers * ran.training_seconds + 1e-9


def test_more_workers_are_never_slower_on_the_full_policy() -> None:
    """Where building is free, the same work is spread."""
    free = Replay(table(*(replace(own, build=(0.0,) * 3) for own in grid().rows)))

    spans = [run(free, "full", workers=workers).training_seconds for workers in (1, 2, 4, 8)]

    assert spans == sorted(spans, reverse=True)
    assert all(span >= spans[0] / n for span, n in zip(spans, (1, 2, 4, 8), strict=True))
    assert list(itertools.accumulate(spans, min)) == spans
