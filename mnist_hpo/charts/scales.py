"""From values to places: linear, logarithmic, by error rate, and by category."""

import abc
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

Tick = tuple[float, str]
"""A place and what stands there."""


class AbstractScale(abc.ABC):
    """Values along one side of a chart."""

    @abc.abstractmethod
    def at(self, value: float) -> float:
        """Returns the place of a value."""

    @abc.abstractmethod
    def ticks(self) -> tuple[Tick, ...]:
        """Returns a few round values, by place."""


@final
@dataclass(frozen=True, slots=True)
class Linear(AbstractScale):
    """Equal distances for equal differences."""

    low: float
    high: float
    start: float
    stop: float
    whole: bool = False
    """Only whole numbers have ticks."""

    def at(self, value: float) -> float:
        if self.high == self.low:
            return (self.start + self.stop) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)

    def ticks(self) -> tuple[Tick, ...]:
        step = _round_step((self.high - self.low) / 5)
        if self.whole:
            step = max(1, round(step))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return tuple((self.at(i * step), f"{i * step:.4g}") for i in range(first, last + 1))


def _round_step(rough: float) -> float:
    """Returns 1, 2 or 5 times a power of ten, at least as large."""
    if rough <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * own for own in (1, 2, 5, 10) if power * own >= rough * (1 - 1e-9))


@final
@dataclass(frozen=True, slots=True)
class Log(AbstractScale):
    """Equal distances for equal ratios; bounds above 0."""

    low: float
    high: float
    start: float
    stop: float

    def at(self, value: float) -> float:
        if self.high == self.low:
            return (self.start + self.stop) / 2
        share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> tuple[Tick, ...]:
        powers = range(math.floor(math.log10(self.low)) - 1, math.ceil(math.log10(self.high)) + 1)
        inside: list[float] = []
        for digits in ((1,), (1, 3), (1, 2, 5), tuple(range(1, 10))):
            found = [d * 10.0**p for p in powers for d in digits]
            inside = [own for own in found if self.low <= own * (1 + 1e-9) <= self.high * 1.001]
            if len(inside) >= 3:
                break
        if len(inside) < 2:
            inside = [self.low, self.high]
        # More than seven would run into each other on a telephone.
        inside = inside[:: math.ceil(len(inside) / 7)]
        return tuple((self.at(own), _short(own)) for own in inside)


def _short(value: float) -> str:
    if value >= 0.0099:
        return f"{value:.2g}"
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


_ERRORS = (0.9, *(d * 10.0**-p for p in range(1, 7) for d in (5.0, 2.0, 1.0)))


@final
@dataclass(frozen=True, slots=True)
class Accuracy(AbstractScale):
    """Accuracies, spaced by the logarithm of their error rate.

    From 0.98 to 0.99 is as far as from 0.8 to 0.9: each halves the errors. On a linear axis one
    model that never learned would press all others into a line.
    """

    low: float
    high: float
    start: float
    stop: float

    @classmethod
    def over(cls, values: Iterable[float], start: float, stop: float) -> "Accuracy":
        """Returns a scale on which all these values have room."""
        errors = [max(1 - value, 1e-6) for value in values if math.isfinite(value)]
        if not errors:
            return cls(0.9, 0.99, start, stop)
        most, least = max(errors), min(errors)
        room = max((most / least) ** 0.06, 1.03)
        return cls(1 - min(most * room, 1.0), 1 - least / room, start, stop)

    def at(self, value: float) -> float:
        most, least = 1 - self.low, 1 - self.high
        error = min(max(1 - value, least), most)
        share = math.log(most / error) / math.log(most / least)
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> tuple[Tick, ...]:
        most, least = 1 - self.low, 1 - self.high
        inside = [own for own in _ERRORS if least <= own <= most]
        if len(inside) < 3:
            # A narrow range: round accuracies instead.
            step = _round_step((most - least) / 4)
            first, last = math.ceil(self.low / step), math.floor(self.high / step)
            return tuple(
                (self.at(i * step), f"{round(i * step, 6):g}") for i in range(first, last + 1)
            )
        inside = inside[:: math.ceil(len(inside) / 7)]
        return tuple((self.at(1 - own), f"{round(1 - own, 6):g}") for own in inside)


@final
@dataclass(frozen=True, slots=True)
class Bands(AbstractScale):
    """Categories, each with the same room; a value is the index of its category."""

    labels: Sequence[str]
    start: float
    stop: float

    @property
    def step(self) -> float:
        """Room of one category."""
        return (self.stop - self.start) / max(1, len(self.labels))

    def at(self, value: float) -> float:
        return self.start + (value + 0.5) * self.step

    def ticks(self) -> tuple[Tick, ...]:
        return tuple((self.at(i), label) for i, label in enumerate(self.labels))
