"""The page: one HTML file that needs nothing else. Pure: what is shown was read before.

Jinja escapes every value; what is written as it is (`safe`) is drawn by `mnist_hpo.charts`, whose
texts the standard library escapes. The policy in the page's head lets a browser run exactly this
script and this style, and fetch nothing.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import jinja2

from mnist_hpo.charts.digits import Digit, data_uri
from mnist_hpo.charts.theme import DARK, LIGHT, page_chart_style, variables
from mnist_hpo.evidence import Evidence
from mnist_hpo.formats import whole_text
from mnist_hpo.prospects import values_of
from mnist_hpo.report import digits
from mnist_hpo.report.effects import untold
from mnist_hpo.report.leaderboard import documented_table, fold_table, leaderboard, ways
from mnist_hpo.report.material import ChosenDigit, FinalMaterial, Material
from mnist_hpo.report.network import layer_table, network_trial
from mnist_hpo.report.pictures import MOST_FOLD_ROWS, Picture
from mnist_hpo.report.provenance import (
    about_commands,
    class_table,
    environment_table,
    prints_table,
)
from mnist_hpo.report.summary import headline, summary
from mnist_hpo.reproducing import commands
from mnist_hpo.tables import unbroken
from search.importance import LEAST_TRIALS

SECTIONS = (
    ("summary", "Summary"),
    ("leaderboard", "Leaderboard"),
    ("history", "History"),
    ("parameters", "Hyperparameters"),
    ("race", "Race"),
    ("folds", "Folds"),
    ("curves", "Curves"),
    ("test", "Test set"),
    ("features", "Feature maps"),
    ("network", "Network"),
    ("documented", "Documented models"),
    ("reproduce", "Environment"),
)
"""Anchor and title of each section, in their order."""


def render(
    material: Material,
    charts: Sequence[Picture],
    *,
    chosen: ChosenDigit | None,
    written: datetime,
) -> str:
    """Returns the page.

    Args:
        material: What the study is and has.
        charts: `pictures` of it.
        chosen: Another digit for the feature maps than the stored one.
        written: When, UTC.
    """
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("mnist_hpo.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = _style(_source(templates, "style.css"))
    script = _source(templates, "script.js")
    context = _context(material, charts) | _test(material) | _features(material, chosen)
    return templates.get_template("page.html").render(
        context,
        style=style,
        script=script,
        policy=_policy(style, script),
        sections=SECTIONS,
        written=written.isoformat(timespec="seconds"),
    )


def _source(templates: jinja2.Environment, name: str) -> str:
    assert templates.loader is not None  # noqa: S101 - given above
    return templates.loader.get_source(templates, name)[0]


def _style(own: str) -> str:
    return (
        f":root{{{variables(LIGHT)}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{variables(DARK)}}}}}\n"
        f"@media print{{:root{{{variables(LIGHT)}}}}}\n"
        f"{own}\n{page_chart_style()}\n"
    )


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; img-src data:; style-src '{_fingerprint(style)}'; "
        f"script-src '{_fingerprint(script)}'; base-uri 'none'; form-action 'none'"
    )


def _fingerprint(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _context(material: Material, charts: Sequence[Picture]) -> dict[str, Any]:
    facts, by_section = material.facts, _by_section(charts)
    shown = network_trial(material)
    return {
        "study": facts.study,
        "version": material.versions.get("mnist-hpo", "from its source tree"),
        "headline": headline(material),
        "summary": [unbroken(line) for line in summary(material)],
        "leaderboard": leaderboard(material),
        "pictures": {
            name: by_section.get(name, [])
            for name in (
                "history", "importance", "effects", "race", "folds", "test", "network",
            )
        },
        "judged": len(values_of(material.rows)),
        "least": LEAST_TRIALS,
        "untold": untold(material),
        "ways": ways(material),
        "folds": fold_table(material, MOST_FOLD_ROWS),
        "fold_count": facts.folds,
        "curves": [
            (row.trial.number, _curve_title(row.trial.number, row.rank), own)
            for row in material.complete
            if (own := by_section.get(f"curves-{row.trial.number}"))
        ],
        "layers": layer_table(material),
        "network_about": ""
        if shown is None
        else f"Trial {shown.number}: {whole_text(shown.params)} parameters, "
        f"{whole_text(shown.macs)} multiply-adds an image.",
        "network_missing": "The network is shown once a trial is complete."
        if shown is None
        else "The layers of a model of your own are known once it is finalized.",
        "documented": documented_table(material),
        "commands": commands(facts, material.history.budget, _finalized(material)),
        "reproduce_about": about_commands(material),
        "environment": environment_table(material),
        "prints": prints_table(material),
    }  # fmt: skip


def _by_section(charts: Sequence[Picture]) -> dict[str, list[Picture]]:
    found: dict[str, list[Picture]] = {}
    for picture in charts:
        found.setdefault(picture.section, []).append(picture)
    return found


def _curve_title(trial: int, rank: int | None) -> str:
    return f"Trial {trial}, rank {rank}"


def _finalized(material: Material) -> tuple[int, ...]:
    return tuple(dict.fromkeys(look.trial for look in material.history.openings))


def _test(material: Material) -> dict[str, Any]:
    final = material.final
    if final is None:
        return {"final": None}
    own = final.evidence
    context: dict[str, Any] = {
        "final": final,
        "result": _result(material, final),
        "classes": class_table(final.result),
        "evidence": own,
    }
    if own is not None:
        context |= {
            "wrong": digits.wrong_digits(own),
            "wrong_count": len(own.wrong),
            "right": digits.right_digits(own),
            "samples": digits.predicted_digits(own),
            "examples": digits.example_digits(own),
        }
    return context


def _result(material: Material, final: FinalMaterial) -> str:
    result, looks = final.result, len(material.history.openings)
    low, high = result.interval
    seen = "once" if looks == 1 else f"{looks} times, each look counted"
    return (
        f"Trial {final.trial.number}, retrained on the whole development set: accuracy "
        f"{result.accuracy:.4f} ({whole_text(result.total - result.correct)} wrong of "
        f"{whole_text(result.total)}; Wilson's 95 % interval {low:.4f} to {high:.4f}), loss "
        f"{result.loss:.4f}. The test set was opened {seen}. Model file SHA-256 "
        f"{final.model_sha256}."
    )


def _stored(evidence: Evidence) -> ChosenDigit:
    return ChosenDigit(
        pixels=evidence.digit,
        index=evidence.digit_index,
        label=evidence.digit_label,
        maps=evidence.maps,
    )


def _features(material: Material, chosen: ChosenDigit | None) -> dict[str, Any]:
    final = material.final
    evidence = None if final is None else final.evidence
    shown = chosen or (None if evidence is None else _stored(evidence))
    if shown is None or not shown.maps:
        return {"maps": (), "maps_missing": _why_no_maps(final, shown)}
    how = "chosen" if chosen else "drawn by the study's seed"
    return {
        "maps": digits.feature_maps(shown.maps),
        "maps_digit": Digit(
            uri=data_uri(shown.pixels, inverted=True),
            caption=str(shown.label),
            alt=f"development image {shown.index}, a {shown.label}",
        ),
        "maps_about": f"What each Conv2D layer makes of development image {shown.index}, a "
        f"{shown.label}, {how}.",
    }


def _why_no_maps(final: FinalMaterial | None, shown: ChosenDigit | None) -> str:
    if final is None:
        return "Feature maps are those of a trained model, and finalize has not trained one yet."
    if shown is None:
        return f"{final.missing} So no feature maps were stored either."
    return "The model has no Conv2D layer, or is no graph of layers that Keras could look into."
