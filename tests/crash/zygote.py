"""A process that has imported everything and opened nothing: its forks begin in milliseconds.

Each line on stdin is a batch of orders, as JSON; all of them start together, each in a process
of its own, and are killed as they say. One line on stdout tells how all of them went.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, NoReturn, final

import numpy as np
from child import Plan, Telling, run
from optuna.storages import RDBStorage
from points import arm

from mnist_hpo import cli, searching, winner
from mnist_hpo.commands import doctor, finalize, resume, show, trial, watch
from mnist_hpo.commands import list as list_command
from mnist_hpo.commands import search as search_command
from mnist_hpo.data.records import Images
from mnist_hpo.evidence import Evidence
from mnist_hpo.examining import Inside
from mnist_hpo.statistics import TestResult, evaluate
from search.sqlite_storage import SqliteWriter
from search.study import Development
from search.trainer import AbstractTrainer, Task, Trained

COMMANDS = (doctor, finalize, list_command, resume, search_command, show, trial, watch)
"""Imported here, once; `cli` would import them in each fork."""

Order = Mapping[str, Any]
"""What to do: `plan`, a scripted study, or `cli`, the program's arguments; a `point` to die at;
`kill`: so many seconds after so many `epochs` were acknowledged, or their training `begun`, by
SIGKILL or by `signals`, one after another; `nohup`; `fault`: as in `faults.c`; `training`: what
to set in `Scripted`; `until`: the program again and again, until this folder of marks has one;
`timed`: tell how many seconds each commit took; `after`: not before this file is there."""

PAUSE = 0.2
"""Seconds between two signals."""


@final
class Model:
    """A trained network, as far as `finalize` looks at one."""

    def __init__(self, trial: int) -> None:
        self._content = f"weights of trial {trial}".encode() * 1000

    def save(self, path: Path) -> None:
        path.write_bytes(self._content)


@final
class Scripted(AbstractTrainer):
    """Stands where the program trains networks: `searching.LazyTrainer`."""

    crowd: ClassVar[tuple[str, int] | None] = None
    """A folder of marks, and how many others must have left theirs before anything is trained; a
    file `waiting` beside it says that somebody waits."""

    seconds: ClassVar[float] = 0.0
    """How long an epoch takes, each fold's first excepted."""

    lingers: ClassVar[float] = 0.0
    """How long a user's own code goes on when it is interrupted."""

    tell: ClassVar[Callable[[str], object]]

    def __init__(self, *, data: Development, **_: object) -> None:
        self.x, self.y = data.x, data.y
        self._inner = Telling(Plan(folder=""), type(self).tell)

    def train(self, task: Task) -> Trained:
        self._wait()
        trained = self._inner.train(task)
        try:
            time.sleep(self.seconds if task.job.start else 0.0)
        except KeyboardInterrupt:
            time.sleep(self.lingers)
            raise
        return trained

    def made(self) -> "Scripted":
        return self

    def refit(self, config: object, *, number: int) -> Model:
        del config
        self._wait()
        return Model(number)

    def _wait(self) -> None:
        if self.crowd is not None:
            folder, others = Path(self.crowd[0]), self.crowd[1]
            folder.with_name("waiting").touch()
            while len(list(folder.iterdir())) < others:
                time.sleep(0.01)


def look_inside(model: object, development: Images, *, seed: int) -> Inside:
    """Stands for the look at layers: there are none."""
    del model
    return Inside(seed=seed, layers=(), maps={}, digit_index=0, development=development)


def examine(model: object, test: Images, inside: Inside) -> tuple[TestResult, Evidence]:
    """Stands for the evaluation: nine in ten right."""
    del model
    predicted = np.where(np.arange(len(test.y)) % 10 == 0, (test.y + 1) % 10, test.y)
    development = inside.development
    return evaluate(test.y, predicted, loss=0.25), Evidence(
        labels=test.y,
        probabilities=np.eye(10, dtype=np.float32)[predicted],
        kept=np.arange(len(test.y)),
        pixels=test.x,
        right=(1,),
        samples=(0, 1),
        examples=development.x[:2],
        example_labels=development.y[:2],
        layers=(),
        digit=development.x[0],
        digit_index=0,
        digit_label=int(development.y[0]),
        maps={},
    )


@final
class Running:
    """A fork at work."""

    def __init__(self, order: Order, gate: tuple[int, int]) -> None:
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        self.pipe, mouth = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(gate[1])
            os.read(gate[0], 1)  # until the gate opens
            _become(order, mouth, self.out, self.err)
        os.close(mouth)
        self._told = b""
        self._kill = order.get("kill")
        self._signals = list(self._kill.get("signals", [signal.SIGKILL])) if self._kill else []
        self.deadline: float | None = None
        self._sent = self._gone = 0.0
        self._look()

    def hear(self) -> bool:
        """Reads what was told; False: that was the last of it."""
        told = os.read(self.pipe, 1 << 16)
        self._told += told
        self._gone = time.monotonic()
        self._look()
        return bool(told)

    def _look(self) -> None:
        """Sets the hour of death once enough was acknowledged, or begun."""
        if self._kill is None or self.deadline is not None:
            return
        lines = b"\n" + self._told
        enough = lines.count(b"\ntrained ") >= self._kill.get("begun", 0)
        if enough and lines.count(b"\nepoch ") >= self._kill.get("epochs", 0):
            self.deadline = time.monotonic() + self._kill["seconds"]

    def check_time(self) -> None:
        if self.deadline is not None and time.monotonic() >= self.deadline:
            os.kill(self.pid, self._signals.pop(0))
            self._sent = time.monotonic()
            self.deadline = self._sent + PAUSE if self._signals else None
            if not self._signals:
                self._kill = None

    def result(self) -> dict[str, Any]:
        """Buries the process and returns what is known of it."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pipe)
        told = self._told.decode().split("\n")[:-1]  # the last one is empty
        streams = [_content(stream) for stream in (self.out, self.err)]
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        return {
            "pid": self.pid, "told": told, "killed": killed, "code": code,
            "out": streams[0], "err": streams[1],
            "seconds": self._gone - self._sent if self._sent else None,
        }  # fmt: skip


def _content(stream: IO[bytes]) -> str:
    with stream:
        stream.seek(0)
        return stream.read().decode()


def _become(order: Order, mouth: int, out: IO[bytes], err: IO[bytes]) -> NoReturn:
    """Carries out an order in a fork, and ends it."""
    code = 1
    try:
        for descriptor, stream in enumerate((out, err), start=1):
            os.dup2(stream.fileno(), descriptor)

        def tell(line: str) -> None:
            os.write(mouth, f"{line}\n".encode())

        if "point" in order:
            name, side, nth = order["point"]
            arm(name, side, nth, tell)
        faults = ctypes.CDLL(None)  # `faults.c`, where it was preloaded
        if "fault" in order:
            below, nth, what, stays = order["fault"]
            faults.fault_arm(below.encode(), ctypes.c_long(nth), what, stays)
        Scripted.tell = tell
        for name, value in order.get("training", {}).items():
            setattr(Scripted, name, value)
        # As a shell or `nohup` starts a program, whatever these tests were started by.
        signal.signal(signal.SIGHUP, signal.SIG_IGN if order.get("nohup") else signal.SIG_DFL)
        code = _carried_out(order, tell)
        if "fault" in order:
            tell(f"calls {faults.fault_calls()}")
        if Scripted.crowd is not None:
            (Path(Scripted.crowd[0]) / str(os.getpid())).touch()
    except BaseException:  # noqa: BLE001 - whatever it is, the test reads it
        traceback.print_exc()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # too late to change anything
        for text in (sys.stdout, sys.stderr):
            text.flush()
        os._exit(code)


def _carried_out(order: Order, tell: Callable[[str], object]) -> int:
    if order.get("timed"):
        _time_commits(tell)
    while "after" in order and not Path(order["after"]).exists():
        time.sleep(0.01)
    if "cli" in order:
        code = cli.main(order["cli"])
        while "until" in order and code == 0 and not any(Path(order["until"]).iterdir()):
            tell("again")
            code = cli.main(order["cli"])
        return code
    run(Plan(**order["plan"]), tell)
    return 0


def _time_commits(tell: Callable[[str], object], name: str = "commit") -> None:
    commit = getattr(SqliteWriter, name)

    def timed(writer: SqliteWriter, action: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        try:
            return commit(writer, action)
        finally:
            tell(f"commit {time.perf_counter() - began}")

    setattr(SqliteWriter, name, timed)


def carry_out(orders: Sequence[Order]) -> list[dict[str, Any]]:
    """Starts all orders together and waits for all of them."""
    gate = os.pipe()
    forks = [Running(order, gate) for order in orders]
    for end in reversed(gate):
        os.close(end)
    with selectors.DefaultSelector() as selector:
        for fork in forks:
            selector.register(fork.pipe, selectors.EVENT_READ, fork)
        while selector.get_map():
            hours = [fork.deadline for fork in forks if fork.deadline is not None]
            patience = max(min(hours) - time.monotonic(), 0.0) if hours else None
            for key, _ in selector.select(patience):
                if not key.data.hear():
                    selector.unregister(key.fd)
                    key.data.deadline = None
            for fork in forks:
                fork.check_time()
    return [fork.result() for fork in forks]


def main() -> None:
    """Serves until stdin ends."""
    searching_, winner_ = vars(searching), vars(winner)  # no network is trained here
    searching_["LazyTrainer"] = Scripted
    winner_.update(look_inside=look_inside, examine=examine)
    with contextlib.suppress(ImportError):
        import search.postgres  # noqa: PLC0415 - not everybody has the driver
        import search.postgres_storage  # noqa: F401, PLC0415 - likewise
    # Optuna and SQLAlchemy import half of themselves on the first use.
    warm = RDBStorage("sqlite:///:memory:")
    warm.remove_session()
    warm.engine.dispose()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(carry_out(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
