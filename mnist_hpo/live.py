"""The live view of a search on a terminal: header, bars with time left, trials, news."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from mnist_hpo.advance import finalists, overall
from mnist_hpo.console import laid_out, width_of, writable
from mnist_hpo.formats import duration_text, score_text
from mnist_hpo.live_table import Lane, Predictions, live_table, trials_of
from mnist_hpo.news import news_of
from mnist_hpo.progress import AbstractView, Rate
from mnist_hpo.prospects import with_predictions
from mnist_hpo.ranking import standings
from mnist_hpo.rungs import ladder_text
from mnist_hpo.tables import fold
from search import events
from search.records import History

DRAWS_A_SECOND = 4
NEWS = 3
"""Sentences kept below the table."""

_PATIENCE = 100
"""A prediction that took a second is not made anew for so many: one per cent of the time."""


class LiveView(AbstractView):
    """Redraws itself at most four times a second, and leaves its last picture standing."""

    def __init__(
        self,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        *,
        footer: str = "Ctrl-C: finish the epoch and stop. Twice: stop now.",
    ) -> None:
        self._console = console
        self._footer = footer
        self._rate = Rate(clock)
        self._prospects = Prospects(clock)
        self._history: History | None = None
        self._running: dict[Lane, int] = {}
        self._news: tuple[str, ...] = ()
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
                self._running = {**self._running, job.lane: job.start}
            case events.EpochsCommitted(_, job):
                self._leave(job.lane)
            case events.RunFailed(_, number, failure):
                self._leave((number, failure.fold))
                self._message = f"trial {number}, fold {failure.fold + 1}: {failure.message}"
            case events.WorkerLost(job, reason):
                self._leave(job.lane)
                self._message = f"trial {job.trial}: {reason}; its job is handed out again"
            case events.TrialClosed(_, number):
                self._leave(*[lane for lane in self._running if lane[0] == number])
        if (sentence := news_of(event)) is not None:
            self._news = (*self._news, sentence)[-NEWS:]
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

    def _leave(self, *lanes: Lane) -> None:
        # Made anew, never changed: the refreshing thread may be reading the old one.
        self._running = {lane: own for lane, own in self._running.items() if lane not in lanes}

    def _count(self, history: History) -> None:
        bar, left = overall(history), self._rate.seconds_left(history)
        word = "ETA" if history.facts.policy == "full" else "at most"
        self._progress.update(
            self._overall,
            description=bar.name,
            completed=bar.done,
            total=bar.total,
            left="" if left is None else f"{word} {duration_text(left)}",
        )
        current = max((trial for trial, _ in self._running), default=None)
        if history.facts.policy != "full":
            last = finalists(history)
            if last is None:
                self._progress.update(self._current, visible=False)
            else:
                self._progress.update(
                    self._current,
                    description=last.name,
                    completed=last.done,
                    total=last.total,
                    visible=True,
                )
        elif current is not None:
            self._progress.update(
                self._current,
                description=f"trial {current}",
                completed=history.trials[current].fold_epochs,
                total=history.facts.folds * history.facts.epochs,
            )

    def _picture(self) -> Group:
        history = self._history
        if history is None:
            return Group(Text(self._message or "Starting the workers (TensorFlow takes seconds)."))
        running = self._running
        parts = [Text(line, no_wrap=True) for line in self._header(history)]
        found = self._prospects.of(history)
        layout = laid_out(self._console, live_table(history, running, found))
        table = [Text(line.text, style=line.style, no_wrap=True) for line in layout.lines]
        width = width_of(self._console)
        news = [
            Text(line, style="dim", no_wrap=True)
            for sentence in self._news
            for line in fold(writable(sentence, self._console), width)
        ]
        note = "~ predicted, not measured.  " if "~" in "".join(map(str, table)) else ""
        footer = self._message or self._footer
        end = Text(writable(note + footer, self._console))
        return Group(*parts, self._progress, *table, *news, end)

    def _header(self, history: History) -> list[str]:
        facts = history.facts
        shape = f"{facts.folds} folds x {facts.epochs} epochs"
        who = f"{facts.study}  {facts.policy}  {facts.sampler}  seed {facts.seed}  {shape}"
        counts: dict[str, int] = {}
        for trial in history.trials:
            state = str(history.state_of(trial, trials_of(self._running)))
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
        if ladder := ladder_text(history):
            lines.append(f"trials that reached epoch  {ladder}")
        width = width_of(self._console)
        return [writable(line, self._console)[:width] for line in lines]


class Prospects:
    """Predictions while a search runs: made anew only as often as the search can spare."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = 0.0
        self._history: History | None = None
        self._found: Predictions = {}

    def of(self, history: History) -> Predictions:
        """Returns the predicted means of unfinished trials, possibly a little old."""
        began = self._clock()
        if history is not self._history and began >= self._next:
            rows = with_predictions(history, standings(history))
            self._found = {
                row.trial.number: row.predicted for row in rows if row.predicted is not None
            }
            self._history = history
            ended = self._clock()
            self._next = ended + _PATIENCE * (ended - began)
        return self._found
