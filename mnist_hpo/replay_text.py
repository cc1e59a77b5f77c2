"""What `bench replay` shows: a document for machines, a table for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from mnist_hpo.replay_figures import (
    expected_seconds,
    noise_floor,
    summary,
    times_slower,
    times_to,
)
from mnist_hpo.replaying import NAIVE, Plan, Result
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
    times = {
        floors: {
            name: times_to(own, best - floors * floor / 100 - 1e-9)
            for name, own in results.items()
        }
        for floors in TARGETS
    }
    reference = next((name for name in results if name != NAIVE.name), NAIVE.name)
    methods = []
    for name, own in results.items():
        entry = summary(own, results[NAIVE.name], best=best, settings=settings.get(name, {}))
        entry["workers"] = plan.workers
        entry["to_target"] = {
            str(floors): {
                "seconds": expected_seconds(of[name]),
                "times_slower": times_slower(of[name], of[reference]),
                "met_after": sorted(seconds for seconds, met in of[name] if met),
            }
            for floors, of in times.items()
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
        "reference": reference,
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
                "recommendation is within 0, 1 or 2 noise floors of the best. Slower: how many "
                f"times the seconds of {reference} that is at 1 noise floor, with 95 % interval."
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
        Column("Slower", right=True, priority=4),
    )
    rows = []
    for own in document["methods"]:
        speedup, targets = own["speedup"], own["to_target"].values()
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
                        _seconds(target["seconds"]) for target in targets
                    ),
                    "Slower": _ratio(own["to_target"]["1"]["times_slower"]),
                }
            )
        )
    return TextTable(columns, tuple(rows))


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f}"


def _ratio(slower: Mapping[str, float | None]) -> str:
    ratio, low, high = (
        "-" if slower[name] is None else f"{slower[name]:.2f}" for name in ("ratio", "low", "high")
    )
    return ratio if ratio == "-" else f"{ratio} ({low}-{high})"
