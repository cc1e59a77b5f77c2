"""A configuration in few words: what a table has room for. JSON and CSV keep all of it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from mnist_hpo.formats import rate_text, value_text
from spaces.architecture import Conv, Dense
from spaces.documented import DocumentedModel, documented_by
from spaces.errors import SpaceError
from spaces.space import Config, Value

_NUMBERED = re.compile(r"(.+)_\d+")
_RATE = re.compile(r"(.+_)?(lr|learning_rate)")

# The number of filters and of units shown says the same.
_COUNTS = frozenset({"conv_layers", "dense_layers"})


def in_words(config: Config) -> dict[str, str]:
    """Returns a configuration as short texts: `filters` 32-64-64, `lr` of its own optimizer."""
    return words_of(in_short(config))


def words_of(short: Mapping[str, Value]) -> dict[str, str]:
    """Returns the values of a short configuration as texts."""
    return {
        name: rate_text(value) if name == "lr" and isinstance(value, float) else value_text(value)
        for name, value in short.items()
    }


def in_short(config: Config) -> dict[str, Value]:
    """Returns the same unrounded: what a condition or an order compares."""
    model = _documented(config)
    if model is not None:
        return _of_model(model)
    short: dict[str, Value] = {}
    for name, value in config.items():
        own, kind = _short_name(name)
        if kind == "numbered":
            before = short.get(own)
            short[own] = str(value) if before is None else f"{before}-{value}"
        elif kind == "rate" and isinstance(value, float):
            short["lr"] = value
        elif kind != "count":
            short[name] = value
    return short


@cache
def _short_name(name: str) -> tuple[str, str]:
    """Returns what tables call a hyperparameter, and of which kind it is."""
    if (numbered := _NUMBERED.fullmatch(name)) is not None:
        return numbered[1], "numbered"
    if _RATE.fullmatch(name):
        return "lr", "rate"
    return name, "count" if name in _COUNTS else ""


def _documented(config: Config) -> DocumentedModel | None:
    try:
        return documented_by(config)
    except SpaceError:  # a ledger of another version may name a model that this one lacks
        return None


def _of_model(model: DocumentedModel) -> dict[str, Value]:
    return {
        "filters": joined([layer.filters for layer in model.architecture if type(layer) is Conv]),
        "units": joined([layer.units for layer in model.architecture if type(layer) is Dense]),
        "optimizer": model.optimizer,
        "lr": model.learning_rate,
        "batch_size": model.batch_size,
    }


def joined(sizes: Sequence[int]) -> str:
    """Returns sizes of layers as 32-64-64, or "-" without any."""
    return "-".join(map(str, sizes)) or "-"


def same_in_all(configs: Iterable[Config]) -> dict[str, str]:
    """Returns what tables say alike of several configurations; nothing if there is only one."""
    same: dict[str, Value] = {}
    count = 0
    for count, config in enumerate(configs, start=1):
        own = in_short(config)
        same = own if count == 1 else {n: v for n, v in same.items() if own.get(n) == v}
        if not same:
            break
    return words_of(same) if count > 1 else {}
