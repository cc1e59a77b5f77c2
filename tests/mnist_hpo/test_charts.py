"""Charts: places that can be checked by hand, and texts that cannot break out."""

import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from mnist_hpo.charts.confusion import confusion_chart
from mnist_hpo.charts.curves import curve_chart
from mnist_hpo.charts.digits import grey, montage
from mnist_hpo.charts.history import Mark, history_chart
from mnist_hpo.charts.race import Lane, race_chart
from mnist_hpo.charts.scales import AbstractScale, Accuracy, Bands, Linear, Log
from mnist_hpo.charts.svg import Drawing
from mnist_hpo.charts.theme import DARK, LIGHT, chart_style


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [own / 12.92 if own <= 0.04045 else ((own + 0.055) / 1.055) ** 2.4 for own in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_texts_and_lines_can_be_read(theme: dict[str, str]) -> None:
    """WCAG 2.2: 4.5 for texts on either ground (1.4.3), 3 for what a chart is made of (1.4.11)."""
    for ground in ("paper", "panel"):
        for text in ("ink", "muted", "accent"):
            assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
    for line in ("s1", "s2", "s3", "s4", "s5", "heat"):
        assert contrast(theme[line], theme["paper"]) >= 3, line


def test_no_colour_is_left_open() -> None:
    assert "{" not in chart_style(LIGHT).replace("{", "", chart_style(LIGHT).count("}"))
    assert "var(" not in chart_style(LIGHT)


def test_halving_the_errors_is_as_far_everywhere() -> None:
    scale = Accuracy(0.8, 0.99, 0, 100)

    assert scale.at(0.9) - scale.at(0.8) == pytest.approx(scale.at(0.95) - scale.at(0.9))
    assert scale.at(0.8) == pytest.approx(0)
    assert scale.at(0.99) == pytest.approx(100)


@pytest.mark.parametrize("perfect", [[1.0], [1.0, 0.5], [0.0, 1.0], [0.97], []])
def test_an_accuracy_of_0_or_1_has_a_place(perfect: list[float]) -> None:
    scale = Accuracy.over(perfect, 300, 0)

    assert all(0 <= scale.at(value) <= 300 for value in perfect)
    assert all(0 <= place <= 300 for place, _ in scale.ticks())


@pytest.mark.parametrize(
    ("scale", "labels"),
    [
        (Linear(0, 40, 0, 400, whole=True), ["0", "10", "20", "30", "40"]),
        (Linear(1, 2, 0, 1, whole=True), ["1", "2"]),
        (Linear(0, 0.5, 0, 1), ["0", "0.1", "0.2", "0.3", "0.4", "0.5"]),
        (Log(1e-4, 1e-1, 0, 1), ["1e-4", "1e-3", "0.01", "0.1"]),
        (Log(0.04, 0.22, 0, 1), ["0.05", "0.1", "0.2"]),
        (Accuracy(0.895, 0.985, 0, 1), ["0.9", "0.95", "0.98"]),
        (Accuracy(0.9905, 0.9935, 0, 1), ["0.991", "0.992", "0.993"]),
        (Bands(("a", "b"), 0, 10), ["a", "b"]),
    ],
)
def test_ticks_are_round_and_in_order(scale: AbstractScale, labels: list[str]) -> None:
    ticks = scale.ticks()

    assert [label for _, label in ticks] == labels
    assert [place for place, _ in ticks] == sorted(place for place, _ in ticks)


def test_texts_are_escaped() -> None:
    drawing = Drawing(10, 10, title='"><script>alert(1)</script>')
    drawing.text(1, 1, "<b>&")
    drawing.add("circle", cx=1, cy=1, r=1, tip="]]><script>", trial=3)

    for text in (drawing.inline(), drawing.file(chart_style(LIGHT))):
        root = ET.fromstring(text)  # noqa: S314 - our own text
        assert "script" not in {element.tag.rpartition("}")[2] for element in root.iter()}
        assert root.attrib["aria-label"] == '"><script>alert(1)</script>'
        assert "<b>&" in [element.text for element in root.iter()]


def test_the_best_score_only_rises() -> None:
    """0.90, 0.95, 0.93, then a predicted 0.99: steps at 0.90 and 0.95 only."""
    marks = [
        Mark(trial=i, value=value, std=std, tip="")
        for i, (value, std) in enumerate([(0.9, 0.01), (0.95, 0.01), (0.93, 0.01), (0.99, None)])
    ]

    root = ET.fromstring(history_chart(marks, width=760).inline())  # noqa: S314 - our own text

    [steps] = [own for own in root.iter() if own.get("class") == "best"]
    heights = [float(pair.split(",")[1]) for pair in steps.attrib["points"].split()]
    circles = [own for own in root.iter() if own.tag == "circle"]
    places = [float(own.attrib["cy"]) for own in circles]
    assert heights == [places[0], places[0], places[1], places[1]]
    assert [own.attrib["class"] for own in circles] == ["dot", "dot", "dot", "hollow"]


def test_a_lane_is_as_long_as_its_epochs() -> None:
    """Ten epochs of fold 1 and four of fold 2: bars in a ratio of ten to four."""
    lanes = [
        Lane(trial=7, state="stopped", epochs=(10, 4), tip="why"),
        Lane(trial=8, state="complete", epochs=(10, 10), tip=""),
    ]

    root = ET.fromstring(race_chart(lanes, epochs=10, rungs=(1, 2), width=760).inline())  # noqa: S314 - our own text

    bars = [own for own in root.iter() if own.get("data-trial") == "7" and own.tag == "rect"]
    widths = [float(own.attrib["width"]) for own in bars]
    assert widths[1] / widths[0] == pytest.approx(0.4, rel=0.01)
    assert bars[0].findtext("title") == "why"
    assert sum(own.get("class") == "rung" for own in root.iter()) == 2


def test_every_count_of_the_matrix_stands_in_its_cell() -> None:
    matrix = [[0] * 10 for _ in range(10)]
    matrix[4][9], matrix[4][4] = 7, 93

    root = ET.fromstring(confusion_chart(matrix).inline())  # noqa: S314 - our own text

    tips = [own.text for own in root.iter("title")]
    assert "4 read as 9: 7" in tips
    assert "4 right: 93" in tips
    assert root.attrib["aria-label"].endswith("93 right, 7 wrong")


@pytest.mark.parametrize("values", [[[0.5]], [[0.0, 0.0]], [[0.9, 0.8, 0.7], [], [1.0]]])
@pytest.mark.parametrize("measure", ["accuracy", "loss"])
def test_curves_of_any_length_and_value_are_drawn(measure: str, values: list[list[float]]) -> None:
    text = curve_chart(values, name="x", measure=measure, trial=0, width=350).inline()  # type: ignore[arg-type]  # parametrized

    assert "nan" not in text
    assert "inf" not in text


def test_feature_maps_fill_their_own_shades() -> None:
    """Two channels: one rises from 0 to 3, one is constant; NaN counts as nothing."""
    maps = np.zeros((2, 2, 2), np.float32)
    maps[..., 0] = [[0, 1], [2, 3]]
    maps[0, 0, 1] = math.nan

    sheet = montage(maps)

    assert sheet.shape == (2, 5)
    assert sheet[:, :2].tolist() == [[0, 85], [170, 255]]
    assert sheet[:, 3:].tolist() == [[0, 0], [0, 0]]
    assert Image.fromarray(sheet).mode == "L"
    assert grey(np.array([[5.0]])).tolist() == [[0]]
