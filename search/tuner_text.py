"""What `CrossValidationTuner` prints, as lines of text."""

from collections.abc import Iterator

from search import events
from search.records import History, Score, Trial, TrialState
from spaces.keras_tuner_bridge import plain_names
from spaces.space import Dimension, Space, Value


def progress(event: events.Event) -> str | None:
    """Returns the line that an event is worth, if any: finished folds, failures, trials."""
    match event:
        case events.EpochsCommitted(history, job):
            return _fold(history, history.trials[job.trial], job.fold)
        case events.RunFailed(history, trial, failure):
            tries = history.facts.retries + 1
            run = f", run {failure.run + 1} of {tries}" if tries > 1 else ""
            return f"Trial {trial}, fold {failure.fold + 1}{run} failed: {failure.message}"
        case events.TrialClosed(history, number):
            return _closed(history, history.trials[number])
        case events.WorkerLost(job, reason):
            return f"Trial {job.trial}, fold {job.fold + 1}: {reason}; it is handed out again"
        case events.Ended(history, reason):
            return done(history, reason)
    return None


def done(history: History, reason: str) -> str:
    """Says that and why a study is done."""
    best = history.incumbent
    winner = "no trial is complete" if best is None else f"best is trial {best.number}"
    return f"Study {history.facts.study!r} is done ({reason}); {winner}"


def results(history: History, place: str, count: int) -> Iterator[str]:
    """Yields the summary of the best trials: score, spread, worst fold, active values."""
    facts, complete = history.facts, history.complete()
    shown = complete[:count]
    yield "Results summary"
    yield f"Results in {place}"
    yield f"{len(complete)} of {len(history.trials)} trials complete, {len(shown)} shown"
    yield (
        f"Score: validation accuracy after {facts.epochs} epochs, mean ± std of "
        f"{facts.folds} folds"
    )
    plain = plain_names(facts.space)
    for trial in shown:
        score = trial.score(facts.epochs)
        assert score is not None  # noqa: S101 - it is complete
        worst = min(curve.accuracies[facts.epochs - 1] for curve in trial.curves)
        yield ""
        yield f"Trial {trial.number}: {_score(score)}, worst fold {worst:.4f} ({trial.origin})"
        yield from (f"  {plain[name]}: {_short(value)}" for name, value in trial.config.items())
    failed = [trial for trial in history.trials if history.state_of(trial) is TrialState.FAILED]
    if failed:
        yield ""
    for trial in failed:
        reason = "" if trial.verdict is None else trial.verdict.reason
        yield f"Trial {trial.number} failed: {reason}"


def space(found: Space, *, extended: bool) -> Iterator[str]:
    """Yields the hyperparameters and their ranges; extended: also defaults and kinds."""
    yield "Search space summary"
    yield f"{len(found.dimensions)} hyperparameters"
    plain = plain_names(found)
    for dimension in found.dimensions:
        line = f"{plain[dimension.name]}: {dimension.describe()}"
        if dimension.when:
            line += f" while {_conditions(dimension, plain)}"
        yield f"{line}, default {dimension.default}" if extended else line


def _conditions(dimension: Dimension, plain: dict[str, str]) -> str:
    return " and ".join(
        f"{plain[condition.parent]} is {' or '.join(str(value) for value in condition.values)}"
        for condition in dimension.when
    )


def _fold(history: History, trial: Trial, fold: int) -> str | None:
    facts, curve = history.facts, trial.curves[fold]
    if len(curve) < facts.epochs:
        return None
    seconds = sum(epoch.seconds + epoch.build_seconds for epoch in curve.epochs)
    return (
        f"Trial {trial.number}, fold {fold + 1} of {facts.folds}: "
        f"{curve.accuracies[-1]:.4f} ({seconds:.1f} s)"
    )


def _closed(history: History, trial: Trial) -> str:
    state, score = history.state_of(trial), trial.score(history.facts.epochs)
    if score is None:
        return f"Trial {trial.number} is {state}"
    best = history.incumbent
    mark = ", the best so far" if best is not None and best.number == trial.number else ""
    return f"Trial {trial.number} is {state}: {_score(score)}{mark}"


def _short(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _score(score: Score) -> str:
    return f"{score.mean:.4f} ± {score.std:.4f}"
