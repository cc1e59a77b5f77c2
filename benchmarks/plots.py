"""Draws what `mnist-hpo bench replay --json` measured.

    python benchmarks/plots.py REPLAY.json FOLDER

Writes two pictures to the folder: targets.svg, the share of studies whose recommendation was
within 0, 1 or 2 noise floors of the best after so many seconds; and picks.svg, the regret of
each method against its speed-up.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "mnist-hpo", "font.size": 8})
"""The same document gives the same file."""

FRONT = 8
"""So many methods are drawn in colour: the fastest to one noise floor; the others in grey."""


def main(source: str, folder: str) -> None:
    """Writes the pictures."""
    document = json.loads(Path(source).read_text(encoding="utf-8"))
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    _write(_targets(document), out / "targets.svg")
    _write(_picks(document), out / "picks.svg")


def _write(figure: Any, path: Path) -> None:  # noqa: ANN401 - matplotlib's Figure or SubFigure
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


def _targets(document: Mapping[str, Any]) -> Any:  # noqa: ANN401 - likewise
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True)
    front = _fastest(document["methods"])
    for axis, floors in zip(axes, ("0", "1", "2"), strict=True):
        for own in document["methods"]:
            place = front.index(own["name"]) if own["name"] in front else None
            _steps(axis, own, floors, place)
        axis.set_xscale("log")
        axis.set_xlabel("seconds of training and deciding")
        axis.set_title(f"within {floors} noise floors of the best")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("share of studies")
    axes[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    figure.suptitle(document["notes"][0], y=1.02)
    return figure


def _fastest(methods: Sequence[Mapping[str, Any]]) -> list[str]:
    seconds = {own["name"]: own["to_target"]["1"]["seconds"] for own in methods}
    met = sorted((s, name) for name, s in seconds.items() if s is not None)
    return [name for _, name in met][:FRONT]


def _steps(axis: Axes, own: Mapping[str, Any], floors: str, place: int | None) -> None:
    """Draws how many of a method's studies had met the target by each second."""
    after = own["to_target"][floors]["met_after"]
    shares = [(i + 1) / own["seeds"] for i in range(len(after))]
    if place is None:
        axis.step(after, shares, where="post", color="0.8", linewidth=0.8, zorder=1)
    else:
        axis.step(
            after, shares, where="post", color=f"C{place}", label=own["name"], zorder=3 - place / 9
        )


def _picks(document: Mapping[str, Any]) -> Any:  # noqa: ANN401 - likewise
    figure, axis = plt.subplots(figsize=(7, 4.5))
    for own in document["methods"]:
        speed, regret = own["speedup"], own["regret"]["mean"]
        reach = [[speed["median"] - speed["low"]], [speed["high"] - speed["median"]]]
        axis.errorbar(speed["median"], regret, xerr=reach, fmt="o", markersize=4)
        axis.annotate(
            own["name"], (speed["median"], regret), xytext=(4, 3), textcoords="offset points"
        )
    naive = next(own for own in document["methods"] if own["name"] == "full")
    allowed = naive["regret"]["mean"] + document["noise_floor"] / 2
    axis.axhline(allowed, linestyle=":", color="0.4")
    axis.set_xscale("log")
    axis.set_xlabel("times faster than the naive loop (median, 95 % interval)")
    axis.set_ylabel("mean regret, points of accuracy")
    axis.set_title("dotted: the naive loop's regret and half a noise floor")
    axis.grid(alpha=0.3)
    return figure


if __name__ == "__main__":
    main(*sys.argv[1:])
