"""A grid file: which values of which hyperparameters a recording trains, and how."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from search.errors import TableError
from search.files import read_whole
from spaces.catalog import Catalogued, load
from spaces.narrowing import narrowed
from spaces.space import Space, Value

_MAX_BYTES = 2**20
_KEYS = {"space", "grid", "fix", "folds", "epochs", "repeats"}


@dataclass(frozen=True, kw_only=True)
class GridPlan:
    """What a grid file asks for."""

    catalogue: Catalogued
    """Narrowed to the grid."""

    axes: Mapping[str, Sequence[Value]]
    ranges: Mapping[str, str]
    fixed: Mapping[str, str]
    folds: int = 5
    epochs: int = 10
    repeated: int = 0
    """Configurations that are trained again, to measure the noise of the seed."""

    seeds: int = 0
    """How many times more each of them is trained."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a grid file.

        Raises:
            TableError: it cannot be read or asks for something unknown.
            SpaceError: a hyperparameter or a value that the space does not have.
        """
        try:
            record = json.loads(read_whole(path, limit=_MAX_BYTES).decode())
        # ValueError: no UTF-8, no JSON, or an integer of thousands of digits.
        except (OSError, ValueError, RecursionError) as error:
            raise TableError(f"The grid {path} cannot be read: {error}.") from error
        if not isinstance(record, dict) or not isinstance(record.get("grid"), dict):
            raise TableError(
                f'A grid file is a JSON object with "grid": {{name: [values]}}, none in {path}.'
            )
        if unknown := sorted(record.keys() - _KEYS):
            raise TableError(
                f"A grid file has the keys {', '.join(sorted(_KEYS))}; {path} has {unknown[0]!r}."
            )
        try:
            catalogue = load(record.get("space", "cnn"))
            ranges = {name: _range(name, own) for name, own in record["grid"].items()}
            given = {name: _text(own) for name, own in record.get("fix", {}).items()}
            folds, epochs = _count(record, "folds", 5, least=2), _count(record, "epochs", 10)
            repeated, seeds = _repeats(record.get("repeats", {}))
        except (TypeError, ValueError, AttributeError) as error:
            raise TableError(f"The grid {path} has a bad value: {error}.") from error
        fixed = _all_fixed(catalogue.space, ranges, given)
        return cls(
            catalogue=catalogue.with_space(narrowed(catalogue.space, ranges, fixed)),
            axes=record["grid"],
            ranges=ranges,
            fixed=fixed,
            folds=folds,
            epochs=epochs,
            repeated=repeated,
            seeds=seeds,
        )

    @property
    def space(self) -> Space:
        """The grid as a space."""
        return self.catalogue.space


def _range(name: str, values: object) -> str:
    """Writes a list of JSON values as `--set` takes it."""
    if not isinstance(values, list):
        raise TypeError(f"{name!r} has a list of values, got {values!r}")
    texts = [_text(value) for value in values]
    if several := [text for text in texts if "," in text or ".." in text]:
        raise ValueError(f"{name!r} lists one value at a time, got {several[0]!r}")
    return ",".join(texts)


def _repeats(record: Mapping[str, Any]) -> tuple[int, int]:
    """Returns how many configurations are repeated, and how often."""
    if unknown := sorted(record.keys() - {"configurations", "seeds"}):
        raise ValueError(f"'repeats' has configurations and seeds, got {unknown[0]!r}")
    return _count(record, "configurations", 0, least=0), _count(record, "seeds", 0, least=0)


def _count(record: Mapping[str, Any], name: str, default: int, *, least: int = 1) -> int:
    value = record.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name!r} is a whole number from {least}, got {value!r}")
    return value


def _text(value: object) -> str:
    """Writes a JSON value as `--set` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _all_fixed(
    space: Space, ranges: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    """Fixes whatever the grid does not vary, at its default where nothing else is asked."""
    narrow = narrowed(space, ranges, given)
    chosen: dict[str, str] = dict(given)
    for dimension in narrow.dimensions:
        name = dimension.name
        if name in ranges or name in chosen:
            continue
        before = narrowed(space, ranges, chosen)
        if name in before:
            chosen[name] = _text(dimension.default)
    final = narrowed(space, ranges, chosen)
    return {name: value for name, value in chosen.items() if name in final}
