"""Writes what `mnist-hpo bench replay --json` measured as the rows of README.md's tables.

python benchmarks/markdown.py REPLAY.json
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HEAD = (
    "| method | seeds | times cheaper | regret | p90 | seconds | trials | fold-epochs "
    "| target 0 / 1 / 2 | slower to 0 | slower to 1 | slower to 2 |"
)


def main(source: str) -> None:
    """Prints the table."""
    document = json.loads(Path(source).read_text(encoding="utf-8"))
    print(HEAD)
    print("|---|" + "---:|" * (HEAD.count("|") - 2))
    for own in document["methods"]:
        print("| " + " | ".join(_cells(own)) + " |")


def _cells(own: Mapping[str, Any]) -> list[str]:
    speedup, targets = own["speedup"], own["to_target"].values()
    return [
        f"`{own['name']}`" if own["settings"] else own["name"],
        str(own["seeds"]),
        f"{speedup['median']:.1f} ({speedup['low']:.1f}-{speedup['high']:.1f})",
        f"{own['regret']['mean']:.3f}",
        f"{own['regret']['p90']:.3f}",
        f"{own['seconds']:.0f}",
        f"{own['trials']:.0f}",
        f"{own['fold_epochs']:.0f}",
        " / ".join(_number(target["seconds"], 0) for target in targets),
        *(_ratio(target["times_slower"]) for target in targets),
    ]


def _number(value: float | None, digits: int) -> str:
    return "never" if value is None else f"{value:.{digits}f}"


def _ratio(slower: Mapping[str, float | None]) -> str:
    low, high = (_number(slower[name], 1) for name in ("low", "high"))
    return f"{_number(slower['ratio'], 1)} ({low}-{high})"


if __name__ == "__main__":
    main(*sys.argv[1:])
