"""`mnist-hpo finalize`: retrains the winner and opens the test set once."""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from mnist_hpo.options import color_option, form_option, study_argument, where_options
from mnist_hpo.storage import Storage
from mnist_hpo.winner import chosen, finalize, finalized


@click.command("finalize")
@study_argument
@click.option(
    "--trial", "number", type=click.IntRange(min=0), metavar="N", help="Another complete trial."
)
@where_options
@color_option
@form_option("json")
def command(  # noqa: PLR0913 - one parameter an option
    *,
    study: str,
    number: int | None,
    results: Path,
    storage: Storage | None,
    color: str,
    form: str | None,
) -> int:
    """Retrains the winner on all development data and evaluates it on the test set, once.

    Run again, it shows the recorded result and does not look again. Another trial opens the
    test set once more, and every look is counted.
    """
    # Imported here: `finalize --help` waits for none of it.
    from mnist_hpo.console import stdout_console, write  # noqa: PLC0415
    from mnist_hpo.development import development_for  # noqa: PLC0415
    from mnist_hpo.searching import LazyTrainer  # noqa: PLC0415
    from mnist_hpo.studies import find  # noqa: PLC0415
    from search import reader  # noqa: PLC0415
    from search.store import Ledger  # noqa: PLC0415
    from search.study import check_unchanged  # noqa: PLC0415
    from spaces.catalog import load  # noqa: PLC0415
    from spaces.narrowing import narrowed  # noqa: PLC0415

    name, place = find(results, storage, study)
    history = reader.read(place, name).history
    trial, folder = chosen(history, number), results / name
    final = finalized(history, trial, folder)
    if final is None:
        facts = history.facts
        catalogue = load(facts.model)
        space = narrowed(catalogue.space, facts.ranges, facts.fixed)
        data, dataset = development_for(facts.dataset)
        check_unchanged(facts, data, space, allow_drift=True)
        for line in dataset.doubts:
            click.echo(line, err=True)
        trainer = LazyTrainer(catalogue=catalogue.with_space(space), data=data, facts=facts)
        click.echo(
            f"Training trial {trial.number} on all {len(data.y)} development images, "
            f"{facts.epochs} epochs.",
            err=True,
        )
        ledger = Ledger.open(place, name)
        try:
            final = finalize(ledger, trial, trainer.made(), dataset, folder)
            history = ledger.history
        finally:
            ledger.close()
    if form == "json":
        record = {"schema_version": 1, "study": name, "trial": trial.number}
        record |= {"looked_again": final.looked_again, "test": dict(final.result)}
        click.echo(json.dumps(record, indent=2))
        return 0
    from mnist_hpo.final_text import final_lines  # noqa: PLC0415 - only for people

    lines: Iterator[str] = final_lines(history, final, folder)
    write(stdout_console(color), lines)
    return 0
