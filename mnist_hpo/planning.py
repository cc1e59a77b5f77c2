"""`--dry-run`: what a search would do and about how long it would take, by a timed probe."""

from collections.abc import Iterator

from mnist_hpo.data.records import Dataset
from mnist_hpo.errors import NoResultError
from mnist_hpo.formats import duration_text, whole_text
from mnist_hpo.rungs import rungs_of
from mnist_hpo.searching import LazyTrainer, invited
from search.candidates import Candidates
from search.engine import Done, Failed, attempt
from search.errors import StudyError
from search.records import Budget, Facts, History, Job, Trial
from search.samplers import proposer
from search.study import Development
from search.trainer import Task
from spaces.catalog import Catalogued

_SAMPLE = 15
"""Proposals among which the probe takes a small, a median and a large one."""


def dry_run_lines(  # noqa: PLR0913 - all that a search would be started with
    facts: Facts,
    budget: Budget,
    dataset: Dataset,
    catalogue: Catalogued,
    data: Development,
    *,
    workers: int,
) -> Iterator[str]:
    """Yields the plan, a line each; the probe trains one epoch of three models on the way."""
    shape = f"{facts.folds} folds x {facts.epochs} epochs"
    yield (
        f"Study  {facts.study} (new)    {facts.policy}, {facts.sampler}, seed {facts.seed}, "
        f"{shape}, {workers} workers"
    )
    yield (
        f"Data   {facts.dataset}  {facts.data_sha256[:8]}   "
        f"{whole_text(dataset.development_size)} development, "
        f"{whole_text(dataset.test_size)} test (sealed)"
    )
    yield f"Space  {facts.model}, {len(facts.space.dimensions)} hyperparameters"
    small, median, large = _probed(facts, budget, catalogue)
    trainer = LazyTrainer(catalogue=catalogue, data=data, facts=facts)
    seconds = {
        name: _epoch_seconds(trainer, trial)
        for name, trial in (("small", small), ("median", median), ("large", large))
    }
    timed = "   ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
    trained = facts.images * (facts.folds - 1) // facts.folds
    yield f"Probe  1 epoch on {whole_text(trained)} images, one worker:  {timed}"
    pace = sum(seconds.values()) / len(seconds) / workers
    finished = len(invited(catalogue, facts).taken) if facts.baselines == "full" else 0
    yield from cost_lines(facts, budget, seconds=pace, finished=finished)
    if budget.minutes is not None:
        yield f"Limit  {budget.minutes:g} minutes, and at least one complete trial"
    yield "Nothing was started. Leave out --dry-run to start."


def cost_lines(facts: Facts, budget: Budget, *, seconds: float, finished: int) -> Iterator[str]:
    """Yields what a search will cost, or the bounds of it; nothing without a number of trials.

    Args:
        facts: What the study would be.
        budget: Its budget.
        seconds: About what a fold-epoch takes, with all workers at work.
        finished: Candidates that get their whole cross-validation whatever they are worth.
    """

    def said(fold_epochs: int) -> str:
        about = duration_text(fold_epochs * seconds)
        return f"{whole_text(fold_epochs)} fold-epochs, about {about}"

    if budget.trials is None:
        return
    trials = budget.trials
    each, rungs = facts.folds * facts.epochs, rungs_of(facts)
    most = f"{said(trials * each)} (h:mm:ss or m:ss)"
    if facts.policy == "full":
        yield f"Cost   {most}"
        return
    yield f"Cost   at most {most}: full cross-validation of each"
    if rungs:
        whole = min(trials, max(finished, 1))
        least = whole * each + (trials - whole) * rungs[0]
        some = "one" if whole == 1 else str(whole)
        yield f"       at least {said(least)}: all to epoch {rungs[0]}, {some} in full"
        if budget.auto_stop:
            yield "       less if another candidate is unlikely to win before (--no-auto-stop)"


def _probed(facts: Facts, budget: Budget, catalogue: Catalogued) -> tuple[Trial, Trial, Trial]:
    """Returns proposals of the least, the median and the most multiply-adds among a few."""
    candidates = Candidates(proposer("random"), catalogue.size_of)
    history = History(facts=facts, budget=budget)
    for _ in range(_SAMPLE):
        trial = candidates.next(history)
        if trial is None:
            break
        history = history.with_trial(trial)
    if not history.trials:
        raise StudyError(
            f"No configuration of the space {facts.space.name!r} fits --max-params "
            f"{facts.max_params:,} and --max-macs {facts.max_macs:,}. Raise them."
        )
    by_size = sorted(history.trials, key=lambda trial: trial.macs)
    return by_size[0], by_size[len(by_size) // 2], by_size[-1]


def _epoch_seconds(trainer: LazyTrainer, trial: Trial) -> float:
    """Times one epoch without building and tracing, which only the first epoch pays.

    Raises:
        NoResultError: the model cannot be trained.
    """
    job = Job(trial=trial.number, fold=0, start=0, stop=2)
    outcome = attempt(trainer, Task(job=job, config=trial.config))
    if isinstance(outcome, Failed):
        raise NoResultError(
            f"A model of the probe cannot be trained: {outcome.message}. It has the configuration "
            f"{dict(trial.config)}.",
            "without --dry-run such a trial is kept as failed, and the search goes on",
        )
    assert isinstance(outcome, Done)  # noqa: S101 - a first job needs no warm worker
    return outcome.trained.epochs[1].seconds
