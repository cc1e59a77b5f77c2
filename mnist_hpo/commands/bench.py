"""`mnist-hpo bench`: records a grid of whole trainings, and races it again on paper."""

import shlex
import sys
from pathlib import Path

import click

from mnist_hpo.commands.search import show_options, workers_option
from mnist_hpo.options import results_option


@click.group("bench")
def command() -> None:
    """Records a grid of whole trainings, and races it again on paper."""


@command.command("record")
@click.option("--dataset", required=True, metavar="NAME|FILE", help="As `search` takes it.")
@click.option(
    "--grid",
    "grid",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="JSON: which values of which hyperparameters; see docs/tables.md.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="TABLE",
    help="The table to write; compressed if its name ends in .gz.",
)
@click.option("--study", metavar="NAME", help="Name of its study.  [default: record-GRID]")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="Decides weights, order of images and order of the configurations.",
)
@workers_option
@results_option
@show_options
def record(  # noqa: PLR0913 - one parameter an option
    *,
    dataset: str,
    grid: Path,
    out: Path,
    study: str | None,
    seed: int,
    workers: int,
    results: Path,
    as_json: bool,
    quiet: bool,
    no_progress: bool,
    color: str,
    max_failures: int,
) -> int:
    """Trains every configuration of a grid whole and writes the table of all curves.

    It can be stopped at any moment; the same command goes on with it.
    """
    # Imported here: `bench --help` waits for none of it.
    from mnist_hpo.development import development_for  # noqa: PLC0415
    from mnist_hpo.recording import (  # noqa: PLC0415
        GridPlan,
        RecordingProposer,
        recorded_table,
        size_of_recording,
    )
    from mnist_hpo.searching import search  # noqa: PLC0415
    from mnist_hpo.studies import checked_name, ledger_path  # noqa: PLC0415
    from mnist_hpo.views import view_for  # noqa: PLC0415
    from search import reader  # noqa: PLC0415
    from search.candidates import Candidates  # noqa: PLC0415
    from search.records import Budget  # noqa: PLC0415
    from search.store import Ledger  # noqa: PLC0415
    from search.study import Choices, check_unchanged, facts_of  # noqa: PLC0415

    plan = GridPlan.read(grid)
    name = checked_name(study or f"record-{grid.stem}")
    path = ledger_path(results, name)
    data, _ = development_for(dataset)
    asked = RecordingProposer(plan.repeated, plan.seeds)
    choices = Choices(
        folds=plan.folds,
        epochs=plan.epochs,
        seed=seed,
        policy="full",
        sampler="grid",
        baselines="none",
        ranges=plan.ranges,
        fixed=plan.fixed,
    )
    model = plan.catalogue.name
    facts = facts_of(name, data, model=model, space=plan.space, choices=choices, asked=asked)
    candidates = Candidates(asked, plan.catalogue.size_of)
    size = size_of_recording(plan, lambda config: candidates.misfit(config, facts))
    if path.is_file() and name in reader.study_names(path):
        check_unchanged(reader.read(path, name).history.facts, data, plan.space)
        ledger = Ledger.open(path, name)
    else:
        ledger = Ledger.create(path, facts, Budget(trials=size))
    code = 0
    if ledger.history.is_done:
        ledger.close()
    else:
        code = search(
            ledger,
            plan.catalogue,
            data,
            folder=results / name,
            workers=workers,
            max_failures=max_failures,
            view=view_for(quiet=quiet, as_json=as_json, no_progress=no_progress, color=color),
            asked=asked,
        )
    if code == 0:
        command_line = shlex.join(["mnist-hpo", *sys.argv[1:]])
        more = {"command": command_line, "workers": workers}
        table = recorded_table(ledger.history, plan, more)
        table.write(out)
        click.echo(f"{len(table.rows)} configurations are in {out}.", err=True)
    return code
