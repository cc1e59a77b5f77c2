"""How a running search is shown: live on a terminal, plain lines elsewhere, JSON for machines."""

import abc
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TextIO

from mnist_hpo.prospects import why_it_waits
from mnist_hpo.rungs import ladder_text, rung_ahead, rung_reached
from mnist_hpo.streams import lead_nowhere
from mnist_hpo.time_left import Rate
from search import events
from search.records import History, Job, Trial

HEARTBEAT_SECONDS = 60.0
"""Off a terminal, a line a minute says that the search is alive."""


class AbstractView(abc.ABC):
    """Shows a search while it runs. Used as a context manager around it."""

    @abc.abstractmethod
    def listen(self, event: events.Event) -> None:
        """Takes an event of the driver, after its commit."""

    @abc.abstractmethod
    def tell(self, line: str) -> None:
        """Shows a line at once; called from a signal handler."""

    def interrupted(self, history: History) -> None:
        """Says that the search was stopped, what is saved and how to go on."""
        epochs = history.facts.epochs
        final = sum(trial.is_final(epochs) for trial in history.trials)
        partial = len(history.trials) - final
        self.tell(
            f"Saved: {final} finished trials and every finished epoch of {partial} more.\n"
            f"Go on with:  mnist-hpo resume {history.facts.study}"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(  # noqa: B027 - most views have nothing to close
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the view."""


class SilentView(AbstractView):
    """Shows nothing while the search runs: `--quiet`."""

    def listen(self, event: events.Event) -> None:
        del event

    def tell(self, line: str) -> None:
        os.write(2, f"{line}\n".encode())


class LastingView(AbstractView):
    """A view that its search outlives: the terminal is closed, or whoever read along has gone.

    The first write that fails is the last one that can: standard error leads nowhere from then
    on. What was to be shown is in the ledger.
    """

    def __init__(self, shown: AbstractView) -> None:
        self._shown = shown

    def listen(self, event: events.Event) -> None:
        self._try(lambda: self._shown.listen(event))

    def tell(self, line: str) -> None:
        self._try(lambda: self._shown.tell(line))

    def interrupted(self, history: History) -> None:
        self._try(lambda: self._shown.interrupted(history))

    def __enter__(self) -> Self:
        self._try(self._shown.__enter__)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._try(lambda: self._shown.__exit__(kind, error, trace))

    @staticmethod
    def _try(show: Callable[[], object]) -> None:
        try:
            show()
        except OSError:
            lead_nowhere(sys.stderr)


class PlainView(AbstractView):
    """One line for each finished fold, rung and trial, and each minute; no ESC byte."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._began = clock()
        self._spoken = clock()
        self._rate = Rate(clock)

    def listen(self, event: events.Event) -> None:
        self._rate.listen(event)
        line = self._line(event)
        if line is None and self._clock() - self._spoken < HEARTBEAT_SECONDS:
            return
        history = getattr(event, "history", None)
        if line is None and history is None:
            return
        self._spoken = self._clock()
        stamp = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        tail = "" if history is None else f" {summary(history)}{self._rate.eta(history)}"
        self._stream.write(f"{stamp} {line or 'event=heartbeat'}{tail}\n")
        self._stream.flush()

    def tell(self, line: str) -> None:
        os.write(self._stream.fileno(), f"{line}\n".encode())

    @staticmethod
    def _line(event: events.Event) -> str | None:
        line = None
        match event:
            case events.Started(_, workers):
                line = f"event=started workers={workers}"
            case events.TrialAdded(history, number):
                line = f"event=trial trial={number} origin={history.trials[number].origin}"
            case events.JobStarted(history, job) if rung := rung_ahead(history, job):
                at = f"{job.fold + 1}.{job.start}"
                line = f"event=goes-on trial={job.trial} at={at} to={job.fold + 1}.{rung}"
            case events.EpochsCommitted(history, job) if job.stop == history.facts.epochs:
                line = f"event=fold {_trained(history, job)}"
            case events.EpochsCommitted(history, job) if rung_reached(history, job):
                why = json.dumps(why_it_waits(history, history.trials[job.trial]))
                line = f"event=rung {_trained(history, job)} why={why}"
            case events.RunFailed(_, number, failure):
                line = f"event=run-failed trial={number} why={json.dumps(failure.message)}"
            case events.TrialClosed(history, number):
                line = f"event=closed {_outcome(history, history.trials[number])}"
            case events.WorkerLost(job, reason):
                line = f"event=worker-lost trial={job.trial} why={json.dumps(reason)}"
            case events.Ended(_, reason):
                line = f"event=done why={json.dumps(reason)}"
        return line


def _trained(history: History, job: Job) -> str:
    accuracy = history.trials[job.trial].curves[job.fold].accuracies[-1]
    return f"trial={job.trial} at={job.fold + 1}.{job.stop} accuracy={accuracy:.4f}"


def _outcome(history: History, trial: Trial) -> str:
    state = history.state_of(trial)
    score = trial.score(history.facts.epochs)
    text = f"trial={trial.number} state={state}"
    if score is not None:
        text += f" score={score.mean:.4f} std={score.std:.4f}"
    if trial.verdict is not None:
        text += f" why={json.dumps(trial.verdict.reason)}"
    return text


def summary(history: History) -> str:
    """Says in key=value pairs how far a study is and who leads.

    Under the full policy trials are done one by one; under others most of them never are, so
    those proposed are counted, and how many reached which rung.
    """
    total = f"/{history.budget.trials}" if history.budget.trials is not None else ""
    if history.facts.policy == "full":
        final = sum(trial.is_final(history.facts.epochs) for trial in history.trials)
        far = f"done={final}{total}"
    else:
        ladder = ladder_text(history).replace(": ", ":").replace("  ", ",")
        rungs = f" rungs={ladder}" if ladder else ""
        far = f"trials={len(history.trials)}{total} complete={len(history.complete())}{rungs}"
    best = history.incumbent
    score = None if best is None else best.score(history.facts.epochs)
    lead = "" if best is None or score is None else f" best={best.number} score={score.mean:.4f}"
    return far + lead


class JsonView(AbstractView):
    """JSON Lines on stdout: one object an event, for machines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def listen(self, event: events.Event) -> None:
        record: dict[str, Any] = {
            "schema_version": 1,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": type(event).__name__,
        }
        match event:
            case events.Started(_, workers):
                record["workers"] = workers
            case events.TrialAdded(history, number):
                trial = history.trials[number]
                record |= {"trial": number, "origin": trial.origin, "config": dict(trial.config)}
            case events.JobStarted(_, job):
                record |= {"trial": job.trial, "fold": job.fold, "epoch": job.start}
            case events.EpochsCommitted(history, job):
                curve = history.trials[job.trial].curves[job.fold]
                record |= {"trial": job.trial, "fold": job.fold, "epoch": job.stop - 1}
                record["valid_accuracy"] = curve.accuracies[-1]
            case events.RunFailed(_, number, failure):
                record |= {"trial": number, "fold": failure.fold, "message": failure.message}
            case events.TrialClosed(history, number):
                trial = history.trials[number]
                score = trial.score(history.facts.epochs)
                record |= {"trial": number, "state": history.state_of(trial)}
                record["score"] = None if score is None else score.mean
                record["reason"] = None if trial.verdict is None else trial.verdict.reason
            case events.WorkerLost(job, reason):
                record |= {"trial": job.trial, "fold": job.fold, "message": reason}
            case events.Ended(_, reason):
                record["reason"] = reason
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()

    def tell(self, line: str) -> None:
        with contextlib.suppress(OSError):  # whoever closed stderr wants to hear nothing
            os.write(2, f"{line}\n".encode())
