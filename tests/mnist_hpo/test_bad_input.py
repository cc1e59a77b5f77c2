"""Wrong input ends in one message, before anything is trained or written."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mnist_hpo import cli
from search.records import Budget
from search.store import Ledger
from search.testing import facts, trial
from spaces.cnn_space import CNN_SPACE
from spaces.space import Choice, Space

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the program in an empty folder and returns its exit code and what it says."""
    monkeypatch.chdir(tmp_path)
    for name in ("MNIST_HPO_RESULTS", "MNIST_HPO_STORAGE", "MNIST_HPO_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> tuple[int, str]:
        code = cli.main(arguments)
        return code, capfd.readouterr().err

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dataset", "mnsit"], ["mnsit", "mnist"]),
        (["--dataset", "no/such.npz"], ["no/such.npz"]),
        (["--trials", "0"], ["--trials", "0"]),
        (["--trials", "many"], ["--trials", "many"]),
        (["--minutes", "-1"], ["--minutes", "-1"]),
        (["--minutes", "nan"], ["--minutes", "nan"]),
        (["--minutes", "inf"], ["--minutes", "inf"]),
        (["--epochs", "0"], ["--epochs"]),
        (["--folds", "1"], ["--folds"]),
        (["--folds", "101"], ["--folds", "101"]),
        (["--seed", "-1"], ["--seed"]),
        (["--workers", "0"], ["--workers"]),
        (["--job-timeout", "0"], ["--job-timeout"]),
        (["--job-timeout", "nan"], ["--job-timeout", "nan"]),
        (["--retries", "-1"], ["--retries"]),
        (["--cluster", "node7:8786"], ["tcp://HOST:PORT", "--workers"]),
        (["--set", "nonsense"], ["nonsense", "NAME=RANGE"]),
        (["--set", "kernle=3"], ["kernle", "kernel"]),
        (["--set", "kernel="], ["kernel"]),
        (["--set", "kernel=3,big"], ["kernel", "big"]),
        (["--set", "adam_lr=1e-2..1e-4"], ["adam_lr"]),
        (["--set", "adam_lr=nan..1"], ["adam_lr", "nan"]),
        (["--set", "kernel=3", "--set", "kernel=5"], ["kernel", "twice"]),
        (["--fix", "optimizer=lion"], ["optimizer", "lion", "adam"]),
        (["--fix", "conv_layers=1", "--fix", "filters_2=8"], ["filters_2"]),
        (["--sampler", "magic"], ["magic", "tpe"]),
        (["--sampler", "kt-hyperband"], ["Hyperband", "epochs"]),
        (["--sampler", "grid"], ["grid", "--set"]),
        (["--policy", "best"], ["--policy", "best"]),
        (["--race", "nonsense"], ["nonsense", "NAME=VALUE"]),
        (["--race", "rugns=1,2"], ["--race", "no option 'rugns'", "rungs"]),
        (["--race", "rungs=1,two"], ["rungs", "1,two"]),
        (["--race", "rungs=4,2"], ["Rungs are epochs in rising order", "4, 2"]),
        (["--race", "rungs=0,2"], ["Rungs are epochs", "from 1"]),
        (["--race", "cohort=0"], ["cohort"]),
        (["--race", "alpha=nan"], ["alpha"]),
        (["--race", "settled=1.5"], ["settled", "1.5"]),
        (["--race", "measure=guess"], ["measure", "guess"]),
        (["--race", "rotate=perhaps"], ["rotate", "perhaps"]),
        (["--race", "rungs=1", "--race", "rungs=2"], ["rungs", "twice"]),
        (["--race", "rungs=1", "--policy", "full"], ["Only the policy 'race' has options"]),
        (["--baselines", "some"], ["--baselines", "some"]),
        (["--space", "cn"], ["cn", "cnn"]),
        (["--space", "no_such_module:Model"], ["no_such_module"]),
        (["--study", "a b"], ["a b"]),
        (["--study", "../up"], ["../up"]),
        (["--storage", "mysql://me:secret@host/db"], ["sqlite:///"]),
        (["--precision", "float8"], ["--precision"]),
        (["--no-such-option"], ["--no-such-option"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_search_that_cannot_start_says_why(
    run: Run, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    """Exit code 2, what was wrong, what to type, no traceback, no file."""
    code, said = run("search", *arguments)

    assert code == 2
    assert all(word in said for word in words), said
    assert "help:" in said
    assert "Traceback" not in said
    assert "secret" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_corrupt_dataset_is_named(run: Run, tmp_path: Path) -> None:
    """And left as it is."""
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 this is no archive")

    code, said = run("search", "--dataset", str(broken))

    assert code == 2
    assert "broken.npz" in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == [broken]


def test_copies_of_images_are_told_and_not_refused(run: Run, tmp_path: Path) -> None:
    """Digits may be alike, and rare ones repeated on purpose; but scores may be too high."""
    x = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype="uint8")
    y = np.arange(60) % 10
    path = tmp_path / "digits.npz"
    np.savez(path, x_train=np.concatenate([x, x[:7]]), y_train=[*y, *y[:7]], x_test=x, y_test=y)

    code, said = run("search", "--dataset", str(path), "--dry-run")

    assert code == 0
    assert "7 of 67 development images are copies of others" in said
    assert "60 of 60 test images are in the development set, too" in said


def test_a_folder_that_cannot_be_written_is_a_storage_error(run: Run, tmp_path: Path) -> None:
    """A file stands where the results should go: nobody can write there, root included."""
    (tmp_path / "results").write_text("a file")

    code, said = run("search", "--trials", "1")

    assert code == 3
    assert "results" in said
    assert "Traceback" not in said
    assert (tmp_path / "results").read_text() == "a file"


@pytest.mark.parametrize("command", ["resume", "show", "finalize", "doctor"])
def test_a_wrong_study_name_is_corrected(run: Run, tmp_path: Path, command: str) -> None:
    """With the name that was probably meant, and without a file."""
    Ledger.create(
        tmp_path / "results" / "digits" / "study.db", facts(study="digits"), Budget(trials=1)
    ).close()
    before = sorted(tmp_path.rglob("*"))

    code, said = run(command, "digtis")

    assert code == 2
    assert "did you mean 'digits'?" in said
    assert sorted(tmp_path.rglob("*")) == before


def test_a_study_is_not_started_twice(run: Run, tmp_path: Path) -> None:
    """The message has the command that goes on with it."""
    Ledger.create(
        tmp_path / "results" / "mnist-5k" / "study.db", facts(study="mnist-5k"), Budget(trials=1)
    ).close()

    code, said = run("search")

    assert code == 2
    assert "mnist-hpo resume mnist-5k" in said


def test_a_changed_space_is_refused_with_the_difference(run: Run, tmp_path: Path) -> None:
    """The study stays as it is."""
    model = tmp_path / "my_model.py"
    model.write_text("def build(hp):\n    hp.Choice('units', [128, 256])\n")
    path = tmp_path / "results" / "mine" / "study.db"
    old = Space("my_model:build", (Choice(name="units", values=(16, 32), default=16),))
    Ledger.create(
        path,
        facts(study="mine", space=old, model="my_model:build", dataset="mnist-5k"),
        Budget(trials=1),
    ).close()
    before = path.read_bytes()

    code, said = run("resume", "mine")
    sys.modules.pop("my_model", None)

    assert code == 2
    assert "units: was [16, 32], now [128, 256]" in said
    assert path.read_bytes() == before


def test_changed_data_is_refused(run: Run, tmp_path: Path) -> None:
    """Scores on other images would be scores of something else."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (60, 28, 28), dtype=np.uint8)
    y = np.arange(60) % 10
    data = tmp_path / "digits.npz"
    np.savez(data, x_train=x, y_train=y, x_test=x[:10], y_test=y[:10])
    Ledger.create(
        tmp_path / "results" / "digits" / "study.db",
        facts(study="digits", space=CNN_SPACE, model="cnn", dataset=str(data)),
        Budget(trials=1),
    ).close()

    code, said = run("resume", "digits")

    assert code == 2
    assert "The data of study 'digits' changed" in said


def test_fewer_trials_than_there_are_is_refused(run: Run, tmp_path: Path) -> None:
    """`--trials` is a total."""
    study = facts(study="digits")
    ledger = Ledger.create(tmp_path / "results" / "digits" / "study.db", study, Budget(trials=3))
    ledger.add(trial(0, study))
    ledger.add(trial(1, study))
    ledger.close()

    code, said = run("resume", "digits", "--trials", "1")

    assert code == 2
    assert "has 2 trials already" in said


def test_nothing_complete_cannot_be_finalized(run: Run, tmp_path: Path) -> None:
    """Exit code 1: it ran, and there is no result."""
    Ledger.create(
        tmp_path / "results" / "digits" / "study.db", facts(study="digits"), Budget(trials=1)
    ).close()

    code, said = run("finalize", "digits")

    assert code == 1
    assert "mnist-hpo resume digits" in said
