"""A table's space as an Optuna objective asks for it: the axes that our own sampler gets.

For the study and for Ray Tune's searcher alike, which hands its objective a stand-in.
"""

from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search.distributions import SamplerAxis
from spaces.space import Config, Space, Value


def suggest(trial: Any, space: Space) -> Config:  # noqa: ANN401 - a Trial or Ray's stand-in
    """Asks a trial for each active hyperparameter: ordered values by index, others by name."""
    config: dict[str, Value] = {}
    for dimension in space.walk(config):
        name, axis = dimension.name, SamplerAxis(dimension)
        wanted = axis.distribution
        if isinstance(wanted, CategoricalDistribution):
            found = trial.suggest_categorical(name, wanted.choices)
        elif isinstance(wanted, IntDistribution):
            found = trial.suggest_int(name, wanted.low, wanted.high, log=wanted.log)
        elif isinstance(wanted, FloatDistribution):
            found = trial.suggest_float(name, wanted.low, wanted.high, log=wanted.log)
        else:
            raise TypeError(f"{name!r} has an unknown distribution: {wanted!r}.")
        config[name] = axis.value_of(found)
    return config
