"""`mnist-hpo show STUDY`: the ranking, what it cost, where the study stands."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from mnist_hpo import console, schema
from mnist_hpo.configs import in_words, same_in_all
from mnist_hpo.formats import (
    count_text,
    duration_text,
    position_text,
    predicted_text,
    score_text,
    share_text,
    whole_text,
)
from mnist_hpo.news import told_of
from mnist_hpo.options import color_option, command_line, form_option, where_options
from mnist_hpo.prospects import with_predictions, with_reasons
from mnist_hpo.ranking import Cost, Standing, cost, standings
from mnist_hpo.rungs import ladder_text
from mnist_hpo.standing import StudyState, larger_budget, last_result, result_text, state_of
from mnist_hpo.storage import Storage
from mnist_hpo.studies import find
from mnist_hpo.tables import Column, Row, Table, to_csv, to_markdown
from search import reader
from search.reader import Snapshot
from search.records import Facts, History

_UNFINISHED_SHOWN = 5
"""Unfinished trials below the ranking, unless `--all` asks for every one."""

_SORTS: dict[str, Callable[[Standing], float]] = {
    "score": lambda row: row.rank or 0,
    "worst": lambda row: -(row.worst or 0),
    "time": lambda row: row.trial.seconds,
    "params": lambda row: row.trial.params,
}


@click.command("show")
@click.argument("study")
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
    type=click.Choice(list(_SORTS)),
    default="score",
    show_default=True,
    help="Order of the complete trials; ranks stay those of the score.",
)
@click.option("--all", "every", is_flag=True, help="Every trial, and why some were given up.")
@click.option("--wide", is_flag=True, help="Every column, however wide the lines get.")
@where_options
@form_option("json", "csv", "md")
@color_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    study: str,
    top: int,
    sort: str,
    every: bool,
    wide: bool,
    results: Path,
    storage: Storage | None,
    form: str | None,
    color: str,
) -> None:
    """Shows the ranking of STUDY (its name, or the beginning of it)."""
    name, ledger = find(results, storage, study)
    snapshot = reader.read(ledger, name)
    if form == "json":
        click.echo(schema.as_json(schema.show_json(snapshot)), nl=False)
        return
    if form == "csv":
        click.echo(to_csv(_flat(schema.show_json(snapshot), snapshot.history)), nl=False)
        return
    rows = with_predictions(
        snapshot.history, standings(snapshot.history, owned=snapshot.owner is not None)
    )
    chosen = _chosen(rows, top=top, sort=sort, every=every)
    same = same_in_all([in_words(row.trial.config) for row in rows])
    table = _table(chosen, same, snapshot.history)
    if form == "md":
        click.echo(to_markdown(table), nl=False)
        return
    out = console.stdout_console(color)
    layout = console.laid_out(out, table, wide=wide)
    console.write(out, layout.lines)
    notes = _notes(rows, chosen, same)
    hidden = console.hidden_text(out, layout, "--wide, --json")
    saved = _saved(cost(snapshot.history, rows), is_done=snapshot.history.is_done)
    console.write_paragraph(out, [*notes, hidden, saved], "dim")
    for row in with_reasons(snapshot.history, chosen) if every else ():
        console.write_paragraph(out, [_why(row)])
    console.write(out, [""])
    ladder = ladder_text(snapshot.history) if any(row.is_unfinished for row in rows) else ""
    reached = [f"Trials that reached epoch {ladder}."] if ladder else []
    console.write_paragraph(out, [*_where_it_stands(snapshot), *reached])
    console.write(out, _what_next(snapshot, results, storage))


def _chosen(rows: Sequence[Standing], *, top: int, sort: str, every: bool) -> tuple[Standing, ...]:
    """Returns the rows to show: ranked ones in the order asked for, then the best prospects."""
    ranked = sorted((row for row in rows if row.rank is not None), key=_SORTS[sort])
    others = [row for row in rows if row.rank is None]
    if every:
        return (*ranked, *others)
    unfinished = [row for row in others if row.is_unfinished]
    return (*ranked[:top], *unfinished[:_UNFINISHED_SHOWN])


def _table(rows: Sequence[Standing], same: dict[str, str], history: History) -> Table:
    words = [in_words(row.trial.config) for row in rows]
    names = dict.fromkeys(name for own in words for name in own if name not in same)
    main = [name for name in ("filters", "lr") if name in names]
    others = [name for name in names if name not in main]
    columns = (
        Column("rank", right=True),
        Column("trial", right=True),
        Column(f"score ({history.facts.folds} folds)"),
        Column("worst", 1, right=True),
        *(Column(name, 2 + place, right=name == "lr") for place, name in enumerate(main)),
        *(Column(name, 10 + place) for place, name in enumerate(others)),
        Column("params", 5, right=True),
        Column("time", 6, right=True),
        Column("origin", 7),
    )
    return Table(
        columns,
        tuple(
            Row(
                {columns[2].name: _score_cell(row), **_cells(row), **own},
                "bold" if row.rank == 1 else "dim" if row.rank is None else "",
            )
            for row, own in zip(rows, words, strict=True)
        ),
    )


def _cells(row: Standing) -> dict[str, str]:
    rank = "-" if row.rank is None else f"{row.rank}{'=' if row.is_tied else ''}"
    return {
        "rank": rank,
        "trial": str(row.trial.number),
        "worst": "-" if row.worst is None else f"{row.worst:.4f}",
        "params": count_text(row.trial.params),
        "time": duration_text(row.trial.seconds),
        "origin": row.trial.origin,
    }


def _score_cell(row: Standing) -> str:
    """Returns the score, or what is predicted instead and where the trial stands.

    The first place is kept for a `~`.
    """
    if row.score is not None:
        return f" {score_text(row.score)}"
    predicted = " -" if row.predicted is None else predicted_text(row.predicted)
    return f"{predicted:<7} {row.state} at {position_text(row.trial)}"


def _notes(
    rows: Sequence[Standing], chosen: Sequence[Standing], same: dict[str, str]
) -> list[str]:
    notes = []
    if any(row.is_tied for row in chosen):
        notes.append("= a tie with rank 1 on these folds.")
    if any(row.predicted is not None for row in chosen):
        notes.append("~ predicted, not measured: folds or epochs are missing.")
    if any(row.rank is None for row in chosen):
        notes.append("at: fold.epoch.")
    shown = {row.trial.number for row in chosen}
    counts = Counter(str(row.state) for row in rows if row.trial.number not in shown)
    if counts:
        more = ", ".join(f"{count} {state}" for state, count in counts.items())
        notes.append(f"Not shown: {more} (--all).")
    if same:
        notes.append(f"Same in all: {', '.join(f'{name} {own}' for name, own in same.items())}.")
    return notes


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


def _flat(document: dict[str, Any], history: History) -> list[dict[str, object]]:
    """Returns the trials as rows with the same columns each."""
    names = [dimension.name for dimension in history.facts.space.dimensions]
    given = [name for trial in history.trials for name in trial.config]
    columns = dict.fromkeys([*names, *given])
    last = history.facts.epochs
    rows = []
    for trial in document["trials"]:
        score = trial["score"] or {"mean": None, "std": None, "se": None}
        predicted = trial["predicted"] or {"mean": None, "low": None, "high": None}
        stopped = trial["stopped"] or {"fold": None, "epoch": None, "reason": None}
        plain = ("number", "state", "origin", "rank", "tied")
        sizes = ("worst", "params", "macs", "fold_epochs", "seconds")
        rows.append(
            {name: trial[name] for name in plain}
            | {f"score_{name}": value for name, value in score.items()}
            | {f"predicted_{name}": value for name, value in predicted.items()}
            | {name: trial[name] for name in sizes}
            | {
                f"fold_{number}": fold[last - 1] if len(fold) >= last else None
                for number, fold in enumerate(trial["folds"], start=1)
            }
            | {f"stopped_{name}": value for name, value in stopped.items()}
            | {f"config_{name}": trial["config"].get(name) for name in columns}
        )
    return rows
