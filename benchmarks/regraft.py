"""Gives a table the building seconds of another recording, measured in its own epochs.

    python benchmarks/regraft.py CURVES.jsonl.gz BUILDS.jsonl.gz OUT.jsonl.gz

What a trainer takes to build and trace a model changes with the trainer; curves do not, and they
take hours. BUILDS is a short recording of every graph of CURVES with the same data and folds. The
two may come from different machines, so seconds do not carry over and ratios do: a build that
takes as long as two epochs in BUILDS takes two epochs of CURVES. The header of OUT tells where
both come from.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median

from search.table import Row, Table


def epoch_seconds(row: Row) -> float:
    """Returns the median seconds of an epoch."""
    return median(seconds for fold in row.seconds for seconds in fold)


def in_epochs(builds: Table) -> Mapping[str, tuple[float, float]]:
    """Returns for each graph what building it takes, and what reusing it takes, in epochs."""
    return {
        str(row.more["graph"]): (
            row.build[0] / epoch_seconds(row),
            float(row.more["warm"]) / epoch_seconds(row),
        )
        for row in builds.rows
    }


def regrafted(curves: Table, builds: Table) -> Table:
    """Returns `curves` with the building of `builds`.

    Raises:
        ValueError: the two were not recorded on the same data and folds, or a graph is missing.
    """
    for name in ("data_sha256", "folds_sha256", "clock"):
        if curves.provenance[name] != builds.provenance[name]:
            raise ValueError(
                f"Both tables have one {name}, got {curves.provenance[name]} and "
                f"{builds.provenance[name]}."
            )
    epochs = in_epochs(builds)
    missing = {str(row.more["graph"]) for row in curves.rows} - epochs.keys()
    if missing:
        raise ValueError(f"Every graph is recorded in both tables, {len(missing)} are not.")
    rows = []
    for row in curves.rows:
        build, warm = epochs[str(row.more["graph"])]
        unit = epoch_seconds(row)
        rows.append(
            replace(
                row,
                build=(build * unit,) * len(row.build),
                more={**row.more, "warm": round(warm * unit, 4)},
            )
        )
    provenance = {**curves.provenance, "building": dict(builds.provenance)}
    return replace(curves, rows=tuple(rows), provenance=provenance)


def main(curves: str, builds: str, out: str) -> None:
    """Writes the table."""
    table = regrafted(Table.read(Path(curves)), Table.read(Path(builds)))
    table.write(Path(out))
    epochs = [row.build[0] / epoch_seconds(row) for row in table.rows]
    print(
        f"A build takes {median(epochs):.2f} epochs (median of {len(epochs)} rows, "
        f"{min(epochs):.2f} to {max(epochs):.2f})."
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
