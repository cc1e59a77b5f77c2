"""What is kept of the look at the test set: whole, believed by its hash, never unpickled."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

import mnist_hpo.evidence
from mnist_hpo.evidence import Evidence, LayerFacts, evidence_path, read_evidence
from search.files import sha256_of


def evidence(n: int = 6) -> Evidence:
    """Six test images of the classes 0 to 5; image 2 is read as 7, the others are right."""
    probabilities = np.full((n, 10), 0.01, np.float32)
    for image in range(n):
        probabilities[image, 7 if image == 2 else image] = 0.91
    return Evidence(
        labels=np.arange(n, dtype=np.int64),
        probabilities=probabilities,
        kept=np.array([0, 2, 4], np.int64),
        pixels=np.arange(3 * 784, dtype=np.uint16).reshape(3, 28, 28).astype(np.uint8),
        right=(0, 4),
        samples=(2, 4),
        examples=np.zeros((2, 28, 28), np.uint8),
        example_labels=np.array([8, 9], np.int64),
        layers=(LayerFacts(name="conv_1", kind="Conv2D", shape=(26, 26, 2), params=20),),
        digit=np.ones((28, 28), np.uint8),
        digit_index=17,
        digit_label=3,
        maps={"conv_1": np.ones((26, 26, 2), np.float16)},
    )


def test_it_comes_back_from_its_bytes() -> None:
    own = evidence()

    again = Evidence.from_bytes(own.to_bytes())

    assert again.layers == own.layers
    assert (again.right, again.samples) == ((0, 4), (2, 4))
    assert (again.digit_index, again.digit_label) == (17, 3)
    assert np.array_equal(again.probabilities, own.probabilities)
    assert np.array_equal(again.maps["conv_1"], own.maps["conv_1"])
    assert again.to_bytes() == own.to_bytes()


def test_wrong_is_what_the_most_probable_class_says() -> None:
    own = evidence()

    assert own.wrong == (2,)
    assert own.predicted.tolist() == [0, 1, 7, 3, 4, 5]
    assert np.array_equal(own.pixels_of(2), own.pixels[1])
    with pytest.raises(KeyError):
        own.pixels_of(3)


def test_shapes_that_contradict_each_other_are_refused() -> None:
    own = evidence()

    with pytest.raises(ValueError, match="labels \\(n,\\)"):
        Evidence(
            **{
                name: getattr(own, name)
                for name in own.__slots__
                if name not in {"probabilities", "__weakref__"}
            },
            probabilities=own.probabilities[:, :9],
        )


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("missing", "cannot be read"),
        ("changed", "its SHA-256 differs"),
        ("older", "stored no predictions"),
        ("no archive", "no evidence of a finalized model"),
    ],
)
def test_what_cannot_be_believed_is_said_in_words(tmp_path: Path, damage: str, said: str) -> None:
    content = b"nothing" if damage == "no archive" else evidence().to_bytes()
    model = tmp_path / "best.keras"
    if damage != "missing":
        evidence_path(model).write_bytes(content + b"!" * (damage == "changed"))
    result = {} if damage == "older" else {"evidence_sha256": sha256_of(content)}

    found, why = read_evidence(model, result)

    assert found is None
    assert said in why


def test_pickled_arrays_are_refused() -> None:
    """A file may be exchanged together with the ledger: it must not run code."""
    buffer = io.BytesIO()
    np.savez(buffer, about=np.array([{"version": 1}], dtype=object))

    with pytest.raises(ValueError, match=r"pickle|object"):
        Evidence.from_bytes(buffer.getvalue())


def test_an_archive_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what its members claim to be, before any of them is unpacked."""
    monkeypatch.setattr(mnist_hpo.evidence, "_LARGEST_BYTES", 1000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("about.npy", bytes(1001))

    with pytest.raises(ValueError, match="at most"):
        Evidence.from_bytes(buffer.getvalue())
