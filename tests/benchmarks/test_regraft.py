"""Building seconds of one recording in another: ratios carry over, seconds do not."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

# Benchmarks are scripts beside the packages: nobody installs them.
sys.path.append(str(Path(__file__).parents[2]))

from benchmarks.regraft import main, regrafted
from search.table import Row, Table

PROVENANCE = {"data_sha256": "a", "folds_sha256": "b", "clock": "processor"}


def recorded(graph: str, *, epoch: float, build: float, warm: float, rate: float = 0.1) -> Row:
    """Two folds of two epochs, each of which takes as long."""
    return Row(
        config={"rate": rate, "graph": graph},
        accuracy=((0.5, 0.6),) * 2,
        loss=((0.5, 0.4),) * 2,
        seconds=((epoch, epoch),) * 2,
        build=(build,) * 2,
        params=10,
        macs=100,
        more={"graph": graph, "warm": warm, "note": "kept"},
    )


CURVES = Table(
    grid=None,
    provenance=PROVENANCE,
    rows=(
        recorded("a", epoch=0.5, build=2.0, warm=0.4),
        recorded("a", epoch=0.6, build=2.0, warm=0.4, rate=0.2),
        recorded("b", epoch=1.0, build=3.0, warm=0.4),
    ),
)
BUILDS = Table(
    grid=None,
    provenance={**PROVENANCE, "seed": 7},
    rows=(
        recorded("a", epoch=0.25, build=0.5, warm=0.05),
        recorded("b", epoch=0.5, build=0.25, warm=0.1),
    ),
)


def test_a_build_takes_as_many_epochs_as_in_the_other_recording() -> None:
    """Two for the first graph, whatever an epoch of its rows takes; half a one for the other."""
    table = regrafted(CURVES, BUILDS)

    assert [row.build for row in table.rows] == [(1.0,) * 2, (1.2,) * 2, (0.5,) * 2]
    assert [row.more["warm"] for row in table.rows] == pytest.approx([0.1, 0.12, 0.2])


def test_all_else_stays_and_the_header_tells_where_building_is_from() -> None:
    """Curves, seconds and further keys are those of the first table."""
    table = regrafted(CURVES, BUILDS)

    assert [(row.accuracy, row.loss, row.seconds) for row in table.rows] == [
        (row.accuracy, row.loss, row.seconds) for row in CURVES.rows
    ]
    assert all(row.more["note"] == "kept" for row in table.rows)
    assert table.provenance == {**PROVENANCE, "building": {**PROVENANCE, "seed": 7}}


@pytest.mark.parametrize("name", PROVENANCE)
def test_recordings_of_other_data_folds_or_clocks_are_refused(name: str) -> None:
    """Their epochs would be no common unit."""
    other = replace(BUILDS, provenance={**BUILDS.provenance, name: "other"})

    with pytest.raises(ValueError, match=f"Both tables have one {name}, got"):
        regrafted(CURVES, other)


def test_a_graph_without_a_measurement_is_refused() -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="1 are not"):
        regrafted(CURVES, BUILDS.subset([0]))


def test_the_script_writes_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says what it found."""
    CURVES.write(tmp_path / "curves.jsonl")
    BUILDS.write(tmp_path / "builds.jsonl")

    main(*(str(tmp_path / f"{name}.jsonl") for name in ("curves", "builds", "out")))

    assert Table.read(tmp_path / "out.jsonl").rows[0].build == (1.0, 1.0)
    assert "A build takes 2.00 epochs (median of 3 rows, 0.50 to 2.00)." in capsys.readouterr().out
