"""The space that a table spans, and which of its rows is nearest to a configuration."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from search.grid import grid_points
from search.points import encoder
from search.table import Row, Table
from search.table_space import Recorded, space_of
from spaces.cnn_space import CNN_SPACE
from spaces.errors import SpaceError
from spaces.narrowing import narrowed
from spaces.space import Choice, Condition, Config, Dimension, Range, Space, Value
from spaces.testing import configurations


def table_of(configs: Sequence[Config], **more: Any) -> Table:
    """Returns a table of these configurations, whose curves say nothing."""
    flat = ((0.5,), (0.5,))
    rows = tuple(
        Row(
            config=config,
            accuracy=flat,
            loss=flat,
            seconds=flat,
            build=(0.0, 0.0),
            params=1,
            macs=1,
        )
        for config in configs
    )
    return Table(grid=None, provenance={}, rows=rows, more=more)


def through_a_file(table: Table) -> Table:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.jsonl"
        table.write(path)
        return Table.read(path)


def choice(space: Space, name: str) -> Choice:
    dimension = space[name]
    assert isinstance(dimension, Choice)
    return dimension


TREE: tuple[Config, ...] = (
    {"kind": "a", "depth": 1},
    {"kind": "a", "depth": 2, "width": 8},
    {"kind": "a", "depth": 2, "width": 16},
    {"kind": "b", "rate": 0.1},
    {"kind": "b", "rate": 0.01},
)
"""A width needs a depth of 2, a depth needs kind a, a rate needs kind b."""


def test_the_header_states_the_space() -> None:
    """A space has more to it than the rows show: ranges, scales, defaults."""
    space = narrowed(CNN_SPACE, {"adam_lr": "1e-4..1e-2"}, {"optimizer": "adam"})
    configs = [space.defaults(), {**space.defaults(), "adam_lr": 2e-4}]

    table = through_a_file(table_of(configs, space=space.to_json()))

    assert space_of(table) == space


@pytest.mark.parametrize(
    "stated",
    [
        "cnn",
        {},
        {"name": "x", "dimensions": [5]},
        {"name": "x", "dimensions": [{"name": "kind", "kind": "other"}]},
        {"name": "x", "dimensions": 3},
        {
            "name": "x",
            "dimensions": [
                {
                    "name": "depth",
                    "kind": "float",
                    "low": 10**400,
                    "high": 1,
                    "step": None,
                    "sampling": "linear",
                    "default": 1,
                    "legal": None,
                    "when": [],
                }
            ],
        },
        Space("other", (Choice(name="kind", values=("a", "c"), default="a"),)).to_json(),
    ],
    ids=["name", "empty", "numbers", "keys", "no-list", "too-large", "other-values"],
)
def test_a_header_that_does_not_fit_its_rows_is_not_believed(stated: object) -> None:
    """Another tool's idea of a space, or one of other configurations."""
    table = table_of(TREE, space=stated)

    assert space_of(table) == space_of(table_of(TREE))


def test_numbers_are_ordered_and_strings_are_not() -> None:
    space = space_of(
        table_of(
            [
                {"width": 16, "rate": 1.0, "kind": "b", "flag": True},
                {"width": 8, "rate": 0.01, "kind": "a", "flag": False},
                {"width": 128, "rate": 0.1, "kind": "b", "flag": True},
            ]
        )
    )

    assert (choice(space, "width").values, choice(space, "width").ordered) == ((8, 16, 128), True)
    assert (choice(space, "rate").values, choice(space, "rate").ordered) == ((0.01, 0.1, 1), True)
    assert (choice(space, "kind").values, choice(space, "kind").ordered) == (("b", "a"), False)
    assert (choice(space, "flag").values, choice(space, "flag").ordered) == ((True, False), False)
    assert all(dimension.when == () for dimension in space.dimensions)


def test_integers_among_floats_are_floats() -> None:
    """As `Table.read` makes them, so every row is a point of the space."""
    table = through_a_file(table_of([{"rate": 1}, {"rate": 0.5}, {"rate": 2}]))

    space = space_of(table)

    assert [repr(value) for value in choice(space, "rate").values] == ["0.5", "1.0", "2.0"]
    assert all(space.contains(row.config) for row in table.rows)


@pytest.mark.parametrize("values", [(1, "a"), (True, 1), (0.5, False), ("a", True)], ids=repr)
def test_values_of_several_types_are_refused(values: tuple[Value, ...]) -> None:
    """True equals 1 in Python, so one would silently stand for the other."""
    table = table_of([{"kind": value, "number": i} for i, value in enumerate(values)])

    with pytest.raises(SpaceError, match=r"values of one type: 'kind' has \['"):
        space_of(table)


@pytest.mark.parametrize("order", [TREE, TREE[::-1]], ids=["parents-first", "children-first"])
def test_a_name_that_some_rows_lack_has_a_condition(order: Sequence[Config]) -> None:
    space = space_of(table_of(order))

    assert space["kind"].when == ()
    assert space["depth"].when == (Condition("kind", ("a",)),)
    assert space["width"].when == (Condition("depth", (2,)),)
    assert space["rate"].when == (Condition("kind", ("b",)),)
    assert all(space.contains(config) for config in TREE)
    assert not space.contains({"kind": "a", "depth": 1, "width": 8})
    assert not space.contains({"kind": "a", "depth": 2})


def test_a_null_is_an_inactive_hyperparameter() -> None:
    """Some writers give every line every name."""
    names = ("kind", "depth", "width", "rate")
    full: list[Any] = [{name: config.get(name) for name in names} for config in TREE]

    table = through_a_file(table_of(full))

    assert space_of(table) == space_of(table_of(TREE))
    assert [row.config for row in table.rows] == list(TREE)


def test_a_condition_may_take_two_parents() -> None:
    """Momentum needs sgd and a schedule: neither alone tells which rows have it."""
    configs: list[Config] = [
        {"optimizer": optimizer, "schedule": schedule}
        | ({"momentum": 0.9} if (optimizer, schedule) == ("sgd", "cosine") else {})
        for optimizer in ("adam", "sgd")
        for schedule in ("constant", "cosine")
    ]

    space = space_of(table_of(configs))

    assert space["momentum"].when == (
        Condition("optimizer", ("sgd",)),
        Condition("schedule", ("cosine",)),
    )
    assert all(space.contains(config) for config in configs)


def test_a_gap_that_nothing_explains_has_no_condition() -> None:
    """The row that lacks it can still be found, though it is no point of the space."""
    configs: tuple[Config, ...] = ({"width": 8, "rate": 0.1}, {"width": 8}, {"width": 16})
    table = table_of(configs)

    space = space_of(table)

    assert space["rate"].when == ()
    assert [space.contains(config) for config in configs] == [True, False, False]
    assert [Recorded(table, space).nearest(config) for config in configs] == [0, 1, 2]


def test_a_row_is_found_by_its_configuration_however_it_is_written() -> None:
    table = table_of(TREE)
    recorded = Recorded(table, space_of(table))

    assert recorded.index({"width": 16, "depth": 2, "kind": "a"}) == 2
    assert recorded.index({"kind": "a", "depth": 3}) is None
    assert recorded.index({}) is None


LINE = [{"width": width} for width in (8, 16, 32, 64)]


@pytest.mark.parametrize(
    ("width", "used", "nearest"),
    [
        (16, set(), 1),
        (16, {1, 2}, 0),
        (16, {0, 1, 2}, 3),
        (20, set(), 1),
        (30, set(), 2),
        (30, {2}, 1),
        (5, set(), 0),
        (500, set(), 3),
        (500, {3}, 2),
    ],
)
def test_the_nearest_unused_row_is_taken(width: int, used: set[int], nearest: int) -> None:
    """Among numbers the order of the listed ones counts, and where a number lies between two."""
    table = table_of(LINE)
    recorded = Recorded(table, space_of(table))

    assert recorded.nearest({"width": width}, frozenset(used)) == nearest


def test_there_is_no_nearest_row_when_all_are_used() -> None:
    table = table_of(LINE)
    recorded = Recorded(table, space_of(table))

    assert recorded.nearest({"width": 16}, frozenset(range(4))) is None
    assert recorded.nearest({"width": 17}, frozenset(range(4))) is None


def test_an_exact_row_wins_over_one_that_only_lies_as_near() -> None:
    """A range of one value is no distance at all."""
    space = Space("one", (Range(name="x", kind="float", low=1, high=1, default=1.0),))
    table = table_of([{"x": 1.0}, {"x": 1.0, "y": 2}, {"x": 1.0, "y": 3}])
    recorded = Recorded(table, space)

    assert [recorded.nearest(row.config) for row in table.rows] == [0, 1, 2]


def test_points_are_one_wide() -> None:
    """By hand: orders of values, powers of ten, one column a string, half a width for none."""
    space = Space(
        "mixed",
        (
            Choice(name="width", values=(8, 16, 128), default=8, ordered=True),
            Choice(name="kind", values=("a", "b"), default="a"),
            Range(name="rate", kind="float", low=1e-4, high=1e-2, default=1e-3, sampling="log"),
            Range(
                name="depth",
                kind="int",
                low=1,
                high=5,
                default=1,
                when=(Condition("kind", ("a",)),),
            ),
        ),
    )
    encode = encoder(space)

    whole = encode({"width": 16, "kind": "a", "rate": 1e-3, "depth": 4})
    partial = encode({"width": 72, "kind": "b", "rate": 1e-4})

    np.testing.assert_allclose(whole, [0.5, 0.5, 0.0, 0.5, 0.75])
    np.testing.assert_allclose(partial, [0.75, 0.0, 0.5, 0.0, -0.5])


@pytest.mark.parametrize(
    ("value", "place"), [(64, 0.0), (32, 0.5), (128, 1.0), (48, 0.25), (96, 0.5)]
)
def test_numbers_may_be_listed_in_any_order(value: int, place: float) -> None:
    """A stated choice keeps the order it was declared in."""
    unsorted = Choice(name="width", values=(64, 32, 128), default=32, ordered=True)

    assert encoder(Space("unsorted", (unsorted,)))({"width": value}) == [place]


def test_ordered_words_have_places_and_unknown_ones_have_none() -> None:
    sizes = Choice(name="size", values=("small", "middle", "large"), default="small", ordered=True)
    encode = encoder(Space("sizes", (sizes,)))

    assert encode({"size": "middle"}) == [0.5]
    assert encode({"size": "huge"}) == [-0.5]
    assert encode({"size": 3}) == [-0.5]


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Draws small spaces with conditions, on one parent or on several, chains of them included."""
    dimensions: list[Dimension] = []
    for index in range(draw(st.integers(1, 5))):
        parents = draw(
            st.lists(st.sampled_from(dimensions), max_size=2, unique_by=lambda own: own.name)
            if dimensions
            else st.just([])
        )
        when = tuple(
            Condition(
                parent.name,
                tuple(draw(st.lists(st.sampled_from(parent.grid(5)), min_size=1, unique=True))),
            )
            for parent in parents
        )
        dimensions.append(replace(draw(_DIMENSIONS), name=f"n{index}", when=when))
    return Space("drawn", tuple(dimensions))


def _choices(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Dimension]:
    lists = st.lists(values, min_size=1, max_size=3, unique=True)
    return st.builds(
        lambda own, ordered: Choice(name="", values=tuple(own), default=own[0], ordered=ordered),
        lists,
        st.booleans(),
    )


_DIMENSIONS: st.SearchStrategy[Dimension] = st.one_of(
    _choices(st.sampled_from([1, 2, 30, -4])),
    _choices(st.sampled_from([0.0, 1.0, 2.5, 1e-7])),
    _choices(st.sampled_from(["a", "b", "1", ""])),
    _choices(st.booleans()),
    st.just(Range(name="", kind="int", low=1, high=3, default=1)),
    st.just(Range(name="", kind="float", low=1, high=2, default=1, step=0.5)),
    st.just(Range(name="", kind="float", low=1e-4, high=1.0, default=0.1, sampling="log")),
    st.just(Range(name="", kind="float", low=2.0, high=2.0, default=2.0)),
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Space, Table]:
    """Draws a space and a table of some of its grid's points, or of all, as a file gives it."""
    space = draw(spaces())
    points = list(grid_points(space, 3))
    assume(len(points) <= 300)
    if draw(st.booleans()):
        points = draw(st.permutations(points))[: draw(st.integers(1, len(points)))]
    if draw(st.booleans()):
        points = [{name: point[name] for name in reversed(list(point))} for point in points]
    stated = {"space": space.to_json()} if draw(st.booleans()) else {}
    return space, through_a_file(table_of(points, **stated))


@given(tables())
def test_every_row_is_a_point_of_its_tables_space(drawn: tuple[Space, Table]) -> None:
    space, table = drawn

    found = space_of(table)

    assert all(found.contains(row.config) for row in table.rows)
    if "space" in table.more:
        assert found == space
    assert Space.from_json(json.loads(json.dumps(found.to_json()))) == found


@given(tables(), st.data())
def test_the_nearest_row_to_a_row_is_itself(
    drawn: tuple[Space, Table], data: st.DataObject
) -> None:
    """And with rows used up it is another, until none is left."""
    _, table = drawn
    recorded = Recorded(table, space_of(table))

    assert [recorded.nearest(row.config) for row in table.rows] == list(range(len(table.rows)))

    config = data.draw(st.sampled_from(table.rows)).config
    used: set[int] = set()
    for _ in table.rows:
        nearest = recorded.nearest(config, frozenset(used))
        assert nearest is not None
        assert nearest not in used
        used.add(nearest)
    assert recorded.nearest(config, frozenset(used)) is None


@given(tables(), st.data())
def test_any_point_of_the_space_has_a_nearest_row(
    drawn: tuple[Space, Table], data: st.DataObject
) -> None:
    """Whatever a sampler proposes in it; exactly the row, if there is one."""
    _, table = drawn
    space = space_of(table)
    recorded = Recorded(table, space)
    config = data.draw(configurations(space))

    nearest = recorded.nearest(config)

    assert nearest is not None
    exact = [i for i, row in enumerate(table.rows) if row.config == config]
    assert exact in ([], [nearest])
