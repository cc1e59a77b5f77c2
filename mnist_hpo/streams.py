"""Standard streams: closed from the start, or leading to somebody who has gone."""

import contextlib
import os
import sys
from typing import TextIO


def fill_gaps() -> None:
    """Opens the standard streams that this process was started without, as by `2>&-`.

    Otherwise the next file that is opened, a study's lock perhaps, would get the number of one,
    and with it everything that libraries write there.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115 - for the life of the process


def lead_nowhere(stream: TextIO) -> None:
    """Lets nothing that is written to a stream fail any more, what it still holds included."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def settle(stream: TextIO) -> None:
    """Writes what a stream still holds, if anybody reads it.

    Python ends with exit code 120 when it cannot: the code that was meant says more.
    """
    try:
        stream.flush()
    except OSError:
        lead_nowhere(stream)
