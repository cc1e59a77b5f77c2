"""`mnist-hpo compare`: trials of a study, or studies, side by side and paired by fold."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mnist_hpo import console, schema
from mnist_hpo.contest import Contestant, contestant, paired, unpaired
from mnist_hpo.contest_table import blocks, names_of
from mnist_hpo.errors import NoResultError, UserError
from mnist_hpo.options import (
    color_option,
    command_line,
    complete_study,
    form_option,
    where_options,
)
from mnist_hpo.storage import Storage
from mnist_hpo.studies import find
from mnist_hpo.tables import Table, to_csv, to_markdown
from search import reader

_HELP = "mnist-hpo compare STUDY 3 7        or:  mnist-hpo compare STUDY-A STUDY-B"


@click.command("compare")
@click.argument(
    "what",
    nargs=-1,
    required=True,
    metavar="STUDY [N]... [STUDY [N]...]...",
    shell_complete=complete_study,
)
@click.option("--all", "every", is_flag=True, help="Rows in which all are equal, too.")
@where_options
@form_option("json", "csv", "md")
@color_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    what: Sequence[str],
    every: bool,
    results: Path,
    storage: Storage | None,
    form: str | None,
    color: str,
) -> None:
    """Compares trials N of a STUDY, or studies by their best trials.

    All are compared with the first one, on the folds that both have: by how much they differ on
    average, with a 95 % interval, and how many folds they won.
    """
    contestants = _found(what, results, storage)
    if form == "json":
        click.echo(schema.as_json(_document(contestants)), nl=False)
    elif form == "csv":
        click.echo(to_csv(map(_flat, _document(contestants)["contestants"])), nl=False)
    elif form == "md":
        click.echo(to_markdown(_one(contestants, every=every)), nl=False)
    else:
        _write(contestants, every=every, color=color)


def _found(words: Sequence[str], results: Path, storage: Storage | None) -> tuple[Contestant, ...]:
    """Reads a study's name, its numbers, the next study's name, and so on."""
    groups: list[tuple[str, list[int]]] = []
    for word in words:
        if groups and word.isascii() and word.isdigit():
            groups[-1][1].append(int(word))
        else:
            groups.append((word, []))
    found = []
    for word, numbers in groups:
        name, place = find(results, storage, word)
        snapshot = reader.read(place, name)
        wanted: Sequence[int | None] = numbers or [None]
        for number in wanted:
            own = contestant(snapshot, number)
            if own is None:
                show = command_line("show", name, "--all", results=results, storage=storage)
                if number is None:
                    raise NoResultError(f"Study {name!r} has no complete trial yet.", show)
                count = len(snapshot.history.trials)
                raise UserError(f"Study {name!r} has {count} trials, and no {number}.", show)
            found.append(own)
    names = names_of(found)
    if len(found) < 2 or len(set(names)) < len(names):
        raise UserError(
            f"A comparison needs at least two different trials, got {', '.join(names)}.", _HELP
        )
    return tuple(found)


def _one(contestants: Sequence[Contestant], *, every: bool) -> Table:
    (table,) = blocks(contestants, width=None, every=every)
    return table


def _write(contestants: Sequence[Contestant], *, every: bool, color: str) -> None:
    out = console.stdout_console(color)
    width = console.width_of(out)
    for place, table in enumerate(blocks(contestants, width=width, every=every)):
        if place:
            console.write(out, [""])
        console.write(out, console.laid_out(out, table).lines)
    console.write_paragraph(out, _notes(contestants), "dim")


def _notes(contestants: Sequence[Contestant]) -> list[str]:
    first, *others = contestants
    pairs = [paired(own, first) for own in others]
    notes = []
    if any(pair is not None and pair.difference is not None for pair in pairs):
        notes.append("Paired: difference of the means with its 95 % interval (Nadeau-Bengio).")
    if any(pair is not None and pair.difference and pair.difference.is_tie for pair in pairs):
        notes.append("= a tie on these folds.")
    for own, pair, name in zip(others, pairs, names_of(contestants)[1:], strict=True):
        if pair is None:
            reasons = ", ".join(unpaired(own.facts, first.facts))
            notes.append(f"{name} cannot be paired: it differs in {reasons}.")
        elif pair.folds < own.facts.folds:
            notes.append(f"{name} is compared on {pair.folds} of {own.facts.folds} folds.")
    if any(own.row.predicted is not None for own in contestants):
        notes.append("~ predicted, not measured: folds or epochs are missing.")
    return notes


def _document(contestants: Sequence[Contestant]) -> dict[str, Any]:
    first = contestants[0]
    return {
        "schema_version": schema.SCHEMA_VERSION,
        "against": {"study": first.facts.study, "trial": first.number},
        "contestants": [
            {
                "study": own.facts.study,
                **schema.standing_json(own.row, own.facts),
                "paired": None if own is first else _paired_json(own, first),
            }
            for own in contestants
        ],
    }


def _paired_json(own: Contestant, first: Contestant) -> dict[str, Any] | None:
    pair = paired(own, first)
    if pair is None:
        return None
    gap = pair.difference
    return {
        "folds": pair.folds,
        "won": pair.won,
        "equal": pair.tied,
        "difference": None if gap is None else {**asdict(gap), "is_tie": gap.is_tie},
    }


def _flat(entry: dict[str, Any]) -> dict[str, object]:
    score = entry["score"] or {"mean": None, "std": None}
    predicted = entry["predicted"] or {"mean": None}
    pair = entry["paired"] or {"folds": None, "won": None, "equal": None, "difference": None}
    gap = pair["difference"] or {"mean": None, "half_width": None, "is_tie": None}
    return (
        {"study": entry["study"], "trial": entry["number"], "state": entry["state"]}
        | {"score_mean": score["mean"], "score_std": score["std"]}
        | {"predicted_mean": predicted["mean"], "params": entry["params"]}
        | {f"paired_{name}": pair[name] for name in ("folds", "won", "equal")}
        | {f"difference_{name}": value for name, value in gap.items()}
    )
