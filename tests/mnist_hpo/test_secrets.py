"""A storage's password: whatever goes wrong, nobody sees it, and no file keeps it.

Every command meets every wrong storage, by option and from the environment, with a traceback and
without, in each form of output that it has. The commands and their options are asked of the
program itself, so a new one is in here before it is written.
"""

import os
import secrets
import traceback
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import numpy as np
import pytest

from mnist_hpo import cli, searching
from mnist_hpo.notebook import Study
from mnist_hpo.redaction import printable
from search.errors import PlaceError, SearchError
from search.places import place_at
from search.redaction import hidden, redacted
from search.testing import ScriptedTrainer
from search.trainer import AbstractTrainer, Task, Trained

Run = Callable[..., Any]

HALVES = ("x" + secrets.token_hex(8), "y" + secrets.token_hex(8))
"""Of a password, with a sign between them; each is looked for."""

SIGNS = (
    "",
    "@",
    ":",
    "/",
    "?",
    "#",
    "%",
    "&",
    "=",
    "+",
    " ",
    "'",
    '"',
    "\\",
    "{}",
    "$",
    "é",
    "://",
)

URL = "postgresql://me:SECRET@db.invalid:5432/studies"

NO_HOST: Mapping[str, str] = {
    "a user and a password": "postgresql://me:SECRET",
    "no host and no @": "postgresql://me:SECRET/studies",
    "no host": "postgresql://me:SECRET@",
    "no host and three slashes": "postgresql:///me:SECRET/studies",
}
"""Storages whose host was forgotten. Behind an @ that is not written %40 would stand the host."""

MALFORMED: Mapping[str, str] = {
    **NO_HOST,
    "no database": "postgresql://me:SECRET@db.invalid",
    "an empty database": "postgresql://me:SECRET@db.invalid/",
    "no user and no database": "postgresql://:SECRET@db.invalid",
    "a port in words": "postgresql://me:SECRET@db.invalid:standard/studies",
    "a port too large": "postgresql://me:SECRET@db.invalid:70000/studies",
    "two ports": "postgresql://me:SECRET@one.invalid:1,two.invalid:2/studies",
    "an unknown option": f"{URL}?colour=red",
    "an option twice": f"{URL}?sslmode=disable&sslmode=require",
    "two hosts": f"{URL}?host=other.invalid",
    "another program's option": f"{URL}?application_name=mine",
    "the password as an option": "postgresql://db.invalid/studies?user=me&password=SECRET",
    "the option in capitals": "postgresql://db.invalid/studies?PASSWORD=SECRET",
    "the key's password": "postgresql://me@db.invalid/studies?sslpassword=SECRET",
    "pasted twice": f"{URL}?sslmode={URL}",
    "mysql": "mysql://me:SECRET@db.invalid/studies",
    "postgres": "postgres://me:SECRET@db.invalid/studies",
    "a driver": "postgresql+psycopg2://me:SECRET@db.invalid/studies",
    "of Java": "jdbc:postgresql://db.invalid/studies?user=me&password=SECRET",
    "capitals": "POSTGRESQL://me:SECRET@db.invalid/studies",
    "no scheme": "me:SECRET@db.invalid/studies",
    "one slash": "postgresql:/me:SECRET@db.invalid/studies",
    "three slashes": "postgresql:///me:SECRET@db.invalid/studies",
    "of SQLite": "sqlite:///studies.db?password=SECRET",
    "within SQLite's": f"sqlite:///{URL}",
    "a space before it": f" {URL}",
    "quotes around it": f"'{URL}'",
    "a tab behind it": f"{URL}\t",
    "a line's end in it": "postgresql://me:SECRET\n@db.invalid/studies",
    "libpq's words": "host=db.invalid user=me password=SECRET",
    "libpq's words in quotes": "host=db.invalid user=me password = 'SECRET'",
    "a variable": f"MNIST_HPO_STORAGE={URL}",
    "encoded as a whole": quote(URL, safe=""),
}
"""Storages that can be none, each by another mistake."""

REFUSED: Mapping[str, str] = {
    "nobody listens": "postgresql://tester:SECRET@127.0.0.1:1/studies",
    "no socket": "postgresql://tester:SECRET@/studies?host=/nonexistent",
    "wrong password": "postgresql://tester:SECRET@127.0.0.1:PORT/postgres",
    "wrong user": "postgresql://stranger:SECRET@127.0.0.1:PORT/postgres",
    "no TLS there": "postgresql://tester:SECRET@127.0.0.1:PORT/postgres?sslmode=require",
    "no certificate": "postgresql://tester:SECRET@127.0.0.1:PORT/postgres"
    "?sslmode=verify-full&sslrootcert=/none.pem",
    "hosts one by one": "postgresql://tester:SECRET@/postgres?host=127.0.0.1,127.0.0.1&port=1,2",
}
"""Storages that are well written and lead nowhere."""

ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "search": ("--study", "mnist", "--dataset", "digits.npz", "--folds", "2"),
    "resume": ("mnist",),
    "watch": ("mnist",),
    "stop": ("mnist",),
    "list": (),
    "show": ("mnist",),
    "trial": ("mnist", "1"),
    "compare": ("mnist", "0", "1"),
    "importance": ("mnist",),
    "finalize": ("mnist",),
    "report": ("mnist",),
    "dashboard": ("mnist", "--port", "0"),
    "export": ("mnist", "--format", "onnx"),
    "predict": ("mnist", "seven.png"),
    "bench record": ("--dataset", "digits.npz", "--grid", "grid.json", "--out", "table.jsonl"),
    "bench replay": ("--table", "table.jsonl"),
    "models": (),
    "completion": ("bash",),
    "doctor": ("mnist",),
}
"""Every command, with what it cannot do without."""


def spelt(template: str, sign: str, *, encoded: bool) -> str:
    """Puts a password into a URL, as it is or as URLs write it."""
    password = sign.join(HALVES)
    return template.replace("SECRET", quote(password, safe="") if encoded else password)


def found(command: str) -> click.Command:
    """Returns a command of the program by its words."""
    own: click.Command = cli.cli
    for word in command.split():
        assert isinstance(own, click.Group)
        own = own.get_command(click.Context(own), word) or own
    return own


def takes(command: str, option: str) -> bool:
    return any(option in parameter.opts for parameter in found(command).params)


STORED = tuple(command for command in ARGUMENTS if takes(command, "--storage"))
"""The commands that work on studies."""


def loud(command: str) -> Iterator[tuple[str, ...]]:
    """Yields a command's words in each form of output that it has, round and round."""
    forms = [own for own in ("--json", "--quiet", "--csv", "--md") if takes(command, own)]
    words = (*command.split(), *ARGUMENTS[command])
    return cycle([words, *((*words, form) for form in forms)])


def test_every_command_is_tried() -> None:
    every = {name for name in cli.COMMANDS if name != "bench"}

    assert {command for command in ARGUMENTS if " " not in command} == every
    bench = found("bench")
    assert isinstance(bench, click.Group)
    assert {f"bench {name}" for name in bench.commands} == set(ARGUMENTS) - every
    assert len(STORED) >= 15


@pytest.mark.parametrize("mistake", MALFORMED)
def test_a_wrong_url_shows_no_part_of_its_password(mistake: str) -> None:
    """Whatever sign is in it, written as it is or encoded."""
    for sign in SIGNS:
        for encoded in (False, True):
            if mistake in NO_HOST and "@" in sign and not encoded:
                continue
            url = spelt(MALFORMED[mistake], sign, encoded=encoded)
            try:
                place = place_at(url)
                said = f"{place} {place!r}"
            except PlaceError as error:
                said = printable(f"{error} {error.cure}" + "".join(traceback.format_exc()))
            for half in HALVES:
                assert half not in said, (url, said)


@pytest.mark.parametrize("command", ARGUMENTS)
def test_no_command_shows_the_password_of_a_wrong_url(
    run: Run, no_leak: Run, command: str
) -> None:
    """By option, and from the environment with a traceback."""
    words = loud(command)
    for (mistake, template), sign in zip(MALFORMED.items(), cycle(SIGNS), strict=False):
        url = spelt(template, sign, encoded=mistake in NO_HOST)

        typed = run(*next(words), "--storage", url, MNIST_HPO_STORAGE="", MNIST_HPO_DEBUG="")
        kept_back = run(*next(words), MNIST_HPO_STORAGE=url, MNIST_HPO_DEBUG=1)

        assert typed.code == 2, (mistake, typed)
        assert typed.err.count("error: ") == 1
        assert kept_back.code == 2 or command not in STORED, (mistake, kept_back)
        no_leak(typed, *HALVES)
        no_leak(kept_back, *HALVES)


@pytest.mark.parametrize("command", STORED)
def test_no_command_shows_the_password_of_a_storage_that_refuses_it(
    run: Run, server: Any, no_leak: Run, command: str
) -> None:
    """Exit code 3, whether nobody is there or the password is wrong."""
    words = loud(command)
    for (mistake, template), sign in zip(REFUSED.items(), cycle(SIGNS[::-1]), strict=False):
        url = spelt(template.replace("PORT", str(server.port)), sign, encoded=True)

        typed = run(*next(words), "--storage", url, MNIST_HPO_STORAGE="", MNIST_HPO_DEBUG="")
        kept_back = run(*next(words), MNIST_HPO_STORAGE=url, MNIST_HPO_DEBUG=1)

        for ran in (typed, kept_back):
            assert ran.code == 3, (mistake, ran)
            assert ran.err.count("error: ") == 1
            no_leak(ran, *HALVES)


def test_the_right_password_for_the_wrong_database_is_not_shown(
    run: Run, server: Any, no_leak: Run
) -> None:
    words = [loud(command) for command in STORED]
    for own in words:
        ran = run(*next(own), "--storage", server.url("nothing"), MNIST_HPO_DEBUG=1)

        assert ran.code == 3, ran
        no_leak(ran)


def test_a_host_that_nobody_knows_shows_no_password(run: Run, no_leak: Run) -> None:
    ran = run("list", "--storage", spelt(URL, "/", encoded=False), MNIST_HPO_DEBUG=1)

    assert ran.code == 3 or "psycopg" in ran.err
    no_leak(ran, *HALVES)


MISPLACED = (
    URL,
    "postgresql://me:SECRET",
    "postgresql://db.invalid/studies?user=me&password=SECRET",
    "host=db.invalid user=me password=SECRET",
    quote(URL, safe=""),
)


@pytest.fixture
def blocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file where the results should go, beside a data set: nothing can be trained here."""
    x = np.arange(20 * 8 * 8, dtype=np.uint8).reshape(20, 8, 8)
    y = np.arange(20, dtype=np.uint8) % 10
    np.savez(tmp_path / "digits.npz", x_train=x, y_train=y, x_test=x[:10], y_test=y[:10])
    path = tmp_path / "blocked"
    path.write_text("a file")
    monkeypatch.chdir(tmp_path)
    return path


def words_with(command: str, parameter: click.Parameter, text: str) -> list[str]:
    """Returns a command's words with a text in the place of one parameter."""
    own = list(ARGUMENTS[command])
    if isinstance(parameter, click.Argument):
        own[:1] = [text]
    elif parameter.opts[-1] in own:
        own[own.index(parameter.opts[-1]) + 1] = text
    else:
        own += [parameter.opts[-1], text]
    return [*command.split(), *own]


WRITTEN = {"results", "output", "figures", "tensorboard", "seen", "out"}
"""Parameters that say what a new file or folder is called: it is called so."""


def valued(command: str) -> Iterator[click.Parameter]:
    """Yields the parameters that take a word and nothing to be written."""
    for parameter in found(command).params:
        flag = isinstance(parameter, click.Option) and (parameter.is_flag or parameter.count)
        if not flag and parameter.name not in WRITTEN | {"storage"}:
            yield parameter


@pytest.mark.parametrize("command", ARGUMENTS)
def test_no_command_shows_the_password_of_a_storage_in_another_place(
    run: Run, no_leak: Run, results: Path, blocked: Path, command: str
) -> None:
    """In the place of each argument and the value of each option, one argument more, misspelt."""
    where = results if command in STORED and command != "search" else blocked
    for template in MISPLACED:
        text = spelt(template, "", encoded=False)
        plain = [*command.split(), *ARGUMENTS[command]]
        tries = [words_with(command, parameter, text) for parameter in valued(command)]
        tries += [[*plain, text], [*plain, f"--storag={text}"], [*plain, "--storge", text]]
        for words in tries:
            ran = run(*words, MNIST_HPO_RESULTS=where, MNIST_HPO_DEBUG=1)

            assert ran.code in {1, 2, 3}, (words, ran)
            no_leak(ran, *HALVES)


@pytest.mark.parametrize("template", MISPLACED)
def test_no_command_is_called_like_a_storage(run: Run, no_leak: Run, template: str) -> None:
    text = spelt(template, "", encoded=False)

    for words in ([text], ["--storage", text, "list"], [f"--storage={text}"]):
        ran = run(*words, MNIST_HPO_DEBUG=1)

        assert ran.code == 2
        no_leak(ran, *HALVES)


BROKEN: Mapping[str, tuple[str, ...]] = {
    "another program's table": (
        "DROP TABLE studies CASCADE",
        "CREATE TABLE studies (colour text)",
    ),
    "a table is gone": ("DROP TABLE trial_user_attributes",),
    "no text in the facts": ("UPDATE study_user_attributes SET value_json = 'null'",),
    "newer": (
        """UPDATE study_user_attributes SET value_json = replace(value_json, '"schema": 2',
        '"schema": 99') WHERE key = 'facts'""",
    ),
}


@pytest.mark.parametrize("damage", BROKEN)
def test_no_broken_database_shows_its_password(  # noqa: PLR0913, PLR0917 - fixtures
    run: Run,
    server: Any,
    kept: str,
    no_leak: Run,
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
) -> None:
    """Of any command; bugs included: their crash log is looked through as well."""
    monkeypatch.setattr("socketserver.BaseServer.serve_forever", lambda *_, **__: None)
    for statement in BROKEN[damage]:
        server.sql(statement, database=kept.rpartition("/")[2])

    for command in STORED:
        words = loud(command)
        typed = run(*next(words), "--storage", kept, MNIST_HPO_STORAGE="", MNIST_HPO_DEBUG=1)
        kept_back = run(*next(words), MNIST_HPO_STORAGE=kept, MNIST_HPO_DEBUG="")

        for ran in (typed, kept_back):
            assert ran.code in {1, 2, 3, 70} or command == "dashboard", (command, ran)
            no_leak(ran)


MISUSED = (
    ("show", "other"),
    ("show", "mnist", "--where", "nothing>3"),
    ("show", "mnist", "--columns", "nothing"),
    ("trial", "mnist", "99"),
    ("trial", "mnist", "4"),
    ("compare", "mnist"),
    ("compare", "mnist", "0", "99"),
    ("importance", "mnist"),
    ("resume", "other"),
    ("resume", "mnist", "--trials", "1"),
    ("resume", "mnist", "--json"),
    ("finalize", "mnist"),
    ("finalize", "mnist", "--trial", "99"),
    ("report", "mnist"),
    ("export", "mnist", "--format", "onnx"),
    ("predict", "mnist", "none.png"),
    ("stop", "mnist"),
    ("watch", "mnist"),
    ("search", "--study", "mnist", "--quiet"),
    ("doctor", "other"),
    ("doctor", "mnist"),
    ("list", "--md"),
)
"""What people do wrong with a storage that is right, and what they do right."""


def test_no_command_shows_the_password_of_a_storage_that_works(
    run: Run, kept: str, no_leak: Run
) -> None:
    """In its messages, tables, hints of what to type next, pages and files."""
    for words, typed in zip(MISUSED, cycle([True, False]), strict=False):
        more = ("--storage", kept) if typed else ()
        ran = run(*words, *more, MNIST_HPO_STORAGE=kept, MNIST_HPO_DEBUG=1)

        assert ran.code in {0, 1, 2, 3}, (words, ran)
        no_leak(ran)


def test_an_error_of_a_users_model_keeps_no_password_in_the_ledger(
    run: Run, server: Any, database: str, no_leak: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor in the events, the table, the trial or the report."""
    text = f"cannot reach {database}!"
    trainer = ScriptedTrainer(broken={0: text, 1: f"password = {database}!"})
    monkeypatch.setattr(searching.LazyTrainer, "made", lambda _: trainer)

    searched = run(
        *("search", "--study", "fresh", "--trials", "3", "--epochs", "1", "--folds", "2"),
        *("--baselines", "none", "--workers", "1", "--sampler", "random", "--policy", "full"),
        "--json",
        MNIST_HPO_STORAGE=database,
    )
    shown = [
        run(*words, MNIST_HPO_STORAGE=database)
        for words in (
            *(("trial", "fresh", "0"), ("trial", "fresh", "1", "--json")),
            *(("show", "fresh", "--all"), ("show", "fresh", "--json"), ("report", "fresh")),
        )
    ]
    name = database.rpartition("/")[2]
    kept = [
        value
        for table in ("trial_user_attributes", "study_user_attributes")
        for (value,) in server.sql(f"SELECT value_json FROM {table}", database=name)  # noqa: S608 - ours
    ]

    assert searched.code == 0, searched.err
    assert "cannot reach postgresql://tester:***@127.0.0.1" in "\n".join(kept)
    for ran in (searched, *shown):
        no_leak(ran)
    no_leak(type("Ran", (), {"out": "\n".join(kept), "err": ""}))


class Curious(AbstractTrainer):
    """A trainer that looks at its environment, which a worker's is a copy of."""

    def __init__(self) -> None:
        self._inner = ScriptedTrainer()
        self.seen = ""

    def train(self, task: Task) -> Trained:
        self.seen = repr(dict(os.environ))
        return self._inner.train(task)


def test_training_does_not_find_the_password_in_its_environment(
    run: Run, database: str, no_leak: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came from there, and is taken out before anything starts."""
    trainer = Curious()
    monkeypatch.setattr(searching.LazyTrainer, "made", lambda _: trainer)

    ran = run(
        *("search", "--study", "fresh", "--trials", "1", "--epochs", "1", "--folds", "2"),
        *("--baselines", "none", "--workers", "1", "--sampler", "random", "--policy", "full"),
        MNIST_HPO_STORAGE=database,
    )

    assert ran.code == 0, ran.err
    assert "PATH" in trainer.seen
    no_leak(type("Ran", (), {"out": trainer.seen, "err": ""}))


@pytest.mark.parametrize("mistake", [*MALFORMED, *REFUSED])
def test_no_notebook_shows_a_password(mistake: str) -> None:
    """Neither the error nor its traceback; the cell's own text is whoever wrote it."""
    template = {**MALFORMED, **REFUSED}[mistake].replace("PORT", "1")
    url = spelt(template, "+", encoded=True)

    with pytest.raises(SearchError) as told:
        Study.open("mnist", storage=url)

    said = "".join(traceback.format_exception(told.value))
    for half in HALVES:
        assert half not in said


def test_a_study_that_was_opened_with_a_password_does_not_show_it(kept: str, no_leak: Run) -> None:
    study = Study.open("mnist", storage=kept)

    no_leak(type("Ran", (), {"out": repr(study) + repr(study.snapshot), "err": ""}))
    no_leak(type("Ran", (), {"out": study._repr_html_(), "err": ""}))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a postgresql://u:p@h/d b", "a postgresql://u:***@h/d b"),
        ("'postgresql://u:p w@q@h/d'", "'postgresql://u:***@h/d'"),
        ("postgresql://u:***@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u@h:5432/d", "postgresql://u@h:5432/d"),
        ("postgresql:/u:p@h/d", "postgresql:/u:***@h/d"),
        ("postgresql://u:p", "postgresql://u:***"),
        ("postgresql://h/d?user=u&password=p", "postgresql://h/d?user=u&password=***"),
        ("host=h PASSWORD = 'a b'", "host=h PASSWORD =***"),
        ("postgresql%3A%2F%2Fu%3Ap%40h", "postgresql%3A%2F%2F***"),
        ("postgresql://USER@HOST:PORT/DATABASE", "postgresql://USER@HOST:PORT/DATABASE"),
        ("tcp://HOST:PORT", "tcp://HOST:PORT"),
        ("tcp://127.0.0.1:8786, http://[::1]:80/", "tcp://127.0.0.1:8786, http://[::1]:80/"),
        ("file:///a/b", "file:///a/b"),
        ("wrong password", "wrong password"),
    ],
)
def test_the_last_door_hides_the_password_of_any_url(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("studies.db", "studies.db"),
        ("my study/1?", "my study/1?"),
        ("sqlite:///studies.db?mode=ro", "sqlite:///studies.db"),
        ("mysql://host/studies", "mysql://host/studies"),
        ("postgresql://me:p@host/studies", "postgresql://***"),
        ("me:p@host", "***"),
        ("password=p", "***"),
        ("a%40b", "***"),
    ],
)
def test_of_what_is_no_storage_only_the_harmless_is_repeated(text: str, shown: str) -> None:
    assert hidden(text) == shown
