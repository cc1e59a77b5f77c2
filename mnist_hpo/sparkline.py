"""A curve in one character an epoch."""

from collections.abc import Sequence

LEVELS = "▁▂▃▄▅▆▇█"
"""From the lowest to the highest."""

PLAIN = "_.-:=+*#"
"""The same where only ASCII can be shown."""


def sparkline(values: Sequence[float], *, low: float, high: float) -> str:
    """Draws a curve.

    Args:
        values: One an epoch.
        low: What the lowest level stands for.
        high: What the highest one stands for: curves with the same ends can be compared.
    """
    if high <= low:
        return LEVELS[-1] * len(values)
    steps = len(LEVELS) - 1
    shares = ((value - low) / (high - low) for value in values)
    return "".join(LEVELS[round(min(max(share, 0.0), 1.0) * steps)] for share in shares)


def thinned(values: Sequence[float], width: int) -> list[float]:
    """Returns at most so many values, evenly spaced, the first and the last among them."""
    if len(values) <= width:
        return list(values)
    last = len(values) - 1
    return [values[round(i * last / (width - 1))] for i in range(width)]
