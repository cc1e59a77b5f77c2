"""`mnist-hpo list`: every study, newest first."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from mnist_hpo import console, schema
from mnist_hpo.errors import StorageError
from mnist_hpo.formats import ago_text, score_text, share_text
from mnist_hpo.options import color_option, command_line, form_option, where_options
from mnist_hpo.storage import Storage
from mnist_hpo.studies import all_studies
from mnist_hpo.tables import Column, Row, Table, to_csv, to_markdown
from search import reader
from search.errors import LedgerError, UnknownStudy
from search.reader import Snapshot

_COLUMNS = (
    Column("study", least=12),
    Column("state", 1),
    Column("trials", 3, right=True),
    Column("best score"),
    Column("saved", 5, right=True),
    Column("updated", 4),
    Column("next", 2),
)


@click.command("list")
@where_options
@form_option("json", "csv", "md")
@color_option
@reader.without_collecting()
def command(*, results: Path, storage: Storage | None, form: str | None, color: str) -> None:
    """Lists all studies: state, trials, best score and what to do next."""
    snapshots, broken = _read_all(results, storage)
    if form == "json":
        entries = [schema.list_json(snapshot) for snapshot in snapshots]
        document = {"schema_version": schema.SCHEMA_VERSION, "studies": entries}
        click.echo(schema.as_json(document), nl=False)
    elif form == "csv":
        click.echo(to_csv(map(_flat, snapshots)), nl=False)
    elif form == "md":
        click.echo(to_markdown(_table(snapshots, datetime.now(UTC))), nl=False)
    elif snapshots:
        out = console.stdout_console(color)
        layout = console.laid_out(out, _table(snapshots, datetime.now(UTC)))
        console.write(out, layout.lines)
        console.write_paragraph(out, [console.hidden_text(out, layout, "--json")])
    elif not broken:
        start = "mnist-hpo search --dataset mnist-5k --minutes 3"
        place = results if storage is None else "that storage"
        console.write(
            console.stdout_console(color), [f"No study in {place} yet.  Start one:  {start}"]
        )
    if broken:
        message = "\n  ".join(f"{name}: {error}" for name, error in broken)
        raise StorageError(
            f"{len(broken)} of {len(broken) + len(snapshots)} studies cannot be read:\n"
            f"  {message}",
            command_line("doctor", results=results, storage=storage),
        )


def _read_all(
    results: Path, storage: Storage | None
) -> tuple[list[Snapshot], list[tuple[str, LedgerError]]]:
    """Reads every study; one that cannot be read does not hide the others."""
    snapshots: list[Snapshot] = []
    broken: list[tuple[str, LedgerError]] = []
    for name, ledger in all_studies(results, storage):
        try:
            snapshots.append(reader.read(ledger, name))
        except LedgerError as error:
            broken.append((name, error))
        except UnknownStudy as error:
            # A process died before its study had any facts: there is nothing to list. But a
            # folder that was renamed holds a study of another name.
            if error.known:
                broken.append((name, LedgerError(str(error))))
    oldest = datetime.min.replace(tzinfo=UTC)
    snapshots.sort(key=lambda snapshot: snapshot.updated or oldest, reverse=True)
    return snapshots, broken


def _table(snapshots: list[Snapshot], now: datetime) -> Table:
    return Table(_COLUMNS, tuple(_row(snapshot, now) for snapshot in snapshots))


def _row(snapshot: Snapshot, now: datetime) -> Row:
    entry = schema.list_json(snapshot)
    history = snapshot.history
    best, total = history.incumbent, history.budget.trials
    score = None if best is None else best.score(history.facts.epochs)
    return Row(
        {
            "study": entry["name"],
            "state": entry["state"],
            "trials": f"{entry['trials_finished']}" + ("" if total is None else f"/{total}"),
            "best score": "-" if score is None else score_text(score),
            "saved": share_text(entry["saved_share"]),
            "updated": ago_text(now - (snapshot.updated or now)),
            "next": entry["next"],
        },
        style="bold" if entry["state"] == "running" else "",
    )


def _flat(snapshot: Snapshot) -> dict[str, Any]:
    entry = schema.list_json(snapshot)
    score = entry.pop("score") or {"mean": None, "std": None, "se": None}
    budget = entry.pop("budget")
    return (
        entry
        | {f"budget_{name}": value for name, value in budget.items()}
        | {f"score_{name}": value for name, value in score.items()}
    )
