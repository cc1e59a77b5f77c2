"""The entry point: parses, calls one command, maps what comes back to an exit code.

Commands are named here and imported when they run, so `--help` never waits for them.
"""

import contextlib
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, cast

import click

from mnist_hpo import streams

PROGRAM = "mnist-hpo"

_BUG = 70
_INTERRUPTED = 130

COMMANDS: Mapping[str, tuple[str, str]] = {
    "search": ("mnist_hpo.commands.search:command", "Start a study."),
    "resume": ("mnist_hpo.commands.resume:command", "Go on with a study where it stopped."),
    "watch": ("mnist_hpo.commands.watch:command", "Look on while another process searches."),
    "stop": ("mnist_hpo.commands.stop:command", "Stop a search that runs on this machine."),
    "list": ("mnist_hpo.commands.list:command", "All studies: state, best score, next step."),
    "show": ("mnist_hpo.commands.show:command", "The ranking of a study, and what it saved."),
    "trial": ("mnist_hpo.commands.trial:command", "One trial: folds, epochs, failures."),
    "compare": (
        "mnist_hpo.commands.compare:command",
        "Trials or studies side by side, paired by fold.",
    ),
    "importance": (
        "mnist_hpo.commands.importance:command",
        "Which hyperparameters decide who is among the best.",
    ),
    "finalize": ("mnist_hpo.commands.finalize:command", "Retrain the winner, open the test set."),
    "report": ("mnist_hpo.commands.report:command", "A page to show: charts, digits, commands."),
    "dashboard": (
        "mnist_hpo.commands.dashboard:command",
        "Optuna's dashboard on a study, read-only.",
    ),
    "export": (
        "mnist_hpo.commands.export:command",
        "The model as Keras, SavedModel, ONNX, TFLite.",
    ),
    "predict": ("mnist_hpo.commands.predict:command", "What digits are on your own images?"),
    "bench": ("mnist_hpo.commands.bench:command", "Record a grid; race it again on paper."),
    "models": ("mnist_hpo.commands.models:command", "The documented models and their figures."),
    "completion": (
        "mnist_hpo.commands.completion:command",
        "The completion script of a shell: bash, zsh or fish.",
    ),
    "doctor": ("mnist_hpo.commands.doctor:command", "Check versions, data, disk and studies."),
}
"""Every command: where it is, and what `--help` says of it without importing it."""


class LazyGroup(click.Group):
    """A group that imports a command only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:  # completion asks about words that are half typed
                return None
            raise click.exceptions.NoSuchCommand(cmd_name, possibilities=list(COMMANDS), ctx=ctx)
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        return cast("click.Command", getattr(import_module(module), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    # Only here: looking for installed packages costs as much as all the rest of `--help`.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - see above

    try:
        number = version(PROGRAM)
    except PackageNotFoundError:
        number = "(run from its source tree, not installed)"
    click.echo(f"{PROGRAM} {number}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin with:  mnist-hpo search --dataset mnist-5k --minutes 3",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Finds small CNNs for MNIST by stratified cross-validation, and loses no finished epoch."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program.

    Args:
        arguments: What follows the program's name; None: this process's own.

    Returns:
        The exit code: 0 done, 1 no usable result, 2 wrong input, 3 storage, 4 owned by another
        process, 5 another environment, 70 a bug, 129 SIGHUP, 130 Ctrl-C, 143 SIGTERM.
    """
    # Of our small matrices a second thread only waits for the first: a hundred times the time on a
    # busy machine. One thread adds in one order, too, whatever the number of cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Read once, when TensorFlow is imported: its native code would write over the view.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    streams.fill_gaps()
    code = _run(arguments)
    streams.settle(sys.stderr)
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code: Any = cli.main(arguments, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        streams.lead_nowhere(sys.stdout)
        return 1
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the one place where errors become exit codes
        return _report(error)
    return code if isinstance(code, int) else 0


def _report(error: Exception) -> int:
    """Tells a person what went wrong and what to type."""
    # Only here: a run without errors need not import what explains them.
    from mnist_hpo.exits import explain  # noqa: PLC0415 - see above
    from mnist_hpo.redaction import printable  # noqa: PLC0415 - likewise
    from search.redaction import redacted  # noqa: PLC0415 - likewise

    exit_ = explain(error)
    trace = redacted("".join(traceback.format_exception(error)))
    lines = [trace.rstrip("\n")] if os.environ.get("MNIST_HPO_DEBUG") else []
    if exit_ is None:
        message = printable(f"{type(error).__name__}: {error}")
        lines.append(f"error: a bug in {PROGRAM}: {message}")
        lines.append(f"help:  please report it, with {_crash_log(trace)}")
    else:
        lines.append(f"error: {printable(exit_.message)}")
        lines.append("help:  " + printable(exit_.help).replace("\n", "\n       "))
    with contextlib.suppress(OSError):  # a closed terminal: the exit code says it as well
        click.echo("\n".join(lines), err=True)
    return _BUG if exit_ is None else exit_.code


def _crash_log(trace: str) -> str:
    """Writes the traceback to a file and returns its path, or words if that fails, too."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix=f"{PROGRAM}-crash-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            file.write(trace)
    except OSError:
        return "the traceback that MNIST_HPO_DEBUG=1 shows"
    return file.name
