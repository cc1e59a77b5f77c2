"""Whatever file a person hands over: exit code 2, one message with its cure, nothing made.

Whole and damaged ones, for each command that reads files. `test_inputs.py` says how many.
"""

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from search.table import Table
from search.table_space import space_of
from spaces.cnn_space import CNN_SPACE

Cases = Callable[[int], settings]
Refusal = Callable[[Callable[[], object]], str]
NAMES = tuple(dimension.name for dimension in CNN_SPACE.dimensions)
TEXT = st.text(max_size=30)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes with some of them flipped, cut, doubled or exchanged."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        match draw(st.integers(0, 3)):
            case 0 if content:
                content[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                del content[at:]
            case 2:
                content[at:at] = content[at : at + draw(st.integers(1, 64))]
            case _:
                content[at : at + 4] = draw(st.binary(min_size=1, max_size=8))
    return bytes(content)


# Files: a table, a grid, and data sets, whole or damaged. Read by the functions that the
# commands call first; a data set goes through `search`, which then asks for too many folds.
PARTS = st.sampled_from(["x_train", "y_train", "x_test", "y_test"])
TOO_MANY_FOLDS = ("--folds", "100", "--study", "x")


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """A .npy header as NumPy writes it, with other types, shapes and lengths."""
    numbers = st.integers(-3, 2**70) | st.sampled_from([8, 10, 20, 2**31, 2**63 - 1])
    shape = draw(st.lists(numbers, max_size=6).map(tuple).map(repr) | TEXT)
    descr = draw(
        st.sampled_from(["'|u1'", "'|O'", "'<f8'", "'>i2'", "'|S9'", "[('a', '|u1')]", "'<M8[s]'"])
        | TEXT.map(repr)
    )
    order = draw(st.sampled_from(["False", "True", "0", "[]", "()" * 40]))
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"
    whole = text.encode("latin1", "replace") + b"\n"
    content = draw(st.just(whole) | damaged(whole))
    version = draw(st.sampled_from([(1, 0), (2, 0), (3, 0), (9, 9)]))
    size = max(0, len(content) + draw(st.sampled_from([0, 0, 0, 1, -1, 60_000])))
    packed = struct.pack("<H", size & 0xFFFF) if version == (1, 0) else struct.pack("<I", size)
    return b"\x93NUMPY" + bytes(version) + packed + content


def npz_of(path: Path, members: Mapping[str, bytes], method: int) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def npy_of(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()


def test_headers_in_data_files(program: Any, arrays: dict[str, Any], cases: Cases) -> None:
    """A .npz whose member has any header, and the bytes of a right one behind it."""
    whole = {name: npy_of(array) for name, array in arrays.items()}

    @cases(100)
    @given(header=headers(), name=PARTS, method=st.sampled_from([0, 8]))
    def check(header: bytes, name: str, method: int) -> None:
        path = program.folder / "digits.npz"
        members = {f"{own}.npy": content for own, content in whole.items()}
        members[f"{name}.npy"] = header + whole[name][128:]
        npz_of(path, members, method)
        try:
            program.refuses("search", "--dataset", "digits.npz", *TOO_MANY_FOLDS)
        finally:
            path.unlink()

    check()


def test_damaged_data_files(program: Any, arrays: dict[str, Any], cases: Cases) -> None:
    """A .npz and a folder of IDX files, with flips and cuts."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    whole = buffer.getvalue()
    idx = struct.pack(">4B3I", 0, 0, 8, 3, 20, 8, 8) + arrays["x_train"].tobytes()
    others = {
        "train-labels-idx1-ubyte": ("y_train", 20),
        "t10k-labels-idx1-ubyte": ("y_test", 10),
    }

    @cases(50)
    @given(content=damaged(whole))
    def check_npz(content: bytes) -> None:
        path = program.folder / "digits.npz"
        path.write_bytes(content)
        try:
            program.refuses("search", "--dataset", "digits.npz", *TOO_MANY_FOLDS)
        finally:
            path.unlink()

    @cases(50)
    @given(content=damaged(idx), packed=st.booleans(), outside=st.booleans())
    def check_idx(content: bytes, packed: bool, outside: bool) -> None:
        folder = program.folder / "idx"
        folder.mkdir(exist_ok=True)
        for name, (part, count) in others.items():
            label = struct.pack(">4BI", 0, 0, 8, 1, count) + arrays[part].tobytes()
            (folder / name).write_bytes(label)
        image = struct.pack(">4B3I", 0, 0, 8, 3, 10, 8, 8) + arrays["x_test"].tobytes()
        (folder / "t10k-images-idx3-ubyte").write_bytes(image)
        damaged_file = folder / f"train-images-idx3-ubyte{'.gz' if packed else ''}"
        damaged_file.write_bytes(gzip.compress(content, 1) if packed and not outside else content)
        try:
            program.refuses("search", "--dataset", "idx", *TOO_MANY_FOLDS)
        finally:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()

    check_npz()
    check_idx()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
VALUE = st.sampled_from([3, 5, 8, 16, 0.001, "adam", "same", True, None, -1, 10**400]) | JSON


@st.composite
def grids(draw: st.DrawFn) -> dict[str, Any]:
    names = st.sampled_from(NAMES) | st.text(max_size=8)
    record: dict[str, Any] = {
        "grid": draw(
            st.dictionaries(names, st.lists(VALUE, max_size=3) | JSON, max_size=2) | JSON
        ),
        "fix": draw(st.dictionaries(names, VALUE, max_size=2) | JSON),
        "folds": draw(st.sampled_from([2, 5]) | JSON),
        "epochs": draw(st.sampled_from([1, 10]) | JSON),
        "repeats": draw(st.just({"configurations": 1, "seeds": 1}) | JSON),
        "space": draw(st.just("cnn") | JSON.filter(lambda own: ":" not in str(own))),
    }
    kept = draw(st.sets(st.sampled_from(sorted(record)), max_size=6))
    return {name: own for name, own in record.items() if name == "grid" or name in kept}


def test_grid_files(program: Any, cases: Cases) -> None:
    """Any JSON where `bench record` wants a grid."""

    @cases(70)
    @given(record=grids() | JSON)
    def check(record: Any) -> None:
        path = program.folder / "grid.json"
        path.write_text(json.dumps(record))
        try:
            program.refuses(
                *("bench", "record", "--dataset", "no-such.npz", "--grid", "grid.json"),
                *("--out", "table.jsonl"),
            )
        finally:
            path.unlink()

    check()


ROW = {
    "config": {"a": 1, "b": "x"},
    "acc": [[0.5, 0.6], [0.5, 0.7]],
    "loss": [[1.0, 0.9], [1.0, 0.8]],
    "sec": [[1.0, 1.0], [1.0, 1.0]],
    "build": [0.5, 0.5],
    "params": 10,
    "macs": 20,
}


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    header: Any = draw(st.just({"grid": None, "provenance": {"images": 100}}) | JSON)
    lines = [json.dumps(header)]
    for number in range(draw(st.integers(0, 3))):
        row = {**ROW, "config": {"a": number, "b": "xyz"[number]}}
        for name in draw(st.sets(st.sampled_from([*ROW, "graph", "warm"]), max_size=2)):
            row[name] = draw(JSON | st.just([[0.5], [0.5]]))
        lines.append(json.dumps(row))
    return draw(st.just("\n".join(lines).encode()) | damaged("\n".join(lines).encode()))


def test_tables(tmp_path: Path, refusal: Refusal, cases: Cases) -> None:
    """Any lines where `bench replay` wants a table: a table that can be searched, or a refusal."""
    path = tmp_path / "table.jsonl"

    def search() -> None:
        table = Table.read(path)
        space = space_of(table)
        assert table.folds >= 2
        assert table.images >= 0
        assert len(space.dimensions) == len({name for row in table.rows for name in row.config})

    @cases(100)
    @given(content=tables())
    def check(content: bytes) -> None:
        path.write_bytes(content)
        refusal(search)

    check()
