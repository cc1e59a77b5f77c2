"""What Ctrl-C, SIGTERM and SIGHUP mean to a search."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType


class StopNow(KeyboardInterrupt):
    """Ends the search at once; finished epochs are kept.

    A `KeyboardInterrupt`, so that no library on the way takes it for an ordinary error.
    """


class Interruptions:
    """What the signals of one search have led to.

    Ctrl-C or SIGHUP once: the epochs in hand are finished. Ctrl-C twice, or SIGTERM: stop now.
    Once more: exit at once, without waiting for anything; the ledger is whole anyway.
    """

    def __init__(self, stop: Callable[[], None], tell: Callable[[str], None]) -> None:
        self._stop = stop
        self._tell = tell
        self._is_told = False
        self._is_ending = False
        self.exit_code: int | None = None
        """What to exit with, once a signal came."""

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Reacts to a signal; runs between two bytecodes of the main thread."""
        del frame
        code = 128 + number
        if number == signal.SIGHUP:
            if not self._is_ending:
                self.exit_code = code
                self._stop()
        elif self._is_ending:
            os._exit(code)
        elif number == signal.SIGINT and not self._is_told:
            self._is_told = True
            self.exit_code = code
            self._stop()
            self._tell("Stopping after the epochs in hand. Ctrl-C again to stop now.")
        else:
            self._is_ending = True
            self.exit_code = code
            raise StopNow


@contextlib.contextmanager
def handled(stop: Callable[[], None], tell: Callable[[str], None]) -> Iterator[Interruptions]:
    """Handles the signals while a search runs, and restores the handlers afterwards.

    A SIGHUP that is ignored already stays so: that is what `nohup` is for.

    Args:
        stop: Asks the search to end after the epochs in hand.
        tell: Shows a line to the person; must not block.
    """
    interruptions = Interruptions(stop, tell)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {
        number: signal.signal(number, interruptions.handle)
        for number in numbers
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield interruptions
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
