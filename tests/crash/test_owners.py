"""Several processes want one study: exactly one has it, also while it is stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from herd import PATIENCE, Herd, Ran, Watch, timeless, wait_for_epochs, wait_until

from search import reader
from search.records import History

RESUME = ("resume", "demo", "--workers", "1", "--quiet")


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
    resume = [*RESUME, "--results", str(results)]
    ran = herd.all(*[{"cli": resume, "training": {"crowd": [str(marks), many - 1]}}] * many)

    (owner,) = (one for one in ran if one.code == 0)
    for other in ran:
        if other is not owner:
            check_refused(other, owner.pid)
    watch = Watch(folder=results / "demo")
    assert timeless(watch.history()) == timeless(whole)
    watch.check_files()


def check_refused(other: Ran, owner: int) -> None:
    """Checks that a process was told who owns the study."""
    assert other.code == 4, other.err
    assert f"pid {owner} on " in other.err
    assert other.err.count("error: ") == 1


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
    for number in range(portion(times)):
        crowd(herd, tmp_path / str(number), search_words, many)


def test_an_owner_that_is_stopped_keeps_its_study(
    herd: Herd, memory: Path, search_words: tuple[str, ...], whole: History
) -> None:
    """Ctrl-Z: nobody else may have it, and it goes on as if nothing had been."""
    results, go, told = memory / "results", memory / "go", memory / "told"
    go.mkdir()
    told.mkdir()
    where = ["--results", str(results)]
    # In hand is the first epoch, which waits for a mark; the other leaves one when it has ended.
    herd.begin(
        {"cli": [*search_words, *where], "training": {"crowd": [str(go), 1]}},
        {
            "cli": [*RESUME, *where],
            "training": {"crowd": [str(told), 0]},
            "after": str(memory / "stopped"),
        },
    )
    wait_until((memory / "waiting").exists)
    snapshot = reader.read(results / "demo" / "study.db", "demo")
    assert snapshot.owner is not None
    pid = int(snapshot.owner.split()[1])

    os.kill(pid, signal.SIGSTOP)
    (memory / "stopped").touch()
    wait_until(lambda: any(told.iterdir()))
    os.kill(pid, signal.SIGCONT)
    (go / "on").touch()
    owner, other = herd.end()

    assert owner.pid == pid
    check_refused(other, pid)
    assert owner.ended, owner.err
    assert timeless(Watch(folder=results / "demo").history()) == timeless(whole)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("workers", [1, 2])
def test_an_owner_may_be_stopped_for_a_minute(  # noqa: PLR0913, PLR0917 - fixtures
    herd: Herd,
    start: Callable[..., subprocess.Popen[bytes]],
    memory: Path,
    whole: History,
    portion: Callable[[int], int],
    workers: int,
) -> None:
    """The full size: five times in a study, also where its workers wait for it meanwhile."""
    search = start("--workers", str(workers), seconds=5.0)
    for turn in range(5):
        wait_for_epochs(turn + 1, memory)
        search.send_signal(signal.SIGSTOP)
        time.sleep(portion(60))
        other = herd.one(cli=[*RESUME, "--results", str(memory)])
        search.send_signal(signal.SIGCONT)
        check_refused(other, search.pid)

    assert search.wait(PATIENCE) == 0
    history = Watch(folder=memory / "demo").history()
    if workers == 1:
        assert timeless(history) == timeless(whole)
    assert not any(trial.failures for trial in history.trials)
    assert len(history.complete()) == 2
