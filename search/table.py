"""A recorded table: whole training curves of many configurations, to be searched again and again.

The file is JSON Lines, compressed where its name ends in .gz. The first line is a header, then
comes a line for each configuration; `docs/tables.md` describes both.
"""

import gzip
import itertools
import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from reprlib import repr as short
from statistics import fmean
from types import MappingProxyType
from typing import Any, Self

from search.errors import TableError
from search.files import check_regular, write_whole
from spaces.space import Config, config_key

Grid = tuple[tuple[float, ...], ...]
"""One number for each epoch of each fold: `grid[fold][epoch]`."""

MOST_BYTES = 64 * 2**20
"""How large a table may be, decompressed: a small file can hold terabytes of zeros. Read, it takes
up to ten times as much memory; 10,000 configurations of 5 folds x 10 epochs have 20 MB."""

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
        return fmean(fold[-1] for fold in self.accuracy)

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
    def best(self) -> float:
        """The best true score."""
        return max(row.score for row in self.rows)

    @property
    def images(self) -> int:
        """Development images: as the provenance says, else as the accuracies' steps tell.

        An accuracy is a count divided by the fold's validation images, so no two different
        accuracies of a fold are nearer than one image.
        """
        stated = self.provenance.get("images", self.more.get("images"))
        if isinstance(stated, int) and not isinstance(stated, bool) and stated > 0:
            return stated
        smallest = 1.0
        for fold in range(self.folds):
            values = sorted({value for row in self.rows for value in row.accuracy[fold]})
            steps = [b - a for a, b in zip(values, values[1:], strict=False) if b - a > 1e-7]  # noqa: RUF007 - rounding
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
        records = list(_records(path))
        if not records or "config" in records[0][1]:
            raise TableError(f"The table {path} begins with a header line, got none.")
        (_, header), *others = records
        rows = {number: _row(path, number, record) for number, record in others}
        rows = dict(zip(rows, _with_one_type_a_name(tuple(rows.values())), strict=True))
        _check_shapes(path, rows)
        return cls(
            grid=_axes(path, header.get("grid")),
            provenance=_mapping(header.get("provenance")),
            rows=tuple(rows.values()),
            more={k: v for k, v in header.items() if k not in {"grid", "provenance"}},
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


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields every line that is not blank, with its number."""
    left = MOST_BYTES
    try:
        check_regular(path)
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number in itertools.count(1):
                line = file.readline(left + 1)
                left -= len(line)
                if left < 0:
                    raise TableError(
                        f"A table has at most {MOST_BYTES:,} bytes, decompressed: {path} has more."
                    )
                if not line:
                    return
                if line.strip():
                    yield number, _json(path, number, line.decode())
    # ValueError: no UTF-8, or a path that no file can have.
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise TableError(f"The table {path} cannot be read: {error}.") from error


def _mapping(value: object) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    return {} if value is None else {"source": value}


def _axes(path: Path, value: object) -> Mapping[str, Sequence[Any]] | None:
    if value is None:
        return None
    if isinstance(value, dict) and all(isinstance(own, list) for own in value.values()):
        return value
    raise TableError(
        f"The grid of a table is null or {{name: [values]}}: {path} has {short(value)}."
    )


def _json(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    # ValueError: not JSON, or an integer of thousands of digits.
    except (ValueError, RecursionError) as error:
        raise TableError(f"Line {number} of the table {path} is no JSON: {error}.") from error
    if not isinstance(record, dict):
        raise TableError(
            f"A line of a table is a JSON object: line {number} of {path} is {short(record)}."
        )
    return record


def _row(path: Path, number: int, record: Mapping[str, Any]) -> Row:
    try:
        params = _count(record["params"])
        return Row(
            config=_config(record["config"]),
            accuracy=_grid(record["acc"]),
            loss=_grid(record["loss"]),
            seconds=_grid(record["sec"]),
            build=_numbers(record["build"]),
            params=params,
            macs=_count(record.get("macs", params)),
            more=_more(record),
        )
    except KeyError as error:
        raise TableError(f"Line {number} of the table {path} lacks {error}.") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise TableError(f"Line {number} of the table {path} has a bad value: {error}.") from error


def _more(record: Mapping[str, Any]) -> dict[str, Any]:
    """Keeps all other keys as they are; two of them mean something to a replay."""
    if not isinstance(record.get("graph", ""), str):
        raise TypeError(f"'graph' is a text, got {short(record['graph'])}")
    _finite(record.get("warm", 0))
    return {name: value for name, value in record.items() if name not in _OWN_KEYS}


def _config(record: object) -> Config:
    """Takes the values; a null is a hyperparameter that is not active."""
    if not isinstance(record, dict):
        raise TypeError(f"'config' is {{name: value}}, got {short(record)}")
    config = {name: value for name, value in record.items() if value is not None}
    for name, value in config.items():
        if not isinstance(value, bool | int | float | str):
            raise TypeError(f"{name!r} is a number, a string or a truth value, got {short(value)}")
        if not isinstance(value, bool | str):
            _finite(value)
    return config


def _with_one_type_a_name(rows: Sequence[Row]) -> list[Row]:
    """Makes 1 among 0.5 and 2.5 a float: not every writer of JSON tells 1.0 from 1."""
    kinds: dict[str, set[type]] = {}
    for row in rows:
        for name, value in row.config.items():
            kinds.setdefault(name, set()).add(type(value))
    mixed = {name for name, own in kinds.items() if own == {int, float}}
    return [
        replace(row, config={k: float(v) if k in mixed else v for k, v in row.config.items()})
        for row in rows
    ]


def _grid(record: object) -> Grid:
    return tuple(_numbers(fold) for fold in _list(record))


def _numbers(record: object) -> tuple[float, ...]:
    return tuple(_finite(value) for value in _list(record))


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{short(value)} is no list")
    return value


def _count(value: object) -> int:
    number = _finite(value)
    if number < 0 or not number.is_integer():
        raise ValueError(f"{short(value)} is no whole number from 0")
    return value if isinstance(value, int) else int(number)


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{short(value)} is no number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not finite")
    return number


def _check_shapes(path: Path, rows: Mapping[int, Row]) -> None:
    if not rows:
        raise TableError(f"The table {path} has a header and no configuration.")
    first, row = next(iter(rows.items()))
    shape = [len(fold) for fold in row.accuracy]
    if len(shape) < 2 or len(set(shape)) > 1 or not shape[0]:
        raise TableError(
            f"A table has the same epochs for two folds or more: line {first} of {path} has "
            f"{short(shape)}."
        )
    seen: dict[str, int] = {}
    for number, row in rows.items():
        for name, grid in (("acc", row.accuracy), ("loss", row.loss), ("sec", row.seconds)):
            if [len(fold) for fold in grid] != shape:
                raise TableError(
                    f"Every line of a table has the shape of the first: {name!r} in line "
                    f"{number} of {path} has {short([len(fold) for fold in grid])}, expected "
                    f"{short(shape)}."
                )
        if len(row.build) != len(shape):
            raise TableError(
                f"'build' has one number a fold: line {number} of {path} has {len(row.build)}, "
                f"expected {len(shape)}."
            )
        same = seen.setdefault(config_key(row.config), number)
        if same != number:
            raise TableError(
                f"A configuration stands once in a table: lines {same} and {number} of {path} "
                f"have the same."
            )
