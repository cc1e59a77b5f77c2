"""Keras Tuner's own oracles as proposers: random, grid and Bayesian.

Each proposal comes from a fresh oracle that is handed the history, so that an interrupted study
proposes what an uninterrupted one would; Keras Tuner's own files are not used.
"""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, final

import keras_tuner
from keras_tuner.engine.trial import Trial as TunerTrial
from keras_tuner.engine.trial import TrialStatus
from sklearn.exceptions import ConvergenceWarning

from search.distributions import SamplerAxis
from search.grid import GridProposer
from search.prediction import Prediction, Predictor
from search.proposals import MAX_ATTEMPTS, AbstractProposer, Misfit
from search.records import History, Trial
from search.seeds import Purpose, seed_for
from spaces.keras_tuner_bridge import declare
from spaces.space import Choice, Condition, Config, Dimension, Space, Value, config_key

MODELLED_ATTEMPTS = 3
"""Attempts that kt-bayesian makes with its model before it draws at random.

Once the model prefers a point already tried, another seed mostly leads there again, and each
attempt fits the model anew.
"""

_OBJECTIVE = keras_tuner.Objective("score", direction="max")


@final
@dataclass(frozen=True, slots=True)
class KerasTunerProposer(AbstractProposer):
    """Asks one of Keras Tuner's oracles."""

    name: str
    """kt-random, kt-grid or kt-bayesian."""

    predictor: Predictor = field(default_factory=Predictor, compare=False, repr=False)
    """Of unfinished trials; asked for kt-bayesian only, the others learn nothing."""

    def propose(self, history: History, misfit: Misfit) -> Config | None:
        """Returns the oracle's first answer that is new and fits."""
        space = history.facts.space
        used = history.tried
        for values in self._answers(history):
            config = _config(space, values)
            if config_key(config) not in used and misfit(config) is None:
                return config
        return None

    def _answers(self, history: History) -> Iterator[Mapping[str, Value]]:
        if self.name == "kt-bayesian":
            return _bayesian(history, self.predictor.predictions(history))
        return _grid(history) if self.name == "kt-grid" else _random(history)

    def refuse(self, space: Space) -> str | None:
        """Refuses the grid of a space that no one would train to its end."""
        return GridProposer().refuse(space) if self.name == "kt-grid" else None


def _random(history: History) -> Iterator[Mapping[str, Value]]:
    for attempt in range(MAX_ATTEMPTS):
        oracle = keras_tuner.oracles.RandomSearchOracle(
            objective=_OBJECTIVE,
            seed=_seed(history, attempt),
            hyperparameters=_declared(history.facts.space),
        )
        yield from _answer(oracle, history, {})


def _bayesian(
    history: History, predicted: Mapping[int, Prediction]
) -> Iterator[Mapping[str, Value]]:
    number = len(history.trials)
    for attempt in range(MAX_ATTEMPTS):
        oracle = keras_tuner.oracles.BayesianOptimizationOracle(
            objective=_OBJECTIVE,
            seed=_seed(history, attempt),
            hyperparameters=_declared(history.facts.space),
            # More initial points than trials: the oracle's own random values.
            num_initial_points=None if attempt < MODELLED_ATTEMPTS else number + 1,
        )
        yield from _answer(oracle, history, predicted)


def _grid(history: History) -> Iterator[Mapping[str, Value]]:
    """Walks the whole grid in the oracle's order.

    The oracle's own bookkeeping names trials, and loses its place with them when a search is
    killed. The order of its points depends on the space alone, so every proposal starts from
    the first point and the caller skips what the history has.
    """
    oracle = keras_tuner.oracles.GridSearchOracle(
        objective=_OBJECTIVE,
        seed=_seed(history, 0),
        hyperparameters=_declared(history.facts.space),
    )
    values: dict[str, Value] | None = oracle.populate_space("0")["values"]
    while values is not None:
        yield values
        values = _next_point(oracle, values)


def _answer(
    oracle: Any,  # noqa: ANN401 - untyped
    history: History,
    predicted: Mapping[int, Prediction],
) -> Iterator[Mapping[str, Value]]:
    """Yields the oracle's answer, or nothing where it finds no new point."""
    for trial in history.trials:
        if trial.in_space:
            _hand_over(oracle, trial, predicted.get(trial.number))
    with _silent_regression():
        answer = oracle.populate_space(str(len(history.trials)))
    if answer["status"] == TrialStatus.RUNNING:
        yield answer["values"]


def _hand_over(oracle: Any, trial: Trial, known: Prediction | None) -> None:  # noqa: ANN401 - untyped
    """Puts a trial where the oracle would have put one of its own, with what is known of it.

    Keras Tuner has no public way to tell an oracle of trials that it has not created: they
    would have to go through `create_trial`, which chooses their values and writes files.
    """
    hp = oracle.get_space()
    hp.values = dict(trial.config)
    record = TunerTrial(hp, trial_id=str(trial.number), status=TrialStatus.RUNNING)
    if known is not None:
        record.status, record.score = TrialStatus.COMPLETED, known.mean
    elif trial.verdict is not None:
        # It has no score to learn from, but it shall not be repeated.
        record.status = TrialStatus.FAILED
    else:
        oracle.ongoing_trials[record.trial_id] = record
    oracle.trials[record.trial_id] = record
    oracle.start_order.append(record.trial_id)
    if record.status != TrialStatus.RUNNING:
        oracle.end_order.append(record.trial_id)
    oracle._record_values(record)  # noqa: SLF001 - fills the set of points already tried


def _next_point(oracle: Any, values: dict[str, Value]) -> dict[str, Value] | None:  # noqa: ANN401 - untyped
    """Returns the successor of a grid point.

    `populate_space` would look for the predecessor among the oracle's trials, of which a grid
    with left-out points has none.
    """
    following: dict[str, Value] | None = oracle._get_next_combination(values)  # noqa: SLF001 - see above
    return following


def _seed(history: History, attempt: int) -> int:
    """Returns a seed above 0, which Keras Tuner takes for none at all."""
    return 1 + seed_for(history.facts.seed, Purpose.PROPOSAL, len(history.trials), attempt)


def _declared(space: Space) -> keras_tuner.HyperParameters:
    """Registers the space under the record's names, which are unique.

    A hypermodel may use one name under several conditions; the grid oracle would mix up their
    values.
    """
    hp = keras_tuner.HyperParameters()
    for dimension in space.dimensions:
        with contextlib.ExitStack() as scopes:
            for condition in dict.fromkeys(_conditions(space, dimension)):
                scopes.enter_context(
                    hp.conditional_scope(condition.parent, list(condition.values))
                )
            declare(Space(space.name, (replace(dimension, when=()),)), hp)
    return hp


def _conditions(space: Space, dimension: Dimension) -> Iterator[Condition]:
    """Yields what a hyperparameter hangs on, and what that hangs on before it.

    Keras Tuner knows a parent inside the scope only that the parent was registered in.
    """
    for condition in dimension.when:
        yield from _conditions(space, space[condition.parent])
        yield condition


def _config(space: Space, values: Mapping[str, Value]) -> Config:
    """Reads an oracle's answer, every active value of it.

    Its numbers may miss a bound or a step by rounding, and an integer on a log scale by one.
    """
    config: dict[str, Value] = {}
    for dimension in space.walk(config):
        value = values[dimension.name]
        if not isinstance(dimension, Choice):
            value = min(max(float(value), dimension.low), dimension.high)
        axis = SamplerAxis(dimension)
        config[dimension.name] = axis.value_of(axis.suggestion_of(value))
    return config


@contextlib.contextmanager
def _silent_regression() -> Iterator[None]:
    """Keeps the Gaussian process from reporting kernels that fit no better: no one can act."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
