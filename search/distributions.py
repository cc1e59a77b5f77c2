"""How the dimensions of a space look to Optuna, in the ledger and to its samplers."""

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from spaces.space import Choice, Config, Dimension, Range, Space, Value


def recorded(dimension: Dimension) -> BaseDistribution:
    """Returns the distribution that the ledger records: real values, for dashboards to show.

    Steps are left out: Optuna lowers an upper bound that a step does not reach, and the ledger
    only has to accept what the space accepts.
    """
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.values)
    log = dimension.sampling == "log"
    if dimension.kind == "int":
        return IntDistribution(int(dimension.low), int(dimension.high), log=log)
    return FloatDistribution(dimension.low, dimension.high, log=log)


def recorded_all(space: Space, config: Config) -> dict[str, BaseDistribution]:
    """Returns the recorded distributions of a configuration's active values."""
    return {name: recorded(space[name]) for name in config}


class SamplerAxis:
    """A dimension as a sampler sees it: an unordered category, an index, or a number.

    An ordered choice and a stepped range become the index of the value: Optuna has no ordered
    category, refuses a step on a log scale, and loses bounds that a step does not reach. A
    reverse-log range becomes the share of the way up, since Optuna has no such scale.
    """

    def __init__(self, dimension: Dimension) -> None:
        self._dimension = dimension
        self._values = self._listed(dimension)

    @staticmethod
    def _listed(dimension: Dimension) -> tuple[Value, ...] | None:
        if isinstance(dimension, Choice):
            return dimension.values
        if dimension.step is None and dimension.sampling == "linear":
            return None
        return dimension.steps()

    @property
    def distribution(self) -> BaseDistribution:
        """What to ask the sampler for."""
        own = self._dimension
        if self._values is not None:
            if isinstance(own, Choice) and not own.ordered:
                return CategoricalDistribution(range(len(self._values)))
            return IntDistribution(0, len(self._values) - 1)
        assert isinstance(own, Range)  # noqa: S101 - choices always list their values
        if own.sampling == "reverse_log":
            return FloatDistribution(0.0, 1.0)
        return recorded(own)

    def value_of(self, suggestion: object) -> Value:
        """Translates what the sampler suggested into a value of the dimension."""
        own = self._dimension
        if self._values is not None and isinstance(suggestion, int):
            return self._values[suggestion]
        if isinstance(own, Range) and isinstance(suggestion, int | float):
            if own.sampling == "reverse_log":
                # At the ends rounding may leave the range by the last bit.
                value = min(max(own.at(float(suggestion)), own.low), own.high)
                return round(value) if own.kind == "int" else float(value)
            return int(suggestion) if own.kind == "int" else float(suggestion)
        raise TypeError(f"{own.name!r} cannot take the suggestion {suggestion!r}.")

    def suggestion_of(self, value: Value) -> int | float:
        """Translates a value back, as a past trial's parameter."""
        own = self._dimension
        if self._values is not None:
            if value in self._values:
                return self._values.index(value)
            return _nearest(self._values, value)
        assert isinstance(own, Range)  # noqa: S101 - choices always list their values
        assert isinstance(value, int | float)  # noqa: S101 - a range holds numbers
        if own.sampling == "reverse_log":
            return _share(own, float(value))
        return value


def _nearest(values: tuple[Value, ...], value: Value) -> int:
    """Returns the index of the listed number nearest to one between two steps."""
    distances = [abs(float(own) - float(value)) for own in values]
    return distances.index(min(distances))


def _share(own: Range, value: float) -> float:
    """Inverts `Range.at` by bisection: the scale is monotonic, and 60 halvings exhaust it."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if own.at(middle) < value else (low, middle)
    return low
