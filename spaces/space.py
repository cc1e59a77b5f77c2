"""A search space as a plain record: names, ranges, conditions. Imports no Keras.

A study stores this record; proposals, tables and the driver work from it. Keras Tuner's own
`HyperParameters` are converted from and to it in `spaces.keras_tuner_bridge`.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, cast

from spaces.errors import SpaceError

Value = bool | int | float | str
"""One value of a hyperparameter. Never None: an inactive hyperparameter is left out."""

Config = Mapping[str, Value]
"""One value for each active hyperparameter, in the order of the space."""

Sampling = Literal["linear", "log", "reverse_log"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A dimension is active only while its parent has one of these values."""

    parent: str
    values: tuple[Value, ...]

    def holds(self, config: Config) -> bool:
        """Says whether the parent is active in `config` and has one of the values."""
        return self.parent in config and config[self.parent] in self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of a few values."""

    name: str
    values: tuple[Value, ...]
    default: Value
    ordered: bool = False
    """The order of the values means something, so a sampler may learn a trend along it."""

    legal: tuple[float, float] | None = None
    """What `--set` may extend numeric values to; None: only the values listed."""

    when: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        if not self.values:
            raise SpaceError(f"{self.name!r} needs at least one value, got none.")
        if len(set(self.values)) < len(self.values):
            raise SpaceError(f"{self.name!r} lists a value twice: {list(self.values)}.")
        if len({type(value) for value in self.values}) > 1:
            raise SpaceError(f"{self.name!r} mixes types: {list(self.values)}.")
        if not self.contains(self.default):
            raise SpaceError(
                f"{self.name!r} has the default {self.default!r}, not one of its "
                f"values {list(self.values)}."
            )

    def contains(self, value: Value) -> bool:
        """Says whether `value` is one of the values, of the same type."""
        return any(value == own and type(value) is type(own) for own in self.values)

    def grid(self, levels: int) -> tuple[Value, ...]:
        """Returns every value, however many levels a continuous range would get."""
        del levels
        return self.values

    def describe(self) -> str:
        """Returns the values as a person would list them."""
        return "[" + ", ".join(str(value) for value in self.values) + "]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    name: str
    kind: Literal["int", "float"]
    low: float
    high: float
    default: Value
    step: float | None = None
    """Distance between values; with log sampling the factor between them. None: every value."""

    sampling: Sampling = "linear"
    legal: tuple[float, float] | None = None
    """How far `--set` may move the bounds; None: not beyond them."""

    when: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        bounds = f"{self.name!r} ranges from {self.low} to {self.high}"
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise SpaceError(f"{bounds}: both bounds must be finite numbers.")
        if self.low > self.high:
            raise SpaceError(f"{bounds}: the low bound comes first.")
        if self.sampling != "linear" and self.low <= 0:
            raise SpaceError(f"{bounds}: a {self.sampling} range needs bounds above 0.")
        if self.step is not None and self.step <= (0 if self.sampling == "linear" else 1):
            raise SpaceError(f"{bounds}: the step {self.step} leads nowhere.")
        if self.kind == "int" and (self.low != int(self.low) or self.high != int(self.high)):
            raise SpaceError(f"{bounds}: an integer range has whole bounds.")
        if not self.contains(self.default):
            raise SpaceError(f"{bounds}: its default {self.default!r} lies outside.")

    def contains(self, value: Value) -> bool:
        """Says whether `value` is a number inside the bounds (and whole, for integers)."""
        if isinstance(value, bool | str) or not self.low <= value <= self.high:
            return False
        return isinstance(value, int) if self.kind == "int" else True

    def steps(self) -> tuple[Value, ...] | None:
        """Returns all values if they can be listed, else None (a continuous range).

        Keras Tuner loses the upper bound to rounding (0 to 1 by 0.1 ends at 0.9 there); a
        tolerance of a millionth of a step keeps it here.
        """
        if self.step is None:
            if self.kind == "float" or self.sampling != "linear":
                return None
            return tuple(range(int(self.low), int(self.high) + 1))
        if self.sampling == "linear":
            count = math.floor((self.high - self.low) / self.step + 1e-6) + 1
            values = [self.low + i * self.step for i in range(count)]
        else:
            count = math.floor(math.log(self.high / self.low, self.step) + 1e-6) + 1
            values = [self.low * self.step**i for i in range(count)]
            if self.sampling == "reverse_log":
                values = [self.high + self.low - value for value in reversed(values)]
        return self._typed(values)

    def grid(self, levels: int) -> tuple[Value, ...]:
        """Returns the listed values, or `levels` values spread evenly on the sampling scale."""
        steps = self.steps()
        if steps is not None:
            return steps
        if self.low == self.high:
            return self._typed([self.low])
        return self._typed([self.at((i + 0.5) / levels) for i in range(levels)])

    def at(self, share: float) -> float:
        """Returns the value that lies `share` (0 to 1) of the way up on the sampling scale."""
        if self.sampling == "linear":
            return self.low + share * (self.high - self.low)
        if self.sampling == "log":
            return self.low * math.pow(self.high / self.low, share)
        return self.high + self.low - self.low * math.pow(self.high / self.low, 1 - share)

    def describe(self) -> str:
        """Returns the range as `--set` would take it."""
        scale = "" if self.sampling == "linear" else f" ({self.sampling})"
        step = "" if self.step is None else f" by {self.step:g}"
        return f"{self.low:g}..{self.high:g}{step}{scale}"

    def _typed(self, values: Sequence[float]) -> tuple[Value, ...]:
        if self.kind == "int":
            return tuple(dict.fromkeys(round(value) for value in values))
        # 15 digits drop the rounding noise of 0.1 + 0.2 and keep every value a person would type.
        return tuple(float(f"{value:.15g}") for value in values)


Dimension = Choice | Range


@dataclass(frozen=True, slots=True)
class Space:
    """What may be tried: dimensions, parents before their children."""

    name: str
    dimensions: tuple[Dimension, ...]
    _by_name: dict[str, Dimension] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        seen: dict[str, Dimension] = {}
        for dimension in self.dimensions:
            if dimension.name in seen:
                raise SpaceError(f"{dimension.name!r} is declared twice in {self.name!r}.")
            for condition in dimension.when:
                if condition.parent not in seen:
                    raise SpaceError(
                        f"{dimension.name!r} depends on {condition.parent!r}, which "
                        f"must be declared before it."
                    )
            seen[dimension.name] = dimension
        object.__setattr__(self, "_by_name", seen)

    def __getitem__(self, name: str) -> Dimension:
        """Returns the dimension called `name`.

        Raises:
            SpaceError: there is none; the message lists the names there are.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise SpaceError(
                f"The space {self.name!r} has no hyperparameter {name!r}; it has "
                f"{', '.join(self._by_name)}."
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def walk(self, config: Config) -> Iterator[Dimension]:
        """Yields the dimensions that are active given what `config` holds so far.

        `config` may grow while the walk goes on, so a sampler can fill it on the way.
        """
        for dimension in self.dimensions:
            if all(condition.holds(config) for condition in dimension.when):
                yield dimension

    def active(self, values: Config) -> dict[str, Value]:
        """Keeps the active values, in the order of the space.

        Raises:
            SpaceError: an active hyperparameter has no value, or one out of range.
        """
        config: dict[str, Value] = {}
        for dimension in self.walk(config):
            if dimension.name not in values:
                raise SpaceError(f"The configuration gives no value for {dimension.name!r}.")
            value = values[dimension.name]
            if not dimension.contains(value):
                raise SpaceError(
                    f"{dimension.name!r} takes {dimension.describe()}, got {value!r}."
                )
            config[dimension.name] = value
        return config

    def contains(self, config: Config) -> bool:
        """Says whether `config` is a point of this space: all active values, no others."""
        try:
            return self.active(config) == dict(config)
        except SpaceError:
            return False

    def defaults(self) -> dict[str, Value]:
        """Returns the configuration of all defaults."""
        return self.active({dimension.name: dimension.default for dimension in self.dimensions})

    def replaced(self, dimension: Dimension) -> "Space":
        """Returns the space with the dimension of that name exchanged."""
        self[dimension.name]  # raises for an unknown name
        return Space(
            self.name,
            tuple(dimension if own.name == dimension.name else own for own in self.dimensions),
        )

    def without_unreachable(self) -> "Space":
        """Drops dimensions whose conditions can no longer hold after a narrowing."""
        kept: list[Dimension] = []
        names: dict[str, Dimension] = {}
        for dimension in self.dimensions:
            if all(
                condition.parent in names
                and any(names[condition.parent].contains(value) for value in condition.values)
                for condition in dimension.when
            ):
                kept.append(dimension)
                names[dimension.name] = dimension
        return Space(self.name, tuple(kept))

    @property
    def sha256(self) -> str:
        """The fingerprint of everything that decides what may be proposed."""
        return hashlib.sha256(canonical_json(self.to_json()).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Returns the record as plain lists, dicts, strings and numbers."""
        return {"name": self.name, "dimensions": [_dimension_json(d) for d in self.dimensions]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote."""
        return cls(record["name"], tuple(_dimension(d) for d in record["dimensions"]))

    def differences(self, other: "Space") -> tuple[str, ...]:
        """Says in words what changed from this space to `other`, a line each."""
        lines = []
        before = {dimension.name: dimension for dimension in self.dimensions}
        after = {dimension.name: dimension for dimension in other.dimensions}
        for name in dict.fromkeys([*before, *after]):
            was, now = before.get(name), after.get(name)
            if was is None and now is not None:
                lines.append(f"{name}: new, {now.describe()}")
            elif now is None and was is not None:
                lines.append(f"{name}: was {was.describe()}, now gone")
            elif was is not None and now is not None and was != now:
                ranges = was.describe(), now.describe()
                lines.append(
                    f"{name}: was {ranges[0]}, now {ranges[1]}"
                    if ranges[0] != ranges[1]
                    else f"{name}: another order, default, limit or condition"
                )
        return tuple(lines)


def config_key(config: Config) -> str:
    """Returns a short fingerprint: equal for equal active values, whatever their order."""
    return hashlib.sha256(canonical_json(dict(config)).encode()).hexdigest()[:16]


def canonical_json(value: object) -> str:
    """Returns JSON with sorted keys and no spaces, so that equal values have equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _dimension_json(dimension: Dimension) -> dict[str, Any]:
    record: dict[str, Any] = {"name": dimension.name}
    if isinstance(dimension, Choice):
        record |= {
            "kind": "choice",
            "values": list(dimension.values),
            "ordered": dimension.ordered,
        }
    else:
        record |= {
            "kind": dimension.kind,
            "low": dimension.low,
            "high": dimension.high,
            "step": dimension.step,
            "sampling": dimension.sampling,
        }
    record["default"] = dimension.default
    record["legal"] = None if dimension.legal is None else list(dimension.legal)
    record["when"] = [{"parent": c.parent, "values": list(c.values)} for c in dimension.when]
    return record


def _dimension(record: Mapping[str, Any]) -> Dimension:
    when = tuple(Condition(c["parent"], tuple(c["values"])) for c in record["when"])
    legal = (
        None if record["legal"] is None else cast("tuple[float, float]", tuple(record["legal"]))
    )
    if record["kind"] == "choice":
        return Choice(
            name=record["name"],
            values=tuple(record["values"]),
            default=record["default"],
            ordered=record["ordered"],
            legal=legal,
            when=when,
        )
    return Range(
        name=record["name"],
        kind=record["kind"],
        low=record["low"],
        high=record["high"],
        step=record["step"],
        sampling=record["sampling"],
        default=record["default"],
        legal=legal,
        when=when,
    )
