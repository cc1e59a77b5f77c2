"""Keeps native libraries from writing over a terminal while they are loaded."""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Sends file descriptor 2 nowhere for a while.

    TensorFlow announces its processor features before it reads TF_CPP_MIN_LOG_LEVEL, from C++,
    so no Python setting reaches it. Python's own errors still come as exceptions.
    """
    with contextlib.suppress(OSError):  # nobody reads it any more
        sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
