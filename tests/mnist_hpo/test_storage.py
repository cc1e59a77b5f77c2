"""`--storage postgresql://...`: the same commands and tables, and a password nobody sees."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mnist_hpo import searching
from mnist_hpo import storage as storage_module
from search import reader
from search.places import place_at
from search.testing import ScriptedTrainer
from search.trainer import AbstractTrainer, Task, Trained

Run = Callable[..., Any]

HEAVY = {"tensorflow", "keras", "keras_tuner", "optuna", "dask", "distributed", "sklearn"}

RUN_AND_TELL = """
import json, sys
from mnist_hpo.cli import main
code = main(sys.argv[1:])
modules = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps([code, modules]), file=sys.stderr)
"""

SEARCH = (
    *("search", "--study", "fresh", "--trials", "2", "--epochs", "2", "--folds", "2"),
    *("--baselines", "none", "--workers", "1", "--sampler", "tpe", "--policy", "full"),
)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> ScriptedTrainer:
    """Curves by formula in place of training; all else of a search is the real thing."""
    trainer = ScriptedTrainer()
    monkeypatch.setattr(searching.LazyTrainer, "made", lambda _: trainer)
    return trainer


def timeless(text: str) -> list[str]:
    return [line for line in text.splitlines() if '"updated"' not in line]


@pytest.mark.parametrize(
    "words",
    [["list"], ["show", "mnist"], ["show", "mni", "--all"], ["trial", "mnist", "4"]],
    ids=" ".join,
)
def test_a_study_looks_the_same_wherever_it_is(
    run: Run, results: Path, kept: str, words: list[str]
) -> None:
    form = [] if "--all" in words else ["--json"]
    on_disk = run(*words, *form, "--results", results)
    on_server = run(*words, *form, MNIST_HPO_STORAGE=kept)

    assert on_server.code == on_disk.code == 0, on_server.err
    # What to type next names the place.
    assert timeless(on_server.out)[:-1] == timeless(on_disk.out)[:-1]


@pytest.mark.parametrize("words", [["list"], ["show", "mnist"], ["trial", "mnist", "4"]])
def test_reading_from_a_server_imports_nothing_that_trains_or_proposes(
    fresh: Run, kept: str, words: list[str]
) -> None:
    ran = fresh(RUN_AND_TELL, *words, MNIST_HPO_STORAGE=kept, PYTHONPATH=":".join(sys.path))

    code, modules = json.loads(ran.stderr.splitlines()[-1])
    assert code == 0, ran.stderr
    assert not HEAVY & set(modules)
    assert "psycopg" in modules


def test_reading_an_empty_database_finds_no_study(run: Run, server: Any, database: str) -> None:
    """And creates no table."""
    listed = run("list", MNIST_HPO_STORAGE=database)
    shown = run("show", "mnist", MNIST_HPO_STORAGE=database)
    checked = run("doctor", MNIST_HPO_STORAGE=database)

    assert (listed.code, shown.code, checked.code) == (0, 2, 0)
    assert "No study in that storage yet" in listed.out
    assert "There is no study 'mnist'; there are: none yet" in shown.err
    assert "0 studies in postgresql://tester:***@127.0.0.1" in checked.out
    name = database.rpartition("/")[2]
    assert server.sql("SELECT count(*) FROM pg_stat_user_tables", database=name) == [(0,)]


def test_a_search_keeps_its_ledger_on_the_server_and_its_files_in_results(
    run: Run, database: str, tmp_path: Path, scripted: ScriptedTrainer
) -> None:
    """Started, ended, raised, and checked; no database file appears."""
    del scripted
    where = {"MNIST_HPO_STORAGE": database, "MNIST_HPO_RESULTS": str(tmp_path / "results")}

    searched = run(*SEARCH, **where)
    again = run(*SEARCH, **where)
    resumed = run("resume", "fresh", "--trials", "3", "--workers", "1", **where)
    checked = run("doctor", "fresh", **where)

    assert searched.code == 0, searched.err
    assert "fresh is done (2 trials): 2 of 2 trials begun, 2 complete" in searched.out
    assert again.code == 2
    assert "Study 'fresh' exists already, in postgresql://tester:***@127.0.0.1" in again.err
    assert resumed.code == 0, resumed.err
    assert "3 complete" in resumed.out
    assert checked.code == 0
    assert "whole: 3 trials, 12 fold-epochs" in checked.out
    names = {path.name for path in (tmp_path / "results").rglob("*")}
    assert names == {"fresh", "checkpoints"}


def test_a_password_on_the_command_line_draws_one_warning(run: Run, kept: str) -> None:
    """One from the environment draws none; neither is repeated in what to type next."""
    typed = run("show", "mnist", "--storage", kept)
    kept_back = run("show", "mnist", MNIST_HPO_STORAGE=kept)

    assert typed.code == kept_back.code == 0
    assert typed.err.count("\n") == 1
    assert "MNIST_HPO_STORAGE" in typed.err
    assert "~/.pgpass" in typed.err
    assert "mnist-hpo resume mnist --storage 'postgresql://tester:***@127" in typed.out
    assert kept_back.err == ""
    assert "mnist-hpo resume mnist\n" in kept_back.out


def test_a_url_without_a_password_is_repeated_and_draws_no_warning(
    run: Run, server: Any, kept: str, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password comes from where libpq looks for it."""
    url = f"postgresql://tester@127.0.0.1:{server.port}/{kept.rpartition('/')[2]}"
    monkeypatch.setenv("PGPASSWORD", password)

    ran = run("show", "mnist", "--storage", url)

    assert (ran.code, ran.err) == (0, "")
    assert f"mnist-hpo resume mnist --storage {url}" in ran.out


def test_an_owned_study_names_its_owner(
    run: Run, database: str, tmp_path: Path, scripted: ScriptedTrainer
) -> None:
    """Whoever would write is refused with exit code 4; whoever reads is told."""
    del scripted
    where = {"MNIST_HPO_STORAGE": database, "MNIST_HPO_RESULTS": str(tmp_path)}
    run(*SEARCH, **where)

    with place_at(database).lock("fresh"):
        resumed = run("resume", "fresh", "--trials", "3", "--workers", "1", **where)
        shown = run("show", "fresh", "--json", **where)
        checked = run("doctor", "fresh", **where)
    history = reader.read(place_at(database), "fresh").history

    owner = json.loads(shown.out)["study"]["owner"]
    assert (resumed.code, shown.code, checked.code) == (4, 0, 0)
    assert f"Study 'fresh' is being searched by {owner}" in resumed.err
    assert f"not touched: Study 'fresh' is being searched by {owner}" in checked.out
    assert history.budget.trials == 2


class Cutting(AbstractTrainer):
    """Does something to the server before the third epoch."""

    def __init__(self, cut: Callable[[], None]) -> None:
        self._inner = ScriptedTrainer()
        self._cut = cut
        self._count = 0

    def train(self, task: Task) -> Trained:
        self._count += 1
        if self._count == 3:
            self._cut()
        return self._inner.train(task)


@pytest.fixture
def cut_search(
    run: Run, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[], None]], Any]:
    """Runs a search during which something happens to the server; waits a second for it."""

    def search(cut: Callable[[], None]) -> Any:
        trainer = Cutting(cut)
        monkeypatch.setattr(searching.LazyTrainer, "made", lambda _: trainer)
        monkeypatch.setattr(
            storage_module,
            "place_at",
            lambda url: replace(place_at(url), patience=1.0),  # type: ignore[type-var]
        )
        return run(*SEARCH, MNIST_HPO_STORAGE=database, MNIST_HPO_RESULTS=tmp_path)

    return search


def test_a_search_whose_server_stays_away_ends_with_3_and_goes_on_later(
    cut_search: Run, run: Run, server: Any, database: str, tmp_path: Path
) -> None:
    """One message, no traceback; what the server acknowledged is there when it is back."""
    ended = cut_search(server.stop)
    server.start()
    history = reader.read(place_at(database), "fresh").history
    where = {"MNIST_HPO_STORAGE": database, "MNIST_HPO_RESULTS": tmp_path}
    resumed = run("resume", "fresh", "--workers", "1", **where)

    assert ended.code == 3
    assert "did not answer for 1 s" in ended.err
    assert "mnist-hpo resume fresh" in ended.err
    assert ended.err.count("error:") == 1
    assert "Traceback" not in ended.err
    assert history.trials[0].fold_epochs == 2
    assert resumed.code == 0, resumed.err
    assert "2 complete" in resumed.out


def test_no_interrupted_search_shows_a_password(
    cut_search: Run, run: Run, server: Any, database: str, no_leak: Run
) -> None:
    """In its messages, tables, JSON and files."""
    no_leak(cut_search(server.stop))
    server.start()

    for words in (["show", "fresh"], ["show", "fresh", "--json"], ["list", "--csv"], ["doctor"]):
        no_leak(run(*words, MNIST_HPO_STORAGE=database))


def test_no_search_that_may_not_write_shows_a_password(
    run: Run, server: Any, database: str, no_leak: Run
) -> None:
    name = database.rpartition("/")[2]
    server.sql(
        f"ALTER DATABASE {name} SET default_transaction_read_only = on", database="postgres"
    )

    refused = run(*SEARCH, MNIST_HPO_STORAGE=database, MNIST_HPO_DEBUG=1)

    assert refused.code == 3
    assert "read-only" in refused.err
    no_leak(refused)


def test_a_real_process_shows_no_password(database: str, no_leak: Run, tmp_path: Path) -> None:
    """As started by a person: also what Python itself prints at the end."""
    root = Path(searching.__file__).parents[1]
    for words in (["list"], ["show", "mnist"], ["show", "mnist", "--storage", f"{database}x"]):
        ran = subprocess.run(
            [sys.executable, "-X", "dev", "-m", "mnist_hpo", *words, "--results", str(tmp_path)],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": ":".join([str(root), *sys.path]), "MNIST_HPO_STORAGE": database},
            check=False,
        )
        no_leak(type("Ran", (), {"out": ran.stdout, "err": ran.stderr}))
