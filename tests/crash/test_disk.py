"""Disks that are full, read-only or broken: one message, exit code 3, and nothing is lost."""

import errno
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from herd import Herd, Ran, Watch, check_file, timeless

from search import reader
from search.errors import LedgerError, UnknownStudy
from search.records import History


def check_told(ran: Ran) -> None:
    """Checks that a process ended as storage trouble ends one."""
    assert ran.code == 3, (ran.code, ran.err)
    assert ran.err.count("error: ") == 1
    assert "help: " in ran.err
    assert "Traceback" not in ran.err


def epochs_in(results: Path) -> int:
    """Returns how many epochs are there right after the trouble."""
    try:
        history = reader.read(results / "demo" / "study.db", "demo").history
    except (LedgerError, UnknownStudy):
        return 0
    return sum(trial.fold_epochs for trial in history.trials)


def check_goes_on(
    herd: Herd, results: Path, words: tuple[str, ...], whole: History, before: int
) -> None:
    """Goes on without trouble, and checks that the study is the one that met none."""
    ran = herd.one(cli=["resume", "demo", "--workers", "1", "--quiet", "--results", str(results)])
    if ran.code == 2 and before == 0:  # it was not a study yet
        ran = herd.one(cli=[*words, "--results", str(results)])
    assert ran.code == 0, ran.err
    watch = Watch(folder=results / "demo")
    assert timeless(watch.history()) == timeless(whole)
    watch.check_files()
    check_file(watch.ledger)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no `mount`")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small file system needs root: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S607 - as found above


def fill(place: Path, free: int) -> Path:
    """Leaves so many bytes free."""
    filler = place / "filler"
    usage = shutil.disk_usage(place)
    filler.write_bytes(bytes(usage.free - free))
    return filler


def fill_up(
    herd: Herd, disk: Path, words: tuple[str, ...], whole: History, frees: Iterable[int]
) -> list[int]:
    """Searches on a disk that has so little room; returns the epochs when it was full."""
    met = []
    for free in frees:
        filler = fill(disk, free)
        ran = herd.one(cli=[*words, "--results", str(disk / "results")])
        before = epochs_in(disk / "results")
        if ran.code != 0:
            check_told(ran)
            met.append(before)
        filler.unlink()
        check_goes_on(herd, disk / "results", words, whole, before)
        shutil.rmtree(disk / "results")
    return met


PAGE = 4096


def test_a_disk_too_small_for_a_ledger_is_told_in_one_message(
    herd: Herd, small_disk: Path, search_words: tuple[str, ...], whole: History
) -> None:
    """No room at all, and room for a part of the tables."""
    met = fill_up(herd, small_disk, search_words, whole, [0, 12 * PAGE])

    assert met == [0, 0]


@pytest.mark.parametrize("pages", [0, 1, 3])
def test_a_disk_that_fills_up_during_a_study_is_told_in_one_message(
    herd: Herd, small_disk: Path, search_words: tuple[str, ...], whole: History, pages: int
) -> None:
    """What was committed is there, and the study goes on once there is room."""
    results = small_disk / "results"
    words = [*search_words, "--results", str(results)]
    assert herd.one(cli=words, point=["the epoch", "after", 3]).killed
    filler = fill(small_disk, pages * PAGE)

    ran = herd.one(cli=["resume", "demo", "--workers", "1", "--quiet", "--results", str(results)])

    check_told(ran)
    before = epochs_in(results)
    assert 3 <= before < 8
    filler.unlink()
    check_goes_on(herd, results, search_words, whole, before)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_a_disk_may_be_full_at_any_page(
    herd: Herd,
    small_disk: Path,
    search_words: tuple[str, ...],
    whole: History,
    portion: Callable[[int], int],
) -> None:
    """The full size: a hundred amounts of room."""
    frees = range(0, 100 * PAGE, 100 // portion(100) * PAGE)
    met = fill_up(herd, small_disk, search_words, whole, frees)

    print(f"full {len(met)} times, after epochs {sorted(set(met))}")  # noqa: T201 - figures


def test_a_disk_that_became_read_only_can_be_read_and_says_so(
    herd: Herd, small_disk: Path, search_words: tuple[str, ...], whole: History
) -> None:
    """`show` works; `resume` ends with 3, changes nothing, and goes on once it may."""
    results = small_disk / "results"
    words = [*search_words, "--results", str(results)]
    assert herd.one(cli=words, point=["the epoch", "after", 3]).killed
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    subprocess.run(remount, check=True)

    shown = herd.one(cli=["show", "demo", "--json", "--results", str(results)])
    resumed = herd.one(cli=["resume", "demo", "--workers", "1", "--results", str(results)])
    begun = herd.one(cli=[*search_words, "--study", "other", "--results", str(results)])

    assert shown.code == 0, shown.err
    check_told(resumed)
    check_told(begun)
    subprocess.run([*remount[:2], "remount,rw", str(small_disk)], check=True)
    check_goes_on(herd, results, search_words, whole, epochs_in(results))


@pytest.fixture(scope="session")
def faulty(built: Callable[[str], Path]) -> Iterator[Herd]:
    """Processes whose calls to the system can be made to fail."""
    herd = Herd(preload=built("faults"))
    yield herd
    herd.close()


KILLED = 0
WAYS: Mapping[str, tuple[int, bool]] = {
    "kill -9 in its place": (KILLED, False),
    "an error once": (errno.EIO, False),
    "no room from then on": (errno.ENOSPC, True),
    "interrupted once": (errno.EINTR, False),
}
"""What happens at a call: `errno`, and whether it stays."""


def break_calls(  # noqa: PLR0913 - the parts, and how much of it
    faulty: Herd, folder: Path, words: tuple[str, ...], whole: History, *, way: str, every: int
) -> int:
    """Breaks every so-manieth call of a search that changes a file; returns how many it broke."""
    what, stays = WAYS[way]
    counted = faulty.one(
        cli=[*words, "--results", str(folder / "count")], fault=[str(folder), 10**9, 0, False]
    )
    calls = int(counted.told[-1].removeprefix("calls "))
    broken = range(every // 2 + 1, calls, every)
    for nth in broken:
        results = folder / str(nth)
        ran = faulty.one(
            cli=[*words, "--results", str(results)], fault=[str(results), nth, what, stays]
        )
        if what == KILLED:
            assert ran.killed
        elif ran.code != 0:  # some calls are repeated, or say nothing that matters
            check_told(ran)
        check_goes_on(faulty, results, words, whole, epochs_in(results))
        shutil.rmtree(results)
    return len(broken)


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_fails_costs_no_epoch(
    faulty: Herd, memory: Path, search_words: tuple[str, ...], whole: History, way: str
) -> None:
    """Writes, syncs, renames and removals, those of SQLite included: some of them."""
    assert break_calls(faulty, memory, search_words, whole, way=way, every=150) >= 3


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("way", WAYS)
def test_any_call_may_fail(  # noqa: PLR0913, PLR0917 - fixtures
    faulty: Herd,
    memory: Path,
    search_words: tuple[str, ...],
    whole: History,
    portion: Callable[[int], int],
    way: str,
) -> None:
    """The full size: every fifth."""
    every = 5 * 100 // portion(100)
    broken = break_calls(faulty, memory, search_words, whole, way=way, every=every)

    print(f"{way}: {broken} calls")  # noqa: T201 - figures for docs/
