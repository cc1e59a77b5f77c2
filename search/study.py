"""Starting a study and going on with it: what the command line and the tuner share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy.typing as npt

from search import environment, events
from search.building import GraphOf
from search.candidates import Baseline, Candidates
from search.checkpoints import CheckpointFolder
from search.driver import Driver
from search.engine import AbstractEngine, InlineEngine
from search.errors import EnvironmentChanged, StudyError
from search.folds import Fold, Ints, folds_sha256, stratified_folds
from search.patience import EPOCH_SECONDS
from search.policies import policy_for, predictor_of
from search.proposals import AbstractProposer
from search.records import Budget, Facts
from search.samplers import proposer
from search.store import Ledger
from spaces.architecture import Size
from spaces.space import Config, Space, config_key


@dataclass(frozen=True, kw_only=True)
class Development:
    """The development set: all that a search ever sees."""

    name: str
    sha256: str
    x: npt.NDArray[Any]
    y: Ints


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a person chooses once, at the start of a study."""

    folds: int = 5
    epochs: int = 10
    seed: int = 0
    policy: str = "race"
    sampler: str = "model"
    baselines: str = "race"
    max_params: int = 2_000_000
    max_macs: int = 20_000_000
    precision: str = "float32"
    retries: int = 0
    ranges: Mapping[str, str]
    fixed: Mapping[str, str]
    fit: Mapping[str, str] = field(default_factory=dict)
    race: Mapping[str, str] = field(default_factory=dict)


def facts_of(  # noqa: PLR0913 - each is a part that the caller chooses
    name: str,
    data: Development,
    *,
    model: str,
    space: Space,
    choices: Choices,
    asked: AbstractProposer | None = None,
) -> Facts:
    """States what a new study is.

    Args:
        name: What the study is called.
        data: What it searches on.
        model: The catalogue's name of the space.
        space: What may be tried.
        choices: What the person chose.
        asked: Who proposes; None: the sampler that `choices` names.

    Raises:
        FoldError: the data cannot be split into that many folds.
        StudyError: an unknown policy or sampler, or one that cannot serve the space.
    """
    policy_for(choices.policy, choices.race)
    refusal = (asked or proposer(choices.sampler)).refuse(space)
    if refusal is not None:
        raise StudyError(refusal)
    return Facts(
        study=name,
        dataset=data.name,
        data_sha256=data.sha256,
        images=len(data.y),
        folds_sha256=folds_sha256(stratified_folds(data.y, count=choices.folds)),
        model=model,
        space=space,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=environment.current_environment(),
        **{name: getattr(choices, name) for name in choices.__dataclass_fields__},
    )


def check_unchanged(
    facts: Facts, data: Development, space: Space, *, allow_drift: bool = False
) -> tuple[str, ...]:
    """Makes sure that resumed scores mean what the study's earlier ones mean.

    Args:
        facts: What the study is.
        data: The development set as it is now.
        space: The model's space as it is now, narrowed as at the start.
        allow_drift: Go on in another environment all the same.

    Returns:
        The differences of the environment that were allowed, in words.

    Raises:
        StudyError: data, folds or space changed; the message shows how.
        EnvironmentChanged: other versions or another processor.
    """
    changes = facts.space.differences(space)
    if changes:
        raise StudyError(
            f"The search space changed since study {facts.study!r} was started:"
            + "".join(f"\n  {line}" for line in changes)
        )
    if data.sha256 != facts.data_sha256:
        raise StudyError(
            f"The data of study {facts.study!r} changed: dataset {facts.dataset!r} had "
            f"{facts.images} development images, SHA-256 {facts.data_sha256[:12]}, now "
            f"{len(data.y)} with {data.sha256[:12]}."
        )
    folds = folds_sha256(stratified_folds(data.y, count=facts.folds))
    if folds != facts.folds_sha256:
        raise StudyError(
            f"The folds of study {facts.study!r} changed: they were {facts.folds_sha256[:12]}, "
            f"this version of scikit-learn gives {folds[:12]}."
        )
    drift = environment.differences(facts.environment, environment.current_environment())
    if drift and not allow_drift:
        raise EnvironmentChanged(drift)
    return drift


def raised_budget(
    facts: Facts, budget: Budget, done: int, wish: Budget, *, added: int = 0
) -> Budget:
    """Returns the budget to resume with: totals, so none may fall below what is done.

    Args:
        facts: What the study is.
        budget: The study's budget so far.
        done: Trials that it has.
        wish: New totals; None keeps the old one.
        added: Trials that are added at once (`--again`).

    Raises:
        StudyError: fewer trials than the study has, or is about to have.
    """
    trials = budget.trials if wish.trials is None else wish.trials
    if trials is not None and trials < done + added:
        more = f" and --again adds {added}" if added else ""
        raise StudyError(
            f"--trials is the study's total: {facts.study!r} has {done} trials already{more}, "
            f"got --trials {trials}. Ask for at least {done + added}."
        )
    return Budget(
        trials=trials,
        minutes=budget.minutes if wish.minutes is None else wish.minutes,
        auto_stop=budget.auto_stop and wish.auto_stop,
    )


def engine_for(
    workers: int, *, cluster: str | None = None, environment: Mapping[str, str] | None = None
) -> AbstractEngine:
    """Returns what trains: this process alone, a local Dask cluster, or the one at an address.

    Args:
        workers: Processes on this machine; 1 is this process itself.
        cluster: Address of a Dask scheduler; then `workers` says nothing.
        environment: The study's, whose versions the workers of that cluster must have.

    Raises:
        PlaceError: `cluster` is no address.
    """
    # Imported here: a second that one worker saves.
    if cluster is not None:
        from search.dask_cluster import ClusterEngine  # noqa: PLC0415 - see above

        return ClusterEngine(cluster, environment)
    if workers == 1:
        return InlineEngine()
    from search.dask_engine import DaskEngine  # noqa: PLC0415 - see above

    return DaskEngine(workers)


def folds_for(facts: Facts, data: Development) -> Sequence[Fold]:
    """Returns the study's folds."""
    return stratified_folds(data.y, count=facts.folds)


def driver_for(  # noqa: PLR0913 - each is a part that the caller chooses
    ledger: Ledger,
    engine: AbstractEngine,
    *,
    size_of: Callable[[Config], Size],
    baselines: Sequence[Baseline],
    folder: Path,
    listen: events.Listener,
    graph_of: GraphOf = config_key,
    max_failures: int = 5,
    epoch_seconds: float = EPOCH_SECONDS,
    asked: AbstractProposer | None = None,
) -> Driver:
    """Returns the driver of a study, for an engine whose workers have the trainer.

    `asked` proposes in place of the sampler that the facts name, which may be one of the
    caller's own. `graph_of` says who shares a traced graph; by default nobody does.
    """
    facts = ledger.history.facts
    policy = policy_for(facts.policy, facts.race)
    asked = asked or proposer(facts.sampler, predictor_of(policy), graph_of)
    return Driver(
        ledger=ledger,
        policy=policy,
        candidates=Candidates(asked, size_of, baselines),
        engine=engine,
        checkpoints=CheckpointFolder(folder / "checkpoints"),
        listen=listen,
        graph_of=graph_of,
        max_failures=max_failures,
        epoch_seconds=epoch_seconds,
    )
