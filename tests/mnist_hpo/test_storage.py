"""`--storage postgresql://...`: the same commands and tables, and a password nobody sees."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from mnist_hpo import searching
from mnist_hpo import storage as storage_module
from mnist_hpo.redaction import redacted
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
def kept(database: str, make_study: Run, tmp_path: Path) -> str:
    """The URL of a database with the study `mnist` of eight trials."""
    make_study(tmp_path, where=place_at(database))
    return database


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


def forms_of(password: str) -> set[str]:
    """Every form in which a password might leak."""
    plain = [password, quote(password, safe=""), quote(password, safe=" +"), quote_plus(password)]
    # Base64 of a text that contains it, whatever stands before it.
    inner = [
        base64.b64encode(b"x" * shift + password.encode()).decode()[4:-4] for shift in range(3)
    ]
    return {*plain, *plain[0].split(), *inner} - {""}


@pytest.fixture
def no_leak(password: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Looks for the password in what a run printed and wrote, in every form."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # crash logs
    monkeypatch.setenv("MNIST_HPO_RESULTS", str(tmp_path / "results"))

    def check(ran: Any) -> None:
        places = {"stdout": ran.out, "stderr": ran.err}
        for path in tmp_path.rglob("*"):
            places[str(path)] = path.name
            if path.is_file():
                places[str(path)] += path.read_bytes().decode(errors="replace")
        for place, text in places.items():
            for form in forms_of(password):
                assert form not in text, f"{form!r} in {place}: {text}"

    return check


def wrong(url: str, server: Any) -> dict[str, str]:
    """Makes storages that cannot be used, each by another mistake."""
    base, _, name = url.rpartition("/")
    login = base.rpartition("@")[0]
    return {
        "nobody listens": f"{login}@127.0.0.1:1/{name}",
        "unknown host": f"{login}@no-such-host.invalid/{name}",
        "no socket": f"{login}@/{name}?host=/nonexistent",
        "wrong user": url.replace("tester", "stranger"),
        "wrong password": url.replace("tester:", "tester:x"),
        "no such database": f"{base}/nothing",
        "no TLS there": f"{url}?sslmode=require",
        "no such certificate": f"{url}?sslmode=verify-full&sslrootcert=/none.pem",
        "no database": base,
        "port in words": url.replace(str(server.port), "standard"),
        "port too large": url.replace(str(server.port), "70000"),
        "unknown option": f"{url}?colour=red",
        "option twice": f"{url}?sslmode=disable&sslmode=require",
        "password as option": f"postgresql://127.0.0.1/{name}?password={login.rpartition(':')[2]}",
        "mysql": url.replace("postgresql", "mysql"),
        "postgres": url.replace("postgresql", "postgres"),
        "driver named": url.replace("postgresql", "postgresql+psycopg2"),
        "no scheme": url.partition("://")[2],
        "one slash": url.replace("://", ":/"),
        "three slashes": url.replace("://", ":///"),
        "sqlite": f"sqlite:///{url}?mode=ro",
        "a URL as a path": f"sqlite:///{url}",
        "pasted twice": f"{url}?sslmode={url}",
        "control character": f"{url}\t",
    }


MISTAKES = tuple(wrong("postgresql://a:b@c:1/d", type("", (), {"port": 1})))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_no_wrong_storage_shows_its_password(
    run: Run, server: Any, database: str, no_leak: Run, mistake: str
) -> None:
    """Neither by option nor by environment, with and without a traceback."""
    url = wrong(database, server)[mistake]

    typed = run("show", "mnist", "--storage", url)
    debugged = run("list", MNIST_HPO_STORAGE=url, MNIST_HPO_DEBUG=1)

    for ran in (typed, debugged):
        assert ran.code in {2, 3}, ran.out
        assert "error: " in ran.err
        no_leak(ran)


def misplaced(url: str) -> dict[str, list[str]]:
    """Puts a good URL where none belongs."""
    return {
        "as a study": ["show", url],
        "as a new study": ["search", "--study", url],
        "as one argument more": ["show", "mnist", url],
        "as a command": [url],
        "before the command": ["--storage", url, "list"],
        "misspelt": ["list", f"--storag={url}"],
        "misspelt and apart": ["list", "--storge", url],
        "as a number": ["trial", "mnist", url],
        "as a space": ["search", "--space", url, "--trials", "1"],
        "as a dataset": ["search", "--dataset", url, "--study", "x"],
    }


@pytest.mark.parametrize("mistake", tuple(misplaced("")))
def test_no_misplaced_storage_shows_its_password(
    run: Run, database: str, no_leak: Run, mistake: str
) -> None:
    ran = run(*misplaced(database)[mistake], MNIST_HPO_DEBUG=1)

    assert ran.code != 0
    no_leak(ran)


BROKEN = {
    "another program's table": [
        "DROP TABLE studies CASCADE",
        "CREATE TABLE studies (colour text)",
    ],
    "a table is gone": ["DROP TABLE trial_user_attributes"],
    "no text in the facts": ["UPDATE study_user_attributes SET value_json = 'null'"],
    "newer": [
        """UPDATE study_user_attributes SET value_json = replace(value_json, '"schema": 2',
        '"schema": 99') WHERE key = 'facts'"""
    ],
}


@pytest.mark.parametrize("damage", BROKEN)
@pytest.mark.parametrize("words", [["show", "mnist"], ["resume", "mnist"], ["doctor", "mnist"]])
def test_no_broken_database_shows_a_password(  # noqa: PLR0913, PLR0917 - fixtures
    run: Run, server: Any, kept: str, no_leak: Run, damage: str, words: list[str]
) -> None:
    """Bugs included: their crash log is looked through as well."""
    for statement in BROKEN[damage]:
        server.sql(statement, database=kept.rpartition("/")[2])

    ran = run(*words, MNIST_HPO_STORAGE=kept, MNIST_HPO_DEBUG=1)

    assert ran.code in {2, 3, 70}
    no_leak(ran)


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a postgresql://u:p@h/d b", "a postgresql://u:***@h/d b"),
        ("'postgresql://u:p w@q@h/d'", "'postgresql://u:***@h/d'"),
        ("postgresql://u:***@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u@h:5432/d", "postgresql://u@h:5432/d"),
        ("file:///a/b", "file:///a/b"),
    ],
)
def test_the_last_door_hides_the_password_of_any_url(text: str, shown: str) -> None:
    assert redacted(text) == shown
