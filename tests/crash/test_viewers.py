"""Looking at a study, beside its search and after its death: nobody fails, nobody waits long.

The program itself, real processes and files; only the training is scripted.
"""

import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from herd import Herd, Ran, check_file, contents

from search import reader

Words = Sequence[str]

VIEWERS: Sequence[Words] = (
    ("show", "demo"),
    ("list",),
    ("trial", "demo", "0"),
    ("watch", "demo", "--every", "0.5"),
)


def check_seen(ran: Ran) -> None:
    assert ran.code == 0, (ran.code, ran.err)
    assert ran.out or ran.err
    for word in ("error", "locked", "Traceback"):
        assert word not in ran.err


def look_on(
    herd: Herd, folder: Path, words: Words, *, minutes: float, viewers: Sequence[Words] = VIEWERS
) -> str:
    """Searches for some minutes beside viewers in a loop; tells how commits fared."""
    results, marks = folder / "results", folder / "marks"
    marks.mkdir(parents=True)
    where = ["--results", str(results)]
    assert herd.one(cli=[*words, *where], point=["the epoch", "after", 3]).killed
    budget = ["--minutes", str(minutes), "--trials", "100000", "--workers", "1", "--quiet"]
    search, *looks = herd.all(
        {
            "cli": ["resume", "demo", *budget, *where],
            "training": {"seconds": 0.05, "crowd": [str(marks), 0]},  # a mark at its end
            "timed": True,
        },
        *({"cli": [*viewer, *where], "until": str(marks)} for viewer in viewers),
    )

    assert search.ended, search.err
    for look in looks:
        check_seen(look)
        assert look.told  # it looked at least twice
    check_file(results / "demo" / "study.db")
    took = [1000 * float(line.split()[1]) for line in search.told if "commit" in line]
    quantiles = statistics.quantiles(took, n=100, method="inclusive")
    return (
        f"{len(took)} commits beside {sum(len(look.told) + 1 for look in looks)} looks: median "
        f"{quantiles[49]:.1f} ms, p99 {quantiles[98]:.1f} ms, longest {max(took):.0f} ms"
    )


def test_four_viewers_beside_a_search_see_it_and_disturb_nothing(
    herd: Herd, memory: Path, search_words: Words
) -> None:
    """The small size: two seconds of searching."""
    look_on(herd, memory, search_words, minutes=2 / 60)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_four_viewers_beside_a_long_search_see_it_and_disturb_nothing(
    herd: Herd, tmp_path: Path, search_words: Words, portion: Callable[[int], int]
) -> None:
    """The full size: five minutes, on a disk; and one of them alone, to compare with."""
    minutes = portion(300) / 60
    alone = look_on(herd, tmp_path / "alone", search_words, minutes=minutes / 5, viewers=())
    beside = look_on(herd, tmp_path / "beside", search_words, minutes=minutes)

    print(alone, beside, sep="\n")  # noqa: T201 - figures for docs/


def test_viewers_change_no_byte(herd: Herd, memory: Path, search_words: Words) -> None:
    """Of a study that nobody searches; nor do they leave a file."""
    where = ["--results", str(memory)]
    assert herd.one(cli=[*search_words, *where], point=["the epoch", "after", 3]).killed
    before = contents(memory)

    for viewer in VIEWERS:
        check_seen(herd.one(cli=[*viewer, *where]))

        assert contents(memory) == before, viewer


DYING = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size=1")  # so pages are written before the transaction ends
db.execute("BEGIN IMMEDIATE")
for number in range(300):
    db.execute("UPDATE trial_user_attributes SET value_json = ?", (f'"{number}' + "x" * 5000,))
os.kill(os.getpid(), signal.SIGKILL)
"""


def die_in_a_commit(path: Path) -> None:
    """Leaves a file that is half-way in a transaction, with the journal that takes it back."""
    before = path.read_bytes()
    died = subprocess.run([sys.executable, "-c", DYING, str(path)], check=False)
    assert died.returncode == -9
    assert path.read_bytes() != before
    assert path.with_name(f"{path.name}-journal").read_bytes()[:1] == b"\xd9"


@pytest.mark.parametrize("kept", ["in its own file", "with other studies"])
def test_viewers_of_a_commit_that_was_cut_off_see_the_one_before(
    herd: Herd, memory: Path, search_words: Words, kept: str
) -> None:
    """All at once: one of them takes it back, the others see nothing of it."""
    where = ["--results", str(memory)]
    path = memory / "demo" / "study.db"
    if kept == "with other studies":
        path = memory / "all.db"
        where += ["--storage", f"sqlite:///{path}"]
    assert herd.one(cli=[*search_words, *where], point=["the epoch", "after", 3]).killed
    before = reader.read(path, "demo").history
    die_in_a_commit(path)

    viewers = herd.all(*({"cli": [*viewer, *where]} for viewer in VIEWERS))

    for viewer in viewers:
        check_seen(viewer)
    check_file(path)
    assert reader.read(path, "demo").history == before
    resumed = herd.one(cli=["resume", "demo", "--workers", "1", "--quiet", *where])
    assert resumed.ended, resumed.err
