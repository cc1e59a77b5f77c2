"""`watch` and `stop`: looking on at another process, and ending it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mnist_hpo.watching import followed
from search import events
from search.reader import Snapshot
from search.records import Failure, History, TrialState, Verdict
from search.testing import facts, history, trial

Run = Callable[..., Any]

OWNER = "pid 1 on here since now"

HOLDER = """
import signal, sys, time
from pathlib import Path
from search.lock import StudyLock
def heard(number, frame):
    print(signal.Signals(number).name, flush=True)
    sys.exit(0)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, heard)
StudyLock(Path(sys.argv[1]), "mnist").acquire()
print("ready", flush=True)
time.sleep(60)
"""


def snapshot(past: History, owner: str | None = OWNER) -> Snapshot:
    return Snapshot(history=past, owner=owner, updated=None)


def heard(before: History | None, after: History) -> list[str]:
    found = followed(None if before is None else snapshot(before), snapshot(after))
    return [type(event).__name__ for event in found]


class TestFollowed:
    def test_the_first_reading_starts_with_what_is_there(self) -> None:
        study = facts()
        past = history(study, trial(0, study, [[0.5]]))

        assert heard(None, past) == ["Started"]

    def test_what_came_since_is_told_once(self) -> None:
        study = facts()
        before = history(study, trial(0, study, [[0.5]]))
        after = history(study, trial(0, study, [[0.5, 0.6]]), trial(1, study))

        assert heard(before, after) == ["TrialAdded", "EpochsCommitted"]
        assert heard(after, after) == []

    def test_a_trial_that_ends_is_closed(self) -> None:
        study = facts()
        before = history(study, trial(0, study, [[0.5]]))
        verdict = Verdict(state=TrialState.STOPPED, reason="cannot win")
        after = history(study, trial(0, study, [[0.5]], verdict=verdict))

        (event,) = followed(snapshot(before), snapshot(after))

        assert event == events.TrialClosed(after, 0)

    def test_a_failed_run_is_told_with_its_message(self) -> None:
        study = facts(retries=1)
        before = history(study, trial(0, study))
        failure = Failure(fold=0, epoch=0, run=0, message="no memory")
        after = history(study, trial(0, study, failures=(failure,)))

        (event,) = followed(snapshot(before), snapshot(after))

        assert event == events.RunFailed(after, 0, failure)

    def test_a_job_in_hand_is_one_whose_attempt_has_not_come_back(self) -> None:
        study = facts()
        before = history(study, trial(0, study))
        after = history(study, trial(0, study, attempts=((0, 1), (0, 0), (0, 0))))

        (event,) = followed(snapshot(before), snapshot(after))

        assert isinstance(event, events.JobStarted)
        assert (event.job.lane, event.job.start) == ((0, 0), 0)


@pytest.fixture
def holder(results: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that owns the study, and says which signal ends it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, results / "mnist/mnist.lock"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


@pytest.mark.parametrize(("options", "name"), [([], "SIGINT"), (["--now"], "SIGTERM")])
def test_stop_signals_the_owner(
    run: Run, results: Path, holder: subprocess.Popen[str], options: list[str], name: str
) -> None:
    """SIGTERM means to a search what Ctrl-C twice does."""
    ran = run("stop", "mnist", *options, "--results", results)

    assert ran.code == 0
    assert f"pid {holder.pid} on " in ran.out
    assert "mnist-hpo resume mnist" in ran.out
    assert holder.stdout is not None
    assert holder.stdout.readline() == f"{name}\n"


def test_stop_refuses_a_search_of_another_machine(
    run: Run, results: Path, holder: subprocess.Popen[str]
) -> None:
    lock = results / "mnist/mnist.lock"
    lock.write_text(f'{{"pid": {holder.pid}, "host": "elsewhere", "since": "now"}}')

    ran = run("stop", "mnist", "--results", results)

    assert ran.code == 4
    assert f"searched by pid {holder.pid} on elsewhere" in ran.err
    assert "type the same command there" in ran.err
    assert holder.poll() is None


def test_stop_without_a_search_says_how_to_go_on(run: Run, results: Path) -> None:
    ran = run("stop", "mnist", "--results", results)

    assert ran.code == 2
    assert "Nobody is searching study 'mnist'" in ran.err
    assert "mnist-hpo resume mnist" in ran.err


def test_watch_of_a_study_at_rest_shows_it_and_ends(
    run: Run, results: Path, untouched: Run
) -> None:
    before = untouched(results)

    ran = run("watch", "mnist", "--results", results)

    assert ran.code == 0
    assert "Nobody is searching mnist" in ran.err
    assert "event=started" in ran.err
    assert "\x1b" not in ran.err
    assert untouched(results) == before


def test_watch_ends_when_the_search_does(
    run: Run, results: Path, holder: subprocess.Popen[str]
) -> None:
    holder.send_signal(signal.SIGINT)

    ran = run("watch", "mnist", "--every", "0.5", "--results", results)

    assert ran.code == 0
    assert "event=started" in ran.err
