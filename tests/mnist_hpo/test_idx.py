"""IDX folders, the format of the original MNIST, plain and gzipped."""

import gzip
import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnist_hpo.data.idx import read_idx, read_idx_folder
from mnist_hpo.errors import DataError

FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def _plain(name: str) -> str:
    return name


def _dotted(name: str) -> str:
    return name.replace("-idx", ".idx")


def _zipped(name: str) -> str:
    return f"{name}.gz"


def _arrays() -> dict[str, np.ndarray[Any, np.dtype[np.uint8]]]:
    rng = np.random.default_rng(3)
    return {
        "x_train": rng.integers(0, 256, (20, 28, 28)).astype(np.uint8),
        "y_train": np.arange(20).astype(np.uint8) % 10,
        "x_test": rng.integers(0, 256, (10, 28, 28)).astype(np.uint8),
        "y_test": np.arange(10).astype(np.uint8),
    }


def _idx(array: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    shape = b"".join(struct.pack(">I", size) for size in array.shape)
    return bytes((0, 0, 8, array.ndim)) + shape + array.tobytes()


def _fill(folder: Path, naming: Callable[[str], str] = _plain) -> Path:
    for name, array in _arrays().items():
        path = folder / naming(FILES[name])
        content = _idx(array)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return folder


@pytest.mark.parametrize(
    "naming",
    [_plain, _dotted, _zipped, lambda name: _zipped(_dotted(name))],
    ids=["dash", "dot", "dash-gz", "dot-gz"],
)
def test_the_four_usual_files_are_read_under_all_their_names(
    tmp_path: Path, naming: Callable[[str], str]
) -> None:
    raw = read_idx_folder(_fill(tmp_path, naming))

    for name, array in _arrays().items():
        np.testing.assert_array_equal(getattr(raw, name), array, strict=True)


def test_a_folder_without_idx_files_is_told_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no images here")

    with pytest.raises(DataError, match=r"lacks train-images-idx3-ubyte, .*t10k-labels") as caught:
        read_idx_folder(tmp_path)

    assert ".npz" in caught.value.help


@pytest.mark.parametrize("name", list(FILES))
def test_one_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (_fill(tmp_path) / FILES[name]).unlink()

    with pytest.raises(DataError, match=f"lacks {FILES[name]}\\."):
        read_idx_folder(tmp_path)


@pytest.mark.parametrize(
    ("content", "law"),
    [
        (b"", "has 0"),
        (b"\0\0\x08", "begins with 00 00 08 03"),
        (b"\0\0\x08\x03\0\0\0\x02", "begins with 00 00 08 03"),
        (b"\0\0\x08\x01\0\0\0\x02" + bytes(20), "begins with 00 00 08 03"),
        (b"\0\0\x0d\x03" + bytes(20), "begins with 00 00 08 03"),
        (b"P5 28 28 255 " + bytes(784), "begins with 00 00 08 03"),
        (_idx(np.zeros((2, 28, 28), np.uint8))[:-1], "claims 1568 bytes .* and 1567 follow"),
        (_idx(np.zeros((2, 28, 28), np.uint8)) + b"x", "and more follow"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "have at most"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 85_600, 28, 28), "compress to no less"),
    ],
    ids=[
        "empty",
        "cut-magic",
        "cut-sizes",
        "labels",
        "floats",
        "another-format",
        "short",
        "long",
        "2-to-the-96",
        "67-MB",
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"], ids=["plain", "gz"])
def test_a_file_that_differs_from_its_header_is_refused_without_cost(
    tmp_path: Path, content: bytes, law: str, suffix: str
) -> None:
    path = tmp_path / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    law = law if content or not suffix else "begins with"

    tracemalloc.start()
    with pytest.raises(DataError, match=law):
        read_idx(path, 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 5e6


def test_a_gzip_bomb_is_unpacked_no_further_than_its_header_claims(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    content = _idx(np.zeros((2, 28, 28), np.uint8))
    path.write_bytes(gzip.compress(content + bytes(100_000_000), compresslevel=1))
    del content

    tracemalloc.start()
    with pytest.raises(DataError, match="and more follow"):
        read_idx(path, 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 5e6


def test_random_damage_to_a_gzip_file_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    whole = gzip.compress(_idx(_arrays()["y_train"]))
    rng = np.random.default_rng(11)
    refused: list[DataError] = []

    for _ in range(150):
        damaged = bytearray(whole)
        at = int(rng.integers(len(whole)))
        if rng.random() < 0.3:
            del damaged[at:]
        else:
            damaged[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            read_idx(path, 1)
        except DataError as error:
            refused.append(error)

    assert len(refused) > 50
    assert all(error.help for error in refused)


def test_plain_bytes_named_gz_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    path.write_bytes(_idx(_arrays()["y_train"]))

    with pytest.raises(DataError, match="no gzip file"):
        read_idx(path, 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = _fill(tmp_path) / FILES["x_train"]
    path.chmod(0)

    with pytest.raises(DataError, match="Permission denied"):
        read_idx_folder(tmp_path)
