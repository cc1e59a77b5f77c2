"""A recorded table: whole training curves of many configurations, to be searched again and again.

The file is JSON Lines, compressed where its name ends in .gz. The first line is a header, then
comes a line for each configuration; `docs/tables.md` describes both.
"""

import gzip
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from search.errors import TableError
from search.files import write_whole
from spaces.space import Config, config_key

Grid = tuple[tuple[float, ...], ...]
"""One number for each epoch of each fold: `grid[fold][epoch]`."""

_OWN_KEYS = frozenset({"config", "acc", "loss", "sec", "build", "params", "macs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the complete training of one configuration gave."""

    config: Config
    accuracy: Grid
    """Validation accuracies, 0 to 1."""

    loss: Grid
    """Validation losses, in nats."""

    seconds: Grid
    """Training and validation time, without building."""

    build: tuple[float, ...]
    """For each fold, seconds to build and trace the model on a worker that lacks it."""

    params: int
    macs: int
    """Multiply-adds an image; where a table lacks them, the weights stand in."""

    more: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Whatever else the line holds, kept as it is."""

    @property
    def score(self) -> float:
        """The true score: the mean over the folds at the last epoch."""
        return math.fsum(fold[-1] for fold in self.accuracy) / len(self.accuracy)

    @property
    def cost(self) -> float:
        """Seconds of the complete cross-validation, built once."""
        return self.build[0] + math.fsum(map(math.fsum, self.seconds))

    def to_json(self) -> dict[str, Any]:
        """Returns the line as plain JSON values."""
        return {
            "config": dict(self.config),
            "acc": [list(fold) for fold in self.accuracy],
            "loss": [[float(f"{value:.7g}") for value in fold] for fold in self.loss],
            "sec": [[round(value, 4) for value in fold] for fold in self.seconds],
            "build": [round(value, 4) for value in self.build],
            "params": self.params,
            "macs": self.macs,
            **self.more,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of equal shape, one for each configuration."""

    grid: Mapping[str, Sequence[Any]] | None
    """Values of each hyperparameter; None: the configurations are no grid."""

    provenance: Mapping[str, Any]
    """Where the numbers come from: dataset, versions, machine, seed."""

    rows: tuple[Row, ...]
    more: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Whatever else the header holds, kept as it is."""

    @property
    def folds(self) -> int:
        """Folds of every row."""
        return len(self.rows[0].accuracy)

    @property
    def epochs(self) -> int:
        """Epochs of every fold."""
        return len(self.rows[0].accuracy[0])

    @property
    def images(self) -> int:
        """Development images: as the provenance says, else as the accuracies' steps tell.

        An accuracy is a count divided by the fold's validation images, so no two different
        accuracies of a fold are nearer than one image.
        """
        stated = self.provenance.get("images", self.more.get("images"))
        if isinstance(stated, int) and stated > 0:
            return stated
        smallest = 1.0
        for fold in range(self.folds):
            values = sorted({value for row in self.rows for value in row.accuracy[fold]})
            steps = [b - a for a, b in zip(values, values[1:], strict=False) if b - a > 1e-7]  # noqa: PLR2004, RUF007 - rounding
            smallest = min([smallest, *steps])
        return round(1 / smallest) * self.folds

    def subset(self, keep: Sequence[int]) -> "Table":
        """Returns a table of some rows only; no grid any more."""
        return Table(
            grid=None,
            provenance=self.provenance,
            rows=tuple(self.rows[i] for i in keep),
            more=self.more,
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a table.

        Raises:
            TableError: the file cannot be read or is no table; the message names the line.
        """
        try:
            content = path.read_bytes()
            text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise TableError(f"The table {path} cannot be read: {error}.") from error
        lines = [line for line in text.splitlines() if line.strip()]
        records = [_json(path, number, line) for number, line in enumerate(lines, start=1)]
        if not records or "config" in records[0]:
            raise TableError(f"The table {path} begins with a header line, got none.")
        header = records[0]
        rows = tuple(_row(path, n, record) for n, record in enumerate(records[1:], start=2))
        _check_shapes(path, rows)
        known = {"grid", "provenance"}
        return cls(
            grid=header.get("grid") if isinstance(header.get("grid"), dict) else None,
            provenance=_mapping(header.get("provenance")),
            rows=rows,
            more={name: value for name, value in header.items() if name not in known},
        )

    def write(self, path: Path) -> None:
        """Writes the table, whole or not at all; equal tables give equal bytes.

        Raises:
            OSError: the file cannot be written.
        """
        grid = None if self.grid is None else {name: list(own) for name, own in self.grid.items()}
        header = {"grid": grid, "provenance": dict(self.provenance), **self.more}
        lines = [json.dumps(header), *(json.dumps(row.to_json()) for row in self.rows)]
        content = ("\n".join(lines) + "\n").encode()
        write_whole(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _mapping(value: object) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    return {} if value is None else {"source": value}


def _json(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise TableError(f"Line {number} of the table {path} is no JSON: {error}.") from error
    if not isinstance(record, dict):
        raise TableError(f"Line {number} of the table {path} is a JSON object, got {line[:40]!r}.")
    return record


def _row(path: Path, number: int, record: Mapping[str, Any]) -> Row:
    try:
        params = int(record["params"])
        return Row(
            config=_config(record["config"]),
            accuracy=_grid(record["acc"]),
            loss=_grid(record["loss"]),
            seconds=_grid(record["sec"]),
            build=tuple(_finite(value) for value in record["build"]),
            params=params,
            macs=int(record.get("macs", params)),
            more={name: value for name, value in record.items() if name not in _OWN_KEYS},
        )
    except (KeyError, TypeError, ValueError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else f"has a bad value: {error}"
        raise TableError(f"Line {number} of the table {path} {what}.") from error


def _config(record: Mapping[str, Any]) -> Config:
    """Takes the values; a null is a hyperparameter that is not active."""
    config = {str(name): value for name, value in dict(record).items() if value is not None}
    for name, value in config.items():
        if not isinstance(value, bool | int | float | str):
            raise TypeError(f"{name!r} is a number, a string or a truth value, got {value!r}")
    return config


def _grid(record: Sequence[Sequence[Any]]) -> Grid:
    return tuple(tuple(_finite(value) for value in fold) for fold in record)


def _finite(value: Any) -> float:  # noqa: ANN401 - whatever JSON holds
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not finite")
    return number


def _check_shapes(path: Path, rows: Sequence[Row]) -> None:
    if not rows:
        raise TableError(f"The table {path} has a header and no configuration.")
    shape = [len(fold) for fold in rows[0].accuracy]
    if len(shape) < 2 or len(set(shape)) > 1 or not shape[0]:  # noqa: PLR2004 - folds
        raise TableError(
            f"A table has the same epochs for two folds or more: line 2 of {path} has {shape}."
        )
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        for name, grid in (("acc", row.accuracy), ("loss", row.loss), ("sec", row.seconds)):
            if [len(fold) for fold in grid] != shape:
                raise TableError(
                    f"Every line of a table has the shape of the first: {name!r} in line "
                    f"{number} of {path} has {[len(fold) for fold in grid]}, expected {shape}."
                )
        if len(row.build) != len(shape):
            raise TableError(
                f"'build' has one number a fold: line {number} of {path} has {len(row.build)}, "
                f"expected {len(shape)}."
            )
        first = seen.setdefault(config_key(row.config), number)
        if first != number:
            raise TableError(
                f"A configuration stands once in a table: lines {first} and {number} of {path} "
                f"have the same."
            )
