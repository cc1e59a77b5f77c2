"""Are the tests real? Each mutant breaks one rule, and the tests named beside it must fail.

pytest -m full tests/mutants
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 150
"""Seconds for tests that take 30 at most."""

FAILED = 1
"""What pytest exits with when tests ran and some failed; no test at all would be another code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A change of one place in the code that breaks a rule."""

    name: str
    file: str
    old: str
    new: str
    caught_by: str
    """Arguments of pytest."""


MUTANTS = (
    # The ledger
    Mutant(
        name="shown before it is committed",
        file="search/store.py",
        old="            key = decode.epoch_key(job.fold, job.run, number)\n",
        new="            self._history = after\n"
        "            key = decode.epoch_key(job.fold, job.run, number)\n",
        caught_by="tests/search/test_durable.py",
    ),
    Mutant(
        name="a cut-off summary stays cut off",
        file="search/store.py",
        old="            if state == OptunaState.RUNNING.name:",
        new="            if state == OptunaState.FAIL.name:",
        caught_by="tests/search/test_store.py",
    ),
    Mutant(
        name="commits without an order",
        file="search/store.py",
        old='"order": self._order + 1}',
        new='"order": self._order}',
        caught_by="tests/search/test_store.py tests/search/test_driver.py",
    ),
    Mutant(
        name="a changed fact is believed",
        file="search/seals.py",
        old='    raise BrokenSeal(f"{key} of {owner} is not what was stored")',
        new="    return body",
        caught_by="tests/mnist_hpo/test_damage.py",
    ),
    Mutant(
        name="a missing commit is not missed",
        file="search/seals.py",
        old="    if there != list(range(len(there))):",
        new="    if False:",
        caught_by="tests/search/test_seals.py",
    ),
    Mutant(
        name="epochs in any order",
        file="search/changes.py",
        old="    if number != len(curve) or job.run != curve.run:",
        new="    if job.run != curve.run:",
        caught_by="tests/search/test_store.py tests/search/test_memory.py",
    ),
    Mutant(
        name="a final trial goes on changing",
        file="search/changes.py",
        old="    if trial.is_final(history.facts.epochs):\n        raise",
        new="    if False:\n        raise",
        caught_by="tests/search/test_store.py tests/search/test_memory.py",
    ),
    Mutant(
        name="attempts are not counted",
        file="search/changes.py",
        old="count + 1 if epoch == job.start else 1",
        new="1",
        caught_by="tests/search/test_driver.py tests/search/test_store.py",
    ),
    Mutant(
        name="an attempt is counted after its job is handed out",
        file="search/driver.py",
        old="""        self._running[job.lane] = job
        self._ledger.start(job)
""",
        new="""        self._running[job.lane] = job
""",
        caught_by="tests/search/test_durable.py",
    ),
    Mutant(
        name="a checkpoint is written wherever the folder's name leads",
        file="search/driver.py",
        old="            self._ledger.check_place()  # by that name",
        new="            pass  # by that name",
        caught_by="tests/crash/test_moved.py",
    ),
    Mutant(
        name="a ledger that was removed is gone",
        file="search/moved.py",
        old="        if os.fstat(descriptor).st_nlink:",
        new="        if True:",
        caught_by="tests/crash/test_moved.py",
    ),
    Mutant(
        name="commits that a power cut takes back",
        file="search/sqlite_storage.py",
        old="synchronous=EXTRA",
        new="synchronous=OFF",
        caught_by="tests/search/test_durable.py",
    ),
    Mutant(
        name="a damaged database is opened",
        file="search/sqlite_file.py",
        old="            found = _damage(db, most=1)\n",
        new="            found = ()\n",
        caught_by="tests/search/test_durable.py",
    ),
    # The lock
    Mutant(
        name="no lock",
        file="search/lock.py",
        old="            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        new="            pass\n",
        caught_by="tests/search/test_lock.py",
    ),
    Mutant(
        name="a living owner is not seen",
        file="search/lock.py",
        old="    except BlockingIOError:\n        return True\n    finally",
        new="    except BlockingIOError:\n        return False\n    finally",
        caught_by="tests/search/test_lock.py",
    ),
    # Files and checkpoints
    Mutant(
        name="files written in place",
        file="search/files.py",
        old='    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")',
        new="    temporary = path",
        caught_by="tests/search/test_files.py",
    ),
    Mutant(
        name="renamed before it is on the disk",
        file="search/files.py",
        old="            os.fsync(file.fileno())\n",
        new="",
        caught_by="tests/search/test_durable.py",
    ),
    Mutant(
        name="a name that is not on the disk",
        file="search/files.py",
        old="    sync_folder(path.parent)\n",
        new="",
        caught_by="tests/search/test_durable.py",
    ),
    Mutant(
        name="a checkpoint of any content is taken",
        file="search/checkpoints.py",
        old="            if sha256_of(content) == sha256:",
        new="            if content:",
        caught_by="tests/search/test_checkpoints.py",
    ),
    Mutant(
        name="checkpoints of live trials are swept",
        file="search/checkpoints.py",
        old="            if ours and path not in wanted:",
        new="            if ours:",
        caught_by="tests/search/test_checkpoints.py",
    ),
    # The loop
    Mutant(
        name="a lost checkpoint is guessed",
        file="search/driver.py",
        old="                start = 0  # its file is gone: train the fold again, and compare",
        new="                pass",
        caught_by="tests/search/test_driver.py",
    ),
    Mutant(
        name="epochs trained again are not compared",
        file="search/driver.py",
        old="        _compare(job, trained.epochs[:redone], curve.epochs)\n",
        new="",
        caught_by="tests/search/test_driver.py",
    ),
    Mutant(
        name="a job that kills its worker is tried for ever",
        file="search/driver.py",
        old="                elif starts >= MAX_DEATHS:",
        new="                elif starts >= 10**9:",
        caught_by="tests/search/test_patience.py",
    ),
    Mutant(
        name="seeds that forget the fold",
        file="search/seeds.py",
        old="spawn_key=(int(purpose), *path))",
        new="spawn_key=(int(purpose), *path[:1]))",
        caught_by="tests/search/test_seeds.py",
    ),
    # The race
    Mutant(
        name="everybody near the top is promoted, again and again",
        file="search/rungs.py",
        old="        free = places - sum(self._has_left(trial, index) for trial in ranked)\n",
        new="        free = places\n",
        caught_by="tests/search/test_race.py",
    ),
    Mutant(
        name="slow starters are not guarded",
        file="search/rungs.py",
        old="        if self._options.guard and index == 0:",
        new="        if self._options.guard and index == 99:",
        caught_by="tests/search/test_race.py",
    ),
    Mutant(
        name="a rival is dropped for a tie",
        file="search/drop_rule.py",
        old="        chance = 1 - NormalDist(gain, spread).cdf(self.tie)",
        new="        chance = 1 - NormalDist(gain, spread).cdf(2 * self.tie)",
        caught_by="tests/search/test_race.py",
    ),
    Mutant(
        name="two workers on one fold",
        file="search/race.py",
        old="            if len(curve) < self._epochs and (trial.number, fold) not in self._busy:",
        new="            if len(curve) < self._epochs:",
        caught_by="tests/search/test_race.py tests/search/test_policy.py",
    ),
    Mutant(
        name="a judged trial is at work",
        file="search/race.py",
        old="                if verdict is not None and trial.number not in self._active:",
        new="                if verdict is not None:",
        caught_by="tests/search/test_race.py",
    ),
    Mutant(
        name="calls never end",
        file="search/race.py",
        old="        if self._calls_win(trials) < self._options.calls_win:",
        new="        if self._calls_win(trials) < 0:",
        caught_by="tests/search/test_last_call.py",
    ),
    # Workers
    Mutant(
        name="another question's answer tells who is there",
        file="search/dask_jobs.py",
        old="            return list(self._client.nthreads())",
        new='            return list(self._client.scheduler_info(n_workers=-1)["workers"])',
        caught_by="tests/search/test_engines.py::"
        "test_no_worker_seems_gone_while_the_client_updates_what_it_knows",
    ),
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_the_place_of_a_mutant_is_there(mutant: Mutant) -> None:
    """Once: else the code has moved on, and the mutant must follow it."""
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
    assert all((ROOT / path.partition("::")[0]).is_file() for path in mutant.caught_by.split())


@pytest.mark.full
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mutant_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    """By failing tests, in a copy of the source."""
    for name in ("search", "spaces", "mnist_hpo", "tests", "benchmarks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / mutant.file
    path.write_text(path.read_text().replace(mutant.old, mutant.new))

    # One process: several of them say 2 where the first failure ends the run.
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-m", "not slow and not full"]
    try:
        ran = subprocess.run(
            [*pytest_, *mutant.caught_by.split()],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return  # a study without end: nobody would take it for a success

    assert ran.returncode == FAILED, ran.stdout[-2000:]
