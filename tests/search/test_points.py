"""Configurations as points: places, widths, and draws that are always members of the space."""

import math
from collections import Counter
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.points import encoder, sampled
from spaces.cnn_space import CNN_SPACE
from spaces.space import Choice, Condition, Config, Dimension, Range, Sampling, Space, Value
from spaces.testing import configurations

TREE = Space(
    "tree",
    (
        Choice(name="kind", values=("a", "b", "c"), default="a"),
        Range(name="rate", kind="float", low=1e-4, high=1e-2, default=1e-3, sampling="log"),
        Range(
            name="depth", kind="int", low=1, high=5, default=1, when=(Condition("kind", ("a",)),)
        ),
        Choice(
            name="width",
            values=(8, 16, 64),
            default=8,
            ordered=True,
            when=(Condition("kind", ("a", "b")),),
        ),
        Choice(name="norm", values=("x", "y"), default="x", when=(Condition("depth", (2, 3)),)),
    ),
)
"""An unordered choice, scales, an ordered choice, and conditions on conditions."""


def place(dimension: Dimension, value: Value) -> list[float]:
    """Returns the columns of one value."""
    return [float(x) for x in encoder(Space("one", (dimension,)))({dimension.name: value})]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1e-4, 0.0), (1e-3, 0.5), (1e-2, 1.0), (1e-1, 1.5), (0.0, -0.5), (-1.0, -0.5), ("x", -0.5)],
)
def test_a_log_range_is_one_wide(value: Value, expected: float) -> None:
    """A number outside lies outside; what has no place on the scale is like an absent one."""
    assert place(TREE["rate"], value) == pytest.approx([expected])


@pytest.mark.parametrize(
    ("value", "expected"), [(1, 0.0), (2, 0.25), (5, 1.0), (9, 2.0), (0, -0.25)]
)
def test_a_linear_range_is_one_wide(value: Value, expected: float) -> None:
    """Beyond its bounds it goes on."""
    depth = Range(name="depth", kind="int", low=1, high=5, default=1)

    assert place(depth, value) == [expected]


@pytest.mark.parametrize("sampling", ["linear", "log", "reverse_log"])
def test_a_range_of_one_number_has_one_place(sampling: Sampling) -> None:
    """Nothing is divided by its width."""
    fixed = Range(name="d", kind="float", low=2.0, high=2.0, default=2.0, sampling=sampling)

    assert place(fixed, 2.0) == place(fixed, 3.0) == [0.0]


def test_an_ordered_choice_is_its_index() -> None:
    """Numbers between two listed ones lie between them, beyond them at the ends."""
    width = Choice(name="w", values=(8, 16, 64), default=8, ordered=True)

    places = [place(width, value)[0] for value in (8, 16, 64, 12, 40, 1, 500, "8")]

    assert places == [0.0, 0.5, 1.0, 0.25, 0.75, 0.0, 1.0, -0.5]


def test_an_ordered_choice_may_fall_and_may_be_alone() -> None:
    """Its own order counts, not that of the numbers."""
    falling = Choice(name="w", values=(64, 16, 8), default=8, ordered=True)
    alone = Choice(name="w", values=(8,), default=8, ordered=True)
    words = Choice(name="w", values=("low", "high"), default="low", ordered=True)

    assert [place(falling, value)[0] for value in (64, 12, 8)] == [0.0, 0.75, 1.0]
    assert place(alone, 8) == [0.0]
    assert [place(words, value)[0] for value in ("low", "high", "middle", 3)] == [0, 1, -0.5, -0.5]


def test_unordered_values_are_equally_far_from_each_other() -> None:
    """One width apart, and half a width from where there is none."""
    kinds = [np.array(place(TREE["kind"], value)) for value in ("a", "b", "c", "unknown")]

    gaps = [float(np.abs(one - other).sum()) for one in kinds for other in kinds]

    assert gaps == [0, 1, 1, 0.5, 1, 0, 1, 0.5, 1, 1, 0, 0.5, 0.5, 0.5, 0.5, 0]


def test_an_inactive_hyperparameter_stands_half_a_width_away() -> None:
    """From its lowest value, or from each of its unordered ones."""
    encode = encoder(TREE)

    absent = encode({"kind": "c", "rate": 1e-4})
    present = encode({"kind": "c", "rate": 1e-4, "depth": 1, "width": 8, "norm": "y"})

    assert list(absent[3:]) == [0.0, -0.5, -0.5, 0.0, 0.0]
    assert list(np.abs(present - absent)) == [0, 0, 0, 0, 0.5, 0.5, 0, 0.5]


@given(st.data())
@pytest.mark.parametrize("space", [TREE, CNN_SPACE], ids=["tree", "cnn"])
def test_every_member_lies_within_the_box(space: Space, data: st.DataObject) -> None:
    """As many columns for each, between -0.5 and 1."""
    encode = encoder(space)
    one, other = (encode(data.draw(configurations(space))) for _ in range(2))

    assert one.shape == other.shape
    assert (one >= -0.5).all()
    assert (one <= 1.0).all()


@given(seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("space", [TREE, CNN_SPACE], ids=["tree", "cnn"])
def test_whatever_is_drawn_is_a_member(space: Space, seed: int) -> None:
    """Every active value, no other."""
    assert space.contains(sampled(space, np.random.default_rng(seed)))


@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("space", [TREE, CNN_SPACE], ids=["tree", "cnn"])
def test_given_values_are_kept_where_they_are_active(
    space: Space, seed: int, data: st.DataObject
) -> None:
    """One of them changed: what depends on it is drawn, everything else stays."""
    config = data.draw(configurations(space))
    name = data.draw(st.sampled_from(sorted(config)))
    other = data.draw(configurations(space).filter(lambda own: name in own))
    given_: Config = {**config, name: other[name]}

    found = sampled(space, np.random.default_rng(seed), given_)

    assert space.contains(found)
    assert all(found[key] == value for key, value in given_.items() if key in found)
    assert sampled(space, np.random.default_rng(seed), config) == config


class Stuck:
    """A generator that always draws one number."""

    def __init__(self, number: float) -> None:
        self._number = number

    def random(self) -> float:
        return self._number

    def integers(self, high: int) -> int:
        return int(self._number * high)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    scales: list[Sampling] = ["linear", "log", "reverse_log"]
    whole = draw(st.booleans())
    number = st.integers(1, 10**6) if whole else st.floats(1e-6, 1e6)
    low, high = sorted((draw(number), draw(number)))
    return Range(
        name="x",
        kind="int" if whole else "float",
        low=low,
        high=high,
        default=low,
        sampling=draw(st.sampled_from(scales)),
    )


@given(dimension=ranges(), number=st.floats(0, 1, exclude_max=True))
def test_no_draw_lies_outside_of_its_range(dimension: Range, number: float) -> None:
    """Not by a rounding error either: what is proposed must be a point of the space."""
    rng = cast("np.random.Generator", Stuck(number))

    found = sampled(Space("one", (dimension,)), rng)

    assert dimension.contains(found["x"])


def test_every_value_of_a_choice_is_as_likely_as_the_others() -> None:
    """3,000 draws of three values: 1,000 each, give or take five standard errors of 26."""
    rng = np.random.default_rng(0)

    counts = Counter(sampled(TREE, rng)["kind"] for _ in range(3000))

    assert all(abs(count - 1000) < 5 * math.sqrt(3000 * 2 / 9) for count in counts.values())


def test_a_log_range_is_drawn_evenly_on_its_scale() -> None:
    """Half of the draws lie below the geometric middle."""
    rng = np.random.default_rng(0)

    low = sum(float(sampled(TREE, rng)["rate"]) < 1e-3 for _ in range(1000))

    assert abs(low - 500) < 5 * math.sqrt(250)
