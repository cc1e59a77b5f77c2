"""One owner at a time; the kernel, not a file's content, says who."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import search
from search.errors import LedgerError, StudyOwned
from search.lock import StudyLock, is_owned, owner_of

ROOT = Path(search.__file__).parents[1]

OWNER = """
import subprocess, sys, time
from pathlib import Path
from search.lock import StudyLock
lock = StudyLock(Path(sys.argv[1]), "demo").acquire()
if len(sys.argv) > 2:
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    child = subprocess.Popen(sleep, close_fds=False)
    print(child.pid, flush=True)
else:
    print("owns", flush=True)
time.sleep(60)
"""

READER = """
import sys
from pathlib import Path
from search.lock import is_owned
print("reads", flush=True)
while True:
    is_owned(Path(sys.argv[1]))
"""


@contextmanager
def process(script: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Starts a script and waits for its first line."""
    started = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    try:
        yield started, started.stdout.readline().strip()
    finally:
        started.kill()
        started.wait()
        started.stdout.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "demo" / "study.lock"


def test_the_second_owner_is_told_the_firsts_pid(path: Path) -> None:
    """And host and time: enough to find and end it."""
    with process(OWNER, str(path)) as (owner, _):
        with pytest.raises(StudyOwned, match=rf"'demo' .+ pid {owner.pid} on .+ since 20") as told:
            StudyLock(path, "demo").acquire()

        assert socket.gethostname() in told.value.owner
        assert is_owned(path)


def test_kill_9_frees_the_lock_at_once(path: Path) -> None:
    """No heartbeat, no grace period: the next owner starts right away, and is the one named."""
    with process(OWNER, str(path)) as (owner, _):
        owner.kill()
        owner.wait()

        began = time.monotonic()
        with StudyLock(path, "demo"):
            waited = time.monotonic() - began
            named = owner_of(path)

    assert waited < 1
    assert named is not None
    assert named.startswith(f"pid {os.getpid()} on ")


def test_a_child_that_outlives_its_owner_keeps_no_lock(path: Path) -> None:
    """Even one that was started with every inheritable descriptor."""
    with process(OWNER, str(path), "with a child") as (owner, child):
        owner.kill()
        owner.wait()
        try:
            os.kill(int(child), 0)  # it lives
            with StudyLock(path, "demo"):
                assert is_owned(path)
        finally:
            os.kill(int(child), 9)


def test_asking_creates_nothing(path: Path) -> None:
    """A table of studies must not litter the folders it reads."""
    assert not is_owned(path)
    assert owner_of(path) is None
    assert not path.parent.exists()


def test_asking_changes_nothing(path: Path) -> None:
    with StudyLock(path, "demo"):
        before = path.read_bytes(), path.stat().st_mtime_ns
        answers = [is_owned(path) for _ in range(3)]

    assert answers == [True] * 3
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert not is_owned(path)


@pytest.mark.slow
def test_readers_never_keep_an_owner_away(path: Path) -> None:
    """A reader's look takes the lock for microseconds; an owner-to-be outwaits it.

    Without that a fifth of the tries met a reader and blamed a dead process.
    """
    StudyLock(path, "demo").acquire().release()

    with process(READER, str(path)):
        for _ in range(300):
            with StudyLock(path, "demo"):
                pass

    assert not is_owned(path)


def test_a_released_lock_is_free_and_its_file_stays(path: Path) -> None:
    """Removing the file could split two owners. Releasing twice is no error."""
    lock = StudyLock(path, "demo").acquire()
    lock.release()
    lock.release()

    with StudyLock(path, "demo"):
        pass

    assert path.is_file()


def test_an_error_inside_frees_the_lock(path: Path) -> None:
    with pytest.raises(RuntimeError, match="broken"), StudyLock(path, "demo"):
        raise RuntimeError("broken")

    assert not is_owned(path)


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"pid": 1}', "\x00\x00"])
def test_what_stands_in_the_file_proves_nothing(path: Path, content: str) -> None:
    """Half a record of a killed writer neither blocks nor breaks anything."""
    path.parent.mkdir()
    path.write_text(content)

    assert owner_of(path) is None
    assert not is_owned(path)
    with StudyLock(path, "demo"):
        assert is_owned(path)


def test_bytes_that_are_no_text_name_no_owner(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe\x80")

    assert owner_of(path) is None


def test_a_longer_old_record_leaves_no_rest(path: Path) -> None:
    """The new owner's record replaces all of it, so it can be read."""
    path.parent.mkdir()
    path.write_text("x" * 500)

    with StudyLock(path, "demo"):
        named = owner_of(path)

    assert named is not None
    assert f"pid {os.getpid()}" in named


def test_a_folder_that_cannot_be_made_is_an_error_with_its_name(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "demo").write_text("a file")

    with pytest.raises(LedgerError, match=r"Cannot write the lock .*study\.lock"):
        StudyLock(tmp_path / "demo" / "study.lock", "demo").acquire()
