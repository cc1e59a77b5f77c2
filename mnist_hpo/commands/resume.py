"""`mnist-hpo resume`: goes on at the first missing epoch of the first missing fold."""

from dataclasses import replace
from pathlib import Path

import click

from mnist_hpo.commands.search import show_study
from mnist_hpo.options import (
    cluster_option,
    minutes_option,
    show_options,
    study_argument,
    where_options,
    workers_option,
)
from mnist_hpo.storage import Storage


@click.command("resume")
@study_argument
@click.option("--trials", type=click.IntRange(min=1), metavar="N", help="New total of trials.")
@minutes_option("New total time.")
@click.option(
    "--no-auto-stop",
    is_flag=True,
    help="Use the whole budget, even when another trial is unlikely to win.",
)
@click.option(
    "--again",
    type=click.IntRange(min=0),
    multiple=True,
    metavar="N",
    help="Train the configuration of trial N once more, whole, with other seeds. Repeatable.",
)
@click.option(
    "--retry-failed",
    is_flag=True,
    help="Try each configuration that failed once more, as a new trial with other seeds.",
)
@workers_option
@cluster_option
@click.option(
    "--allow-env-drift",
    is_flag=True,
    help="Go on with other versions or another processor than the study began with.",
)
@where_options
@show_options
@click.pass_context
def command(  # noqa: PLR0913 - one parameter an option
    context: click.Context,
    /,
    *,
    study: str,
    trials: int | None,
    minutes: float | None,
    no_auto_stop: bool,
    again: tuple[int, ...],
    retry_failed: bool,
    workers: int,
    cluster: str | None,
    allow_env_drift: bool,
    results: Path,
    storage: Storage | None,
    as_json: bool,
    quiet: bool,
    no_progress: bool,
    color: str,
    max_failures: int,
    job_minutes: float,
) -> int:
    """Goes on with a study: nothing that was finished is trained again.

    STUDY is its name, or the beginning of it. What a score means cannot be changed here.
    """
    # Imported here: `resume --help` waits for none of it.
    from mnist_hpo.development import development_for  # noqa: PLC0415
    from mnist_hpo.searching import Effort, search  # noqa: PLC0415
    from mnist_hpo.standing import larger_budget  # noqa: PLC0415
    from mnist_hpo.studies import find  # noqa: PLC0415
    from mnist_hpo.views import view_for  # noqa: PLC0415
    from search import changes, reader  # noqa: PLC0415
    from search.records import Budget  # noqa: PLC0415
    from search.store import Ledger  # noqa: PLC0415
    from search.study import check_unchanged, raised_budget  # noqa: PLC0415
    from spaces.catalog import load  # noqa: PLC0415
    from spaces.narrowing import narrowed  # noqa: PLC0415

    name, place = find(results, storage, study)
    view = view_for(quiet=quiet, as_json=as_json, no_progress=no_progress, color=color)
    history = reader.read(place, name).history
    facts = history.facts
    repeated = [changes.again(history, number) for number in again]
    if retry_failed:
        repeated += changes.failed_anew(history)
    if repeated and trials is None and history.budget.trials is not None:
        trials = history.budget.trials + len(repeated)  # in addition to what was asked for
    wish = Budget(trials=trials, minutes=minutes, auto_stop=not no_auto_stop)
    done = len(history.trials)
    budget = raised_budget(facts, history.budget, done, wish, added=len(repeated))
    if history.is_done and budget == history.budget:
        assert history.ending is not None  # noqa: S101 - what `is_done` means
        cure = " Raise --trials or --minutes to go on." if larger_budget(history) else ""
        click.echo(f"{name} is done: {history.ending.reason}.{cure}")
        return 0
    catalogue = load(facts.model)
    space = narrowed(catalogue.space, facts.ranges, facts.fixed)
    data, _ = development_for(facts.dataset)
    drift = check_unchanged(facts, data, space, allow_drift=allow_env_drift)
    for line in drift:
        click.echo(f"environment differs, as allowed: {line}", err=True)
    ledger = Ledger.open(place, name)
    if budget != ledger.history.budget:
        ledger.set_budget(budget)
    for trial in repeated:
        ledger.add(replace(trial, number=len(ledger.history.trials)))
    code = search(
        ledger,
        catalogue.with_space(space),
        data,
        folder=results / name,
        effort=Effort(
            workers=workers,
            max_failures=max_failures,
            job_minutes=job_minutes,
            cluster=cluster,
            any_versions=allow_env_drift,
        ),
        view=view,
    )
    if code == 0 and not as_json:
        show_study(context, name, results=results, storage=storage, color=color)
    return code
