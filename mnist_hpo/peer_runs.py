"""What other libraries did on a recorded table, kept beside it: one JSON object a line."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mnist_hpo.errors import UserError


def files_beside(table: Path) -> list[Path]:
    """Returns the files of runs on a table: TABLE.peers*.jsonl, and those with .gz behind it."""
    name = f"{table.name}.peers*.jsonl"
    return sorted([*table.parent.glob(name), *table.parent.glob(f"{name}.gz")])


def runs_in(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the runs of a file, without a line that a kill has cut.

    Raises:
        UserError: the file is damaged.
    """
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    except (OSError, EOFError, ValueError, zlib.error) as error:  # ValueError: no UTF-8
        raise UserError(
            f"The peers' runs in {path} cannot be read: {error}.",
            "take the file away: the runs are made anew (benchmarks/peers/README.md)",
        ) from error
    for line in text.splitlines():
        try:
            yield dict(json.loads(line))
        except json.JSONDecodeError:
            continue
