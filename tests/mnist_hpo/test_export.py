"""Exports of a real network: its own runtime reads each, and says the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnist_hpo.errors import NoResultError, UserError
from mnist_hpo.export.exporting import compare, export
from mnist_hpo.export.formats import FORMATS

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """An untrained network with every kind of layer of the space, and its file."""
    keras = pytest.importorskip("keras")
    from spaces.architecture import (  # noqa: PLC0415 - as the next line
        Augment,
        Conv,
        Dense,
        Dropout,
        Flatten,
        Output,
        Pool,
        Scale,
    )
    from spaces.layers import sequential  # noqa: PLC0415 - loads TensorFlow

    keras.utils.set_random_seed(3)
    model = sequential(
        (
            *(Scale(), Augment("affine"), Conv(4, batch_norm=True), Pool(), Dropout(0.5)),
            *(Flatten(), Dense(8), Output()),
        )
    )
    path = tmp_path_factory.mktemp("network") / "best.keras"
    model.save(path)
    return model, path


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 28, 28)).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FORMATS))
def test_each_format_predicts_as_the_original(
    network: tuple[Any, Path], images: np.ndarray, tmp_path: Path, name: str
) -> None:
    """Augmentation, dropout and batch normalisation as in prediction, and any number of images."""
    form = FORMATS[name]
    for module in form.needs:
        pytest.importorskip(module)
    target = tmp_path / f"digits{form.ending}"

    agreement = export(*network, form, target, images)

    assert agreement.holds
    assert (agreement.images, agreement.same_digit) == (40, 40)
    few = images[:3, ..., None].astype(np.float32)
    again = form.predict(target, few)
    assert again == pytest.approx(network[0].predict(few, verbose=0), abs=1e-5)
    assert [own.name for own in tmp_path.iterdir()] == [target.name]


@pytest.mark.slow
def test_keras_alone_would_export_augmentation(
    network: tuple[Any, Path], images: np.ndarray, tmp_path: Path
) -> None:
    """Why `bare` is there. When Keras mends this, `bare` can go."""
    network[0].export(tmp_path / "own", format="tf_saved_model", verbose=False)

    said = FORMATS["saved-model"].predict(tmp_path / "own", images[..., None].astype(np.float32))

    ours = network[0].predict(images[..., None], verbose=0)
    assert compare(ours, said).largest_difference > 1e-3


class Forgetful:
    """A format that loses a weight on the way."""

    name, ending, needs, about = "forgetful", ".bin", (), ""

    def write(self, model: Any, source: Path, path: Path) -> None:
        del model
        path.write_bytes(source.read_bytes())

    def predict(self, path: Path, pixels: np.ndarray) -> np.ndarray:
        del path
        return np.full((len(pixels), 10), 0.1, np.float32)


@pytest.mark.slow
def test_an_export_that_predicts_otherwise_is_not_kept(
    network: tuple[Any, Path], images: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(NoResultError, match="predicts otherwise") as caught:
        export(*network, Forgetful(), tmp_path / "own.bin", images)  # type: ignore[arg-type]  # a double

    assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_nothing_is_written_over(
    network: tuple[Any, Path], images: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("mine")

    with pytest.raises(UserError, match="exists already"):
        export(*network, FORMATS["keras"], tmp_path / "mine", images)

    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize(
    ("theirs", "holds"),
    [
        ([[0.6, 0.4]], True),
        ([[0.60005, 0.39995]], True),
        ([[0.601, 0.399]], False),
        ([[0.4, 0.6]], False),
        ([[float("nan"), 0.4]], False),
        ([[0.6, 0.4], [0.6, 0.4]], False),
    ],
)
def test_agreement_means_the_same_digit_and_nearly_the_same_probability(
    theirs: list[list[float]], holds: bool
) -> None:
    assert compare(np.array([[0.6, 0.4]]), np.array(theirs)).holds is holds


def test_two_digits_that_are_both_likely_still_count() -> None:
    """Within the tolerance, but another digit is on top: no agreement."""
    found = compare(np.array([[0.50001, 0.49999]]), np.array([[0.49999, 0.50001]]))

    assert (found.images, found.same_digit) == (1, 0)
    assert found.largest_difference == pytest.approx(2e-5, rel=1e-3)
    assert not found.holds


@pytest.mark.parametrize("name", ["onnx", "tflite"])
def test_a_missing_extra_is_named_with_its_cure(
    run: Run, results: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Before anything is loaded: no TensorFlow start for it."""
    monkeypatch.setattr("mnist_hpo.export.formats.find_spec", lambda _: None)

    ran = run("export", "mnist", "--format", name, "--results", results)

    assert ran.code == 2
    assert "help:  pip install 'mnist-hpo[export]'" in ran.err


def test_a_study_that_was_not_finalized_has_nothing_to_export(run: Run, results: Path) -> None:
    ran = run("export", "mnist", "--results", results)

    assert ran.code == 1
    assert "help:  mnist-hpo finalize mnist" in ran.err
