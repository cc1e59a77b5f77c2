"""Several processes go on with one study at the same moment: exactly one does."""

from collections.abc import Callable
from pathlib import Path

import pytest
from herd import Herd, Watch, timeless

from search import reader


def crowd(herd: Herd, folder: Path, words: tuple[str, ...], many: int) -> None:
    """Leaves a dead owner's study to so many processes; one ends it, the others are told who."""
    (folder / "whole").mkdir(parents=True)
    assert herd.one(cli=[*words, "--results", str(folder / "whole")]).ended
    whole = reader.read(folder / "whole" / "demo" / "study.db", "demo").history
    results, marks = folder / "crowd", folder / "marks"
    marks.mkdir()
    assert herd.one(
        cli=[*words, "--results", str(results)], point=["the epoch", "after", 3]
    ).killed

    # The owner's first epoch waits until all others have ended: nobody comes too late to meet it.
    resume = ["resume", "demo", "--workers", "1", "--quiet", "--results", str(results)]
    ran = herd.all(*[{"cli": resume, "training": {"crowd": [str(marks), many - 1]}}] * many)

    (owner,) = (one for one in ran if one.code == 0)
    for other in ran:
        if other is not owner:
            assert other.code == 4, other.err
            assert f"pid {owner.pid} on " in other.err
            assert other.err.count("error: ") == 1
    watch = Watch(folder=results / "demo")
    assert timeless(watch.history()) == timeless(whole)
    watch.check_files()


@pytest.mark.parametrize("many", [2, 8])
def test_of_several_that_resume_at_once_one_runs(
    herd: Herd, memory: Path, search_words: tuple[str, ...], many: int
) -> None:
    """The others end with 4 and name its pid."""
    crowd(herd, memory, search_words, many)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("many", "times"), [(2, 100), (8, 50)])
def test_of_many_crowds_that_resume_at_once_one_each_runs(  # noqa: PLR0913, PLR0917 - fixtures
    herd: Herd,
    tmp_path: Path,
    search_words: tuple[str, ...],
    portion: Callable[[int], int],
    many: int,
    times: int,
) -> None:
    """The full size, on a disk."""
    for time in range(portion(times)):
        crowd(herd, tmp_path / str(time), search_words, many)
