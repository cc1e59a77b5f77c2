"""What Ctrl-C, SIGTERM and SIGHUP mean to a search."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

_STOP_NOW = {signal.SIGTERM: 143, signal.SIGINT: 130}


class StopNow(KeyboardInterrupt):
    """Ends the search at once; finished epochs are kept.

    A `KeyboardInterrupt`, so that no library on the way takes it for an ordinary error.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class Interruptions:
    """Counts the signals of one search.

    Ctrl-C or SIGHUP once: the epochs in hand are finished. Ctrl-C twice, or SIGTERM: stop now.
    Ctrl-C three times: exit at once, without waiting for anything; the ledger is whole anyway.
    """

    def __init__(self, stop: Callable[[], None], tell: Callable[[str], None]) -> None:
        self._stop = stop
        self._tell = tell
        self._count = 0
        self.exit_code: int | None = None
        """What to exit with, once a signal came."""

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Reacts to a signal; runs between two bytecodes of the main thread."""
        del frame
        self._count += 1
        if number == signal.SIGHUP:
            self.exit_code = 129
            self._stop()
        elif number == signal.SIGINT and self._count == 1:
            self.exit_code = 130
            self._stop()
            self._tell("Stopping after the epochs in hand. Ctrl-C again to stop now.")
        elif self._count > 2:
            os._exit(_STOP_NOW[signal.SIGINT])
        else:
            self.exit_code = _STOP_NOW[signal.Signals(number)]
            raise StopNow(self.exit_code)


@contextlib.contextmanager
def handled(stop: Callable[[], None], tell: Callable[[str], None]) -> Iterator[Interruptions]:
    """Handles the signals while a search runs, and restores the handlers afterwards.

    Args:
        stop: Asks the search to end after the epochs in hand.
        tell: Shows a line to the person; must not block.
    """
    interruptions = Interruptions(stop, tell)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interruptions.handle) for number in numbers}
    try:
        yield interruptions
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
