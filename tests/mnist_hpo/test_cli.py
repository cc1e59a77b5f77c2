"""The entry point: what it imports, how it ends, what it says of an error."""

import importlib
import json
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from mnist_hpo import cli
from mnist_hpo.errors import NoResultError, OwnedError, UserError
from mnist_hpo.exits import explain
from search import errors
from search.lock import StudyLock
from spaces.errors import ImpossibleModel, SpaceError

Run = Callable[..., Any]
Fresh = Callable[..., subprocess.CompletedProcess[str]]

HEAVY = (
    *("tensorflow", "keras", "keras_tuner", "optuna", "dask", "distributed", "sklearn", "numpy"),
    *("sqlalchemy", "psycopg"),
)

RUN_AND_TELL = """
import json, sys
from mnist_hpo.cli import main
code = main(sys.argv[1:])
modules = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps([code, modules]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        [],
        ["list"],
        ["list", "--json"],
        ["show", "mnist"],
        ["show", "mnist", "--json"],
        ["show", "mnist", "--csv"],
        ["trial", "mnist", "4"],
        ["models"],
        ["models", "003"],
        ["models", "--json"],
        ["show", "--help"],
        ["search", "--help"],
    ],
    ids=" ".join,
)
def test_reading_imports_nothing_heavy_and_changes_no_file(
    fresh: Fresh, results: Path, untouched: Run, arguments: list[str]
) -> None:
    before = untouched(results)

    ran = fresh(RUN_AND_TELL, *arguments, MNIST_HPO_RESULTS=str(results))

    code, modules = json.loads(ran.stderr.splitlines()[-1])
    assert code == 0, ran.stderr
    predicts = arguments[0] == "show" and "--help" not in arguments if arguments else False
    allowed = {"numpy"} if predicts else set()
    assert not set(HEAVY) & set(modules) - allowed
    assert untouched(results) == before


@pytest.mark.parametrize("command", [["show", "mnist"], ["trial", "mnist", "0"]])
def test_a_study_of_complete_trials_is_shown_without_numpy(
    fresh: Fresh, tmp_path: Path, make_study: Run, command: list[str]
) -> None:
    """There is nothing to predict."""
    make_study(tmp_path, complete=True, policy="race")

    ran = fresh(RUN_AND_TELL, *command, MNIST_HPO_RESULTS=str(tmp_path))

    code, modules = json.loads(ran.stderr.splitlines()[-1])
    assert code == 0, ran.stderr
    assert not set(HEAVY) & set(modules)


def test_help_imports_no_command_and_no_rich(fresh: Fresh) -> None:
    ran = fresh(RUN_AND_TELL, "-h")

    assert not {"rich", "search", "spaces"} & set(json.loads(ran.stderr)[1])
    for name, (_, about) in cli.COMMANDS.items():
        assert name in ran.stdout
        assert about in ran.stdout


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_named_in_the_help_is_there(name: str) -> None:
    module, _, attribute = cli.COMMANDS[name][0].partition(":")

    command = getattr(importlib.import_module(module), attribute)

    assert isinstance(command, click.Command)


def test_the_version_names_the_program(run: Run) -> None:
    assert run("--version").out.startswith("mnist-hpo ")


@pytest.mark.parametrize(
    ("arguments", "message", "help_"),
    [
        (["shw"], "Did you mean 'show'?", "mnist-hpo --help"),
        (["show"], "Missing argument 'STUDY'", "mnist-hpo show --help"),
        (["show", "mnist", "--jsn"], "--json", "mnist-hpo show --help"),
        (["show", "mnist", "--top", "0"], "x>=1", "mnist-hpo show --help"),
        (["trial", "mnist", "one"], "'one' is not a valid integer", "mnist-hpo trial --help"),
        (["models", "005"], "The documented models are 000", "mnist-hpo"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_line_of_help(
    run: Run, arguments: list[str], message: str, help_: str
) -> None:
    ran = run(*arguments)

    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    assert message in ran.err
    assert f"help:  {help_}" in ran.err


@pytest.mark.parametrize("command", [["show"], ["trial"]])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnits", "did you mean 'mnist'?"),
        ("../mnist", "1 to 64 letters"),
        ("..", "1 to 64 letters"),
        ("", "1 to 64 letters"),
        ("a b", "for instance 'a-b'"),
        ("x" * 65, "1 to 64 letters"),
    ],
)
def test_a_wrong_study_ends_with_2_and_creates_nothing(  # noqa: PLR0913, PLR0917 - cases
    run: Run, results: Path, untouched: Run, command: list[str], name: str, message: str
) -> None:
    before = untouched(results.parent)

    ran = run(*command, name, *(["0"] if command == ["trial"] else []), "--results", results)

    assert ran.code == 2
    assert message in ran.err
    assert "\nhelp:  " in ran.err
    assert "Traceback" not in ran.err
    assert untouched(results.parent) == before


def test_the_beginning_of_a_name_will_do_while_it_is_the_only_one(run: Run, results: Path) -> None:
    assert run("show", "mn", "--results", results).code == 0
    (results / "mnist-2").mkdir()
    (results / "mnist-2" / "study.db").write_bytes((results / "mnist/study.db").read_bytes())

    ran = run("show", "mn", "--results", results)

    assert ran.code == 2
    assert "mnist, mnist-2" in ran.err


@pytest.mark.parametrize(
    "damage", [b"not a database", b"SQLite format 3\0" + bytes(9000)], ids=["text", "zeros"]
)
@pytest.mark.parametrize("command", [["show", "mnist"], ["trial", "mnist", "0"], ["list"]])
def test_a_corrupt_ledger_ends_with_3_and_stays_as_it_is(
    run: Run, results: Path, untouched: Run, command: list[str], damage: bytes
) -> None:
    (results / "mnist/study.db").write_bytes(damage)
    before = untouched(results.parent)

    ran = run(*command, "--results", results)

    assert ran.code == 3
    assert "study.db" in ran.err
    assert "\nhelp:  " in ran.err
    assert "Traceback" not in ran.err
    assert untouched(results.parent) == before


def test_an_empty_ledger_holds_no_study_yet(run: Run, results: Path, untouched: Run) -> None:
    """A process that dies while it creates its ledger leaves such a file."""
    (results / "mnist/study.db").write_bytes(b"")
    before = untouched(results.parent)

    assert run("show", "mnist", "--results", results).code == 2
    assert "No study" in run("list", "--results", results).out
    assert untouched(results.parent) == before


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:pa@ss@host/db?password=x", "postgresql://***"),
        ("mysql://me:secret@host", "mysql://***"),
        ("me:secret@host", "***"),
        ("postgres://me:secret@host/db", "postgres://***"),
        ("postgresql+asyncpg://me:secret@host/db", "postgresql+asyncpg://***"),
        ("postgresql://me:secret@host", "postgresql://***"),
        ("postgresql://me:secret@host/", "postgresql://***"),
        ("postgresql://me:secret@host:port/db", "postgresql://***"),
        ("postgresql://me:secret@host:0/db", "postgresql://***"),
        ("postgresql://me:secret@host:65536/db", "postgresql://***"),
        ("postgresql://me:secret@host/db?sslmode=require&color=red", "postgresql://***"),
        ("postgresql://me:secret@host/db?host=other", "postgresql://***"),
        ("postgresql://me@host/db?password=secret", "postgresql://***"),
        ("postgresql:///me:secret/db", "postgresql://***"),
        ("postgresql://me:secret/db", "postgresql://***"),
        ("postgresql://me:sec\tret@host/db", "postgresql://***"),
        ("host=db password=secret", "***"),
        ("", ""),
        ("sqlite://", "sqlite://"),
        ("sqlite:///a.db?mode=rwc", "sqlite:///a.db"),
    ],
)
def test_another_storage_is_refused_without_showing_a_password(
    run: Run, url: str, shown: str
) -> None:
    ran = run("show", "mnist", "--storage", url)

    assert ran.code == 2
    assert f"got {shown!r}" in ran.err
    assert "help:  --storage postgresql://" in ran.err
    assert "secret" not in ran.err
    assert "ss@host" not in ran.err


def test_one_storage_may_hold_the_studies(run: Run, results: Path) -> None:
    url = f"sqlite:///{results}/mnist/study.db"

    by_option = run("show", "mnist", "--storage", url)
    by_environment = run("list", MNIST_HPO_STORAGE=url)

    assert f"mnist-hpo resume mnist --storage {url}" in by_option.out
    assert "mnist  " in by_environment.out


def test_a_missing_storage_is_no_study_and_no_file(run: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/none.db"

    assert run("list", "--storage", url).code == 0
    assert run("show", "mnist", "--storage", url).code == 2
    assert list(tmp_path.iterdir()) == []


ERRORS: tuple[tuple[Exception, int], ...] = (
    (UserError("a", "b"), 2),
    (NoResultError("a", "b"), 1),
    (OwnedError("a", "b"), 4),
    (errors.StudyError("a"), 2),
    (errors.UnknownStudy("a", ()), 2),
    (errors.FoldError("a"), 2),
    (errors.TableError("a"), 2),
    (SpaceError("a"), 2),
    (ImpossibleModel("a"), 2),
    (errors.PlaceError("a", "b"), 2),
    (errors.LedgerError("a"), 3),
    (errors.LedgerBusy("a"), 4),
    (errors.LedgerMoved("a", "b"), 3),
    (errors.ClusterError("a"), 3),
    (errors.StudyOwned("mnist", "pid 1"), 4),
    (errors.EnvironmentChanged(["keras: was 1, now 2"]), 5),
    (errors.TooManyFailures("a"), 1),
    (errors.TrainingError("a"), 1),
    (errors.SearchError("a"), 1),
)


@pytest.mark.parametrize(
    ("error", "code"), ERRORS, ids=[type(error).__name__ for error, _ in ERRORS]
)
def test_every_error_has_its_code_and_some_help(error: Exception, code: int) -> None:
    exit_ = explain(error)

    assert exit_ is not None
    assert exit_.code == code
    assert exit_.message == str(error)
    assert exit_.help


def test_every_class_of_errors_is_explained() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    own = {kind for kind in kinds if issubclass(kind, errors.SearchError)}

    assert own <= {type(error) for error, _ in ERRORS}


def _broken(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command("broken")
    def command() -> None:
        raise error

    module = types.ModuleType("broken_command")
    monkeypatch.setattr(module, "command", command, raising=False)
    monkeypatch.setitem(sys.modules, "broken_command", module)
    monkeypatch.setattr(cli, "COMMANDS", {"broken": ("broken_command:command", "Breaks.")})


def test_a_bug_ends_with_70_and_a_crash_log(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _broken(monkeypatch, ZeroDivisionError("by zero"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    ran = run("broken")

    (log,) = tmp_path.iterdir()
    assert ran.code == 70
    assert ran.err == (
        "error: a bug in mnist-hpo: ZeroDivisionError: by zero\n"
        f"help:  please report it, with {log}\n"
    )
    assert "Traceback (most recent call last)" in log.read_text()


def test_a_traceback_is_shown_when_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _broken(monkeypatch, UserError("wrong", "do this"))

    ran = run("broken", MNIST_HPO_DEBUG=1)

    assert ran.code == 2
    assert ran.err.startswith("Traceback")
    assert ran.err.endswith("error: wrong\nhelp:  do this\n")


def test_ctrl_c_ends_with_130_and_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _broken(monkeypatch, KeyboardInterrupt())

    ran = run("broken")

    assert (ran.code, ran.err.strip()) == (130, "")


@pytest.mark.parametrize("form", ["--json", "--all"])
def test_a_closed_pipe_ends_it_quietly(fresh: Fresh, results: Path, form: str) -> None:
    ran = fresh(
        "import subprocess, sys\n"
        "program = [sys.executable, '-m', 'mnist_hpo', *sys.argv[1:]]\n"
        "child = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE)\n"
        "child.stdout.close()\n"
        "print(child.stderr.read().decode(), child.wait())",
        "show",
        "mnist",
        form,
        "--results",
        results,
    )

    assert ran.stdout.split() == ["1"]


def test_a_second_owner_is_told_who_and_what_to_do(results: Path) -> None:
    path = results / "mnist/mnist.lock"
    with StudyLock(path, "mnist"), pytest.raises(errors.StudyOwned) as caught:
        StudyLock(path, "mnist").acquire()

    exit_ = explain(caught.value)

    assert exit_ is not None
    assert exit_.code == 4
    assert "mnist-hpo watch mnist " in exit_.help
    assert "mnist-hpo stop mnist " in exit_.help
