"""`bench replay`: what is asked for, the arithmetic of what comes out, and both on the screen."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnist_hpo.errors import UserError
from mnist_hpo.replay_figures import (
    bootstrap,
    expected_seconds,
    noise_floor,
    summary,
    times_slower,
    times_to,
)
from mnist_hpo.replay_text import replay_document, replay_table
from mnist_hpo.replaying import NAIVE, Method, Plan, Result, peer_results
from search.errors import StudyError
from search.table import Row, Table

Run = Callable[..., Any]


def row(config: Mapping[str, Any], last: Sequence[float], **more: Any) -> Row:
    """Returns a row of one epoch a fold that takes a second."""
    return Row(
        config=config,
        accuracy=tuple((value,) for value in last),
        loss=tuple((1 - value,) for value in last),
        seconds=((1.0,),) * len(last),
        build=(0.5,) * len(last),
        params=1000,
        macs=1000,
        more=more,
    )


def table(*rows: Row, images: int = 1000) -> Table:
    return Table(grid=None, provenance={"images": images}, rows=rows)


def result(seed: int, cost: float, score: float, **changes: Any) -> Result:
    plain = Result(
        method="race",
        seed=seed,
        cost=cost,
        decision=0.5,
        score=score,
        fold_epochs=10.0,
        trials=5,
        jobs=10,
        steps=((cost / 2, score),),
    )
    return replace(plain, **changes)


# Methods


@pytest.mark.parametrize(
    ("text", "policy", "sampler", "options"),
    [
        ("race", "race", "model", {}),
        ("full", "full", "random", {}),
        ("epochs", "epochs", "random", {}),
        ("folds-forgiving/tpe", "folds-forgiving", "tpe", {}),
        ("race/tpe:factors=3", "race", "tpe", {"factors": "3"}),
        ("race:rungs=1-3:factors=3-2", "race", "model", {"rungs": "1-3", "factors": "3-2"}),
        ("race/grid:guard=no", "race", "grid", {"guard": "no"}),
    ],
)
def test_a_method_is_a_policy_a_sampler_and_constants(
    text: str, policy: str, sampler: str, options: dict[str, str]
) -> None:
    """Its name is what was typed."""
    method = Method.parsed(text)

    assert method == Method(name=text, policy=policy, sampler=sampler, options=options)
    assert method.settings == {"policy": policy, "sampler": sampler, **options}


@pytest.mark.parametrize(
    "text", ["", "raced", "/tpe", "race:", "race:rungs", "race:rungs=", "tpe"]
)
def test_what_is_no_method_is_refused_with_an_example(text: str) -> None:
    """And the example is one."""
    with pytest.raises(UserError, match="A method is") as error:
        Method.parsed(text)

    assert repr(text) in error.value.message
    example = error.value.help.rpartition(" ")[2]
    assert Method.parsed(example).policy == "race"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("race/tpee", "no sampler 'tpee'"),
        ("race/hyperband", "Hyperband"),
        ("race:rung=1", "no option 'rung'"),
        ("race:rungs=x", "rungs is like"),
        ("race:factors=1", "`factors` > 1"),
        ("race:factors=nan", "`factors` > 1"),
        ("full:rungs=1", "Only the policy 'race' has options"),
    ],
)
def test_unknown_samplers_and_constants_are_refused_before_anything_runs(
    text: str, message: str
) -> None:
    """In the words of whoever knows them."""
    with pytest.raises(StudyError, match=message):
        Method.parsed(text)


# Arithmetic


def test_the_bootstrap_of_equal_values_is_that_value() -> None:
    """However few there are."""
    assert bootstrap(np.full(7, 3.0)) == (3.0, 3.0)
    assert bootstrap(np.array([2.0])) == (2.0, 2.0)


def test_the_bootstrap_covers_the_median_and_is_the_same_every_time() -> None:
    """Of 100 draws of a normal law the order statistics 40 and 61 are the classic interval."""
    values = np.random.default_rng(4).normal(10.0, 1.0, 100)

    low, high = bootstrap(values)

    ranked = np.sort(values)
    assert ranked[35] <= low <= ranked[44] < np.median(values) < ranked[55] <= high <= ranked[64]
    assert bootstrap(values) == (low, high)


def test_the_noise_floor_is_measured_where_there_are_repeats() -> None:
    """Scores 0.90 and 0.92, then 0.80, 0.80 and 0.83: squares 0.0002 and 0.0006 over 1 + 2.

    What the worse half of the configurations does tells nothing of good ones.
    """
    rows = (
        row({"a": 1}, [0.89, 0.91], repeats=[{"acc": [[0.1, 0.93], [0.1, 0.91]]}]),
        row({"a": 2}, [0.8, 0.8], repeats=[{"acc": [[0.8], [0.8]]}, {"acc": [[0.83], [0.83]]}]),
        row({"a": 3}, [0.5, 0.5], repeats=[{"acc": [[0.3], [0.3]]}]),
    )

    assert noise_floor(table(*rows)) == pytest.approx(100 * (0.0008 / 3) ** 0.5)


def test_a_run_of_which_a_fold_collapsed_is_no_noise() -> None:
    """Of one configuration a repeat, of another the run itself."""
    rows = (
        row({"a": 1}, [0.9, 0.9], repeats=[{"acc": [[0.9], [0.1]]}, {"acc": [[0.92], [0.92]]}]),
        row({"a": 2}, [0.2, 0.8], repeats=[{"acc": [[0.8], [0.8]]}]),
        row({"a": 3}, [0.3, 0.3]),
    )

    assert noise_floor(table(*rows)) == pytest.approx(100 * 0.0002**0.5)


def test_else_the_noise_floor_is_a_paired_standard_error() -> None:
    """2/3 of 3 % of errors on 1,000 images: sqrt(0.02 / 1000) = 0.4472 points."""
    rows = (row({"a": 1}, [0.96, 0.98]), row({"a": 2}, [0.5, 0.5]))

    assert noise_floor(table(*rows)) == pytest.approx(0.44721, abs=1e-5)


def test_the_time_to_a_target_counts_failures_in_full() -> None:
    """Reached after 2, reached at the end after 10, never reached for 30: 42 seconds / 2."""
    results = [
        result(0, 8.0, 0.99, steps=((1.0, 0.9), (2.0, 0.98), (5.0, 0.99))),
        result(1, 10.0, 0.98, steps=()),
        result(2, 30.0, 0.97, steps=((9.0, 0.97),)),
    ]

    given_up = result(3, 9.0, 0.99, steps=((1.0, 0.99), (3.0, 0.9), (7.0, 0.99)))

    assert times_to([given_up], 0.98) == [(7.0, True)]
    assert times_to(results, 0.98) == [(2.0, True), (10.0, True), (30.0, False)]
    assert expected_seconds(times_to(results, 0.98)) == (2 + 10 + 30) / 2
    assert expected_seconds(times_to(results, 0.99)) == 5 + 10 + 30
    assert expected_seconds(times_to(results, 0.995)) is None


def test_how_many_times_slower_comes_with_its_interval() -> None:
    """Ten seconds against two, with no spread; then with spread, around the ratio of means."""
    rng = np.random.default_rng(1)
    slow = [(float(seconds), True) for seconds in rng.uniform(8, 12, 50)]
    fast = [(float(seconds), True) for seconds in rng.uniform(1, 3, 50)]

    assert times_slower([(10.0, True)] * 3, [(2.0, True)] * 3) == (
        {"ratio": 5.0, "low": 5.0, "high": 5.0}
    )
    found: dict[str, Any] = times_slower(slow, fast)
    assert found["ratio"] == pytest.approx(
        sum(s for s, _ in slow) / sum(s for s, _ in fast), rel=1e-12
    )
    assert 4 < found["low"] < found["ratio"] < found["high"] < 6.5
    assert times_slower(slow, fast) == found


def test_never_is_infinitely_slower() -> None:
    """One success in two leaves the upper end open; a reference that never met it says nothing."""
    fast = [(2.0, True)] * 2

    assert times_slower([(9.0, False)] * 2, fast) == {"ratio": None, "low": None, "high": None}
    sometimes = times_slower([(4.0, True), (8.0, False)], fast)
    assert (sometimes["ratio"], sometimes["low"], sometimes["high"]) == (6.0, 2.0, None)
    assert times_slower(fast, [(9.0, False)] * 2) == {"ratio": None, "low": None, "high": None}


def test_a_summary_compares_seed_by_seed() -> None:
    """Ratios 10, 10 and 2; the seed that the naive loop lacks is compared with its median 30."""
    naive = [result(seed, cost, 0.99) for seed, cost in enumerate([20.0, 30.0, 40.0])]
    own = [
        result(0, 2.0, 0.99, misses=((0.9, 0.8, False), (0.7, 0.7, True)), decision=0.1),
        result(1, 3.0, 0.98, decision=0.2),
        result(9, 15.0, 0.97, misses=((0.5, 0.5, True),), decision=0.3, jobs=0),
    ]

    found = summary(own, naive, best=0.99, settings={"policy": "race"})

    assert found["name"] == "race"
    assert found["settings"] == {"policy": "race"}
    assert found["speedup"] == {"median": 10.0, "low": 2.0, "high": 10.0}
    assert found["regret"] == pytest.approx({"mean": 1.0, "p90": 1.8})
    assert found["seconds"] == 3.0
    assert found["decision_seconds"] == 0.2
    assert found["decision_ms_per_job"] == pytest.approx((10 + 20 + 300) / 3)
    assert found["coverage"] == pytest.approx(2 / 3)
    assert found["bias"] == pytest.approx(100 * 0.1 / 3)
    assert found["seeds"] == 3
    assert found["trials"] == 5


def test_without_unfinished_trials_there_is_no_coverage() -> None:
    """As for the naive loop, and for peers, which predict nothing."""
    found = summary([result(0, 1.0, 0.9)], [result(0, 1.0, 0.9)], best=0.9, settings={})

    assert found["coverage"] is None
    assert found["bias"] is None


# What is shown


def document(tmp_path: Path) -> dict[str, Any]:
    plan = Plan(table=tmp_path / "t.jsonl", candidates=5, seeds=2, workers=2, processes=1)
    results = {
        NAIVE.name: [result(seed, 20.0, 0.97, method="full") for seed in range(2)],
        "race": [result(seed, 2.0 + seed, 0.969) for seed in range(2)],
    }
    rows = (row({"a": 1}, [0.96, 0.98]), row({"a": 2}, [0.5, 0.5]))
    return replay_document(plan, table(*rows), results, {"race": {"policy": "race"}})


def test_the_document_has_what_reports_are_made_of(tmp_path: Path) -> None:
    """Names, settings, workers, and both numbers with their spread."""
    found = document(tmp_path)

    assert [own["name"] for own in found["methods"]] == ["full", "race"]
    assert [own["settings"] for own in found["methods"]] == [{}, {"policy": "race"}]
    assert [own["workers"] for own in found["methods"]] == [2, 2]
    for own in found["methods"]:
        assert set(own["speedup"]) == {"median", "low", "high"}
        assert set(own["regret"]) == {"mean", "p90"}
        assert set(own["to_target"]) == {"0", "1", "2"}
    assert found["methods"][0]["speedup"] == {"median": 1.0, "low": 1.0, "high": 1.0}
    of_race = found["methods"][1]["to_target"]
    assert [own["seconds"] for own in of_race.values()] == [None, 1.25, 1.25]
    assert of_race["1"]["met_after"] == [1.0, 1.5]
    assert found["reference"] == "race"
    assert of_race["1"]["times_slower"]["ratio"] == 1.0
    assert found["methods"][0]["to_target"]["1"]["times_slower"]["ratio"] == 10 / 1.25
    assert (found["configurations"], found["best"]) == (2, pytest.approx(0.97))
    assert found["noise_floor"] == pytest.approx(0.44721, abs=1e-5)
    assert json.loads(json.dumps(found)) == found


def test_the_table_has_a_row_for_each_method(tmp_path: Path) -> None:
    """In words where a target was never met."""
    shown = replay_table(document(tmp_path))

    cells = [own.cells for own in shown.rows]
    assert cells[0]["Method"] == "full"
    assert cells[0]["Speed-up"] == "1.0x"
    assert cells[1]["Speed-up"] == "8.3x"
    assert cells[1]["95 %"] == "6.7-10.0"
    assert cells[1]["Regret"] == "0.100"
    assert cells[1]["Target 0 / 1 / 2"] == "never / 1 / 1"
    assert cells[1]["Coverage"] == "-"
    assert cells[0]["Slower"].startswith("8.00 (6.67-")


# The command


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A table of 12 rows, 2 folds and 3 epochs; the best learns fastest."""
    path = tmp_path / "tiny.jsonl.gz"
    rows = []
    for a in range(12):
        top = 0.9 + 0.005 * a
        curves = tuple(tuple(top - 0.3 / (e + 1) - 0.002 * f for e in range(3)) for f in range(2))
        own = replace(
            row({"a": a}, [0.0, 0.0]),
            accuracy=curves,
            loss=tuple(tuple(1 - value for value in fold) for fold in curves),
            seconds=((1.0,) * 3,) * 2,
        )
        rows.append(own)
    table(*rows).write(path)
    return path


def test_a_table_is_replayed_to_a_document(run: Run, recorded: Path) -> None:
    """Three seeds of the naive loop, of the race and of another method, in one process."""
    ran = run(
        *("bench", "replay", "--table", recorded, "--seeds", 3, "--json"),
        *("--candidates", 10, "--methods", "race,folds-forgiving"),
    )

    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert [own["name"] for own in found["methods"]] == ["full", "race", "folds-forgiving"]
    full, raced, _ = found["methods"]
    assert full["speedup"]["median"] == 1.0
    assert full["fold_epochs"] == 60
    # Ten rows are built and trained: 10 x (0.5 + 6) seconds, and some milliseconds of deciding.
    assert full["seconds"] == pytest.approx(65 + full["decision_seconds"], abs=0.5)
    assert raced["speedup"]["low"] <= raced["speedup"]["median"] <= raced["speedup"]["high"]
    assert raced["fold_epochs"] < 60
    assert raced["settings"] == {"policy": "race", "sampler": "model"}
    assert (found["table"], found["seeds"], found["candidates"]) == ("tiny.jsonl.gz", 3, 10)
    assert (found["workers"], full["seeds"]) == (1, 3)
    assert ran.err.splitlines() == [
        "full: 3 studies",
        "race: 3 studies",
        "folds-forgiving: 3 studies",
    ]


def test_a_table_is_replayed_to_a_table(run: Run, recorded: Path) -> None:
    """And the notes that say what its columns mean."""
    ran = run(
        *("bench", "replay", "--table", recorded, "--seeds", 1, "--candidates", 4),
        *("--methods", "", "--workers", 2),
    )

    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].split()[:2] == ["Method", "Speed-up"]
    assert lines[2].split()[:2] == ["full", "1.0x"]
    assert "12 configurations, the best has" in ran.out
    assert "2 simulated workers, 1 seed." in " ".join(ran.out.split())


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"no json\n", b'{"provenance": {}}\n{"config": {"a": 1}}\n', b"\x1f\x8b\x00"],
    ids=["empty", "header-only", "words", "no-curves", "broken-gzip"],
)
def test_a_bad_table_is_told_and_nothing_runs(run: Run, tmp_path: Path, content: bytes) -> None:
    """Exit code 2, one message, no traceback."""
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)

    ran = run("bench", "replay", "--table", path, "--json")

    _assert_told(ran, "table")


def test_a_table_that_is_not_there_is_told(run: Run, tmp_path: Path) -> None:
    """With its name."""
    _assert_told(run("bench", "replay", "--table", tmp_path / "none.jsonl"), "none.jsonl")


def test_a_table_without_a_space_is_told_before_a_process_starts(run: Run, tmp_path: Path) -> None:
    """A hyperparameter that is a number here and a word there."""
    path = tmp_path / "mixed.jsonl"
    table(row({"a": 1}, [0.5, 0.5]), row({"a": "one"}, [0.5, 0.5])).write(path)

    _assert_told(run("bench", "replay", "--table", path, "--seeds", 1), "'a'")


@pytest.mark.parametrize(
    "methods", ["raced", "race/tpee", "race:rung=1", "race:factors=1", "full,x"]
)
def test_a_bad_method_is_told_and_nothing_runs(run: Run, recorded: Path, methods: str) -> None:
    """Exit code 2, and what is wrong about it."""
    ran = run("bench", "replay", "--table", recorded, "--methods", methods)

    _assert_told(
        ran, methods.partition(",")[2] or methods.rpartition("/")[2].partition("=")[0][-4:]
    )


def _assert_told(ran: Any, word: str) -> None:
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    assert "\nhelp:  " in ran.err
    assert "Traceback" not in ran.err
    assert word in ran.err


def test_peers_need_the_source_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed, the package has no benchmarks."""
    monkeypatch.chdir(tmp_path)
    plan = Plan(table=tmp_path / "t.jsonl", candidates=5, seeds=2, workers=1, processes=1)

    with pytest.raises(UserError, match=r"no benchmarks/peers/run\.py here"):
        peer_results(plan, ["all"], 1, lambda _: None)


PEER = """\
import json, sys
out = sys.argv[sys.argv.index("--out") + 1]
line = {"peer": "tool", "setting": "default", "seed": 0, "cost": 4.0, "decision": 1.0, "pick": 1,
        "fold_epochs": 6.0, "tried": 5, "trajectory": [[2.0, 0], [4.0, 1]], "table": "t.jsonl",
        "candidates": 5}
with open(out, "w") as file:
    for changes in ({}, {"peer": "other"}, {"table": "another"}, {"candidates": 6}):
        print(json.dumps(line | changes), file=file)
    print('{"peer": "to', file=file)
raise SystemExit("fail" in sys.argv)
"""


def test_peers_are_read_from_what_they_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only those asked for, on this table, with as many candidates; a torn line is no result."""
    script = tmp_path / "benchmarks/peers/run.py"
    script.parent.mkdir(parents=True)
    script.write_text(PEER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    path = tmp_path / "t.jsonl"
    table(row({"a": 1}, [0.5, 0.6]), row({"a": 2}, [0.7, 0.8])).write(path)
    plan = Plan(table=path, candidates=5, seeds=2, workers=1, processes=1)
    told: list[str] = []

    found = peer_results(plan, ["tool"], 3, told.append)

    assert "--peer tool --seeds 3" in told[0]
    assert list(found) == ["tool (default)"]
    (own,) = found["tool (default)"]
    assert (own.seed, own.cost, own.trials) == (0, 4.0, 5)
    assert [own.score, *(x for step in own.steps for x in step)] == pytest.approx(
        [0.75, 2.0, 0.55, 4.0, 0.75]
    )
    wrote = path.with_name("t.jsonl.peers.jsonl")
    kept = path.with_name("t.jsonl.peers-kept.jsonl.gz")
    kept.write_bytes(gzip.compress(wrote.read_bytes().replace(b'"seed": 0', b'"seed": 7')))
    both = peer_results(plan, ["tool"], 3, told.append)
    assert {result.seed for result in both["tool (default)"]} == {0, 7}
    kept.write_bytes(kept.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"peers-kept\.jsonl\.gz cannot be read"):
        peer_results(plan, ["tool"], 3, told.append)
    kept.unlink()
    with pytest.raises(UserError, match="A peer failed"):
        peer_results(plan, ["tool", "fail"], 3, told.append)
    with pytest.raises(UserError, match="absent has none: its library"):
        peer_results(plan, ["tool", "absent"], 3, told.append)
