"""`--figures DIR`: the page's pictures as files, SVG and, with the extra `figures`, PNG."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from mnist_hpo.charts.digits import digit_grid, picture
from mnist_hpo.charts.svg import Drawing
from mnist_hpo.charts.theme import LIGHT, chart_style
from mnist_hpo.report import digits
from mnist_hpo.report.material import ChosenDigit, Material
from mnist_hpo.report.pictures import Picture
from search.files import write_whole

_SCALE = 2
"""Pixels of a PNG to one of the drawing: sharp on paper and on dense screens."""


def write_figures(
    folder: Path, material: Material, charts: Sequence[Picture], chosen: ChosenDigit | None
) -> Iterator[str]:
    """Writes every picture, and yields what a person should know of it.

    Raises:
        OSError: the folder cannot be written.
    """
    drawings = {own.name: own.wide for own in charts} | dict(_of_digits(material, chosen))
    style = chart_style(LIGHT)
    has_png = find_spec("resvg_py") is not None
    for name, drawing in drawings.items():
        svg = drawing.file(style)
        write_whole(folder / f"{name}.svg", svg.encode())
        if has_png:
            write_whole(folder / f"{name}.png", png(svg, drawing))
    kinds = "SVG and PNG" if has_png else "SVG"
    yield f"{len(drawings)} pictures as {kinds} in {folder}"
    if not has_png:
        yield "PNG as well:  pip install 'mnist-hpo[figures]'"


def png(svg: str, drawing: Drawing) -> bytes:
    """Returns a drawing as a PNG.

    The letters are those of DejaVu Sans, which comes with matplotlib: the same on every machine.
    """
    import resvg_py  # noqa: PLC0415 - an extra

    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            width=round(drawing.width * _SCALE),
            skip_system_fonts=True,
            font_files=[str(own) for own in _fonts()],
            font_family="DejaVu Sans",
            sans_serif_family="DejaVu Sans",
        )
    )


def _fonts() -> list[Path]:
    spec = find_spec("matplotlib")
    assert spec is not None  # noqa: S101 - mlxtend depends on it
    assert spec.origin is not None  # noqa: S101 - likewise
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    return [folder / "DejaVuSans.ttf", folder / "DejaVuSans-Bold.ttf"]


def _of_digits(material: Material, chosen: ChosenDigit | None) -> Iterator[tuple[str, Drawing]]:
    """Yields the grids of digits and the feature maps."""
    evidence = None if material.final is None else material.final.evidence
    if evidence is not None:
        wrong = digits.wrong_digits(evidence)
        for name, title, own, columns in (
            ("digits-right", "Right", digits.right_digits(evidence), 3),
            ("digits-wrong", "Wrong", wrong[: digits.SIDE_BY_SIDE], 3),
            ("digits-all-wrong", f"All {len(evidence.wrong)} misclassified digits", wrong, 10),
            ("digits-predictions", "Predictions", digits.predicted_digits(evidence), 5),
            ("digits-samples", "Sample digits", digits.example_digits(evidence), 5),
        ):
            if own:
                yield name, digit_grid(own, title=title, columns=columns)
    maps = chosen.maps if chosen else {} if evidence is None else evidence.maps
    for sheet in digits.feature_maps(maps):
        yield (
            f"maps-{sheet.layer}",
            picture(
                sheet.uri, title=sheet.about, width=2.0 * sheet.width, height=2.0 * sheet.height
            ),
        )
