"""Every sampler by its name: Optuna's, the grid, and Keras Tuner's own oracles."""

from search.building import GraphOf
from search.errors import StudyError
from search.grid import GridProposer
from search.model_proposer import ModelProposer
from search.prediction import Predictor
from search.proposals import OPTUNA_SAMPLERS, AbstractProposer, OptunaProposer
from spaces.space import config_key

KERAS_TUNER_SAMPLERS = ("kt-random", "kt-grid", "kt-bayesian")
"""Keras Tuner's own oracles, by the name that `--sampler` takes."""

SAMPLERS = (*OPTUNA_SAMPLERS, "model", "grid", *KERAS_TUNER_SAMPLERS)
"""Every sampler by the name that `--sampler` takes."""


def proposer(
    name: str,
    predictor: Predictor | None = None,
    graph_of: GraphOf = config_key,
) -> AbstractProposer:
    """Returns the sampler called `name`.

    Args:
        name: One of `SAMPLERS`.
        predictor: Says what unfinished trials would score; the policy's own, so that both see
            the same and nothing is computed twice.
        graph_of: Names the traced graph of a configuration: equal names can share one, which
            makes a proposal cheaper. By default nobody shares.

    Raises:
        StudyError: there is none; Keras Tuner's Hyperband is refused with the reason.
    """
    if name in OPTUNA_SAMPLERS:
        return OptunaProposer(name, OPTUNA_SAMPLERS[name], predictor or Predictor())
    if name == "model":
        return ModelProposer(predictor=predictor or Predictor(), graph_of=graph_of)
    if name == "grid":
        return GridProposer()
    if name in KERAS_TUNER_SAMPLERS:
        # Keras Tuner imports TensorFlow: only who asks for its oracles waits for it.
        from search.keras_tuner_oracles import KerasTunerProposer  # noqa: PLC0415

        return KerasTunerProposer(name, predictor or Predictor())
    if name in {"kt-hyperband", "hyperband"}:
        raise StudyError(
            "Keras Tuner's Hyperband decides itself how many epochs a trial gets, so its trials "
            "are not comparable by a 5-fold mean at the last epoch. Use --sampler tpe."
        )
    raise StudyError(f"There is no sampler {name!r}; there are: {', '.join(SAMPLERS)}.")
