"""kill -9 before and after every step of a search and of `finalize`, not at random."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from herd import Herd, Ran, Watch
from points import FINALIZE_POINTS, SEARCH_POINTS, Side

from mnist_hpo.checkup import study_lines
from search import reader
from search.errors import UnknownStudy
from search.files import sha256_of
from search.records import History
from search.sqlite_file import SqliteFile

PLAN: Mapping[str, Any] = {
    "trials": 3, "folds": 2, "epochs": 2, "sampler": "random", "broken": {"1": "loss is nan!"},
}  # fmt: skip
"""Trial 1 fails, the others are complete: every step comes, most of them often."""


@pytest.fixture(scope="session")
def whole(herd: Herd, tmp_path_factory: pytest.TempPathFactory) -> History:
    """The study that nobody killed."""
    folder = tmp_path_factory.mktemp("whole")
    ran = herd.study(folder, PLAN)
    assert ran.ended, ran.err
    return reader.read(folder / "study.db", "demo").history


def survive(herd: Herd, folder: Path, whole: History, point: tuple[str, Side], nth: int) -> bool:
    """Kills a study the n-th time that it comes to a point, lets it end, and checks both.

    Returns:
        False: it comes there less often, and nobody was killed.
    """
    study = folder / f"{nth}"
    watch = Watch(folder=study)
    ran = herd.study(study, PLAN, point=[*point, nth])
    if not ran.killed:
        return False
    assert ran.told[-1] == f"killed at {point[1]} {point[0]}"
    watch.after(ran)
    check_doctor(study, folder / f"{nth}-copy")
    again = herd.study(study, PLAN)
    assert again.ended, again.err
    watch.after(again)
    watch.at_end(whole)
    return True


def check_doctor(study: Path, copy: Path) -> None:
    """Checks that `doctor` finds a dead study whole and leaves no orphan, in a copy of it."""
    shutil.copytree(study, copy)
    try:
        told = list(study_lines(SqliteFile(copy / "study.db"), "demo", copy))
    except UnknownStudy:
        return  # it died before it was a study
    assert told[0].startswith("ledger        whole")
    Watch(folder=copy).check_files()


def names(points: tuple[tuple[str, Side], ...]) -> list[str]:
    return [f"{side} {name}".replace(" ", "-") for name, side in points]


@pytest.mark.parametrize("point", SEARCH_POINTS, ids=names(SEARCH_POINTS))
def test_a_kill_at_this_step_of_a_search_changes_nothing(
    herd: Herd, memory: Path, whole: History, point: tuple[str, Side]
) -> None:
    """The small size: the first time that a study comes there."""
    assert survive(herd, memory, whole, point, 1)


@pytest.mark.full
@pytest.mark.parametrize("point", SEARCH_POINTS, ids=names(SEARCH_POINTS))
def test_three_kills_at_this_step_of_a_search_change_nothing(
    herd: Herd, tmp_path: Path, whole: History, point: tuple[str, Side]
) -> None:
    """The full size, on a disk: the first, second and fifth time, or else the first again."""
    for nth in (1, 2, 5):
        if not survive(herd, tmp_path, whole, point, nth):
            assert survive(herd, tmp_path / f"instead-of-{nth}", whole, point, 1)


@pytest.fixture(scope="session")
def searched(
    herd: Herd, search_words: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with a study that is done, by the program itself."""
    folder = tmp_path_factory.mktemp("finalize")
    ran = herd.one(cli=[*search_words, "--results", str(folder)])
    assert ran.code == 0, ran.err
    return folder


def survive_finalize(
    herd: Herd, folder: Path, searched: Path, point: tuple[str, Side], nth: int
) -> None:
    """Kills `finalize` at a point and repeats it: whole files, and every look counted."""
    results = folder / f"{nth}"
    shutil.copytree(searched, results)
    command = ["finalize", "demo", "--results", str(results)]
    study = results / "demo"

    ran = herd.one(cli=command, point=[*point, 1])

    assert ran.killed
    assert ran.told == [f"killed at {point[1]} {point[0]}"]
    seen = reader.read(study / "study.db", "demo").history.openings
    check_model(study)
    again: Ran = herd.one(cli=command)
    assert again.code == 0, again.err
    looks = reader.read(study / "study.db", "demo").history.openings
    # A look that was recorded is not repeated; one that was only begun is, and both are counted.
    assert len(looks) == (1 if not seen or seen[0].result else 2)
    assert [look.result is not None for look in looks] == [False] * (len(looks) - 1) + [True]
    check_model(study)
    assert (
        sha256_of((study / "best.keras").read_bytes()) == (looks[-1].result or {})["model_sha256"]
    )
    assert (study / "best.json").is_file()
    list(study_lines(SqliteFile(study / "study.db"), "demo", study))
    assert not list(study.rglob("*tmp-*"))


def check_model(study: Path) -> None:
    """Checks that the model is there whole, if it is there."""
    for path in study.glob("*.keras"):
        content = path.read_bytes()
        assert content == content[: len(content) // 1000] * 1000
    for path in study.glob("best.json"):
        assert path.read_text().endswith("}\n")


@pytest.mark.parametrize("point", FINALIZE_POINTS, ids=names(FINALIZE_POINTS))
def test_a_kill_at_this_step_of_finalize_leaves_whole_files_and_counts_each_look(
    herd: Herd, memory: Path, searched: Path, point: tuple[str, Side]
) -> None:
    """The small size."""
    survive_finalize(herd, memory, searched, point, 0)


@pytest.mark.full
@pytest.mark.parametrize("point", FINALIZE_POINTS, ids=names(FINALIZE_POINTS))
def test_three_kills_at_this_step_of_finalize(
    herd: Herd, tmp_path: Path, searched: Path, point: tuple[str, Side]
) -> None:
    """The full size, on a disk."""
    for nth in range(3):
        survive_finalize(herd, tmp_path, searched, point, nth)
