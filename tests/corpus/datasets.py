"""Data sets, tables and grids that must be refused, each for another reason."""

import gzip
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


class Trap:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def arrays(**changes: Any) -> dict[str, Any]:
    x = np.arange(20 * 8 * 8, dtype=np.uint8).reshape(20, 8, 8)
    y = np.arange(20, dtype=np.uint8) % 10
    return {"x_train": x, "y_train": y, "x_test": x[:10], "y_test": y[:10], **changes}


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def header(shape: str, descr: str = "'|u1'", *, size: int | None = None) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode() + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text) if size is None else size) + text


def npz(path: Path, *, method: int = zipfile.ZIP_STORED, **members: bytes) -> None:
    own = {name: npy(array) for name, array in arrays().items()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in (own | members).items():
            archive.writestr(name if name.endswith("!") else f"{name}.npy", content)


def saved(**changes: Any) -> Callable[[Path], None]:
    return lambda path: np.savez(path, **arrays(**changes))


def forged(content: bytes) -> Callable[[Path], None]:
    return lambda path: npz(path, x_train=content)


def _trapped(path: Path) -> None:
    npz(path, x_train=npy(np.array([Trap(path.with_name("trapped"))], dtype=object)))


def _bomb(path: Path) -> None:
    npz(path, method=zipfile.ZIP_DEFLATED, x_train=header("(40, 1024, 1024)") + bytes(40 << 20))


def _named(name: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        npz(path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, b"")

    return write


def _many(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(2_000):
            archive.writestr(f"{number}.npy", b"")


def _half(path: Path) -> None:
    npz(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)


def _encrypted(path: Path) -> None:
    npz(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(bytes(content))


def idx(dimensions: int, *sizes: int, content: bytes = b"") -> bytes:
    return struct.pack(f">4B{len(sizes)}I", 0, 0, 8, dimensions, *sizes) + content


def _folder(name: str, content: bytes) -> Callable[[Path], None]:
    """A folder of IDX files, one of them as given."""

    def write(path: Path) -> None:
        path.mkdir()
        own = arrays()
        files = {
            "train-images-idx3-ubyte": idx(3, 20, 8, 8, content=own["x_train"].tobytes()),
            "train-labels-idx1-ubyte": idx(1, 20, content=own["y_train"].tobytes()),
            "t10k-images-idx3-ubyte": idx(3, 10, 8, 8, content=own["x_test"].tobytes()),
            "t10k-labels-idx1-ubyte": idx(1, 10, content=own["y_test"].tobytes()),
        }
        files.pop(name.removesuffix(".gz"))
        for own_name, own_content in (files | {name: content}).items():
            (path / own_name).write_bytes(own_content)

    return write


PLACES: Mapping[str, Callable[[Path], object]] = {
    "an empty file": lambda path: path.write_bytes(b""),
    "a folder of nothing": lambda path: path.mkdir(),
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a pipe": os.mkfifo,
    "a link to itself": lambda path: path.symlink_to(path),
    "three gigabytes of nothing": _sparse,
    "a pickle": lambda path: path.write_bytes(pickle.dumps(Trap(path.with_name("trapped")))),
}
"""What may stand where any file is expected."""

DATASETS: Mapping[str, Callable[[Path], object]] = {
    **PLACES,
    "pickled pixels": _trapped,
    "an array without its archive": lambda path: path.write_bytes(npy(arrays()["x_train"])),
    "an HDF5 file": lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(4096)),
    "a zip bomb": _bomb,
    "a claim of a terabyte": forged(header("(1073741824, 28, 28)")),
    "a claim that overflows": forged(header("(4294967296, 4294967296, 28)")),
    "a negative claim": forged(header("(-1, 28, 28)")),
    "a header of 64 kB": forged(header("(1, 28, 28)", size=65_535) + b" " * 70_000),
    "a header that nests": forged(header("(" * 400 + ")" * 400)),
    "a header that is code": forged(header("__import__('os').system('true')")),
    "a structured type": forged(header("(1, 28, 28)", "[('a', '|u1')]")),
    "a member with a path": _named("../up.npy"),
    "a member with an absolute path": _named("/etc/up.npy"),
    "a member twice": _named("x_train.npy"),
    "two thousand members": _many,
    "another compression": lambda path: npz(path, method=zipfile.ZIP_LZMA),
    "an encrypted member": _encrypted,
    "half of the file": _half,
    "no labels": lambda path: np.savez(path, x_train=arrays()["x_train"]),
    "labels that are NaN": saved(y_train=np.full(20, np.nan)),
    "pixels that are NaN": saved(x_train=np.full((20, 8, 8), np.nan)),
    "a label of 10": saved(y_train=np.arange(20) % 11),
    "a class without images": saved(y_train=np.arange(20) % 9),
    "fewer labels than images": saved(y_train=np.arange(10)),
    "images of five dimensions": saved(x_train=np.ones((20, 1, 8, 8, 1), np.uint8)),
    "images in rows": saved(x_train=np.ones((20, 784), np.uint8)),
    "images of one pixel": saved(x_train=np.ones((20, 1, 1), np.uint8)),
    "pixels above 255": saved(x_train=np.full((20, 8, 8), 256)),
    "pixels that are texts": saved(x_train=np.full((20, 8, 8), "a")),
    "an IDX claim of gigabytes": _folder("train-images-idx3-ubyte", idx(3, 2**31, 2**31, 2**31)),
    "a gzip bomb": _folder(
        "train-images-idx3-ubyte.gz",
        gzip.compress(idx(3, 50_000, 28, 28, content=bytes(50_000 * 784)), 1),
    ),
    "an IDX file that is cut": _folder("train-images-idx3-ubyte", idx(3, 20, 8, 8)),
    "an IDX file of floats": _folder("train-images-idx3-ubyte", b"\0\0\x0d\3" + bytes(1292)),
}
"""How each is made at a path that `--dataset` is given."""

TABLES: Mapping[str, Callable[[Path], object]] = {
    **PLACES,
    "a gzip bomb": lambda path: path.write_bytes(gzip.compress(b" " * (100 << 20), 1)),
    "numbers without end": lambda path: path.write_bytes(
        gzip.compress(b'{"provenance": {"images": ' + b"9" * 1_000_000 + b"}}\n")
    ),
    "a text that nests": lambda path: path.write_bytes(gzip.compress(b"[" * 1_000_000)),
}
"""How each is made at a path that `bench replay` or `bench record` is given."""
