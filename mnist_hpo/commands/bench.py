"""`mnist-hpo bench`: records a grid of whole trainings, and races it again on paper."""

import os
import shlex
import sys
from pathlib import Path

import click

from mnist_hpo.errors import UserError
from mnist_hpo.options import (
    color_option,
    results_option,
    seed_option,
    show_options,
    workers_option,
)


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
@seed_option("Decides weights, order of images and order of the configurations.")
@click.option(
    "--clock",
    type=click.Choice(["wall", "processor"]),
    default="wall",
    show_default=True,
    help="Seconds of the table: the worker's, or its processor time if the machine is shared.",
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
    clock: str,
    workers: int,
    results: Path,
    as_json: bool,
    quiet: bool,
    no_progress: bool,
    color: str,
    max_failures: int,
    job_minutes: float,
) -> int:
    """Trains every configuration of a grid whole and writes the table of all curves.

    It can be stopped at any moment; the same command goes on with it.
    """
    # Imported here: `bench --help` waits for none of it.
    from mnist_hpo.development import development_for  # noqa: PLC0415
    from mnist_hpo.grid_plan import GridPlan  # noqa: PLC0415
    from mnist_hpo.recording import (  # noqa: PLC0415
        Clock,
        RecordingProposer,
        recorded_table,
        size_of_recording,
    )
    from mnist_hpo.recording_study import facts_of_recording  # noqa: PLC0415
    from mnist_hpo.recording_study import record as recorded  # noqa: PLC0415
    from mnist_hpo.searching import Effort  # noqa: PLC0415
    from mnist_hpo.studies import checked_name  # noqa: PLC0415
    from mnist_hpo.views import view_for  # noqa: PLC0415
    from search.candidates import Candidates  # noqa: PLC0415

    _check_writable(out)
    plan = GridPlan.read(grid)
    name = checked_name(study or f"record-{grid.stem}")
    data, _ = development_for(dataset)
    asked = RecordingProposer(plan.repeated, plan.seeds)
    facts = facts_of_recording(name, data, plan, asked, seed=seed)
    candidates = Candidates(asked, plan.catalogue.size_of)
    size = size_of_recording(plan, lambda config: candidates.misfit(config, facts))
    code, history = recorded(
        facts,
        plan,
        data,
        asked,
        size=size,
        results=results,
        effort=Effort(workers=workers, max_failures=max_failures, job_minutes=job_minutes),
        view=view_for(quiet=quiet, as_json=as_json, no_progress=no_progress, color=color),
    )
    if code == 0:
        command_line = shlex.join(["mnist-hpo", *sys.argv[1:]])
        more = {"command": command_line, "workers": workers}
        table = recorded_table(history, plan, more, clock=Clock(clock))
        table.write(out)
        click.echo(f"{len(table.rows)} configurations are in {out}.", err=True)
    return code


def _check_writable(out: Path) -> None:
    """Finds out before hours of training whether the table can be written.

    Raises:
        UserError: it cannot.
    """
    folder = next(place for place in out.absolute().parents if place.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UserError(f"The table {out} cannot be written to {folder}.", "give another --out")


@command.command("replay")
@click.option(
    "--table",
    required=True,
    type=click.Path(path_type=Path),
    metavar="TABLE",
    help="A recorded table; see docs/tables.md.",
)
@click.option(
    "--candidates",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="N",
    help="Trials of each study.",
)
@click.option(
    "--methods",
    default="race",
    show_default=True,
    metavar="M,...",
    help="POLICY[/SAMPLER][:NAME=VALUE...]; the naive loop is always there.",
)
@click.option(
    "--peers",
    default="none",
    show_default=True,
    metavar="none|all|NAME,...",
    help="Other libraries, each by its own code; from the source tree.",
)
@click.option(
    "--peer-seeds",
    type=click.IntRange(min=1),
    metavar="N",
    help="Seeds of each peer, some of which take minutes a seed.  [default: at most 20]",
)
@click.option("--seeds", type=click.IntRange(min=1), default=100, show_default=True, metavar="N")
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Simulated workers.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Real processes; more than the idle cores falsify the seconds of deciding.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document, nothing cut.")
@color_option
def replay(  # noqa: PLR0913 - one parameter an option
    *,
    table: Path,
    candidates: int,
    methods: str,
    peers: str,
    peer_seeds: int | None,
    seeds: int,
    workers: int,
    processes: int,
    as_json: bool,
    color: str,
) -> int:
    """Searches a recorded table again and again: cost and regret against the naive loop.

    The race, the samplers and the loop are those of `search`; only training is looked up. Cost
    is the recorded seconds of the slowest worker and the real seconds of deciding. Regret is
    what the recommended configuration's true score lacks to the table's best, in points.
    """
    # Imported here: `bench --help` waits for none of it.
    import json  # noqa: PLC0415

    from mnist_hpo.console import laid_out, stdout_console, write  # noqa: PLC0415
    from mnist_hpo.replay_text import replay_document, replay_table  # noqa: PLC0415
    from mnist_hpo.replaying import (  # noqa: PLC0415
        NAIVE,
        Method,
        Plan,
        peer_results,
        replayed,
    )
    from search.table import Table  # noqa: PLC0415
    from search.table_space import space_of  # noqa: PLC0415

    chosen = [NAIVE, *(Method.parsed(text.strip()) for text in methods.split(",") if text.strip())]
    recorded = Table.read(table)
    space_of(recorded)  # a table that spans no space is refused here, not by a process
    plan = Plan(
        table=table, candidates=candidates, seeds=seeds, workers=workers, processes=processes
    )

    def tell(line: str) -> None:
        click.echo(line, err=True)

    others = {}
    if peers != "none":  # first: what they lack is told before minutes of replays, not after
        names = [name.strip() for name in peers.split(",")]
        others = peer_results(plan, names, peer_seeds or min(seeds, 20), tell)
    results = replayed(plan, list({method.name: method for method in chosen}.values()), tell)
    results |= others
    settings = {method.name: method.settings for method in chosen}
    document = replay_document(plan, recorded, results, settings)
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        console = stdout_console(color)
        write(console, laid_out(console, replay_table(document)).lines)
        for line in document["notes"]:
            write(console, [line])
    return 0
