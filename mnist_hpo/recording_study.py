"""The study of a recording: begun, or gone on with where it stopped."""

from pathlib import Path

from mnist_hpo.grid_plan import GridPlan
from mnist_hpo.progress import AbstractView
from mnist_hpo.recording import check_same_recording
from mnist_hpo.searching import Effort, search
from mnist_hpo.studies import ledger_place
from search import reader
from search.proposals import AbstractProposer
from search.records import Budget, Facts, History
from search.store import Ledger
from search.study import Choices, Development, check_unchanged, facts_of


def facts_of_recording(
    name: str, data: Development, plan: GridPlan, asked: AbstractProposer, *, seed: int
) -> Facts:
    """States the facts of a study that trains whole what `asked` proposes of a grid.

    Raises:
        FoldError: the data cannot be split into that many folds.
        StudyError: the grid has too many points.
    """
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
    return facts_of(name, data, model=model, space=plan.space, choices=choices, asked=asked)


def record(  # noqa: PLR0913 - the parts of one recording, chosen by who asks for it
    facts: Facts,
    plan: GridPlan,
    data: Development,
    asked: AbstractProposer,
    *,
    size: int,
    results: Path,
    effort: Effort,
    view: AbstractView,
) -> tuple[int, History]:
    """Trains what is missing of a recording of so many trainings.

    Returns:
        The exit code of `search`, and what is recorded by now.

    Raises:
        StudyError: it was begun otherwise; the message says what.
        SearchError: as in `search`.
    """
    place = ledger_place(results, facts.study)
    if reader.has_study(place, facts.study):
        begun = reader.read(place, facts.study).history
        check_unchanged(begun.facts, data, plan.space)
        check_same_recording(begun, plan, seed=facts.seed, size=size)
        ledger = Ledger.open(place, facts.study)
    else:
        ledger = Ledger.create(place, facts, Budget(trials=size))
    if ledger.history.is_done:
        ledger.close()
        return 0, ledger.history
    folder = results / facts.study
    code = search(
        ledger, plan.catalogue, data, folder=folder, effort=effort, view=view, asked=asked
    )
    return code, ledger.history
