"""A study's folder is removed, renamed or replaced while the study is open: nothing is lost.

The program itself and real files; only the training is scripted.
"""

import contextlib
import itertools
import random
import re
import shlex
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from herd import Herd, Ran, check_file, contents, timeless, wait_for_epochs, wait_until

from search import reader
from search.records import History

Words = Sequence[str]

RESUME = ("resume", "demo", "--workers", "1", "--quiet")


def remove(results: Path) -> None:
    (results / "demo" / "study.db").unlink()
    shutil.rmtree(results / "demo", ignore_errors=True)  # a checkpoint may just have come


def rename(results: Path) -> None:
    (results / "demo").rename(results / "elsewhere")


def replace_by_copy(results: Path) -> None:
    with contextlib.suppress(shutil.Error):  # a journal or a checkpoint may just have gone
        shutil.copytree(results / "demo", results / "copy")
    remove(results)
    (results / "copy").rename(results / "demo")


def replace_by_other(results: Path) -> None:
    rename(results)
    (results / "other").rename(results / "demo")


MOVES: Mapping[str, Callable[[Path], None]] = {
    "removed": remove,
    "renamed": rename,
    "replaced by a copy": replace_by_copy,
    "replaced by another study": replace_by_other,
}


def moved(herd: Herd, words: Words, results: Path, move: Callable[[Path], None]) -> Ran:
    """Moves the study's folder while the program waits in what it would train."""
    marks = results.with_name("marks")
    marks.mkdir()
    herd.begin(
        {"cli": [*words, "--results", str(results)], "training": {"crowd": [str(marks), 1]}}
    )
    wait_until(marks.with_name("waiting").exists)
    move(results)
    before = contents(results)
    (marks / "go").touch()
    (ran,) = herd.end()
    after = contents(results)
    rescued = {name for name in after if "-rescued-" in name}
    assert {name: after[name] for name in after.keys() - rescued} == before
    assert len(rescued) == ("saved to" in ran.err)
    return ran


def check_told(ran: Ran) -> None:
    """Checks that the process ended with one message that says what happened and what to do."""
    assert ran.code == 3, (ran.code, ran.err)
    assert ran.err.count("error: ") == 1
    assert " while study 'demo' was open" in ran.err
    assert "mnist-hpo resume demo" in ran.err
    assert "Traceback" not in ran.err


def cured(herd: Herd, ran: Ran, results: Path) -> History:
    """Goes on with the study as the message says, to its end."""
    told = re.search(r"help:  mnist-hpo resume demo (.+)", ran.err)
    if told is not None:
        more = shlex.split(told[1])
        path = Path(more[1].removeprefix("sqlite:///"))
        assert path.parent == results
    else:
        assert f"moved to {results / 'elsewhere' / 'study.db'}" in ran.err
        shutil.rmtree(results / "demo", ignore_errors=True)
        (results / "elsewhere").rename(results / "demo")
        more, path = [], results / "demo" / "study.db"
    again = herd.one(cli=[*RESUME, *more, "--results", str(results)])
    assert again.ended, again.err
    assert not set(ran.epochs) & set(again.trained)
    check_file(path)
    return reader.read(path, "demo").history


def prepare_other(herd: Herd, words: Words, results: Path) -> None:
    """Makes another study, whose checkpoint has the name of one that ours is about to write."""
    other = [*words, "--study", "other", "--results", str(results)]
    assert herd.one(cli=other, point=["the epoch", "after", 3]).killed


@pytest.mark.parametrize("how", MOVES)
def test_a_folder_that_was_moved_ends_its_search(
    herd: Herd, memory: Path, search_words: Words, whole: History, how: str
) -> None:
    """Before its next file is written; what has the name now is left as it is."""
    results = memory / "results"
    prepare_other(herd, search_words, results)
    first = [*search_words, "--results", str(results)]
    assert herd.one(cli=first, point=["the epoch", "after", 2]).killed

    # In hand is the third epoch, which ends with a checkpoint.
    ran = moved(herd, RESUME, results, MOVES[how])

    check_told(ran)
    assert timeless(cured(herd, ran, results)) == timeless(whole)


def test_a_folder_that_was_moved_gets_no_model(
    herd: Herd, memory: Path, search_words: Words
) -> None:
    """`finalize` trains for minutes: the folder may be another study's by then."""
    results = memory / "results"
    prepare_other(herd, search_words, results)
    assert herd.one(cli=[*search_words, "--results", str(results)]).ended

    ran = moved(herd, ["finalize", "demo"], results, replace_by_other)

    check_told(ran)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_a_folder_may_be_moved_at_any_moment(
    herd: Herd,
    tmp_path: Path,
    search_words: Words,
    whole: History,
    portion: Callable[[int], int],
) -> None:
    """The full size, on a disk: each way forty times."""
    rng = random.Random(0)  # noqa: S311 - moments, no secrets
    met: Counter[str] = Counter()
    tries = itertools.count()
    for how in MOVES:
        while met[how] < portion(40):
            results = tmp_path / f"{how} {next(tries)}"
            prepare_other(herd, search_words, results)
            search = [*search_words, "--results", str(results)]
            herd.begin({"cli": search, "training": {"seconds": 0.02}})
            wait_for_epochs(rng.randint(1, 5), results)
            time.sleep(rng.uniform(0.0, 0.03))
            MOVES[how](results)
            there = results / "demo" / "study.db"
            before = there.read_bytes() if there.exists() else b""
            (ran,) = herd.end()
            if ran.code == 0:
                continue  # it was done already
            met[how] += 1
            check_told(ran)
            assert (there.read_bytes() if there.exists() else b"") == before
            assert timeless(cured(herd, ran, results)) == timeless(whole)
            shutil.rmtree(results)
    print(dict(met))  # noqa: T201 - figures for docs/
