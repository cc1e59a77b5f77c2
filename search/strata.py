"""Kinds of configurations that learn slowly at first: they race among themselves as well."""

from spaces.space import Choice, Config, Dimension, Range, Space, Value

_RATES = ("lr", "learning_rate")
_REGULAR = ("dropout", "decay", "augment", "noise")
_PENALTIES = ("l1", "l2")


def stratum_of(config: Config, space: Space) -> str:
    """Names the stratum of a configuration: slow or fast, regularised or not.

    Slow is a learning rate in the lower half of its range, on its scale. Regularised is a
    dropout, decay or augmentation above its lowest value. Hyperparameters are recognised by
    their names, as anyone would name them.
    """
    slow = regular = False
    for name, value in config.items():
        words = name.lower()
        if name not in space:
            continue
        place = _place(space[name], value)
        if any(words == word or words.endswith(f"_{word}") for word in _RATES):
            slow = slow or place < 0.5
        elif any(word in words for word in _REGULAR) or set(words.split("_")) & {*_PENALTIES}:
            regular = regular or place > 0
    return f"{'slow' if slow else 'fast'}, {'regularised' if regular else 'plain'}"


def _place(dimension: Dimension, value: Value) -> float:
    """Returns how far up its range a value lies, 0 to 1, on the sampling scale."""
    if isinstance(dimension, Choice):
        places = {own: i for i, own in enumerate(dimension.values)}
        return places.get(value, 0) / max(len(places) - 1, 1)
    return 0.0 if isinstance(value, str) else _share(dimension, float(value))


def _share(own: Range, value: float) -> float:
    if own.low == own.high:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(20):  # bisection: the scale is monotonic, a millionth is near enough
        middle = (low + high) / 2
        low, high = (middle, high) if own.at(middle) < value else (low, middle)
    return low
