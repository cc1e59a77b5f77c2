r"""Trains configurations of a recorded table again, with other seeds: what noise is, measured.

    python benchmarks/repeats.py TABLE.jsonl.gz --dataset mnist-5k \
        --grid benchmarks/grids/mnist-5k.json --out OUT.jsonl.gz --workers 2

`mnist-hpo bench record` does so itself at the end of a recording. This is for a table whose
recording is no longer there: the configurations that the grid file's `repeats` would choose are
trained on the same folds by studies of other seeds, one a repeat. Only what is missing is trained.
It can be stopped, and goes on with the same command.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, final

from mnist_hpo.development import development_for
from mnist_hpo.grid_plan import GridPlan
from mnist_hpo.recording import places_to_repeat, repeat_of
from mnist_hpo.recording_study import facts_of_recording, record
from mnist_hpo.searching import Effort
from mnist_hpo.views import view_for
from search.proposals import AbstractProposer, Misfit
from search.records import History
from search.table import Row, Table
from spaces.space import Config, config_key


@final
class Listed(AbstractProposer):
    """Proposes configurations in their order."""

    name = "grid"

    def __init__(self, configs: Sequence[Config]) -> None:
        self._configs = configs

    def propose(self, history: History, misfit: Misfit) -> Config | None:
        del misfit  # all of them were trained once
        used = history.tried
        return next((own for own in self._configs if config_key(own) not in used), None)


def chosen(table: Table, plan: GridPlan) -> list[Row]:
    """Returns the rows that a recording of this table repeats, as `bench record` draws them."""
    places = places_to_repeat(table.provenance["seed"], len(table.rows), plan.repeated)
    return [table.rows[place] for place in places]


def trained(
    rows: Sequence[Row], plan: GridPlan, table: Table, arguments: argparse.Namespace, seed: int
) -> History:
    """Trains rows with the seed of a study of their own.

    Raises:
        ValueError: the dataset's folds are not the table's.
        SystemExit: somebody stopped it; the same command goes on with it.
    """
    data, _ = development_for(arguments.dataset)
    asked = Listed([row.config for row in rows])
    facts = facts_of_recording(f"repeats-{seed}", data, plan, asked, seed=seed)
    if facts.folds_sha256 != table.provenance["folds_sha256"]:
        raise ValueError(f"{arguments.dataset!r} has other folds than the table.")
    code, history = record(
        facts,
        plan,
        data,
        asked,
        size=len(rows),
        results=arguments.results,
        effort=Effort(workers=arguments.workers, max_failures=5, job_minutes=60),
        view=view_for(quiet=False, as_json=False, no_progress=True, color="never"),
    )
    if code:
        raise SystemExit(code)
    return history


def joined(table: Table, histories: Sequence[History]) -> Table:
    """Returns the table with further repeats, and where they come from."""
    found: dict[str, list[dict[str, Any]]] = {}
    for history in histories:
        for trial in history.trials:
            found.setdefault(trial.key, []).append(repeat_of(trial))
    rows = tuple(
        replace(row, more={**row.more, "repeats": [*row.more.get("repeats", ()), *own]})
        if (own := found.get(config_key(row.config)))
        else row
        for row in table.rows
    )
    sources = [
        {
            "seed": history.facts.seed,
            "created": history.facts.created,
            "environment": dict(history.facts.environment),
            "trainings": len(history.trials),
        }
        for history in histories
    ]
    return replace(table, rows=rows, provenance={**table.provenance, "repeats": sources})


def main() -> None:
    """Trains what is missing and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--grid", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    table, plan = Table.read(arguments.table), GridPlan.read(arguments.grid)
    rows = chosen(table, plan)
    histories = []
    for number in range(plan.seeds):
        lacking = [row for row in rows if len(row.more.get("repeats", ())) <= number]
        if lacking:
            histories.append(trained(lacking, plan, table, arguments, number + 1))
    joined(table, histories).write(arguments.out)


if __name__ == "__main__":
    main()
