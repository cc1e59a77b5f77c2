"""Tables: written and read again, and refused with a reason where they are none."""

import gzip
import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import table as table_module
from search.errors import TableError
from search.table import Row, Table

HEADER: dict[str, Any] = {
    "grid": {"width": [8, 16], "rate": [0.01, 0.1]},
    "provenance": {"dataset": "scripted", "images": 100},
    "format": 1,
    "note": {"kept": [1, None, "é"]},
}
RECORD: dict[str, Any] = {
    "config": {"width": 8, "rate": 0.01, "kind": "a", "flag": True},
    "acc": [[0.5, 0.75], [0.25, 1.0]],
    "loss": [[0.7, 0.6], [0.8, 0.5]],
    "sec": [[1.5, 1.25], [1.5, 1.0]],
    "build": [3.0, 0.5],
    "params": 1000,
    "macs": 5000,
    "repeats": [{"acc": [[0.5]]}],
    "warm": 0.25,
}


def record(width: int = 8, **changes: Any) -> dict[str, Any]:
    """Returns a line of a table; a change to None takes the key away."""
    own = {**RECORD, "config": {**RECORD["config"], "width": width}, **changes}
    return {name: value for name, value in own.items() if value is not None}


def line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes lines as they are, a JSON value or bytes each, after the usual header."""

    def write(*lines: object, header: object = HEADER, name: str = "table.jsonl") -> Path:
        path = tmp_path / name
        whole = b"".join(own if isinstance(own, bytes) else line(own) for own in (header, *lines))
        path.write_bytes(gzip.compress(whole) if name.endswith(".gz") else whole)
        return path

    return write


@pytest.fixture
def table(written: Callable[..., Path]) -> Table:
    """Two configurations, two folds, two epochs."""
    return Table.read(written(record(8), record(16)))


@pytest.mark.parametrize("name", ["table.jsonl", "table.jsonl.gz"])
def test_what_is_read_is_written_byte_for_byte(table: Table, tmp_path: Path, name: str) -> None:
    """At any time: no clock and no file name goes into the compressed bytes."""
    first, second = tmp_path / "first" / name, tmp_path / "second" / f"other-{name}"

    table.write(first)
    again = Table.read(first)
    again.write(second)

    assert first.read_bytes() == second.read_bytes()
    assert again == table
    assert (first.read_bytes()[:2] == b"\x1f\x8b") is name.endswith(".gz")


def test_a_line_is_read_as_it_stands(table: Table) -> None:
    row = table.rows[0]

    assert row.config == {"width": 8, "rate": 0.01, "kind": "a", "flag": True}
    assert row.accuracy == ((0.5, 0.75), (0.25, 1.0))
    assert row.loss == ((0.7, 0.6), (0.8, 0.5))
    assert row.seconds == ((1.5, 1.25), (1.5, 1.0))
    assert row.build == (3.0, 0.5)
    assert (row.params, row.macs) == (1000, 5000)
    assert (len(table.rows), table.folds, table.epochs) == (2, 2, 2)


def test_further_keys_are_kept(table: Table, tmp_path: Path) -> None:
    """Those of the header and those of the lines, through another writing."""
    table.write(tmp_path / "again.jsonl")

    again = Table.read(tmp_path / "again.jsonl")

    assert again.grid == HEADER["grid"]
    assert again.provenance == HEADER["provenance"]
    assert again.more == {"format": 1, "note": {"kept": [1, None, "é"]}}
    assert again.rows[0].more == {"repeats": [{"acc": [[0.5]]}], "warm": 0.25}


@pytest.mark.parametrize("header", [{"grid": None, "provenance": {"tool": "x"}}, {"grid": None}])
def test_a_table_need_not_be_a_grid(written: Callable[..., Path], header: dict[str, Any]) -> None:
    path = written(record(), header=header)

    table = Table.read(path)
    table.write(path)

    assert table.grid is None
    assert table.provenance == header.get("provenance", {})
    assert json.loads(path.read_text().splitlines()[0])["grid"] is None


def test_a_source_in_words_is_a_provenance(written: Callable[..., Path]) -> None:
    table = Table.read(written(record(), header={"provenance": "measured by hand"}))

    assert table.provenance == {"source": "measured by hand"}


def test_weights_stand_in_for_missing_multiply_adds(written: Callable[..., Path]) -> None:
    table = Table.read(written(record(macs=None, params=1234)))

    assert table.rows[0].macs == 1234


def test_a_null_is_no_value(written: Callable[..., Path]) -> None:
    """Some writers give every line every name."""
    table = Table.read(written(record(config={"width": 8, "rate": None})))

    assert table.rows[0].config == {"width": 8}


def test_a_name_with_a_float_has_floats_only(written: Callable[..., Path]) -> None:
    """Not every writer tells 1.0 from 1; truth values are no numbers."""
    configs = [{"a": 1, "b": 2, "c": True}, {"a": 0.5, "b": 3, "c": False}, {"a": 2, "b": 2}]

    table = Table.read(written(*(record(config=config) for config in configs)))

    assert [repr(row.config["a"]) for row in table.rows] == ["1.0", "0.5", "2.0"]
    assert [repr(row.config["b"]) for row in table.rows] == ["2", "3", "2"]
    assert [repr(row.config.get("c")) for row in table.rows] == ["True", "False", "None"]


def test_values_are_rounded_once(tmp_path: Path) -> None:
    """Seven digits of a loss and tenths of a millisecond are more than anyone measures."""
    row = Row(
        config={"width": 8},
        accuracy=((0.123456789012345,),) * 2,
        loss=((0.123456789,),) * 2,
        seconds=((1.23456789,),) * 2,
        build=(0.00001, 3.14159265),
        params=1,
        macs=2,
    )

    Table(grid=None, provenance={}, rows=(row,)).write(tmp_path / "table.jsonl")

    again = Table.read(tmp_path / "table.jsonl").rows[0]
    assert again.accuracy == row.accuracy
    assert again.loss == ((0.1234568,),) * 2
    assert again.seconds == ((1.2346,),) * 2
    assert again.build == (0.0, 3.1416)


def test_a_blank_line_counts_and_says_nothing(written: Callable[..., Path]) -> None:
    path = written(b"\n", record(8), b" \r\n", record(16), b"\n")

    assert len(Table.read(path).rows) == 2

    path = written(b"\n", record(8), b"\n", b"{\n")
    with pytest.raises(TableError, match=r"Line 5 of the table .*table\.jsonl is no JSON"):
        Table.read(path)


def test_only_a_newline_ends_a_line(written: Callable[..., Path]) -> None:
    """U+2028 and its like end lines elsewhere; in JSON they are letters of a string."""
    text = json.dumps(record(config={"kind": "a\u2028b\x85c"}), ensure_ascii=False).encode()

    table = Table.read(written(text + b"\n"))

    assert table.rows[0].config == {"kind": "a\u2028b\x85c"}


def test_the_score_is_the_mean_of_the_last_epoch(table: Table) -> None:
    """By hand: (0.75 + 1.0) / 2."""
    assert table.rows[0].score == 0.875


def test_the_cost_is_one_building_and_all_training(table: Table) -> None:
    """By hand: 3 + 1.5 + 1.25 + 1.5 + 1."""
    assert table.rows[0].cost == 8.25


@pytest.mark.parametrize("place", ["provenance", "header"])
def test_the_images_are_stated(written: Callable[..., Path], place: str) -> None:
    header = {"provenance": {"images": 77}} if place == "provenance" else {"images": 77}

    assert Table.read(written(record(), header=header)).images == 77


@pytest.mark.parametrize("stated", [{}, {"images": 0}, {"images": "many"}, {"images": True}])
def test_the_images_are_read_off_the_accuracies(
    written: Callable[..., Path], stated: dict[str, Any]
) -> None:
    """Counts of 40 images, rounded to 7 digits: 13/40 and 14/40 lie one image apart."""
    accuracies = [[round(count / 40, 7) for count in fold] for fold in ([13, 30], [14, 31])]
    lines = [record(8, acc=accuracies), record(16, acc=accuracies[::-1])]

    assert Table.read(written(*lines, header={"provenance": stated})).images == 80


def test_equal_accuracies_tell_no_more_than_one_image_a_fold(
    written: Callable[..., Path],
) -> None:
    """Nothing differs, and nothing is divided by zero."""
    path = written(record(acc=[[0.5, 0.5]] * 2), header={})

    assert Table.read(path).images == 2


def test_a_subset_has_the_rows_asked_for_and_no_grid(table: Table) -> None:
    small = table.subset([1])

    assert small.grid is None
    assert small.rows == table.rows[1:]
    assert (small.provenance, small.more) == (table.provenance, table.more)


def test_a_missing_file_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.jsonl cannot be read: .*No such file"):
        Table.read(tmp_path / "none.jsonl")


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"cannot be read: .* is no regular file"):
        Table.read(tmp_path)


def test_a_path_that_no_file_can_have_is_no_table() -> None:
    with pytest.raises(TableError, match=r"cannot be read: embedded null byte"):
        Table.read(Path("a\0b"))


def test_a_name_in_gz_promises_gzip(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl.gz"
    path.write_bytes(line(HEADER) + line(record()))

    with pytest.raises(TableError, match=r"cannot be read: Not a gzipped file"):
        Table.read(path)


def test_a_torn_gzip_file_is_no_table(written: Callable[..., Path]) -> None:
    path = written(record(), name="table.jsonl.gz")
    path.write_bytes(path.read_bytes()[:-10])

    with pytest.raises(TableError, match=r"cannot be read: Compressed file ended"):
        Table.read(path)


def test_a_corrupt_gzip_file_is_no_table(written: Callable[..., Path]) -> None:
    """Zlib has an error of its own, which is no OSError."""
    path = written(record(), name="table.jsonl.gz")
    content = bytearray(path.read_bytes())
    content[10] = 0xFF  # the first block's type
    path.write_bytes(content)

    with pytest.raises(TableError, match=r"cannot be read: Error -3 .* invalid block type"):
        Table.read(path)


def test_a_table_is_utf_8(written: Callable[..., Path]) -> None:
    with pytest.raises(TableError, match=r"cannot be read: 'utf-8' codec"):
        Table.read(written(b'{"config": "\xff"}\n'))


@pytest.mark.parametrize("name", ["table.jsonl", "table.jsonl.gz"])
@pytest.mark.parametrize("filling", [b"0", b"\n", b'{"acc": []}\n'], ids=["one", "blank", "more"])
def test_a_bomb_is_refused(
    written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, name: str, filling: bytes
) -> None:
    """A thousandth of it, compressed, would fill the memory."""
    monkeypatch.setattr(table_module, "MOST_BYTES", 100_000)
    path = written(filling * (100_001 // len(filling)), name=name)

    with pytest.raises(TableError, match=r"at most 100,000 bytes, decompressed: .* has more"):
        Table.read(path)


def test_a_table_may_have_the_most_bytes(
    written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(record())
    monkeypatch.setattr(table_module, "MOST_BYTES", path.stat().st_size)

    assert len(Table.read(path).rows) == 1


@pytest.mark.parametrize(
    "text",
    [b"not JSON\n", b'{"config": {}\n', b"9" * 5000 + b"\n", b"[" * 100_000 + b"\n"],
    ids=["words", "torn", "digits", "depth"],
)
def test_every_line_is_json(written: Callable[..., Path], text: bytes) -> None:
    with pytest.raises(TableError, match=r"Line 3 of the table .*table\.jsonl is no JSON"):
        Table.read(written(record(), text))


@pytest.mark.parametrize("value", [[1, 2], "text", 5, None])
def test_every_line_is_an_object(written: Callable[..., Path], value: object) -> None:
    with pytest.raises(TableError, match=r"is a JSON object: line 3 of .* is (\[1|'te|5|None)"):
        Table.read(written(record(), value))


def test_an_empty_file_is_no_table(written: Callable[..., Path]) -> None:
    with pytest.raises(TableError, match=r"begins with a header line, got none"):
        Table.read(written(header=b""))


def test_a_header_comes_first(written: Callable[..., Path]) -> None:
    with pytest.raises(TableError, match=r"begins with a header line, got none"):
        Table.read(written(record(16), header=record(8)))


@pytest.mark.parametrize("grid", [5, "all", [["width", [8]]], {"width": 8}, {"width": "8,16"}])
def test_a_grid_lists_values(written: Callable[..., Path], grid: object) -> None:
    with pytest.raises(TableError, match=r"is null or \{name: \[values\]\}: .* has"):
        Table.read(written(record(), header={"grid": grid}))


def test_a_header_alone_is_no_table(written: Callable[..., Path]) -> None:
    with pytest.raises(TableError, match=r"has a header and no configuration"):
        Table.read(written())


@pytest.mark.parametrize("name", ["config", "acc", "loss", "sec", "build", "params"])
def test_every_line_has_every_key(written: Callable[..., Path], name: str) -> None:
    with pytest.raises(TableError, match=rf"Line 3 of the table .* lacks '{name}'\."):
        Table.read(written(record(8), record(16, **{name: None})))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    "change",
    [
        lambda bad: {"acc": [[0.5, bad], [0.5, 0.5]]},
        lambda bad: {"loss": [[0.5, 0.5], [bad, 0.5]]},
        lambda bad: {"sec": [[bad, 0.5], [0.5, 0.5]]},
        lambda bad: {"build": [1.0, bad]},
        lambda bad: {"params": bad},
        lambda bad: {"macs": bad},
        lambda bad: {"config": {"rate": bad}},
    ],
    ids=["acc", "loss", "sec", "build", "params", "macs", "config"],
)
def test_every_number_is_finite(
    written: Callable[..., Path], change: Callable[[float], dict[str, Any]], value: float
) -> None:
    """JSON has no such numbers; Python's reader takes them all the same."""
    with pytest.raises(TableError, match=rf"Line 2 .* has a bad value: {value} is not finite"):
        Table.read(written(record(**change(value))))


def test_a_number_beyond_the_floats_is_refused(written: Callable[..., Path]) -> None:
    for number in (b"1e999", b"1" + b"0" * 400):
        text = json.dumps(record(build=[1, "N"])).encode().replace(b'"N"', number)

        with pytest.raises(TableError, match=r"Line 2 .* has a bad value: (inf|int too large)"):
            Table.read(written(text + b"\n"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"acc": 0.5}, "0.5 is no list"),
        ({"acc": ["55", "55"]}, "'55' is no list"),
        ({"acc": {"1": [0.5], "2": [0.5]}}, r"\{'1': .* is no list"),
        ({"loss": [["0.5", 0.5], [0.5, 0.5]]}, "'0.5' is no number"),
        ({"loss": [[True, 0.5], [0.5, 0.5]]}, "True is no number"),
        ({"sec": [[None, 0.5], [0.5, 0.5]]}, "None is no number"),
        ({"build": 3.0}, "3.0 is no list"),
        ({"params": "1000"}, "'1000' is no number"),
        ({"params": 1000.5}, "1000.5 is no whole number from 0"),
        ({"macs": -1}, "-1 is no whole number from 0"),
        ({"graph": 5}, "'graph' is a text, got 5"),
        ({"warm": "cold"}, "'cold' is no number"),
        ({"config": []}, r"'config' is \{name: value\}, got \[\]"),
        ({"config": [["width", 8]]}, r"'config' is \{name: value\}, got \[\["),
        ({"config": {"width": [8]}}, r"'width' is a number, a string or a truth value, got \[8\]"),
    ],
)
def test_a_value_of_another_kind_is_refused(
    written: Callable[..., Path], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(TableError, match=rf"Line 2 .* has a bad value: {message}"):
        Table.read(written(record(**change)))


@pytest.mark.parametrize("shape", [[], [2], [0, 0], [2, 1]])
def test_folds_have_the_same_epochs(written: Callable[..., Path], shape: list[int]) -> None:
    curves = [[0.5] * epochs for epochs in shape]

    with pytest.raises(TableError, match=r"the same epochs for two folds or more: line 2 of .*"):
        Table.read(written(record(acc=curves, loss=curves, sec=curves, build=[1.0] * len(shape))))


@pytest.mark.parametrize("name", ["acc", "loss", "sec"])
@pytest.mark.parametrize("shape", [[2, 1], [2, 2, 2], [3, 3]])
def test_lines_have_the_same_shape(
    written: Callable[..., Path], name: str, shape: list[int]
) -> None:
    change = {name: [[0.5] * epochs for epochs in shape]}
    message = rf"'{name}' in line 3 of .* has \[{shape[0]}, .*\], expected \[2, 2\]"

    with pytest.raises(TableError, match=message):
        Table.read(written(record(8), record(16, **change)))


@pytest.mark.parametrize("build", [[], [1.0], [1.0, 1.0, 1.0]])
def test_build_has_one_number_a_fold(written: Callable[..., Path], build: list[float]) -> None:
    message = rf"one number a fold: line 3 of .* has {len(build)}, expected 2"

    with pytest.raises(TableError, match=message):
        Table.read(written(record(8), record(16, build=build)))


@pytest.mark.parametrize(
    "again",
    [{"rate": 2.5, "width": 1}, {"width": 1.0, "rate": 2.5}, {"width": 1, "x": None, "rate": 2.5}],
    ids=["in-another-order", "as-a-float", "with-a-null"],
)
def test_a_configuration_stands_once(
    written: Callable[..., Path], again: dict[str, object]
) -> None:
    first, between = {"width": 1, "rate": 2.5}, {"width": 2, "rate": 2.5}
    lines = [record(config=config) for config in (first, between, again)]

    with pytest.raises(TableError, match=r"once in a table: lines 2 and 4 of .* have the same"):
        Table.read(written(*lines))


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([10**400, -(10**400), 2**63, "\ud800", "NaN"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def read_or_refuse(content: bytes, suffix: str) -> Table | None:
    """Reads bytes as a table. Whatever else than a TableError is raised is a bug."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table{suffix}"
        path.write_bytes(content)
        try:
            table = Table.read(path)
        except TableError as error:
            assert str(error).encode()  # noqa: PT017 - no surrogate that a terminal refuses
            return None
        table.write(path)
        assert Table.read(path) is not None
        return table


@given(st.binary(max_size=200), st.sampled_from([".jsonl", ".gz"]))
def test_any_bytes_are_refused(content: bytes, suffix: str) -> None:
    assert read_or_refuse(content, suffix) is None


@given(st.data(), st.sampled_from([".jsonl", ".gz"]), st.booleans())
def test_broken_bytes_are_refused_or_read(data: st.DataObject, suffix: str, inside: bool) -> None:
    """Bytes exchanged, dropped and doubled in a good table: outside the compression or inside."""
    content = line(HEADER) + line(record(8)) + line(record(16))
    if suffix == ".gz" and not inside:
        content = gzip.compress(content, mtime=0)
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(broken)))
        stop = data.draw(st.integers(start, min(start + 3, len(broken))))
        broken[start:stop] = data.draw(st.binary(max_size=3))

    read_or_refuse(gzip.compress(broken) if suffix == ".gz" and inside else bytes(broken), suffix)


@given(st.data())
def test_broken_records_are_refused_or_read(data: st.DataObject) -> None:
    """Any JSON in any place of a good table."""
    lines = [json.loads(line(own)) for own in (HEADER, record(8), record(16))]
    for _ in range(data.draw(st.integers(1, 2))):
        place: Any = lines
        key = data.draw(st.integers(0, len(lines) - 1))
        while isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
            keys = sorted(place) if isinstance(place, dict) else range(len(place))
            key = data.draw(st.sampled_from(keys))
        place[key] = data.draw(VALUES)

    read_or_refuse(b"".join(line(own) for own in lines), ".jsonl")


def test_a_large_random_table_survives(tmp_path: Path) -> None:
    """A thousand lines of random numbers, written, read and written again."""
    numbers = random.Random(0)  # noqa: S311 - a table, not secrets
    base = Table.read(_one_row(tmp_path))
    rows = tuple(
        replace(
            base.rows[0],
            config={"width": width, "rate": numbers.random()},
            accuracy=tuple(tuple(numbers.random() for _ in range(10)) for _ in range(5)),
            loss=tuple(tuple(numbers.random() for _ in range(10)) for _ in range(5)),
            seconds=tuple(tuple(numbers.random() for _ in range(10)) for _ in range(5)),
            build=tuple(numbers.random() for _ in range(5)),
        )
        for width in range(1000)
    )
    first, second = tmp_path / "first.gz", tmp_path / "second.gz"

    replace(base, rows=rows).write(first)
    again = Table.read(first)
    again.write(second)

    assert first.read_bytes() == second.read_bytes()
    assert [row.accuracy for row in again.rows] == [row.accuracy for row in rows]


def _one_row(folder: Path) -> Path:
    path = folder / "one.jsonl"
    path.write_bytes(line(HEADER) + line(record()))
    return path
