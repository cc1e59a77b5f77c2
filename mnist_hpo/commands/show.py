"""`mnist-hpo show STUDY`: the ranking, what it cost, where the study stands."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from mnist_hpo import console, schema
from mnist_hpo.conditions import holds, parsed
from mnist_hpo.flat import flat_trials
from mnist_hpo.formats import share_text, whole_text
from mnist_hpo.leaderboard import SORTS, chosen, common, leaderboard, legend
from mnist_hpo.news import told_of
from mnist_hpo.options import (
    color_option,
    command_line,
    form_option,
    study_argument,
    where_options,
)
from mnist_hpo.prospects import with_predictions, with_reasons
from mnist_hpo.qualities import Quality, named, qualities
from mnist_hpo.ranking import Cost, Standing, cost, standings
from mnist_hpo.rungs import ladder_text
from mnist_hpo.standing import StudyState, larger_budget, last_result, result_text, state_of
from mnist_hpo.storage import Storage
from mnist_hpo.studies import find
from mnist_hpo.tables import to_csv, to_markdown
from search import reader
from search.reader import Snapshot
from search.records import Facts, History


@click.command("show")
@study_argument
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Complete trials in the table.",
)
@click.option(
    "--sort",
    type=click.Choice(list(SORTS)),
    default="score",
    show_default=True,
    help="Order of the complete trials; ranks stay those of the score.",
)
@click.option(
    "--where",
    metavar="CONDITION",
    help="Only trials that meet it: 'params<200k and optimizer=adam'. Ranks stay those among all.",
)
@click.option(
    "--columns",
    metavar="NAMES",
    help="Beside rank, trial and score only these, in this order: params,lr,filters_1.",
)
@click.option("--all", "every", is_flag=True, help="Every trial, and why some were given up.")
@click.option("--wide", is_flag=True, help="Every column, however wide the lines get.")
@where_options
@form_option("json", "csv", "md")
@color_option
@reader.without_collecting()
def command(  # noqa: PLR0913 - one parameter an option
    *,
    study: str,
    top: int,
    sort: str,
    where: str | None,
    columns: str | None,
    every: bool,
    wide: bool,
    results: Path,
    storage: Storage | None,
    form: str | None,
    color: str,
) -> None:
    """Shows the ranking of STUDY (its name, or the beginning of it)."""
    if columns is not None and form in {"json", "csv"}:
        raise click.UsageError(f"--{form} has every column; --columns is for tables.")
    name, ledger = find(results, storage, study)
    snapshot = reader.read(ledger, name)
    history = snapshot.history
    if form in {"json", "csv"}:
        document = schema.show_json(snapshot, _filter(where, history))
        text = (
            schema.as_json(document) if form == "json" else to_csv(flat_trials(document, history))
        )
        click.echo(text, nl=False)
        return
    every_row = with_predictions(history, standings(history, owned=snapshot.owner is not None))
    rows = _filter(where, history)(every_row)
    picked = chosen(rows, top=top, sort=sort, every=every)
    same = common(rows)
    asked = None if columns is None else _columns(columns, rows, history)
    table = leaderboard(picked, folds=history.facts.folds, same=same, columns=asked)
    if form == "md":
        click.echo(to_markdown(table), nl=False)
        return
    out = console.stdout_console(color)
    layout = console.laid_out(out, table, wide=wide)
    console.write(out, layout.lines)
    notes = legend(rows, picked, same if columns is None else {})
    hidden = console.hidden_text(out, layout, "--wide, --json")
    met = "" if where is None else f"{len(rows)} of {len(every_row)} trials meet {where}."
    saved = _saved(cost(history, every_row), is_done=history.is_done)
    console.write_paragraph(out, [met, *notes, hidden, saved], "dim")
    for row in with_reasons(history, picked) if every else ():
        console.write_paragraph(out, [_why(row)])
    console.write(out, [""])
    ladder = ladder_text(history) if any(row.is_unfinished for row in every_row) else ""
    reached = [f"Trials that reached epoch {ladder}."] if ladder else []
    console.write_paragraph(out, [*_where_it_stands(snapshot), *reached])
    console.write(out, _what_next(snapshot, results, storage))


def _filter(
    where: str | None, history: History
) -> Callable[[Sequence[Standing]], tuple[Standing, ...]]:
    """Returns what keeps the trials that meet a condition."""

    def kept(rows: Sequence[Standing]) -> tuple[Standing, ...]:
        if where is None:
            return tuple(rows)
        condition = parsed(where, qualities(rows, history.facts.space))
        return tuple(row for row in rows if holds(condition, row))

    return kept


def _columns(names: str, rows: Sequence[Standing], history: History) -> list[Quality]:
    known = qualities(rows, history.facts.space)
    return [named(name.strip(), known) for name in names.split(",") if name.strip()]


def _saved(cost_: Cost, *, is_done: bool) -> str:
    if cost_.settled == 0:
        return ""
    all_ = cost_.saved_fold_epochs + cost_.settled_fold_epochs
    return (
        f"Saved {whole_text(cost_.saved_fold_epochs)} of {whole_text(all_)} fold-epochs "
        f"({share_text(cost_.saved_share)}){'' if is_done else ' so far'}."
    )


def _why(row: Standing) -> str:
    if row.reason is None:
        return ""
    return told_of(row.trial.number, str(row.state), row.reason)


def _where_it_stands(snapshot: Snapshot) -> list[str]:
    history, facts = snapshot.history, snapshot.history.facts
    complete = len(history.complete())
    total = "" if history.budget.trials is None else f" of {history.budget.trials}"
    state = state_of(snapshot)
    why = {
        StudyState.RUNNING: f"is being searched by {snapshot.owner}",
        StudyState.INTERRUPTED: "is interrupted",
        StudyState.DONE: "is done"
        + ("" if history.ending is None else f" ({history.ending.reason})"),
    }[state]
    return [
        f"{facts.study} {why}: {len(history.trials)}{total} trials begun, {complete} complete.",
        (
            f"{_policy(facts)}, {facts.sampler}, seed {facts.seed}, {facts.folds} folds x "
            f"{facts.epochs} epochs of {facts.dataset} {facts.data_sha256[:8]}."
        ),
    ]


def _policy(facts: Facts) -> str:
    given = ", ".join(f"{name} {value}" for name, value in facts.race.items())
    return f"{facts.policy} ({given})" if given else facts.policy


def _what_next(snapshot: Snapshot, results: Path, storage: Storage | None) -> list[str]:
    def typed(*words: object) -> str:
        return command_line(*words, results=results, storage=storage)

    history, study = snapshot.history, snapshot.history.facts.study
    tested = result_text(history)
    lines = [] if tested is None else [tested]
    match state_of(snapshot):
        case StudyState.INTERRUPTED:
            lines.append(f"Go on with:  {typed('resume', study)}")
        case StudyState.DONE:
            if history.incumbent is not None and last_result(history) is None:
                lines.append(f"Retrain the winner, open the test set:  {typed('finalize', study)}")
            if more := larger_budget(history):
                lines.append(f"Search further:  {typed('resume', study, *more)}")
        case _:
            pass
    return lines
