"""`mnist-hpo importance STUDY`: which hyperparameters decide who is among the best."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnist_hpo import console, schema
from mnist_hpo.errors import NoResultError
from mnist_hpo.formats import share_text, whole_text
from mnist_hpo.options import (
    color_option,
    command_line,
    form_option,
    study_argument,
    where_options,
)
from mnist_hpo.prospects import values_of, with_predictions
from mnist_hpo.ranking import standings
from mnist_hpo.storage import Storage
from mnist_hpo.studies import find
from mnist_hpo.tables import Column, Row, Table, to_csv, to_markdown
from search import reader

if TYPE_CHECKING:  # it imports NumPy
    from search.importance import Importance

_BAR = 20
"""Characters of a bar for all of the importance."""

_COLUMNS = (
    Column("hyperparameter"),
    Column("importance", right=True),
    Column("by chance", 1, right=True),
    Column("trials", 3, right=True),
    Column("", 2),
)


@click.command("importance")
@study_argument
@where_options
@form_option("json", "csv", "md")
@color_option
def command(
    *, study: str, results: Path, storage: Storage | None, form: str | None, color: str
) -> None:
    """Shows which hyperparameters of STUDY decide whether a trial is among the best.

    By Optuna's PED-ANOVA, on scores and predicted means.
    """
    from search.importance import LEAST_TRIALS, MOST_TRIALS, importances  # noqa: PLC0415 - NumPy

    name, ledger = find(results, storage, study)
    history = reader.read(ledger, name).history
    rows = with_predictions(history, standings(history))
    values = values_of(rows)
    found = importances(history, values)
    scores = sum(row.score is not None for row in rows if row.trial.number in values)
    if not found:
        raise NoResultError(
            f"Importances need {LEAST_TRIALS} trials of the space with a score or a predicted "
            f"mean; study {name!r} has {len(values)}.",
            command_line("resume", name, "--trials", 2 * LEAST_TRIALS, results=results,
                         storage=storage),
        )  # fmt: skip
    if form == "json":
        document = {
            "schema_version": schema.SCHEMA_VERSION,
            "study": name,
            "scores": scores,
            "predicted": len(values) - scores,
            "importances": [asdict(own) for own in found],
        }
        click.echo(schema.as_json(document), nl=False)
        return
    if form == "csv":
        click.echo(to_csv(map(asdict, found)), nl=False)
        return
    table = _table(found)
    if form == "md":
        click.echo(to_markdown(table), nl=False)
        return
    out = console.stdout_console(color)
    layout = console.laid_out(out, table)
    console.write(out, layout.lines)
    predicted = whole_text(len(values) - scores)
    some = (
        f"Of these {whole_text(MOST_TRIALS)} were looked at." if len(values) > MOST_TRIALS else ""
    )
    console.write_paragraph(
        out,
        [
            (
                f"From {whole_text(scores)} scores and {predicted} predicted means, which come "
                f"from a model of their own."
            ),
            some,
            (
                "Importance: share of what tells the best tenth of the trials from the others "
                "(PED-ANOVA)."
            ),
            "By chance: how often shuffled scores gave as much; above 5 % it may be nothing.",
            console.hidden_text(out, layout, "--json"),
        ],
        "dim",
    )


def _table(found: Sequence["Importance"]) -> Table:
    return Table(
        _COLUMNS,
        tuple(
            Row(
                {
                    "hyperparameter": own.name,
                    "importance": share_text(own.share),
                    "by chance": share_text(own.chance),
                    "trials": str(own.trials),
                    "": "#" * round(_BAR * own.share),
                },
                "" if own.is_beyond_chance else "dim",
            )
            for own in found
        ),
    )
