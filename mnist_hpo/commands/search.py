"""`mnist-hpo search`: starts a study."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from mnist_hpo.errors import UserError
from mnist_hpo.options import (
    cluster_option,
    command_line,
    minutes_option,
    seed_option,
    show_options,
    where_options,
    workers_option,
)
from mnist_hpo.storage import Storage
from search.policy import POLICIES

_DEFAULT_TRIALS = 30


def _pairs(
    context: click.Context, option: click.Parameter, values: Sequence[str]
) -> Mapping[str, str]:
    """Reads NAME=VALUE pairs."""
    del context
    pairs: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not (equals and name.strip() and value.strip()):
            raise click.BadParameter(
                f"{text!r} is not of the form {option.metavar}", param_hint=option.opts[0]
            )
        if name.strip() in pairs:
            raise click.BadParameter(f"{name!r} is given twice", param_hint=option.opts[0])
        pairs[name.strip()] = value.strip()
    return pairs


@click.command("search")
@click.option(
    "--dataset",
    default="mnist-5k",
    show_default=True,
    metavar="NAME|FILE",
    help="mnist-5k (real digits, nothing to download), mnist, an .npz file or an IDX folder.",
)
@click.option("--study", metavar="NAME", help="Name of the study.  [default: the dataset's]")
@click.option(
    "--space",
    default="cnn",
    show_default=True,
    metavar="NAME",
    help="cnn, or module:attribute of your own HyperModel.",
)
@click.option(
    "--set",
    "ranges",
    multiple=True,
    callback=_pairs,
    metavar="NAME=RANGE",
    help="Try only these values: kernel=3,5 or adam_lr=1e-4..1e-2. Repeatable.",
)
@click.option(
    "--fix",
    "fixed",
    multiple=True,
    callback=_pairs,
    metavar="NAME=VALUE",
    help="Try only this value: optimizer=adam. Repeatable.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Total trials.  [default: {_DEFAULT_TRIALS}, unless --minutes is given]",
)
@minutes_option("Total time.")
@click.option(
    "--epochs",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="Length of a whole training; scores are those of the last epoch.",
)
@click.option(
    "--folds",
    type=click.IntRange(2, 100),
    default=5,
    show_default=True,
    help="Stratified folds, the same for every trial.",
)
@click.option(
    "--policy",
    type=click.Choice(POLICIES),
    default=POLICIES[0],
    show_default=True,
    help="race: few epochs, then few folds, for most trials; full: all of both for each. The "
    "others race over epochs or over folds only, for comparison.",
)
@click.option(
    "--race",
    multiple=True,
    callback=_pairs,
    metavar="NAME=VALUE",
    help="A constant of the race: rungs=1,2,4 or cohort=20. Repeatable.",
)
@click.option(
    "--no-auto-stop",
    is_flag=True,
    help="Use the whole budget, even when another trial is unlikely to win.",
)
@click.option(
    "--sampler",
    default="model",
    show_default=True,
    metavar="NAME",
    help="model (learns from every trial, whole or not), tpe, random, grid, or Keras Tuner's "
    "kt-random, kt-grid, kt-bayesian.",
)
@click.option(
    "--baselines",
    type=click.Choice(["race", "full", "none"]),
    default="race",
    show_default=True,
    help="The documented models as first trials: like any other, each in full, or not at all.",
)
@workers_option
@cluster_option
@seed_option("Decides proposals, weights, order and augmentation; the folds do not follow it.")
@click.option(
    "--max-params",
    type=click.IntRange(min=1),
    default=2_000_000,
    show_default=True,
    metavar="N",
    help="Largest number of weights tried.",
)
@click.option(
    "--max-macs",
    type=click.IntRange(min=1),
    default=20_000_000,
    show_default=True,
    metavar="N",
    help="Most multiply-adds an image.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "mixed_bfloat16"]),
    default="float32",
    show_default=True,
    help="mixed_bfloat16 computes in half the bits, where the processor has them.",
)
@click.option(
    "--retries",
    type=click.IntRange(0, 10),
    default=0,
    show_default=True,
    metavar="N",
    help="How often a fold that failed is tried again, with other seeds, before its trial fails.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, time a few models, stop.")
@where_options
@show_options
@click.pass_context
def command(  # noqa: PLR0913 - one parameter an option
    context: click.Context,
    /,
    *,
    dataset: str,
    study: str | None,
    space: str,
    ranges: Mapping[str, str],
    fixed: Mapping[str, str],
    trials: int | None,
    minutes: float | None,
    workers: int,
    cluster: str | None,
    dry_run: bool,
    policy: str,
    race: Mapping[str, str],
    no_auto_stop: bool,
    results: Path,
    storage: Storage | None,
    as_json: bool,
    quiet: bool,
    no_progress: bool,
    color: str,
    max_failures: int,
    job_minutes: float,
    **chosen: int | str,
) -> int:
    """Starts a study: searches for the CNN with the best stratified k-fold accuracy.

    It can be stopped at any moment, by Ctrl-C or otherwise, and resumed.
    """
    # Imported here: `search --help` waits for none of it.
    from mnist_hpo.data.prepare import check_folds  # noqa: PLC0415
    from mnist_hpo.data.sources import default_study_name  # noqa: PLC0415
    from mnist_hpo.development import development_for  # noqa: PLC0415
    from mnist_hpo.planning import dry_run_lines  # noqa: PLC0415
    from mnist_hpo.searching import Effort, invited, search  # noqa: PLC0415
    from mnist_hpo.studies import checked_name, ledger_place  # noqa: PLC0415
    from mnist_hpo.views import view_for  # noqa: PLC0415
    from search import reader  # noqa: PLC0415
    from search.records import Budget  # noqa: PLC0415
    from search.store import Ledger  # noqa: PLC0415
    from search.study import Choices, facts_of  # noqa: PLC0415
    from spaces.catalog import load  # noqa: PLC0415
    from spaces.narrowing import narrowed  # noqa: PLC0415

    _check_race(policy, race)
    name = checked_name(study or default_study_name(dataset))
    place = ledger_place(results, name, storage)
    if reader.has_study(place, name):
        raise UserError(
            f"Study {name!r} exists already, in {place}.",
            command_line("resume", name, results=results, storage=storage)
            + "        goes on with it\n"
            + command_line("search", "--study", f"{name}-2", results=results, storage=storage)
            + "        starts another one",
        )
    catalogue = load(space)
    catalogue = catalogue.with_space(narrowed(catalogue.space, ranges, fixed))
    data, dataset_facts = development_for(dataset)
    choices = Choices(
        ranges=ranges,
        fixed=fixed,
        policy=policy,
        race=race,
        **chosen,  # type: ignore[arg-type]  # by name
    )
    check_folds(data.y, choices.folds)
    facts = facts_of(name, data, model=space, space=catalogue.space, choices=choices)
    if trials is None and minutes is None:
        trials = _DEFAULT_TRIALS
    budget = Budget(trials=trials, minutes=minutes, auto_stop=not no_auto_stop)
    view = view_for(quiet=quiet, as_json=as_json, no_progress=no_progress, color=color)
    for line in (*dataset_facts.doubts, *invited(catalogue, facts).left_out):
        click.echo(line, err=True)
    if dry_run:
        for line in dry_run_lines(facts, budget, dataset_facts, catalogue, data, workers=workers):
            click.echo(line)
        return 0
    code = search(
        Ledger.create(place, facts, budget),
        catalogue,
        data,
        folder=results / name,
        effort=Effort(
            workers=workers,
            max_failures=max_failures,
            job_minutes=job_minutes,
            cluster=cluster,
        ),
        view=view,
    )
    if code == 0 and not as_json:
        show_study(context, name, results=results, storage=storage, color=color)
    return code


def _check_race(policy: str, given: Mapping[str, str]) -> None:
    """Checks the constants of the race before anything is loaded."""
    from search.errors import StudyError  # noqa: PLC0415 - as in `command`
    from search.policies import policy_for  # noqa: PLC0415 - likewise: NumPy

    try:
        policy_for(policy, given)
    except StudyError as error:
        raise click.BadParameter(str(error), param_hint="--race") from error


def show_study(context: click.Context, name: str, **where: object) -> None:
    """Shows the study's table, as `mnist-hpo show` does."""
    from mnist_hpo.commands.show import command as show  # noqa: PLC0415 - not for --help

    context.invoke(show, study=name, **where)
