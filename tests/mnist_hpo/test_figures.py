"""`report --figures DIR`: every picture of the page as a file that opens anywhere."""

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mnist_hpo.charts.theme import LIGHT

Run = Callable[..., Any]


@pytest.fixture
def written(run: Run, raced: Path, tmp_path: Path) -> tuple[Path, Any]:
    """The pictures of a race, and what was said about them."""
    folder = tmp_path / "pictures"
    ran = run("report", "raced", "--results", raced, "--figures", folder)
    assert ran.code == 0, ran.err
    return folder, ran


def test_every_chart_of_the_page_is_a_file(written: tuple[Path, Any], raced: Path) -> None:
    """The page shows each once or twice, wide and narrow; the files are the wide ones."""
    folder, _ = written
    titles = {
        re.sub(r"\s+", " ", ET.parse(path).getroot().get("aria-label") or "")  # noqa: S314 - ours
        for path in folder.glob("*.svg")
    }
    page = (raced / "raced/report.html").read_text()
    shown = set(re.findall(r'<svg[^>]* aria-label="([^"]+)"', page))

    assert {"history.svg", "race.svg", "folds.svg"} <= {path.name for path in folder.glob("*.svg")}
    assert titles <= shown
    assert {title for title in shown if "Race diagram" in title} <= titles


def test_an_svg_stands_alone(written: tuple[Path, Any]) -> None:
    """With its colours inside, and nothing that points outside but pictures in it."""
    folder, _ = written

    for path in folder.glob("*.svg"):
        text = path.read_text()
        assert text.count("<svg") == 1
        assert LIGHT["ink"] in text
        assert "var(--" not in text
        assert not re.search(r'(?:href|src)="(?!data:)', text)


def test_a_png_shows_the_drawing_at_twice_its_size(written: tuple[Path, Any]) -> None:
    pytest.importorskip("resvg_py")
    folder, ran = written

    names = {path.stem for path in folder.glob("*.svg")}
    assert {path.stem for path in folder.glob("*.png")} == names
    assert f"{len(names)} pictures as SVG and PNG in {folder}" in ran.err
    for path in folder.glob("*.png"):
        svg = ET.parse(path.with_suffix(".svg")).getroot()  # noqa: S314 - ours
        with Image.open(io.BytesIO(path.read_bytes())) as picture:
            assert picture.width == 2 * round(float(svg.get("width", "0")))
            colours = picture.convert("RGB").getcolors(2**24)
        assert colours is not None
        assert len(colours) > 10, path.name  # lines and letters, no empty sheet


def test_without_the_extra_there_are_svgs_and_the_way_to_pngs(
    run: Run, raced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnist_hpo.report.figures.find_spec", lambda _: None)

    ran = run("report", "raced", "--results", raced, "--figures", tmp_path / "pictures")

    assert ran.code == 0
    assert "pip install 'mnist-hpo[figures]'" in ran.err
    assert list((tmp_path / "pictures").glob("*.svg"))
    assert not list((tmp_path / "pictures").glob("*.png"))


def test_a_file_in_the_way_ends_with_3(run: Run, raced: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    ran = run("report", "raced", "--results", raced, "--figures", tmp_path / "file/pictures")

    assert ran.code == 3


@pytest.mark.slow
def test_a_finalized_study_has_its_digits_and_feature_maps_as_files(
    finished: Any, in_folder: Run, tmp_path: Path
) -> None:
    in_folder(
        finished.folder,
        *("report", "digits", "--output", tmp_path / "page.html"),
        *("--figures", tmp_path / "pictures"),
    )

    names = {path.stem for path in (tmp_path / "pictures").glob("*.svg")}
    assert {"confusion", "digits-right", "digits-wrong", "digits-samples"} <= names
    assert any(name.startswith("maps-") for name in names)
