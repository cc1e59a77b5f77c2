"""Our own options, and a real PostgreSQL server, started once for the tests that want one."""

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # distributed brings it, nobody its stubs
import pytest

Portion = Callable[[int], int]


@pytest.fixture
def portion(request: pytest.FixtureRequest) -> Portion:
    """Returns what `--portion` leaves of a full size, at least one."""
    share: float = request.config.getoption("--portion")
    return lambda full: max(round(full * share), 1)


PASSWORD = "Zq7%vX/9@k " + secrets.token_hex(6)
"""Unique, with every kind of character that a URL writes in another way."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds what renews the tables in tests/mnist_hpo/golden, and the share of full sizes."""
    parser.addoption(
        "--renew-golden", action="store_true", help="write the golden tables anew, then read them"
    )
    parser.addoption(
        "--portion",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="what to run of each full size, from 0 to 1: for slow or busy machines",
    )


class Server:
    """A server in a folder of its own, on a free port of this machine."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries = binaries
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self._as_user["user"] = next(own for own in ("postgres", "nobody") if _exists(own))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._initialise()

    def _initialise(self) -> None:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        for place in (self._folder, password):
            if self._as_user:
                shutil.chown(place, **self._as_user)
        self._run(
            *("initdb", "-D", self._folder / "data", "-U", "tester", "-E", "UTF8"),
            *("--no-locale", "--auth-local=trust", "--auth-host=scram-sha-256"),
            *("--pwfile", password, "--no-sync"),
        )

    def _run(self, program: str, *arguments: object) -> None:
        subprocess.run(
            [self._binaries / program, *map(str, arguments)],
            check=True,
            capture_output=True,
            cwd=self._folder,
            **self._as_user,
        )

    def start(self) -> None:
        """Starts the server, and waits until it answers."""
        for _ in range(50):
            with (self._folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    [
                        *(self._binaries / "postgres", "-D", self._folder / "data"),
                        *("-p", str(self.port), "-k", self._folder),
                        *("-c", "listen_addresses=127.0.0.1"),
                    ],
                    stderr=log,
                    cwd=self._folder,
                    **self._as_user,
                )
            # After a kill -9 the sessions of the former server may still be ending.
            while self._process.poll() is None:
                if self._answers():
                    return
                time.sleep(0.02)
            time.sleep(0.1)
        raise TimeoutError((self._folder / "log").read_text()[-2000:])

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            self.sql("SELECT 1", database="postgres")
            return True
        return False

    def stop(self) -> None:
        """Ends the server at once, but in order: sessions are told."""
        assert self._process is not None
        self._process.send_signal(2)
        self._process.wait()

    def kill(self) -> None:
        """Kills the server and all its sessions with SIGKILL."""
        assert self._process is not None
        everyone = psutil.Process(self._process.pid)
        for process in [everyone, *everyone.children()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def sql(self, statement: str, *values: object, database: str) -> list[tuple[Any, ...]]:
        """Carries out a statement as the server's keeper."""
        import psycopg  # noqa: PLC0415 - tests without it are skipped

        try:
            with psycopg.connect(
                host=str(self._folder), port=self.port, user="tester", dbname=database,
                autocommit=True,
            ) as connection:  # fmt: skip
                cursor = connection.execute(statement.encode(), values or None)
                return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError as error:
            raise ConnectionError(str(error)) from error

    def url(self, database: str) -> str:
        """Returns the URL of a database, with the password."""
        from sqlalchemy.engine import URL  # noqa: PLC0415 - likewise

        return URL.create(
            "postgresql", "tester", PASSWORD, "127.0.0.1", self.port, database
        ).render_as_string(hide_password=False)

    def socket_url(self, url: str) -> str:
        """Returns the URL of the same database by the server's socket; no password is asked."""
        name = url.rpartition("/")[2]
        return f"postgresql://tester@/{name}?host={self._folder}&port={self.port}"


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _binaries() -> Path | None:
    """Returns the folder of a server's programs."""
    found = shutil.which("postgres")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


@pytest.fixture(scope="session")
def _server() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed")
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        server = Server(binaries, Path(folder))
        server.start()
        try:
            yield server
        finally:
            if server.is_running:
                server.kill()


@pytest.fixture
def server(_server: Server) -> Iterator[Server]:
    """The server; a test may stop or kill it, the next one finds it running."""
    yield _server
    if not _server.is_running:
        _server.start()


@pytest.fixture
def new_database(server: Server) -> Callable[[], str]:
    """Makes empty databases and returns their URLs."""

    def make() -> str:
        name = f"studies_{secrets.token_hex(4)}"
        server.sql(f"CREATE DATABASE {name}", database="postgres")
        return server.url(name)

    return make


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """The URL of an empty database, with a password."""
    return new_database()


@pytest.fixture
def password() -> str:
    """The password in that URL, as a person knows it."""
    return PASSWORD
