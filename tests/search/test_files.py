"""Files exist whole or not at all, whatever kills the process."""

import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import search
from search.files import remove_temporaries, sha256_of, sync_folder, write_whole

ROOT = Path(search.__file__).parents[1]
SIZE = 4 * 2**20

WRITER = f"""
import sys
from pathlib import Path
from search.files import write_whole
path = Path(sys.argv[1])
print("ready", flush=True)
while True:
    for letter in b"ab":
        write_whole(path, bytes([letter]) * {SIZE})
"""


def names_in(folder: Path) -> list[str]:
    """Returns every name in a folder, hidden ones included."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_a_kill_leaves_the_old_content_or_the_new(tmp_path: Path) -> None:
    """Twenty kills in the middle of writing 4 MB again and again: never a part, never a mix."""
    path = tmp_path / "file"
    whole = {bytes([letter]) * SIZE for letter in b"ab"}
    write_whole(path, b"a" * SIZE)
    pauses = random.Random(7)  # noqa: S311 - moments, not secrets
    orphans = 0

    for _ in range(20):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(pauses.uniform(0.0, 0.08))
        writer.kill()
        writer.wait()
        writer.stdout.close()
        assert path.read_bytes() in whole
        orphans += (tmp_path / f".file.tmp-{writer.pid}").exists()

    # Had no kill hit a write, the test would have shown nothing.
    assert orphans > 0


def test_the_folder_is_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"

    write_whole(path, b"one")
    write_whole(path, b"two")

    assert path.read_bytes() == b"two"
    assert names_in(path.parent) == ["file"]


def test_a_write_that_fails_leaves_the_old_file_and_no_orphan(tmp_path: Path) -> None:
    """A folder stands where the file should go: the rename fails after the write worked."""
    path = tmp_path / "file"
    path.mkdir()
    (path / "kept").write_bytes(b"old")

    with pytest.raises(IsADirectoryError):
        write_whole(path, b"new")

    assert names_in(tmp_path) == ["file"]
    assert (path / "kept").read_bytes() == b"old"


def test_a_full_disk_leaves_the_old_file_and_no_orphan(tmp_path: Path) -> None:
    """A limit on file sizes stands for the disk: the write breaks in the middle."""
    path = tmp_path / "file"
    write_whole(path, b"old")
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from search.files import write_whole\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    write_whole(Path(sys.argv[1]), b'new' * 10_000)\n"
        "except OSError as error:\n"
        "    print(error.strerror)\n"
    )

    full = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert full.stdout == "File too large\n"
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


def test_a_folder_that_is_gone_cannot_be_synced(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "gone")


def test_the_fingerprint_is_sha256_in_hexadecimal() -> None:
    """FIPS 180-2, appendix B.1: the message "abc"."""
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    assert sha256_of(b"abc") == known == hashlib.sha256(b"abc").hexdigest()


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    """Temporary files have a form of their own; a person's `notes.tmp-1` has not."""
    orphan = tmp_path / ".best.keras.tmp-4711"
    for path in (orphan, tmp_path / "best.keras", tmp_path / "notes.tmp-1"):
        path.write_text("half of it")

    removed = remove_temporaries(tmp_path)

    assert removed == (orphan,)
    assert names_in(tmp_path) == ["best.keras", "notes.tmp-1"]
    assert remove_temporaries(tmp_path / "none") == ()
