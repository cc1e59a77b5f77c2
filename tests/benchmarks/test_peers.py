"""Peers on a synthetic table: the real libraries, with nothing to train."""

import gzip
import importlib.util
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

# Benchmarks are scripts beside the packages: nobody installs them.
sys.path.append(str(Path(__file__).parents[2]))

from benchmarks.peers import run as peers
from benchmarks.peers.course import Course, Result, Runner, Setting
from benchmarks.peers.free_space import completed, free
from search.table import Row, Table
from spaces.space import Choice, Condition, Config, Space

FOLDS, EPOCHS = 5, 10

FAST = [
    (name, setting)
    for name, peer in peers.PEERS.items()
    if peer.needs == "optuna"
    for setting in peer.settings
]


def _row(
    config: Config,
    accuracy: Callable[[int, int], float],
    *,
    seconds: float = 1.0,
    build: float = 0.5,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> Row:
    grid = tuple(tuple(accuracy(f, e) for e in range(EPOCHS)) for f in range(FOLDS))
    return Row(
        config=config,
        accuracy=grid,
        loss=tuple(tuple(1.0 - value for value in fold) for fold in grid),
        seconds=((seconds,) * EPOCHS,) * FOLDS,
        build=(build,) * FOLDS,
        params=1,
        macs=1,
        more=more,
    )


def _table(rows: Sequence[Row]) -> Table:
    return Table(grid=None, provenance={"images": 5000}, rows=tuple(rows))


@pytest.fixture(scope="module")
def table() -> Table:
    """60 configurations over 3 ordered axes; a good one learns fast and ends high."""
    rng = np.random.default_rng(5)
    rows = []
    for rate, width, depth in itertools.product((1, 2, 3, 4, 5), (4, 8, 16, 32), (1, 2, 3)):
        top = 0.97 + 0.004 * math.log2(width / 4) + 0.003 * depth - 0.01 * (rate - 3) ** 2
        noise = rng.normal(0.0, 0.002, size=(FOLDS, EPOCHS))

        def accuracy(
            fold: int, epoch: int, top: float = top, rate: int = rate, noise: Any = noise
        ) -> float:
            learnt = 1 - math.exp(-(0.3 + 0.15 * rate) * (epoch + 1))
            return top * learnt - 0.003 * (fold - 2) + float(noise[fold, epoch])

        rows.append(
            _row(
                {"rate": rate, "width": width, "depth": depth},
                accuracy,
                seconds=0.1 + 0.02 * width * depth,
            )
        )
    return _table(rows)


def _ticking(step: float) -> Callable[[], float]:
    """A clock that moves by `step` at every look."""
    ticks: Iterator[int] = itertools.count()
    return lambda: next(ticks) * step


def _fast(peer: str, table: Table, setting: Setting, *, seed: int = 3, n: int = 30) -> Result:
    return peers.run(peer, table, candidates=n, seed=seed, setting=setting)


def test_a_run_pays_for_building_once_and_for_every_epoch() -> None:
    table = _table([_row({"a": a}, lambda *_: 0.5, seconds=2.0, build=7.0) for a in (1, 2)])
    runner = Runner(Course(table, 2), clock=lambda: 0.0)

    runner.train(0, 0, 0, 3)
    runner.train(0, 1, 0, 10)
    runner.train(0, 0, 3, 4)

    assert runner.cost == 7.0 + (3 + 10 + 1) * 2.0


def test_the_worker_keeps_the_last_sixteen_models() -> None:
    table = _table([_row({"a": a}, lambda *_: 0.5, seconds=1.0, build=100.0) for a in range(17)])
    runner = Runner(Course(table, 17), clock=lambda: 0.0)

    for row in (*range(16), 0, 16):  # the last one pushes row 1 out
        runner.train(row, 0, 0, 1)
    before = runner.cost
    runner.train(0, 0, 1, 2)
    kept = runner.cost - before
    runner.train(1, 0, 1, 2)

    assert before == 17 * 100.0 + 18 * 1.0
    assert kept == 1.0
    assert runner.cost - before - kept == 101.0


def test_rows_of_one_graph_share_a_built_model() -> None:
    more = {"graph": "g", "warm": 0.25}
    table = _table([_row({"a": a}, lambda *_: 0.5, build=9.0, more=more) for a in (1, 2)])
    runner = Runner(Course(table, 2), clock=lambda: 0.0)

    runner.train(0, 0, 0, 1)
    runner.train(1, 0, 0, 1)
    runner.train(1, 1, 0, 1)

    assert runner.cost == 9.0 + 0.25 + 3 * 1.0


def test_only_time_outside_of_the_runner_is_the_librarys() -> None:
    """Every look at the clock is a second later; a call looks when it begins and ends."""
    table = _table([_row({"a": a}, lambda *_: 0.5, build=0.0) for a in (1, 2)])
    runner = Runner(Course(table, 2), clock=_ticking(1.0))

    row = runner.candidate({"a": 1})
    assert row == 0
    runner.train(row, 0, 0, 10)
    runner.recommend(row)
    record = runner.finish("p", "default", {}, seed=0)

    assert record["decision"] == 4.0  # before each of the four calls
    assert record["cost"] == 4.0 + 50 * 1.0
    assert record["completion"] == 40.0
    assert record["trajectory"] == [[3.0 + 10.0, 0]]


def test_a_proposal_becomes_the_nearest_unused_row(table: Table) -> None:
    runner = Runner(Course(table, 3))
    wanted = {"rate": 3, "width": 32, "depth": 3}

    found = [runner.candidate(wanted) for _ in range(4)]

    configs = [table.rows[row].config for row in found if row is not None]
    assert configs[0] == wanted
    assert configs[1]["width"] == 32
    assert configs[1]["depth"] == 3
    assert len(set(map(str, configs))) == 3
    assert found[3] is None


def test_libraries_see_what_varies_with_whole_paths() -> None:
    """`units` hangs on `dense`, which is fixed and hangs on `kind`."""
    space = Space(
        "s",
        (
            Choice(name="kind", values=("a", "b", "c"), default="a"),
            Choice(name="dense", values=(1,), default=1, when=(Condition("kind", ("a", "b")),)),
            Choice(name="units", values=(8, 16), default=8, when=(Condition("dense", (1, 2)),)),
            Choice(name="never", values=(1, 2), default=1, when=(Condition("dense", (2,)),)),
            Choice(
                name="always",
                values=(1, 2),
                default=1,
                when=(Condition("kind", ("c", "b", "a")),),
            ),
        ),
    )

    own = free(space)

    assert [d.name for d in own.dimensions] == ["kind", "units", "always"]
    assert own["units"].when == (Condition("kind", ("a", "b")),)
    assert own["always"].when == ()
    assert completed({"kind": "a", "units": 8, "always": 2}, space) == {
        "kind": "a",
        "dense": 1,
        "units": 8,
        "always": 2,
    }


def test_naive_random_search_pays_for_all_rows(table: Table) -> None:
    result = _fast("naive-random", table, "default", n=1000)

    spent = result["cost"] - result["decision"]
    assert spent == pytest.approx(sum(row.cost for row in table.rows), abs=1e-3)
    assert result["tried"] == len(table.rows)
    assert result["fold_epochs"] == len(table.rows) * FOLDS * EPOCHS
    assert result["pick_score"] == result["best_score"]
    assert result["completion"] == 0.0


@pytest.mark.parametrize(("peer", "setting"), FAST)
def test_a_seed_decides_everything_but_the_time(table: Table, peer: str, setting: Setting) -> None:
    one, other = (_fast(peer, table, setting) for _ in range(2))

    assert [row for _, row in one["trajectory"]] == [row for _, row in other["trajectory"]]
    for name in ("pick", "fold_epochs", "tried", "settings"):
        assert one[name] == other[name]
    assert one["cost"] - one["decision"] == pytest.approx(
        other["cost"] - other["decision"], abs=1e-3
    )


@pytest.mark.parametrize(
    ("setting", "folds"), [("default", 4), ("best effort", 2)], ids=["default", "best effort"]
)
def test_wilcoxon_by_default_waits_for_four_folds(setting: Setting, folds: int) -> None:
    """The p of n paired differences is 2**-n or more: below 0.1 from n = 4 on."""

    def row(a: int) -> Row:
        return _row({"a": a}, lambda fold, _: 0.1 + 0.8 * a + 0.001 * fold)

    table = _table([row(0), row(1)])

    spent = {
        _fast("optuna-wilcoxon", table, setting, seed=seed)["fold_epochs"] for seed in range(6)
    }

    # The hopeless one comes second and is pruned, or it comes first and is trained whole.
    assert spent == {(5 + folds) * EPOCHS, (5 + 5) * EPOCHS}


@pytest.mark.parametrize(
    ("peer", "setting"),
    [(p, s) for p, s in FAST if p.startswith(("optuna-median", "optuna-sha", "optuna-hyper"))],
)
def test_epoch_pruners_cost_less_than_the_naive_loop(
    table: Table, peer: str, setting: Setting
) -> None:
    result = _fast(peer, table, setting)

    assert result["fold_epochs"] < 30 * FOLDS * EPOCHS
    assert result["pick_score"] > 0.9


def test_a_pick_of_one_fold_is_completed(table: Table) -> None:
    result = _fast("optuna-sha-fold1", table, "best effort")

    missing = math.fsum(map(math.fsum, table.rows[result["pick"]].seconds[1:]))
    # Other models have pushed the pick's out by then, so it is built again.
    assert result["completion"] == pytest.approx(missing + 0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("peer", "epochs"),
    [("keras-tuner-random", 30 * 50), ("keras-tuner-hyperband", None)],
)
def test_keras_tuner_runs_its_own_loop(table: Table, peer: str, epochs: int | None) -> None:
    """One iteration of Hyperband at 10 epochs trains 120 epochs, here of 5 folds.

    Its brackets train 12 to epoch 2, 4 on to 4, 2 on to 10; 6 to 4, 2 on to 10; 4 to 10.
    """
    pytest.importorskip("keras_tuner")

    results = [_fast(peer, table, "default") for _ in range(2)]

    assert results[0]["pick"] == results[1]["pick"]
    resumed = 5 * (12 * 2 + 4 * 2 + 2 * 6 + 6 * 4 + 2 * 6 + 4 * 10)
    completion = results[0]["completion"] / table.rows[results[0]["pick"]].seconds[0][0]
    assert results[0]["fold_epochs"] - round(completion) == (epochs or resumed)


@pytest.mark.parametrize(
    ("peer", "setting"),
    [
        (name, setting)
        for name, peer in peers.PEERS.items()
        if peer.needs in {"smac", "ray"}
        for setting in peer.settings
    ],
)
def test_peers_of_the_other_environment_run(table: Table, peer: str, setting: Setting) -> None:
    pytest.importorskip(peers.PEERS[peer].needs)

    one, other = (_fast(peer, table, setting, n=14) for _ in range(2))

    assert one["pick"] == other["pick"]
    assert one["fold_epochs"] == other["fold_epochs"]
    assert one["tried"] == 14


def test_every_peer_has_its_module() -> None:
    for peer in peers.PEERS.values():
        assert importlib.util.find_spec(f"benchmarks.peers.{peer.module}") is not None


def _asked(table: Table, folder: Path) -> tuple[list[str], Path]:
    """Writes a small table; returns what the command line starts with, and where runs go."""
    recorded, out = folder / "t.jsonl", folder / "results.jsonl"
    replace(table, rows=table.rows[:6]).write(recorded)
    return ["--table", str(recorded), "--out", str(out), "--candidates", "4"], out


def test_runs_that_are_in_the_file_are_not_repeated(
    table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, out = _asked(table, tmp_path)

    peers.main([*arguments, "--peer", "naive-random", "--seeds", "2"])
    with out.open("a") as file:
        file.write('{"peer": "naive-ran')  # a run that was killed while it wrote
    peers.main([*arguments, "--peer", "naive-random", "--seeds", "3"])

    assert capsys.readouterr().out.count("naive-random (default) seed") == 3
    lines = out.read_text().splitlines()
    records = [json.loads(line) for line in lines if line.endswith("}")]
    assert [record["seed"] for record in records] == [0, 1, 2]
    assert {record["table"] for record in records} == {"t.jsonl"}


def test_runs_that_are_kept_beside_the_table_are_not_repeated(
    table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, out = _asked(table, tmp_path)
    peers.main([*arguments, "--peer", "naive-random", "--seeds", "2"])
    kept = tmp_path / "t.jsonl.peers-kept.jsonl.gz"
    kept.write_bytes(gzip.compress(out.read_bytes()))
    out.unlink()

    peers.main([*arguments, "--peer", "naive-random", "--seeds", "3"])

    assert capsys.readouterr().out.count("naive-random (default) seed") == 3
    assert [json.loads(line)["seed"] for line in out.read_text().splitlines()] == [2]


def test_the_list_loads_no_library(capsys: pytest.CaptureFixture[str]) -> None:
    peers.main(["--list"])

    assert "smac-epochs: default, best effort; needs smac" in capsys.readouterr().out
