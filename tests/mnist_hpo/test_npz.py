"""A stranger's .npz is read or refused with one message; it never runs code or takes memory."""

import io
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnist_hpo.data import bounds
from mnist_hpo.data.npz import NAMES, read_npz
from mnist_hpo.data.prepare import prepare
from mnist_hpo.errors import DataError

Array = np.ndarray[Any, Any]


def _arrays(**changes: Array) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    arrays = {
        "x_train": rng.integers(0, 256, (20, 28, 28)).astype(np.uint8),
        "y_train": np.arange(20).astype(np.uint8) % 10,
        "x_test": rng.integers(0, 256, (10, 28, 28)).astype(np.uint8),
        "y_test": np.arange(10).astype(np.uint8),
    }
    return arrays | changes


def _npy(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def _header(shape: str, descr: str = "'|u1'", *, version: int = 1) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (118 - len(text) - 1) + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes((version, 0)) + size + text


def _zip(path: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _forged(path: Path, content: bytes, name: str = "x_train") -> Path:
    members = {f"{own}.npy": _npy(array) for own, array in _arrays().items()}
    return _zip(path, members | {f"{name}.npy": content})


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "deflated"])
def test_what_numpy_saves_is_read_back(tmp_path: Path, save: Callable[..., None]) -> None:
    path = tmp_path / "digits.npz"
    arrays = _arrays(extra=np.array(["ignored"]))
    save(path, **arrays)

    raw = read_npz(path)

    for name in NAMES:
        np.testing.assert_array_equal(getattr(raw, name), arrays[name], strict=True)


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda x: x.astype(">i8"),
        lambda x: x.astype("<i2"),
        lambda x: x[:, ::-1],
    ],
    ids=["fortran", "big-endian", "int16", "strided"],
)
def test_the_memory_layout_does_not_matter(
    tmp_path: Path, change: Callable[[Array], Array]
) -> None:
    path = tmp_path / "digits.npz"
    arrays = _arrays()
    np.savez(path, **arrays | {"x_train": change(arrays["x_train"])})

    raw = read_npz(path)

    np.testing.assert_array_equal(raw.x_train, change(arrays["x_train"]))


def test_a_header_written_by_python_2_is_read(tmp_path: Path) -> None:
    """Python 2 wrote long integers with an L, and NumPy warns about them."""
    path = _forged(tmp_path / "old.npz", _header("(20L, 28L, 28L)") + bytes(20 * 784))

    raw = read_npz(path)

    assert raw.x_train.shape == (20, 28, 28)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_array_is_named(tmp_path: Path, name: str) -> None:
    arrays = _arrays(images=np.zeros(3))
    del arrays[name]
    np.savez(tmp_path / "digits.npz", **arrays)

    with pytest.raises(DataError, match=rf"lacks {name} and holds .*images") as caught:
        read_npz(tmp_path / "digits.npz")

    assert "numpy.savez_compressed(" in caught.value.help
    assert caught.value.exit_code == 2


class _Trap:
    """Unpickling it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", NAMES)
def test_pickled_objects_are_refused_and_not_run(tmp_path: Path, name: str) -> None:
    trap = np.array([_Trap(tmp_path / "sprung")], dtype=object)
    path = _forged(tmp_path / "trap.npz", _npy(trap), name)

    with pytest.raises(DataError, match=f"{name} in .* holds pickled Python objects"):
        read_npz(path)

    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("name", "array", "law"),
    [
        ("x_train", np.zeros((20, 28, 28), np.float32), "whole numbers from 0 to 255"),
        ("x_test", np.full((10, 28, 28), np.nan), "whole numbers from 0 to 255"),
        ("x_train", np.zeros((20, 28, 28), complex), "are numbers"),
        ("y_train", np.array(["seven"]), "are numbers"),
        ("y_test", np.array(["2026-01-01"], "datetime64[s]"), "are numbers"),
        ("x_train", np.zeros(20, [("a", "u1"), ("b", "f4")]), "are numbers"),
        ("y_train", np.array(3), "1 to 4 dimensions"),
        ("x_train", np.zeros((2, 2, 2, 2, 2), np.uint8), "1 to 4 dimensions"),
    ],
    ids=["float", "nan", "complex", "text", "dates", "structured", "scalar", "five"],
)
def test_another_type_or_dimension_is_refused(
    tmp_path: Path, name: str, array: Array, law: str
) -> None:
    np.savez(tmp_path / "digits.npz", **_arrays(**{name: array}))

    with pytest.raises(DataError, match=f"{law}.*{name} in") as caught:
        read_npz(tmp_path / "digits.npz")

    assert "save" in caught.value.help


@pytest.mark.parametrize(
    "header",
    [
        _header("(1500000, 28, 28)"),
        _header("(4294967296, 4294967296)"),
        _header("(18446744073709551616, 28)", "'<i8'"),
        _header("(-1, 28, 28)"),
        _header("(20, 28, 28)", "'|V0'"),
        _header("(20, 28, 28)", "'|u1'", version=2),
        _header("(20, 28, 28)", "'|u1'", version=3),
        _header("(20, 28, 28)", "'nonsense'"),
        _header("'all'"),
        b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{",
        b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000,
        b"",
        b"not an array",
    ],
    ids=[
        "1.1-GiB",
        "product-overflows-to-0",
        "beyond-int64",
        "negative",
        "no-itemsize",
        "version-2",
        "version-3",
        "no-type",
        "no-shape",
        "4-GiB-header",
        "nested-header",
        "empty",
        "text",
    ],
)
def test_a_header_that_claims_what_is_not_stored_costs_nothing(
    tmp_path: Path, header: bytes
) -> None:
    """The reported case: 136 bytes of .npy for which NumPy allocates 1.1 GiB."""
    path = _forged(tmp_path / "bomb.npz", header + bytes(8))

    tracemalloc.start()
    with pytest.raises(DataError):
        read_npz(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 20e6


def test_a_bomb_that_compresses_too_well_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    content = _header("(85600, 28, 28)") + bytes(85600 * 784)
    members = {f"{name}.npy": _npy(array) for name, array in _arrays().items()}
    path = _zip(tmp_path / "bomb.npz", members | {"x_train.npy": content}, zipfile.ZIP_DEFLATED)
    del content

    tracemalloc.start()
    with pytest.raises(DataError, match=r"compress to no less than 1/200.*claims to unpack"):
        read_npz(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 5e6


def test_sorted_labels_compress_well_and_are_welcome(tmp_path: Path) -> None:
    labels = np.sort(np.arange(500_000) % 10)
    np.savez_compressed(tmp_path / "sorted.npz", **_arrays(y_train=labels))

    raw = read_npz(tmp_path / "sorted.npz")

    assert raw.y_train.shape == (500_000,)


def test_a_size_forged_in_the_directory_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "digits.npz"
    np.savez_compressed(path, **_arrays())
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\1\2", 0, content.rindex(b"y_test.npy"))
    content[entry + 24 : entry + 28] = struct.pack("<L", 2**31 - 1)
    path.write_bytes(content)

    with pytest.raises(DataError, match="claim"):
        read_npz(path)


@pytest.mark.parametrize(
    "name", ["../x.npy", "/etc/x.npy", "a/x.npy", "a\\x.npy", "c:x.npy", "..", ".x.npy"]
)
def test_a_member_with_a_path_is_refused(tmp_path: Path, name: str) -> None:
    members = {f"{own}.npy": _npy(array) for own, array in _arrays().items()}
    path = _zip(tmp_path / "paths.npz", members | {name: b""})

    with pytest.raises(DataError, match="plain names"):
        read_npz(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    """Readers disagree about which of the two counts."""
    path = tmp_path / "twice.npz"
    np.savez(path, **_arrays())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x_train.npy", b"")

    with pytest.raises(DataError, match="each name once"):
        read_npz(path)


@pytest.mark.parametrize("count", [65, 70_000], ids=["zip", "zip64"])
def test_a_directory_of_many_members_is_not_parsed(tmp_path: Path, count: int) -> None:
    path = _zip(tmp_path / "many.npz", {f"{number}.npy": b"" for number in range(count)})

    with pytest.raises(DataError, match="at most 64 members"):
        read_npz(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_another_compression_is_refused(tmp_path: Path, method: int) -> None:
    members = {f"{name}.npy": _npy(array) for name, array in _arrays().items()}
    path = _zip(tmp_path / "digits.npz", members, method)

    with pytest.raises(DataError, match="stored or deflated"):
        read_npz(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"5,0,0,0\n" * 100, _npy(np.zeros((4, 28, 28))), b"PK\3\4", b"PK\5\6", b"\x80\x04N."],
    ids=["empty", "text", "npy", "local-header", "end-record", "pickle"],
)
def test_a_file_that_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "digits.npz"
    path.write_bytes(content)

    with pytest.raises(DataError, match=r"no \.npz file|has 0"):
        read_npz(path)


def test_an_archive_with_a_comment_is_read(tmp_path: Path) -> None:
    path = tmp_path / "digits.npz"
    np.savez(path, **_arrays())
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"digits"

    raw = read_npz(path)

    assert len(raw.x_train) == 20


def test_a_file_above_the_size_cap_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "large.npz"
    with path.open("wb") as stream:
        stream.truncate(bounds.MAX_BYTES + 1)  # sparse: it takes no disk

    with pytest.raises(DataError, match=f"1 to {bounds.MAX_BYTES} bytes"):
        read_npz(path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.npz"
    os.mkfifo(path)

    with pytest.raises(DataError, match="regular file"):
        read_npz(path)


def test_a_file_that_vanished_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_npz(tmp_path / "gone.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "deflated"])
@pytest.mark.parametrize("cases", [150, pytest.param(1_500, marks=pytest.mark.full)])
def test_random_damage_is_refused_or_harmless(
    tmp_path: Path, save: Callable[..., None], cases: int
) -> None:
    """Flips, cuts, doubled and erased stretches: images or a DataError, never anything else."""
    path = tmp_path / "digits.npz"
    save(path, **_arrays())
    whole = path.read_bytes()
    rng = np.random.default_rng(cases)
    # Headers and the directory are where damage is interesting; pixels are most of the bytes.
    headers = [at for at in range(len(whole)) if whole[at : at + 2] == b"PK"]
    refused: list[DataError] = []

    for _ in range(cases):
        damaged = bytearray(whole)
        near = int(rng.choice(headers)) if rng.random() < 0.7 else 0
        at = near + int(rng.integers(0, 200 if near else len(whole)))
        at = min(at, len(whole) - 1)
        match rng.integers(4):
            case 0:
                damaged[at] ^= 1 << int(rng.integers(8))
            case 1:
                del damaged[at:]
            case 2:
                damaged[at:at] = damaged[at : at + 16]
            case _:
                damaged[at : at + 4] = rng.bytes(4)
        path.write_bytes(damaged)
        try:
            raw = read_npz(path)
            prepare(raw.x_train, raw.y_train, part="train")
            prepare(raw.x_test, raw.y_test, part="test")
        except DataError as error:
            refused.append(error)

    assert len(refused) > cases / 3
    assert all(error.help for error in refused)
