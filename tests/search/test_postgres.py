"""What differs on a PostgreSQL server: readers, the lock, and a server that goes away."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.exceptions import StorageInternalError

import search
from search import reader
from search.errors import LedgerError, PlaceError, StudyOwned, UnknownStudy
from search.place import AbstractPlace
from search.places import place_at
from search.records import Budget, Epoch, Job
from search.store import Ledger
from search.testing import facts, trial

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
from search.postgres_connection import Unanswered  # noqa: E402 - needs psycopg

ROOT = Path(search.__file__).parents[1]
STUDY = facts()
FIRST = Job(trial=0, fold=0, start=0, stop=1)
EPOCH = Epoch(valid_accuracy=0.5, valid_loss=0.5, train_accuracy=0.5, train_loss=0.1, seconds=2.0)

OWNER = """
import os, sys, time
from search.places import place_at
lock = place_at(os.environ["URL"]).lock("demo").acquire()
print("owns", flush=True)
time.sleep(60)
"""


@pytest.fixture
def place(database: str) -> AbstractPlace:
    return place_at(database)


def impatient(place: AbstractPlace, seconds: float) -> AbstractPlace:
    """The same place, given up sooner."""
    return replace(place, patience=seconds)  # type: ignore[type-var]  # a dataclass, as we know


@contextmanager
def owner(url: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that owns the study."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "URL": url},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == "owns"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def started(place: AbstractPlace) -> Ledger:
    return Ledger.create(place, STUDY, Budget(trials=3))


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


def contents(server: Any, url: str) -> list[tuple[Any, ...]]:
    """Every table of the database, and how often a row of it was ever written."""
    server.sql("SELECT pg_stat_force_next_flush()", database=name_of(url))
    found: list[tuple[Any, ...]] = server.sql(
        "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables ORDER BY 1",
        database=name_of(url),
    )
    return found


def test_reading_an_empty_database_creates_nothing(
    server: Any, database: str, place: AbstractPlace
) -> None:
    """It has no study; tables come with the first one."""
    assert reader.study_names(place) == ()
    assert not reader.has_study(place, "demo")
    with pytest.raises(UnknownStudy, match="none yet"):
        reader.read(place, "demo")
    with pytest.raises(UnknownStudy):
        Ledger.open(place, "demo")

    assert contents(server, database) == []


def test_reading_a_study_changes_nothing(server: Any, database: str, place: AbstractPlace) -> None:
    with closing(started(place)) as ledger:
        ledger.add(trial(0, STUDY))
    before = contents(server, database)

    snapshot = reader.read(place, "demo")
    reader.history_before(place, "demo", 0)
    with pytest.raises(UnknownStudy, match="there are: demo"):
        reader.read(place, "other")

    assert snapshot.updated is not None
    assert abs(snapshot.updated.timestamp() - time.time()) < 60
    assert before != []
    assert contents(server, database) == before


def test_a_reader_cannot_write(place: AbstractPlace) -> None:
    """The server itself refuses, whatever a reader asks for."""
    started(place).close()

    with (
        pytest.raises(LedgerError, match="read-only transaction"),
        place.reading("demo") as db,
    ):
        db.rows("DELETE FROM studies")


def test_what_viewers_of_others_get_cannot_write_and_does_not_stop_the_owner(
    place: AbstractPlace,
) -> None:
    """Optuna's dashboard would change studies, if its storage let it."""
    ledger = started(place)
    storage = place.viewing()
    number = storage.get_study_id_from_name("demo")

    with pytest.raises(StorageInternalError) as caught:
        storage.set_study_user_attr(number, "facts", "gone")
    assert "read-only transaction" in str(caught.value.__cause__)
    ledger.end("no trial was wanted")
    ledger.close()

    assert storage.get_study_user_attrs(number)["ending"]["reason"] == "no trial was wanted"
    storage.remove_session()
    storage.engine.dispose()


def test_a_server_can_be_reached_by_its_socket(server: Any, database: str) -> None:
    """It is the same place: one owner, whichever way leads there."""
    place = place_at(server.socket_url(database))

    with closing(started(place)) as ledger:
        ledger.add(trial(0, STUDY))
        with pytest.raises(StudyOwned):
            Ledger.open(place_at(database), "demo")

    assert not place.has_password
    assert reader.read(place_at(database), "demo").history == ledger.history


def test_several_studies_live_in_one_database(place: AbstractPlace) -> None:
    """Each has its own owner, and its own numbers."""
    with (
        closing(started(place)) as one,
        closing(Ledger.create(place, facts(study="other"), Budget(trials=3))) as other,
    ):
        for ledger in (one, other):
            ledger.add(trial(0, ledger.history.facts))

        assert reader.study_names(place) == ("demo", "other")
        assert reader.read(place, "demo").history == one.history
        assert reader.read(place, "other").history == other.history


def test_two_studies_started_at_once_share_the_tables(database: str) -> None:
    """In an empty database, where both would create them."""
    code = (
        "import os, sys\n"
        "from search.places import place_at\n"
        "from search.records import Budget\n"
        "from search.store import Ledger\n"
        "from search.testing import facts\n"
        "study = facts(study=sys.argv[1])\n"
        "Ledger.create(place_at(os.environ['URL']), study, Budget(trials=1)).close()\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "URL": database,
    }
    both = [
        subprocess.Popen([sys.executable, "-c", code, name], env=environment)
        for name in ("one", "two")
    ]

    assert [process.wait(60) for process in both] == [0, 0]
    assert sorted(reader.study_names(place_at(database))) == ["one", "two"]


def test_a_second_process_is_told_who_owns_the_study(database: str, place: AbstractPlace) -> None:
    """Pid, host and time; a reader sees the same."""
    started(place).close()

    with owner(database) as process:
        with pytest.raises(StudyOwned, match=rf"pid {process.pid} on .+ since 20") as told:
            Ledger.open(place, "demo")
        seen = reader.read(place, "demo").owner

    assert seen == told.value.owner


def test_kill_9_of_its_owner_frees_the_study_at_once(database: str, place: AbstractPlace) -> None:
    """No heartbeat, no grace period: the server sees the connection go."""
    started(place).close()
    with owner(database) as process:
        process.kill()
        process.wait()

        began = time.monotonic()
        while reader.read(place, "demo").owner is not None:
            time.sleep(0.01)
        Ledger.open(place, "demo").close()

    assert time.monotonic() - began < 5


def test_a_lock_lost_with_the_server_is_taken_again_before_the_next_write(
    server: Any, place: AbstractPlace
) -> None:
    with closing(started(place)) as ledger:
        before = reader.read(place, "demo").owner
        server.restart()
        lost = reader.read(place, "demo").owner

        ledger.add(trial(0, STUDY))

        assert before is not None
        assert lost is None
        assert f"pid {os.getpid()} on " in (reader.read(place, "demo").owner or "")
        assert reader.read(place, "demo").history == ledger.history


def test_a_lock_that_another_process_took_meanwhile_ends_the_writing(
    server: Any, database: str, place: AbstractPlace
) -> None:
    """Nothing is written any more, also once the other one has gone."""
    with closing(started(place)) as ledger:
        ledger.add(trial(0, STUDY))
        server.restart()
        with owner(database) as process:
            before = contents(server, database)
            with pytest.raises(StudyOwned, match=f"pid {process.pid} "):
                ledger.start(FIRST)
        with pytest.raises(StudyOwned):
            ledger.record(FIRST, (EPOCH,), elapsed=1.0)

        assert contents(server, database) == before


def test_a_study_that_had_another_owner_meanwhile_is_not_written(
    server: Any, place: AbstractPlace
) -> None:
    """Its lock is free again, but what the first owner knows is out of date."""
    with closing(started(place)) as ledger:
        server.restart()
        with closing(Ledger.open(place, "demo")) as other:
            other.add(trial(0, STUDY))

        with pytest.raises(StudyOwned, match="while its lock was lost"):
            ledger.add(trial(0, STUDY))

        assert reader.read(place, "demo").history == other.history


def test_the_doubt_outlives_a_check_that_was_broken_off(
    server: Any, place: AbstractPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is ours again by then, and the study may still have had another owner."""
    with closing(started(place)) as ledger:
        server.restart()
        with closing(Ledger.open(place, "demo")) as other:
            other.add(trial(0, STUDY))
        writer: Any = ledger._writer
        check, broken = writer._check_signature, iter([True])

        def breaking(connection: Any) -> None:
            if next(broken, False):
                raise Unanswered("gone")
            check(connection)

        monkeypatch.setattr(writer, "_check_signature", breaking)

        with pytest.raises(StudyOwned, match="while its lock was lost"):
            ledger.add(trial(0, STUDY))


class CutOff:
    """Our end of a session that the server still believes in."""

    def __init__(self, session: Any) -> None:
        self.info = session.info

    def execute(self, *_: object) -> None:
        raise psycopg.OperationalError("the connection is lost")

    def close(self) -> None: ...


def test_our_own_lost_session_is_waited_for_and_no_rival(place: AbstractPlace) -> None:
    """The network broke, and the server has not noticed yet."""
    lock: Any = place.lock("demo").acquire()
    session = lock._connection
    lock._connection = CutOff(session)

    for _ in range(2):
        with pytest.raises(Unanswered, match="our lost session"):
            lock.retake()
    session.close()
    while True:  # until the server notices
        with contextlib.suppress(Unanswered):
            assert lock.retake()
            break

    lock.release()


@pytest.mark.parametrize(
    ("names", "many"),
    [("mnist-hpo pid %", 1), ("mnist-hpo %", 2)],
    ids=["the lock's", "the writer's, too"],
)
def test_sessions_that_were_ended_are_opened_again(
    server: Any, database: str, place: AbstractPlace, names: str, many: int
) -> None:
    """As by a proxy that drops idle connections: the lock is taken again, nothing is lost."""
    with closing(started(place)) as ledger:
        ended = server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE %s",
            names,
            database=name_of(database),
        )

        ledger.add(trial(0, STUDY))

        assert len(ended) >= many
        assert reader.read(place, "demo").owner is not None
        assert reader.read(place, "demo").history == ledger.history


@pytest.mark.full
@pytest.mark.parametrize("seconds", [1, 30])
def test_a_server_that_is_down_for_a_while_is_waited_for(
    server: Any, place: AbstractPlace, seconds: int
) -> None:
    """Within the minute in which a commit is repeated; the study is ours again afterwards."""
    with closing(started(place)) as ledger:
        ledger.add(trial(0, STUDY))
        server.stop()
        back = threading.Timer(seconds, server.start)
        back.start()

        began = time.monotonic()
        ledger.start(FIRST)
        ledger.record(FIRST, (EPOCH,), elapsed=1.0)
        waited = time.monotonic() - began
        back.join()

        assert waited >= seconds - 0.5
        snapshot = reader.read(place, "demo")
        assert f"pid {os.getpid()} on " in (snapshot.owner or "")
        assert snapshot.history == ledger.history


def test_a_server_that_stays_down_ends_it_once_and_in_time(
    server: Any, place: AbstractPlace
) -> None:
    """The message says what is safe and how to go on; nothing after it waits as long again."""
    with closing(Ledger.create(impatient(place, 1.5), STUDY, Budget(trials=3))) as ledger:
        ledger.add(trial(0, STUDY))
        ledger.start(FIRST)
        server.stop()

        began = time.monotonic()
        with pytest.raises(LedgerError, match=r"did not answer for 2 s: .*resume demo") as told:
            ledger.record(FIRST, (EPOCH,), elapsed=1.0)
        first = time.monotonic() - began
        with pytest.raises(LedgerError):
            ledger.release(FIRST)

        assert first < 5
        assert time.monotonic() - began - first < 1
        assert told.value.__suppress_context__
        assert ledger.history.trials[0].fold_epochs == 0


def test_a_server_that_does_not_answer_at_the_start_is_not_waited_for(
    server: Any, place: AbstractPlace
) -> None:
    server.stop()

    for attempt in (lambda: started(place), lambda: reader.read(place, "demo")):
        began = time.monotonic()
        with pytest.raises(LedgerError, match=r"postgresql://tester:\*\*\*@127"):
            attempt()
        assert time.monotonic() - began < 5


class Deaf:
    """Lets every second commit through and then breaks off, so nobody learns of it."""

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        dialect = ledger._storage.engine.dialect
        self.lost = 0
        self._loses = False
        self._commit = dialect.do_commit
        monkeypatch.setattr(dialect, "do_commit", self.commit)

    def commit(self, pooled: Any) -> None:
        session = pooled.dbapi_connection
        (wrote,) = session.execute(
            "SELECT pg_current_xact_id_if_assigned() IS NOT NULL"
        ).fetchone()
        self._commit(pooled)
        if not wrote:
            return
        self._loses = not self._loses
        if self._loses:
            self.lost += 1
            session.close()
            session.execute("SELECT 1")  # raises what the driver raises of a lost connection


def test_commits_whose_acknowledgement_was_lost_are_there_once(
    place: AbstractPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is repeated, and changes nothing: no second trial, no second epoch."""
    study = facts(folds=2, epochs=1)
    with closing(Ledger.create(place, study, Budget(trials=3))) as ledger:
        deaf = Deaf(ledger, monkeypatch)
        for number in range(3):
            ledger.add(trial(number, study))
            for fold in range(study.folds):
                job = Job(trial=number, fold=fold, start=0, stop=1)
                ledger.start(job)
                ledger.record(job, (EPOCH,), elapsed=1.0)
        ledger.end("3 trials")
        history = ledger.history

        assert deaf.lost > 20
    assert reader.read(place, "demo").history == history
    with place.reading("demo") as db:
        assert sorted(db.rows("SELECT number, state::text FROM trials")) == [
            (number, "COMPLETE") for number in range(3)
        ]


def test_an_acknowledged_commit_is_on_disk(server: Any, database: str) -> None:
    """Also where the database is set up to acknowledge before it has written."""
    name = name_of(database)
    server.sql(f"ALTER DATABASE {name} SET synchronous_commit = off", database="postgres")

    with closing(started(place_at(database))) as ledger, ledger._storage.engine.begin() as db:
        (mode,) = db.exec_driver_sql("SHOW synchronous_commit").one()

    assert mode == "on"


def test_a_server_that_refuses_says_so(database: str) -> None:
    """No such database, no such user: one message, and no password."""
    missing = place_at(database.replace(name_of(database), "nothing"))

    with pytest.raises(LedgerError, match="does not exist"):
        reader.read(missing, "demo")
    with pytest.raises(LedgerError, match="password authentication failed"):
        reader.read(place_at(database.replace("tester", "nobody")), "demo")


def test_a_missing_driver_is_named_with_its_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith(("psycopg", "search.postgres"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(PlaceError, match="psycopg 3, which is not installed") as told:
        place_at("postgresql://me@host/db")

    assert told.value.cure == "pip install 'mnist-hpo[postgres]'"
