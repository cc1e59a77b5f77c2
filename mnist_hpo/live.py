"""The live view of a search on a terminal: header, bars with time left, the last trials."""

from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from mnist_hpo.configs import in_words
from mnist_hpo.console import laid_out, width_of, writable
from mnist_hpo.formats import duration_text, position_text, score_text
from mnist_hpo.progress import AbstractView, Rate
from mnist_hpo.ranking import Standing, standings
from mnist_hpo.tables import Column, Row, Table
from search import events
from search.records import History, TrialState

DRAWS_A_SECOND = 4
LAST_TRIALS = 7
"""Rows of the table: enough to see a trend, few enough for a small terminal."""

_COLUMNS = (
    Column("trial", right=True),
    Column("state"),
    Column("at"),
    Column("score"),
    Column("filters", priority=3),
    Column("lr", priority=2),
    Column("what", priority=1, least=12),
)


class LiveView(AbstractView):
    """Redraws itself at most four times a second, and leaves its last picture standing."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rate = Rate()
        self._history: History | None = None
        self._running: dict[int, tuple[int, int]] = {}
        self._message = ""
        self._workers = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
        )
        self._overall = self._progress.add_task("fold-epochs", total=None, left="")
        self._current = self._progress.add_task("this trial", total=None, left="")
        self._live = Live(
            console=console, refresh_per_second=DRAWS_A_SECOND, get_renderable=self._picture
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def listen(self, event: events.Event) -> None:
        self._rate.listen(event)
        match event:
            case events.Started(_, workers):
                self._workers = workers
            case events.JobStarted(_, job):
                self._running[job.trial] = (job.fold, job.start)
            case events.RunFailed(_, number, failure):
                self._message = f"trial {number}, fold {failure.fold + 1}: {failure.message}"
            case events.WorkerLost(job, reason):
                self._message = f"trial {job.trial}: {reason}; its job is handed out again"
            case events.TrialClosed(_, number):
                self._running.pop(number, None)
        history = getattr(event, "history", None)
        if history is not None:
            self._history = history
            self._count(history)

    def tell(self, line: str) -> None:
        # The refreshing thread shows it within a quarter of a second; nothing here can block.
        self._message = line

    def interrupted(self, history: History) -> None:
        super().interrupted(history)
        self._console.print(Text(self._message))

    def _count(self, history: History) -> None:
        facts, budget = history.facts, history.budget
        each = facts.folds * facts.epochs
        total = None if budget.trials is None else budget.trials * each
        left = self._rate.seconds_left(history)
        done = sum(each if t.is_final(facts.epochs) else t.fold_epochs for t in history.trials)
        eta = "" if left is None else f"ETA {duration_text(left)}"
        self._progress.update(self._overall, completed=done, total=total, left=eta)
        current = max(self._running, default=None)
        if current is not None:
            self._progress.update(
                self._current,
                description=f"trial {current}",
                completed=history.trials[current].fold_epochs,
                total=each,
            )

    def _picture(self) -> Group:
        history = self._history
        if history is None:
            return Group(Text(self._message or "Starting the workers (TensorFlow takes seconds)."))
        parts = [Text(line, no_wrap=True) for line in self._header(history)]
        layout = laid_out(self._console, last_trials(history, self._running))
        table = [Text(line.text, style=line.style, no_wrap=True) for line in layout.lines]
        footer = self._message or "Ctrl-C: finish the epoch and stop. Twice: stop now."
        return Group(*parts, self._progress, *table, Text(writable(footer, self._console)))

    def _header(self, history: History) -> list[str]:
        facts = history.facts
        shape = f"{facts.folds} folds x {facts.epochs} epochs"
        who = f"{facts.study}  {facts.policy}  {facts.sampler}  seed {facts.seed}  {shape}"
        counts: dict[str, int] = {}
        for trial in history.trials:
            state = str(history.state_of(trial, frozenset(self._running)))
            counts[state] = counts.get(state, 0) + 1
        best = history.incumbent
        score = None if best is None else best.score(facts.epochs)
        lead = (
            "best -"
            if best is None or score is None
            else (f"best #{best.number}  {score_text(score)}")
        )
        states = "  ".join(f"{state} {count}" for state, count in sorted(counts.items()))
        lines = [f"{who}  {self._workers} workers", f"{lead}    {states}"]
        width = width_of(self._console)
        return [writable(line, self._console)[:width] for line in lines]


def last_trials(history: History, running: dict[int, tuple[int, int]]) -> Table:
    """Returns the table of the newest trials, newest first.

    Args:
        history: The study.
        running: Fold and epoch in hand of each running trial, from 0.
    """
    ranks = {row.trial.number: row for row in standings(history)}
    newest = sorted(ranks, reverse=True)[:LAST_TRIALS]
    return Table(
        _COLUMNS, tuple(Row(_cells(history, ranks[number], running)) for number in newest)
    )


def _cells(history: History, row: Standing, running: dict[int, tuple[int, int]]) -> dict[str, str]:
    trial = row.trial
    words = in_words(trial.config)
    state = history.state_of(trial, frozenset(running))
    what = f"documented model {trial.origin}" if trial.origin.isdigit() else ""
    if state is TrialState.RUNNING:
        fold, epoch = running[trial.number]
        what = f"fold {fold + 1} of {history.facts.folds}, epoch {epoch + 1}"
    elif trial.verdict is not None:
        what = trial.verdict.reason
    elif row.rank == 1:
        what = "best"
    elif row.is_tied:
        what = "ties with the best"
    return {
        "trial": str(trial.number),
        "state": str(state),
        "at": position_text(trial),
        "score": "-" if row.score is None else score_text(row.score),
        "filters": words.get("filters", "-"),
        "lr": words.get("lr", "-"),
        "what": what or "-",
    }
