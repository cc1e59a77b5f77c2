"""Runs one command after another, each in a process of its own with little time and memory.

Usage: guard.py < commands, each line a JSON list of arguments. Prints a JSON line for each: exit
code, seconds, memory in MiB, what was said on stderr.

Forked from one process that has imported everything, since starting Python for each of fifty
files would take a minute. `check-model FILE SHA256` is what loading a model file begins with.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

import h5py  # noqa: F401 - imported once, before the forks
import sklearn.model_selection  # noqa: F401 - likewise

import mnist_hpo.commands.search  # noqa: F401 - likewise
import search.store  # noqa: F401 - likewise
from mnist_hpo import cli
from mnist_hpo.model_file import read_model

SECONDS = 5
MEMORY = 1 << 30


def code_of(arguments: Sequence[str]) -> int:
    """Returns the exit code of a command."""
    if arguments[0] != "check-model":
        return cli.main(arguments)
    try:
        read_model(Path(arguments[1]), sha256=arguments[2])
    except Exception as error:  # noqa: BLE001 - as `cli.main` does
        return cli._report(error)
    return 0


def guarded(arguments: Sequence[str]) -> dict[str, object]:
    """Runs a command in a child under limits."""
    began = time.monotonic()
    with TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 2)
            # What this process holds already does not count against the command.
            held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            code = 99
            try:
                code = code_of(arguments)
                sys.stderr.flush()
            finally:
                os._exit(code)
        _, status, usage = os.wait4(child, 0)
        said.seek(0)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "seconds": usage.ru_utime + usage.ru_stime,
            "wall": time.monotonic() - began,
            "mib": usage.ru_maxrss / 1024,
            "said": said.read().decode(errors="replace"),
        }


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(guarded(json.loads(line))), flush=True)
