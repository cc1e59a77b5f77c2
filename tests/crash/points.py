"""Where a process can be killed on purpose: every step of a commit, a file and a search.

A seam is a function of the code or of a library that our code calls; nothing in the code knows
of it. Armed, it kills its own process by SIGKILL right before or right after its n-th call, or
half-way where a half can be had.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

from optuna.storages import RDBStorage
from sqlalchemy import event
from sqlalchemy.engine import Engine

from mnist_hpo import winner
from search import files
from search.checkpoints import CheckpointFolder
from search.engine import InlineEngine

Side = Literal["before", "half", "after"]


def _always(*_: object) -> bool:
    return True


def _named(*beginnings: str) -> Callable[..., bool]:
    """Attributes of a trial or of the study whose names begin so."""
    return lambda _storage, _key, name, *_: name.startswith(beginnings)


def _look(is_result: bool) -> Callable[..., bool]:
    """The commit of a look at the test set: that it begins, or what it showed."""

    def chosen(_storage: object, _key: object, name: str, value: Any) -> bool:
        return name.startswith("opening:") and (value["result"] is not None) is is_result

    return chosen


def _file(suffix: str) -> Callable[..., bool]:
    return lambda path, *_: path.suffix == suffix


@dataclass(frozen=True, slots=True)
class Seam:
    """A function that can be called to death."""

    owner: Any
    function: str
    chosen: Callable[..., bool] = _always
    """Which of its calls are meant, by their arguments."""


SEARCH = {
    "sqlite creates the study": Seam(RDBStorage, "create_new_study"),
    "the budget": Seam(RDBStorage, "set_study_user_attr", _named("budget")),
    "the facts": Seam(RDBStorage, "set_study_user_attr", _named("facts")),
    "the proposal": Seam(RDBStorage, "create_new_trial"),
    "the attempt": Seam(RDBStorage, "set_trial_user_attr", _named("attempts:")),
    "the job is handed out": Seam(InlineEngine, "submit"),
    "the training": Seam(InlineEngine, "wait"),
    "the checkpoint": Seam(CheckpointFolder, "write"),
    "its bytes reach the disk": Seam(os, "fsync"),
    "it gets its name": Seam(Path, "replace"),
    "its name reaches the disk": Seam(files, "sync_folder"),
    "the epoch": Seam(RDBStorage, "set_trial_user_attr", _named("epoch:")),
    "the step": Seam(RDBStorage, "set_trial_intermediate_value"),
    "the old checkpoint goes": Seam(CheckpointFolder, "drop"),
    "the failure": Seam(RDBStorage, "set_trial_user_attr", _named("failure:")),
    "the verdict": Seam(RDBStorage, "set_trial_user_attr", _named("verdict")),
    "the summary": Seam(RDBStorage, "set_trial_user_attr", _named("params", "fold_", "cv_")),
    "the state is told": Seam(RDBStorage, "set_trial_state_values"),
    "checkpoints are swept": Seam(CheckpointFolder, "sweep"),
    "the end": Seam(RDBStorage, "set_study_user_attr", _named("ending")),
}
"""Steps of a search."""

FINALIZE = {
    "the model file": Seam(winner, "write_whole", _file(".keras")),
    "the look": Seam(RDBStorage, "set_study_user_attr", _look(is_result=False)),
    "the test set is opened": Seam(winner, "open_test_set"),
    "the evidence": Seam(winner, "write_whole", _file(".npz")),
    "the result": Seam(RDBStorage, "set_study_user_attr", _look(is_result=True)),
    "the card": Seam(winner, "write_whole", _file(".json")),
}
"""Steps of `finalize`, after the training."""

COMMIT = "a commit of sqlite"
"""Right before it, in the open transaction; what comes after it is after some other seam."""

TEMPORARY = "the temporary file"
"""Half of its bytes are written."""

SEARCH_POINTS: tuple[tuple[str, Side], ...] = (
    *((name, side) for name in SEARCH for side in ("before", "after")),
    (COMMIT, "before"),
    (TEMPORARY, "half"),
)

FINALIZE_POINTS: tuple[tuple[str, Side], ...] = (
    *((name, side) for name in FINALIZE for side in ("before", "after")),
    (TEMPORARY, "half"),
)


def arm(name: str, side: Side, nth: int, tell: Callable[[str], object]) -> None:
    """Lets this process kill itself at the n-th time that it comes to a point."""
    calls = 0

    def come() -> None:
        nonlocal calls
        calls += 1
        if calls == nth:
            tell(f"killed at {side} {name}")
            os.kill(os.getpid(), signal.SIGKILL)

    if name == COMMIT:
        event.listen(Engine, "commit", lambda _: come())
    elif name == TEMPORARY:
        _halve_temporaries(come)
    else:
        _wrap({**SEARCH, **FINALIZE}[name], side, come)


def _wrap(seam: Seam, side: Side, come: Callable[[], None]) -> None:
    function = getattr(seam.owner, seam.function)

    def wrapped(*given: Any, **named: Any) -> Any:
        meant = seam.chosen(*given)
        if meant and side == "before":
            come()
        result = function(*given, **named)
        if meant and side == "after":
            come()
        return result

    _put(seam.owner, seam.function, wrapped)


@final
class _Halved:
    """A file whose content is written in two halves, with a moment between them."""

    def __init__(self, file: Any, come: Callable[[], None]) -> None:
        self._file = file
        self._come = come

    def __enter__(self) -> "_Halved":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, content: bytes) -> None:
        half = len(content) // 2
        self._file.write(content[:half])
        self._file.flush()
        self._come()
        self._file.write(content[half:])


def _halve_temporaries(come: Callable[[], None]) -> None:
    opened = Path.open

    def wrapped(path: Path, mode: str = "r", *given: Any, **named: Any) -> Any:
        file = opened(path, mode, *given, **named)
        return _Halved(file, come) if ".tmp-" in path.name and mode == "wb" else file

    _put(Path, "open", wrapped)


def _put(owner: Any, function: str, wrapped: Callable[..., Any]) -> None:
    setattr(owner, function, wrapped)
