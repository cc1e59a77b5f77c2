"""Which hyperparameters mattered: PED-ANOVA by Optuna, on scores and predicted means."""

import warnings
from collections.abc import Mapping, Sequence

from mnist_hpo.ranking import Standing
from spaces.space import Space

LEAST_TRIALS = 30
"""Below this the best tenth are fewer than three trials: an importance would be noise."""


def value_of(row: Standing) -> float | None:
    """Returns what a trial came to: its score, else its predicted mean, else nothing."""
    if row.score is not None:
        return row.score.mean
    return None if row.predicted is None else row.predicted.mean


def judged(rows: Sequence[Standing]) -> tuple[Standing, ...]:
    """Returns the trials that tell something of the space: points of it with a value."""
    return tuple(row for row in rows if row.trial.in_space and value_of(row) is not None)


def importances(rows: Sequence[Standing], space: Space) -> Mapping[str, float]:
    """Returns how much each hyperparameter decides about being among the best tenth.

    Args:
        rows: Trials with predictions, as `prospects.with_predictions` returns them.
        space: The study's.

    Returns:
        Shares that sum to 1, largest first; empty below `LEAST_TRIALS` trials with a value.

    References:
        Watanabe, Bansal and Hutter (2023), "PED-ANOVA: efficiently quantifying hyperparameter
        importance in arbitrary subspaces", IJCAI.
    """
    used = judged(rows)
    if len(used) < LEAST_TRIALS:
        return {}
    # Imported here: most of a second that small studies and what only counts trials need not pay.
    import optuna  # noqa: PLC0415 - see above

    from search.distributions import recorded_all  # noqa: PLC0415 - likewise
    from search.quiet import quiet_optuna  # noqa: PLC0415 - likewise

    with quiet_optuna(), warnings.catch_warnings():
        # "Some regimes have less than 2 trials": the counts stand beside the importances.
        warnings.simplefilter("ignore", UserWarning)
        study = optuna.create_study(direction="maximize")
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params=dict(row.trial.config),
                    distributions=recorded_all(space, row.trial.config),
                    value=value_of(row),
                )
                for row in used
            ]
        )
        return optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
        )
