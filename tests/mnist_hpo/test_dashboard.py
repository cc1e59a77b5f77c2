"""`dashboard`: Optuna's own, really started on our ledger, which it cannot write."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from optuna.exceptions import StorageInternalError

from search.sqlite_file import SqliteFile
from search.store import Ledger

pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")

Run = Callable[..., Any]


@pytest.fixture
def dashboard(results: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The program with the dashboard of a study of eight trials, and the address it names."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "mnist_hpo", "dashboard", "mnist", "--port", "0"),
            *("--results", str(results)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C must reach it where this test's own process ignores it, as in a background job.
        preexec_fn=partial(  # noqa: PLW1509 - no other thread of this test holds a lock then
            signal.signal, signal.SIGINT, signal.SIG_DFL
        ),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Optuna's dashboard on mnist, read-only:  http://127.0.0.1:")
        yield process, line.split()[-1]
        process.kill()


def asked(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    """Asks a web server for something."""
    request = urllib.request.Request(  # noqa: S310 - our own address
        url, method=method, data=body, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - likewise
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_it_shows_our_trials_writes_nothing_and_ends_with_ctrl_c(
    dashboard: tuple[subprocess.Popen[str], str], results: Path, untouched: Run
) -> None:
    """Three trials are complete, one is stopped, one has failed, three may go on."""
    process, address = dashboard
    root, _, number = address.partition("/dashboard/studies/")
    before = untouched(results)

    page = asked(address)
    study = asked(f"{root}/api/studies/{number}?after=0")
    refused = [
        asked(f"{root}/api/studies/{number}", "DELETE"),
        asked(f"{root}/api/studies", "POST", b'{"study_name": "x", "directions": ["minimize"]}'),
        asked(f"{root}/api/studies/{number}/note", "PUT", b'{"version": 1, "body": "x"}'),
    ]
    process.send_signal(signal.SIGINT)

    assert (page[0], b"<html" in page[1].lower()) == (200, True)
    states = [own["state"] for own in json.loads(study[1])["trials"]]
    assert {state: states.count(state) for state in states} == {
        "Complete": 3, "Pruned": 1, "Fail": 1, "Running": 3,
    }  # fmt: skip
    assert [code for code, _ in refused] == [403, 403, 403]
    assert b"only reads" in refused[0][1]
    assert process.wait(timeout=60) == 0
    assert untouched(results) == before


def test_its_storage_cannot_write_and_does_not_stop_the_owner(results: Path) -> None:
    place = SqliteFile(results / "mnist/study.db")
    storage = place.viewing()
    number = storage.get_study_id_from_name("mnist")

    with pytest.raises(StorageInternalError) as caught:
        storage.set_study_user_attr(number, "facts", "gone")
    assert "readonly database" in str(caught.value.__cause__)
    ledger = Ledger.open(place, "mnist")
    ledger.end("8 trials")
    ledger.close()

    assert storage.get_study_user_attrs(number)["ending"]["reason"] == "8 trials"
    storage.remove_session()
    storage.engine.dispose()


def test_a_port_in_use_is_named_with_its_cure(run: Run, results: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        ran = run("dashboard", "mnist", "--port", port, "--results", results)

    assert ran.code == 2
    assert f"Port {port} cannot be opened" in ran.err
    assert "help:  --port 0" in ran.err


def test_the_missing_extra_is_named_with_its_cure(
    run: Run, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "mnist_hpo.dashboard", raising=False)
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)

    ran = run("dashboard", "mnist", "--results", results)

    assert ran.code == 2
    assert "help:  pip install 'mnist-hpo[dashboard]'" in ran.err
