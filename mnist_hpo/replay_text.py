"""What `bench replay` shows: a document for machines, a table for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from mnist_hpo.replaying import NAIVE, Plan, Result, noise_floor, summary, time_to
from mnist_hpo.tables import Column, Row
from mnist_hpo.tables import Table as TextTable
from search.environment import current_environment
from search.table import Table

TARGETS = (0, 1, 2)
"""Noise floors below the table's best, for the seconds to a target."""


def replay_document(
    plan: Plan,
    table: Table,
    results: Mapping[str, Sequence[Result]],
    settings: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Returns everything that was measured as plain JSON values."""
    best, floor = table.best, noise_floor(table)
    methods = []
    for name, own in results.items():
        entry = summary(own, results[NAIVE.name], best=best, settings=settings.get(name, {}))
        entry["workers"] = plan.workers
        entry["seconds_to_target"] = {
            str(floors): time_to(own, best - floors * floor / 100 - 1e-9) for floors in TARGETS
        }
        methods.append(entry)
    environment = current_environment()
    return {
        "table": plan.table.name,
        "configurations": len(table.rows),
        "best": best,
        "noise_floor": floor,
        "candidates": plan.candidates,
        "seeds": plan.seeds,
        "workers": plan.workers,
        "environment": environment,
        "methods": methods,
        "notes": [
            (
                f"{len(table.rows)} configurations, the best has {best:.4f}; noise floor "
                f"{floor:.3f} points; {plan.candidates} candidates, {plan.workers} simulated "
                f"worker{'s' if plan.workers > 1 else ''}, "
                f"{plan.seeds} seed{'s' if plan.seeds > 1 else ''}."
            ),
            (
                "Speed-up: the naive loop's cost over this one's, median with its 95 % bootstrap "
                "interval. Regret in points of accuracy. Target: expected seconds until the "
                "recommendation is within 0, 1 or 2 noise floors of the best."
            ),
        ],
    }


def replay_table(document: Mapping[str, Any]) -> TextTable:
    """Returns a row for each method."""
    columns = (
        Column("Method", least=12),
        Column("Speed-up", right=True),
        Column("95 %", right=True, priority=1),
        Column("Regret", right=True),
        Column("p90", right=True, priority=2),
        Column("Seconds", right=True, priority=3),
        Column("Deciding", right=True, priority=5),
        Column("Trials", right=True, priority=6),
        Column("Fold-epochs", right=True, priority=6),
        Column("Coverage", right=True, priority=7),
        Column("Target 0 / 1 / 2", right=True, priority=4),
    )
    rows = []
    for own in document["methods"]:
        speedup, targets = own["speedup"], own["seconds_to_target"].values()
        rows.append(
            Row(
                {
                    "Method": own["name"],
                    "Speed-up": f"{speedup['median']:.1f}x",
                    "95 %": f"{speedup['low']:.1f}-{speedup['high']:.1f}",
                    "Regret": f"{own['regret']['mean']:.3f}",
                    "p90": f"{own['regret']['p90']:.3f}",
                    "Seconds": f"{own['seconds']:.0f}",
                    "Deciding": f"{own['decision_seconds']:.1f}",
                    "Trials": f"{own['trials']:.0f}",
                    "Fold-epochs": f"{own['fold_epochs']:.0f}",
                    "Coverage": "-" if own["coverage"] is None else f"{own['coverage']:.3f}",
                    "Target 0 / 1 / 2": " / ".join(
                        "never" if own_ is None else f"{own_:.0f}" for own_ in targets
                    ),
                }
            )
        )
    return TextTable(columns, tuple(rows))
