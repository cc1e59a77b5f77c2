"""`--where`: comparisons joined by `and`, as in `params<200k and optimizer=adam`.

    condition   comparison {"and" comparison}
    comparison  name ("<" | "<=" | ">" | ">=" | "=" | "==" | "!=") value
    value       9.4e-4   200k   1.2M   50%   1:41 (minutes:seconds)   adam   "two words"

Nothing is ever evaluated as code. A comparison with what a trial lacks is false.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mnist_hpo.errors import UserError
from mnist_hpo.qualities import Quality, named
from mnist_hpo.ranking import Standing
from spaces.space import Value

_COMPARISON = re.compile(
    r"""\s*(?P<name>[A-Za-z_]\w*)\s*(?P<sign><=|>=|!=|==|=|<|>)\s*"""
    r"""(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'<>=!]+))\s*"""
)
_AND = re.compile(r"and(?=\s)\s*", re.IGNORECASE)

_NUMBER = re.compile(r"(?P<digits>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?P<unit>[kMG%]?)")
_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "%": 0.01}
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d\d)")

_ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_HELP = "for instance --where 'params<200k and optimizer=adam'"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One quality against one value."""

    quality: Quality
    sign: str
    text: str
    number: float | None
    """What the text says as a number; None: it is a word."""

    def holds(self, row: Standing) -> bool:
        """Says whether it is true of a trial."""
        own = self.quality.of(row)
        if own is None:
            return False
        if self.sign not in _ORDERS:
            return self._equals(own) is (self.sign != "!=")
        if isinstance(own, str) or self.number is None:
            return False
        return _ORDERS[self.sign](own, self.number)

    def _equals(self, own: Value) -> bool:
        if isinstance(own, bool):
            return self.text.lower() in (("yes", "true") if own else ("no", "false"))
        if isinstance(own, str):
            return own == self.text
        return self.number is not None and math.isclose(own, self.number, rel_tol=1e-9)


Condition = tuple[Comparison, ...]


def holds(condition: Condition, row: Standing) -> bool:
    """Says whether every comparison is true of a trial."""
    return all(comparison.holds(row) for comparison in condition)


def parsed(text: str, known: Mapping[str, Quality]) -> Condition:
    """Reads a condition.

    Args:
        text: As a person types it.
        known: What can be asked of the trials.

    Raises:
        UserError: it is no condition, asks for something no trial has, or orders words.
    """
    found, at = [], 0
    while True:
        match = _COMPARISON.match(text, at)
        if match is None:
            raise UserError(
                f"--where takes comparisons like params<200k, got {text[at:]!r} in {text!r}.",
                _HELP,
            )
        found.append(_comparison(match, known))
        at = match.end()
        if at == len(text):
            return tuple(found)
        joint = _AND.match(text, at)
        if joint is None:
            raise UserError(
                f"--where joins comparisons by 'and', got {text[at:]!r} in {text!r}.", _HELP
            )
        at = joint.end()


def _comparison(match: re.Match[str], known: Mapping[str, Quality]) -> Comparison:
    quality, sign = named(match["name"], known), match["sign"]
    text = next(own for own in match.group("double", "single", "bare") if own is not None)
    number = _number(text) if match["bare"] is not None else None
    if sign in _ORDERS and number is None:
        raise UserError(
            f"{sign} compares numbers; {quality.name} {sign} {text} has a word.",
            f"--where '{quality.name}={text}' asks for it",
        )
    return Comparison(quality, sign, text, number)


def _number(text: str) -> float | None:
    """Reads a number with its unit, or a duration in seconds; None: it is a word."""
    if (number := _NUMBER.fullmatch(text)) is not None:
        return float(number["digits"]) * _UNITS[number["unit"]]
    if (clock := _CLOCK.fullmatch(text)) is not None:
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return 3600.0 * hours + 60 * minutes + seconds
    return None
