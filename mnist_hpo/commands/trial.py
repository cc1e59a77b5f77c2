"""`mnist-hpo trial STUDY N`: all that is known of one trial."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from mnist_hpo import console, schema
from mnist_hpo.errors import UserError
from mnist_hpo.formats import (
    count_text,
    duration_text,
    place_text,
    predicted_text,
    score_text,
    value_text,
    whole_text,
)
from mnist_hpo.options import (
    color_option,
    command_line,
    form_option,
    study_argument,
    where_options,
)
from mnist_hpo.prospects import told
from mnist_hpo.ranking import Standing, standings
from mnist_hpo.sparkline import sparkline, thinned
from mnist_hpo.storage import Storage
from mnist_hpo.studies import find
from mnist_hpo.tables import Column, Line, Row, Table, to_csv, to_markdown
from search import reader
from search.records import Curve, Facts, Failure, History, Trial

_LABEL = 9
"""Characters of the labels on the left."""

_CELL = 9
"""Characters of a fold's column, its gap included: "  0.9926"."""


@click.command("trial")
@study_argument
@click.argument("number", type=click.IntRange(min=0), metavar="N")
@where_options
@form_option("json", "csv", "md")
@color_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    study: str,
    number: int,
    results: Path,
    storage: Storage | None,
    form: str | None,
    color: str,
) -> None:
    """Shows trial N of STUDY: configuration, folds, accuracy by epoch, failures."""
    name, ledger = find(results, storage, study)
    snapshot = reader.read(ledger, name)
    history = snapshot.history
    if number >= len(history.trials):
        raise UserError(
            f"Study {name!r} has the trials 0 to {len(history.trials) - 1}, got {number}."
            if history.trials
            else f"Study {name!r} has no trial yet, got {number}.",
            command_line("show", name, "--all", results=results, storage=storage),
        )
    if form == "json":
        click.echo(schema.as_json(schema.trial_json(snapshot, number)), nl=False)
        return
    if form == "csv":
        click.echo(to_csv(_epoch_rows(history.trials[number])), nl=False)
        return
    if form == "md":
        click.echo(to_markdown(_fold_table(history.trials[number], history)), nl=False)
        return
    row = told(history, standings(history, owned=snapshot.owner is not None), number)
    out = console.stdout_console(color)
    console.write_paragraph(out, _headline(row), "bold")
    console.write_paragraph(out, _prediction(row), "dim")
    _write_labelled(out, "why", row.reason or "")
    _write_folds(out, row, history)
    _write_labelled(out, "config", _config(row))
    _write_labelled(out, "size", _size(row))
    _write_labelled(out, "seed", _seed(row, history.facts))
    for failure in row.trial.failures:
        _write_failure(out, failure)


def _headline(row: Standing) -> list[str]:
    where = f"trial {row.trial.number}   {row.state}"
    if row.score is None:
        return [f"{where} at {place_text(row.trial)}", f"by {row.trial.origin}"]
    rank = f"rank {row.rank}" + (", a tie with rank 1" if row.is_tied else "")
    return [where, f"score {score_text(row.score)}", rank, f"by {row.trial.origin}"]


def _prediction(row: Standing) -> list[str]:
    if row.predicted is None:
        return []
    low, high = row.predicted.low, row.predicted.high
    mean = f"predicted mean {predicted_text(row.predicted)}, not measured"
    return [f"{mean}; 95 % interval {low:.4f} to {high:.4f}"]


def _config(row: Standing) -> str:
    return ", ".join(f"{name} {value_text(value)}" for name, value in row.trial.config.items())


def _size(row: Standing) -> str:
    trial = row.trial
    return (
        f"{whole_text(trial.params)} parameters, {count_text(trial.macs)} multiply-adds an image, "
        f"trained for {duration_text(trial.seconds)}"
    )


def _seed(row: Standing, facts: Facts) -> str:
    return f"{facts.seed} of the study; each job's follows from it and trial {row.trial.number}"


def _write_labelled(out: console.Console, label: str, text: str) -> None:
    """Writes a text beside its label, folded under itself."""
    if not text:
        return
    columns = (Column("label"), Column("text", least=20))
    cells = {"label": f"{label:<{_LABEL - 2}}", "text": text}
    # The first two lines are header and rule, which a label needs not.
    console.write(out, console.laid_out(out, Table(columns, (Row(cells),))).lines[2:])


def _write_folds(out: console.Console, row: Standing, history: History) -> None:
    """Writes accuracies by fold, against the best trial, and by epoch.

    Folds that find no room in a line get lines of their own: no number is left out.
    """
    folds = history.facts.folds
    room = max(1, (console.width_of(out) - _LABEL) // _CELL)
    for first in range(0, folds, room):
        chosen = range(first, min(first + room, folds))
        console.write(out, _fold_lines(row, history, chosen))


def _fold_lines(row: Standing, history: History, folds: Sequence[int]) -> list[Line]:
    epochs = history.facts.epochs
    curves = [row.trial.curves[fold] for fold in folds]
    lines = [
        Line(_line("fold", [str(fold + 1) for fold in folds])),
        Line(_line("this", [_at(curve, epochs - 1) for curve in curves]), "bold"),
    ]
    best = history.incumbent
    if best is not None and best.number != row.trial.number:
        others = [_at(best.curves[fold], epochs - 1) for fold in folds]
        lines.append(Line(_line(f"#{best.number}", others)))
    lines.append(Line(_line("epochs", [str(len(curve) or "-") for curve in curves])))
    lines.append(Line(_line("seconds", [_seconds(curve) for curve in curves])))
    lines.append(Line(_line("curve", _drawn(row.trial, curves))))
    lines.append(Line(_line("epoch", ["-" * (_CELL - 2)] * len(folds)), "dim"))
    return lines + [
        Line(_line(f"{epoch + 1:>5}", [_at(curve, epoch) for curve in curves]))
        for epoch in range(max(map(len, curves)))
    ]


def _at(curve: Curve, epoch: int) -> str:
    return f"{curve.accuracies[epoch]:.4f}" if epoch < len(curve) else "-"


def _seconds(curve: Curve) -> str:
    if not len(curve):
        return "-"
    return f"{sum(epoch.seconds + epoch.build_seconds for epoch in curve.epochs):.1f}"


def _drawn(trial: Trial, curves: Sequence[Curve]) -> list[str]:
    """Draws validation accuracies; all folds of the trial have one scale."""
    seen = [value for curve in trial.curves for value in curve.accuracies] or [0.0]
    low, high = min(seen), max(seen)
    return [
        sparkline(thinned(curve.accuracies, _CELL - 2), low=low, high=high) or "-"
        for curve in curves
    ]


def _line(label: str, cells: Sequence[str]) -> str:
    return f"{label:<{_LABEL}}" + "".join(f"{cell:>{_CELL}}" for cell in cells)


def _epoch_rows(trial: Trial) -> list[dict[str, object]]:
    """Returns a row an epoch, every fact of it."""
    return [
        {"trial": trial.number, "fold": fold, "epoch": number, "run": curve.run + 1}
        | asdict(epoch)
        for fold, curve in enumerate(trial.curves, start=1)
        for number, epoch in enumerate(curve.epochs, start=1)
    ]


def _fold_table(trial: Trial, history: History) -> Table:
    """Returns accuracies by epoch, a column a fold."""
    columns = [Column("epoch", right=True)]
    columns += [Column(f"fold {fold + 1}", right=True) for fold in range(history.facts.folds)]
    rows = tuple(
        Row(
            {"epoch": str(epoch + 1)}
            | {f"fold {fold}": _at(own, epoch) for fold, own in enumerate(trial.curves, start=1)}
        )
        for epoch in range(max(map(len, trial.curves)))
    )
    return Table(tuple(columns), rows)


def _write_failure(out: console.Console, failure: Failure) -> None:
    where = f"fold {failure.fold + 1}, epoch {failure.epoch + 1}, run {failure.run + 1}"
    _write_labelled(out, "failed", f"{where}: {failure.message}")
    console.write(out, [f"  {line}" for line in failure.traceback.splitlines()])
