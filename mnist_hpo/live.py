"""The live view of a search on a terminal: redraws the picture of `live_picture`."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from mnist_hpo.bars import DONE, REST
from mnist_hpo.console import width_of, writable
from mnist_hpo.live_picture import STOP, Moment, Overview, picture
from mnist_hpo.live_state import LiveState
from mnist_hpo.progress import AbstractView
from mnist_hpo.prospects import predictions_of
from mnist_hpo.sparing import Sparing
from mnist_hpo.tables import Line
from mnist_hpo.time_left import Rate
from search import events
from search.records import History

DRAWS_A_SECOND = 4


class LiveView(AbstractView):
    """Redraws itself at most four times a second, and leaves its last picture standing."""

    def __init__(
        self,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        *,
        footer: str = STOP,
    ) -> None:
        self._console = console
        self._footer = footer
        self._clock = clock
        self._rate = Rate(clock)
        self._left = Sparing(self._rate.left, clock)
        self._predictions = Sparing(predictions_of, clock)
        self._overview = Sparing(Overview.of, clock)
        # Exchanged as a whole, never changed: the refreshing thread may be drawing the old one.
        self._state = LiveState()
        self._began = clock()
        self._before = 0.0
        self._live = Live(
            console=console, refresh_per_second=DRAWS_A_SECOND, get_renderable=self._drawn
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
        if isinstance(event, events.Started):
            self._began, self._before = self._clock(), event.history.elapsed
        self._state = self._state.after(event)

    def tell(self, line: str) -> None:
        # The refreshing thread shows it within a quarter of a second; nothing here can block.
        self._state = self._state.told(line)

    def interrupted(self, history: History) -> None:
        super().interrupted(history)
        self._console.print(Text(self._state.message))

    def _drawn(self) -> Group:
        lines = self._lines(self._state)
        return Group(*(_text(line) for line in lines))

    def _lines(self, state: LiveState) -> tuple[Line, ...]:
        history = state.history
        if history is None:
            moment = Moment(elapsed=0.0)
        else:
            moment = Moment(
                elapsed=self._before + self._clock() - self._began,
                overview=self._overview.of(history),
                left=self._left.of(history),
                predictions=self._predictions.of(history),
            )
        return picture(
            state,
            moment,
            width=width_of(self._console),
            height=self._console.height,
            footer=self._footer,
            shown=lambda text: writable(text, self._console),
        )


def _text(line: Line) -> Text:
    text = Text(line.text, style=line.style, no_wrap=True)
    text.highlight_regex(f"{DONE}+", "green")
    text.highlight_regex(f"{REST}+", "dim")
    return text
