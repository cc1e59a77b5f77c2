"""What happens in a search, in sentences for the live view."""

from mnist_hpo.formats import score_text
from mnist_hpo.prospects import why_it_waits
from mnist_hpo.rungs import rung_ahead, rung_reached
from search import events
from search.records import History


def news_of(event: events.Event) -> str | None:
    """Returns the sentence that an event is worth: rungs, promotions, troubles, ends of trials."""
    match event:
        case events.JobStarted(history, job) if rung := rung_ahead(history, job):
            return f"trial {job.trial} goes on from epoch {job.start} to epoch {rung}"
        case events.EpochsCommitted(history, job) if rung_reached(history, job):
            why = why_it_waits(history, history.trials[job.trial])
            return None if why is None else f"trial {job.trial}: {why}"
        case events.RunFailed(_, number, failure):
            return f"trial {number}, fold {failure.fold + 1} failed: {failure.message}"
        case events.WorkerLost(job, reason):
            return f"trial {job.trial}: {reason}; its job is handed out again"
        case events.TrialClosed(history, number):
            return _end(history, number)
    return None


def told_of(number: int, state: str, reason: str) -> str:
    """Names trial, state and reason; a reason that begins with the state says it itself."""
    who = f"trial {number}" if reason.startswith(state) else f"trial {number} {state}"
    return f"{who}: {reason}"


def _end(history: History, number: int) -> str:
    trial = history.trials[number]
    state, score = str(history.state_of(trial)), trial.score(history.facts.epochs)
    if score is not None:
        best = history.incumbent
        mark = ", the best so far" if best is not None and best.number == number else ""
        return f"trial {number} {state}: {score_text(score)}{mark}"
    return told_of(number, state, "" if trial.verdict is None else trial.verdict.reason)
