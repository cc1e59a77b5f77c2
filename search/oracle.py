"""Optuna's samplers as a Keras Tuner oracle, for any stock Keras Tuner tuner."""

from typing import Any, Literal, cast, final

import keras_tuner
from keras_tuner.engine.trial import Trial as TunerTrial
from keras_tuner.engine.trial import TrialStatus

from search.errors import StudyError
from search.proposals import MAX_ATTEMPTS, OPTUNA_SAMPLERS, SamplerFactory, ask, visible
from search.seeds import Purpose, seed_for
from spaces.keras_tuner_bridge import plain_names, recorded
from spaces.space import Config, Space, Value, config_key


@final
class OptunaOracle(keras_tuner.Oracle):
    """Proposes hyperparameters with one of Optuna's samplers.

    Every proposal is a function of the oracle's trials and its seed: the sampler keeps nothing
    from one to the next. So a search that Keras Tuner reloads goes on with the proposals it
    would have made without the interruption.

    Conditional hyperparameters, and those found only while a model is built, are treated as
    Keras Tuner does. No configuration is tried twice.
    """

    def __init__(  # noqa: PLR0913 - the arguments of every Keras Tuner oracle, and the sampler
        self,
        objective: Any = "val_accuracy",  # noqa: ANN401 - untyped in Keras Tuner
        max_trials: int | None = 10,
        *,
        sampler: str | SamplerFactory = "tpe",
        seed: int | None = None,
        hyperparameters: keras_tuner.HyperParameters | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
    ) -> None:
        """Initializes an oracle without trials.

        Args:
            objective: A metric's name, a `keras_tuner.Objective`, or a list of these. None: the
                number that `Tuner.run_trial` or `HyperModel.fit` returns, to be minimized.
            max_trials: How many configurations to try at most; None: until none is new.
            sampler: "tpe", "random", or what builds an Optuna sampler from a seed.
            seed: An integer from 0; None: one drawn at random and saved with the oracle.
            hyperparameters: The space, or the part of it known in advance.
            allow_new_entries: Hypermodels may ask for hyperparameters not in the space.
            tune_new_entries: Those join the space; otherwise they keep their defaults.
            max_retries_per_trial: How often a failed configuration is tried again.
            max_consecutive_failed_trials: After how many failures in a row the search stops.

        Raises:
            StudyError: there is no sampler of that name, or the seed is negative.
        """
        if isinstance(sampler, str) and sampler not in OPTUNA_SAMPLERS:
            raise StudyError(
                f"There is no sampler {sampler!r} for OptunaOracle; there are: "
                f"{', '.join(OPTUNA_SAMPLERS)}, and any function from a seed to an Optuna sampler."
            )
        if seed is not None and seed < 0:
            raise StudyError(f"A seed is an integer from 0, got {seed}.")
        super().__init__(
            objective=objective,
            max_trials=max_trials,
            hyperparameters=hyperparameters,
            allow_new_entries=allow_new_entries,
            tune_new_entries=tune_new_entries,
            seed=seed,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        if seed is not None:
            self.seed = seed  # the base class takes 0 for no seed
        self._sampler = OPTUNA_SAMPLERS[sampler] if isinstance(sampler, str) else sampler

    @property
    def sampler(self) -> SamplerFactory:
        """What builds the sampler from a seed."""
        return self._sampler

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the values of a new trial, every active one of them.

        Args:
            trial_id: The trial's number, as `create_trial` writes it.

        Returns:
            The status RUNNING with the values; STOPPED if no new configuration turns up; IDLE
            if none does while running trials may still add hyperparameters.
        """
        space = recorded("oracle", self.hyperparameters)
        plain = plain_names(space)
        # By number: a reloaded oracle holds its trials in the order of a directory listing.
        trials = sorted(self.trials.values(), key=lambda trial: int(trial.trial_id))
        configs = [_config(space, plain, trial) for trial in trials]
        used = {config_key(config) for config in configs}
        # A failed trial says nothing of what is good; it is only not repeated.
        view = [
            visible(
                space,
                config,
                float(trial.score) if trial.status == TrialStatus.COMPLETED else None,
            )
            for trial, config in zip(trials, configs, strict=True)
            if trial.status in {TrialStatus.COMPLETED, TrialStatus.RUNNING}
        ]
        direction: Literal["minimize", "maximize"] = (
            "maximize" if self.objective.direction == "max" else "minimize"
        )
        for attempt in range(MAX_ATTEMPTS):
            seed = seed_for(self.seed, Purpose.PROPOSAL, int(trial_id), attempt)
            config = ask(space, view, sampler=self._sampler, seed=seed, direction=direction)
            if config_key(config) not in used:
                values = {plain[name]: value for name, value in config.items()}
                return {"status": TrialStatus.RUNNING, "values": values}
        may_grow = self.allow_new_entries and self.tune_new_entries and bool(self.ongoing_trials)
        return {"status": TrialStatus.IDLE if may_grow else TrialStatus.STOPPED, "values": None}

    def _record_values(self, trial: TunerTrial) -> None:
        """Records a trial's values without losing any.

        The base class removes inactive hyperparameters by name. Where a hypermodel uses one
        name under two conditions, that takes the active one's value as well, and building the
        model fails with a KeyError. Nothing inactive is among these values to begin with.
        """
        values = dict(trial.hyperparameters.values)
        super()._record_values(trial)
        trial.hyperparameters.values = values


def _config(space: Space, plain: dict[str, str], trial: TunerTrial) -> Config:
    """Returns a trial's values as far as they belong to the space.

    A trial may lack hyperparameters that a later one discovered, and may hold others that are
    not tuned.
    """
    values = cast("dict[str, Value]", trial.hyperparameters.values)
    config: dict[str, Value] = {}
    for dimension in space.walk(config):
        value = values.get(plain[dimension.name])
        if value is not None and dimension.contains(value):
            config[dimension.name] = value
    return config
