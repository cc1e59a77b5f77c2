"""`mnist-hpo stop STUDY`: what Ctrl-C does, to the process that searches it."""

import os
import re
import signal
import socket
from pathlib import Path

import click

from mnist_hpo.errors import OwnedError, UserError
from mnist_hpo.options import command_line, study_argument, where_options
from mnist_hpo.storage import Storage
from mnist_hpo.studies import find
from search import reader

_OWNER = re.compile(r"pid (?P<pid>\d+) on (?P<host>\S+)")


@click.command("stop")
@study_argument
@click.option("--now", is_flag=True, help="Do not finish the epochs in hand.")
@where_options
def command(*, study: str, now: bool, results: Path, storage: Storage | None) -> None:
    """Stops the search of STUDY on this machine: finished epochs are kept.

    Without --now the epochs in hand are finished first.
    """
    name, ledger = find(results, storage, study)
    owner = reader.read(ledger, name).owner
    resume = command_line("resume", name, results=results, storage=storage)
    if owner is None:
        raise UserError(f"Nobody is searching study {name!r}.", f"{resume}        goes on with it")
    match = _OWNER.match(owner)
    if match is None or match["host"] != socket.gethostname():
        raise OwnedError(
            f"Study {name!r} is being searched by {owner}, not on this machine "
            f"({socket.gethostname()}).",
            "type the same command there",
        )
    # SIGTERM is Ctrl-C twice, and cannot lose a race against the first one.
    number = signal.SIGTERM if now else signal.SIGINT
    try:
        os.kill(int(match["pid"]), number)
    except ProcessLookupError:
        raise UserError(f"The search of {name!r} has just ended.", resume) from None
    except PermissionError:
        raise OwnedError(
            f"Study {name!r} is being searched by {owner}, a process of another user.",
            "ask that user to stop it",
        ) from None
    how = "now" if now else "after the epochs in hand"
    click.echo(f"{name} stops {how} ({owner}). Go on with:  {resume}")
