"""Whatever is stored becomes 28x28 grey images and labels 0 to 9, or is refused with the cure."""

import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mnist_hpo.data.prepare import check_folds, count_repeated, count_shared, preparation, prepare
from mnist_hpo.data.records import Images
from mnist_hpo.errors import DataError

Array = np.ndarray[Any, Any]

RNG = np.random.default_rng(5)
X = RNG.integers(0, 256, (20, 28, 28)).astype(np.uint8)
Y = np.arange(20) % 10


@pytest.mark.parametrize(
    "x",
    [X, X[..., None], X[:, None], X.astype(np.int64), np.asfortranarray(X), X.astype(">u2")],
    ids=["n-h-w", "channel-last", "channel-first", "int64", "fortran", "big-endian"],
)
def test_every_layout_of_the_same_images_gives_the_same_images(x: Array) -> None:
    images = prepare(x, Y, part="train")

    np.testing.assert_array_equal(images.x, X, strict=True)
    assert images.sha256 == prepare(X, Y, part="train").sha256
    assert preparation(x) == "as stored"


@pytest.mark.parametrize(
    "y",
    [Y, Y.astype(np.uint8), Y[:, None], np.eye(10)[Y], np.eye(10, dtype=bool)[Y], Y.astype(float)],
    ids=["int64", "uint8", "column", "one-hot", "one-hot-bool", "whole-floats"],
)
def test_every_form_of_the_same_labels_gives_the_same_labels(y: Array) -> None:
    images = prepare(X, y, part="train")

    np.testing.assert_array_equal(images.y, Y, strict=True)


def test_colour_becomes_grey_by_the_weights_of_bt_601() -> None:
    colour = RNG.integers(0, 256, (20, 28, 28, 3)).astype(np.uint8)

    images = prepare(colour, Y, part="train")

    red, green, blue = (colour[..., channel].astype(int) for channel in range(3))
    expected = (19595 * red + 38470 * green + 7471 * blue + 2**15) >> 16
    np.testing.assert_array_equal(images.x, expected)
    assert abs(expected - (0.299 * red + 0.587 * green + 0.114 * blue)).max() < 0.51
    assert preparation(colour) == "colour to grey (ITU-R BT.601)"


def test_halving_averages_over_every_pixel() -> None:
    """A triangle of twice the width weighs the pixels 1 3 3 1; a checkerboard becomes grey."""
    board = np.indices((56, 56)).sum(axis=0) % 2 * 254
    images = prepare(np.stack([board] * 20), Y, part="train")

    assert images.x.shape == (20, 28, 28)
    assert set(np.unique(images.x[0, 1:-1, 1:-1])) == {127}


def test_enlarging_is_bilinear_and_keeps_a_flat_image_flat() -> None:
    small = np.full((20, 8, 8), 77)

    images = prepare(small, Y, part="train")

    assert set(np.unique(images.x)) == {77}
    assert preparation(small) == "resized from 8x8 to 28x28 (Pillow, bilinear, antialiased)"


def test_colour_is_made_grey_before_it_is_resized() -> None:
    colour = RNG.integers(0, 256, (20, 32, 40, 3)).astype(np.uint8)

    images = prepare(colour, Y, part="train")

    first = Image.fromarray(colour[0]).convert("L").resize((28, 28), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(images.x[0], np.asarray(first))


def test_truth_values_become_black_and_white() -> None:
    images = prepare(X > 127, Y, part="train")

    np.testing.assert_array_equal(images.x, np.where(X > 127, 255, 0))
    assert preparation(X > 127) == "truth values to 0 and 255"


@pytest.mark.parametrize(
    ("x", "law"),
    [
        (X / 255, "x_test has the type float64"),
        (np.full((20, 28, 28), np.nan, np.float32), "x_test has the type float32"),
        (X.astype(np.int16) - 1, "x_test from -1 to"),
        (X.astype(np.int64) * 2**40, "Pixels range from 0 to 255"),
        (X // 255, "all but black"),
        (np.zeros_like(X), "all but black"),
        (X.reshape(20, 784), r"x_test has (20, 784)"),
        (np.stack([X, X], axis=-1), r"x_test has (20, 28, 28, 2)"),
        (X[:, :4], r"the shape (20, 4, 28)"),
        (np.zeros((20, 1025, 28), np.uint8), "8 to 1024 pixels"),
        (np.zeros((20, 0, 28), np.uint8), "8 to 1024 pixels"),
        (X[:19], "x_test has 19 images, y_test 20 labels"),
        (X[:0], "x_test has 0 images"),
        (X[0, 0], r"x_test has (28,)"),
    ],
    ids=[
        "fractions",
        "nan",
        "negative",
        "large",
        "zero-or-one",
        "black",
        "rows-of-784",
        "two-channels",
        "too-low",
        "too-high",
        "no-height",
        "short",
        "empty",
        "one-dimension",
    ],
)
def test_images_that_cannot_be_digits_are_refused_with_the_cure(x: Array, law: str) -> None:
    with pytest.raises(DataError, match=re.escape(law)) as caught:
        prepare(x, Y, part="test")

    assert len(caught.value.help) > 20


@pytest.mark.parametrize(
    ("y", "law"),
    [
        (np.where(Y == 9, 10, Y), "y_train[9] is 10"),
        (Y - 1, "y_train[0] is -1"),
        (np.where(Y == 3, np.nan, Y), "y_train holds NaN"),
        (np.where(Y == 3, np.inf, Y), "y_train holds NaN or infinity"),
        (Y + 0.5, "y_train[0] is 0.5"),
        (np.where(Y == 7, 1, Y), "y_train has no 7"),
        (Y % 5, "y_train has no 5, 6, 7, 8, 9"),
        (np.eye(10)[Y] * 2, "y_train[0] is [2.0"),
        (np.ones((20, 10)), "single 1 among zeros"),
        (np.eye(11)[Y], "y_train is (20, 11) float64"),
        (Y.astype(str), "y_train is (20,) <U"),
        (Y.astype(object), "y_train is (20,) object"),
        (Y[:10], "y_train 10 labels"),
    ],
    ids=[
        "ten",
        "minus-one",
        "nan",
        "infinity",
        "half",
        "no-seven",
        "half-the-classes",
        "two-hot",
        "all-hot",
        "eleven-columns",
        "text",
        "objects",
        "short",
    ],
)
def test_labels_that_are_no_digits_are_refused_with_the_cure(y: Array, law: str) -> None:
    with pytest.raises(DataError, match=re.escape(law)) as caught:
        prepare(X, y, part="train")

    assert len(caught.value.help) > 20


def test_empty_arrays_are_refused() -> None:
    with pytest.raises(DataError, match="x_train has 0 images"):
        prepare(X[:0], Y[:0], part="train")


def test_a_fold_needs_an_image_of_every_class() -> None:
    check_folds(Y, 2)

    with pytest.raises(DataError, match=r"class 0 has 2, got folds=3") as caught:
        check_folds(Y, 3)

    assert caught.value.help == "use `--folds 2`"


def test_a_class_of_one_image_allows_no_folds() -> None:
    with pytest.raises(DataError, match=r"class 4 has 1, got folds=2") as caught:
        check_folds(np.delete(Y, 4), 2)

    assert "add images of class 4" in caught.value.help


def test_test_images_that_were_trained_on_are_counted() -> None:
    other = np.concatenate([X[3:5], 255 - X[:4], X[3:4]])

    assert count_shared(X, other) == 3
    assert count_shared(X, 255 - X) == 0


def test_development_images_that_are_there_twice_are_counted() -> None:
    assert count_repeated(np.concatenate([X, X[3:5], X[3:4]])) == 3
    assert count_repeated(X) == 0


def test_nobody_can_change_the_images_afterwards() -> None:
    images = prepare(X, Y, part="train")

    with pytest.raises(ValueError, match="read-only"):
        images.x[0, 0, 0] = 1
    assert X.flags.writeable


def test_the_fingerprint_sees_pixels_labels_and_order() -> None:
    images = prepare(X, Y, part="train")
    changed = X.copy()
    changed[0, 0, 0] ^= 1

    fingerprints = {
        images.sha256,
        Images(changed, images.y).sha256,
        Images(X, images.y[::-1]).sha256,
        Images(X[::-1], images.y[::-1]).sha256,
    }

    assert len(fingerprints) == 4
    assert Images(X.copy(), images.y.copy()).sha256 == images.sha256


def test_images_of_another_shape_or_type_are_no_images() -> None:
    with pytest.raises(ValueError, match=r"uint8 and y \(n,\) int64 with n > 0, got x \(20, 28"):
        Images(X, Y.astype(np.uint8))
