"""Dimensions as Optuna sees them: what goes in comes back, and nothing leaves its range."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search.distributions import SamplerAxis, recorded, recorded_all
from spaces.cnn_space import CNN_SPACE
from spaces.space import Choice, Condition, Dimension, Range, Value

WORDS = Choice(name="d", values=("b", "a", "c"), default="a")
FLAGS = Choice(name="d", values=(False, True), default=False)
ORDERED = Choice(name="d", values=(8, 16, 128), default=8, ordered=True)
LISTED = [
    pytest.param(WORDS, CategoricalDistribution((0, 1, 2)), ("b", "a", "c"), id="words"),
    pytest.param(FLAGS, CategoricalDistribution((0, 1)), (False, True), id="flags"),
    pytest.param(ORDERED, IntDistribution(0, 2), (8, 16, 128), id="ordered"),
    pytest.param(
        Range(name="d", kind="int", low=1, high=8, step=3, default=1),
        IntDistribution(0, 2),
        (1, 4, 7),  # 8 is no multiple of the step: Optuna would warn and lower the bound
        id="int by step",
    ),
    pytest.param(
        Range(name="d", kind="float", low=0.0, high=0.3, step=0.1, default=0.0),
        IntDistribution(0, 3),
        (0.0, 0.1, 0.2, 0.3),
        id="float by step",
    ),
    pytest.param(
        Range(name="d", kind="int", low=8, high=64, step=2, sampling="log", default=8),
        IntDistribution(0, 3),
        (8, 16, 32, 64),
        id="log by factor",
    ),
    pytest.param(
        Range(name="d", kind="float", low=0.001, high=0.1, step=10, sampling="log", default=0.1),
        IntDistribution(0, 2),
        (0.001, 0.01, 0.1),
        id="float log by factor",
    ),
    pytest.param(
        Range(name="d", kind="int", low=1, high=9, step=2, sampling="reverse_log", default=1),
        IntDistribution(0, 3),
        (2, 6, 8, 9),  # 10 minus 8, 4, 2, 1: dense at the upper end
        id="reverse log by factor",
    ),
]
CONTINUOUS = [
    pytest.param(
        Range(name="d", kind="int", low=-3, high=5, default=0), IntDistribution(-3, 5), id="int"
    ),
    pytest.param(
        Range(name="d", kind="int", low=1, high=64, sampling="log", default=8),
        IntDistribution(1, 64, log=True),
        id="int log",
    ),
    pytest.param(
        Range(name="d", kind="float", low=-0.5, high=0.5, default=0.0),
        FloatDistribution(-0.5, 0.5),
        id="float",
    ),
    pytest.param(
        Range(name="d", kind="float", low=1e-4, high=0.1, sampling="log", default=0.01),
        FloatDistribution(1e-4, 0.1, log=True),
        id="float log",
    ),
    pytest.param(
        Range(name="d", kind="float", low=0.5, high=0.999, sampling="reverse_log", default=0.9),
        FloatDistribution(0.0, 1.0),
        id="float reverse log",
    ),
    pytest.param(
        Range(name="d", kind="int", low=1, high=1000, sampling="reverse_log", default=5),
        FloatDistribution(0.0, 1.0),
        id="int reverse log",
    ),
]


@pytest.mark.parametrize(("dimension", "distribution", "values"), LISTED)
def test_listed_values_are_asked_for_by_index(
    dimension: Dimension, distribution: BaseDistribution, values: tuple[Value, ...]
) -> None:
    """Every index is a value, of the right type, and every value its index."""
    axis = SamplerAxis(dimension)

    got = tuple(axis.value_of(index) for index in range(len(values)))

    assert axis.distribution == distribution
    assert got == values
    assert {type(value) for value in got} == {type(values[0])}
    assert [axis.suggestion_of(value) for value in got] == list(range(len(values)))


@pytest.mark.parametrize(("dimension", "distribution"), CONTINUOUS)
@given(share=st.floats(0, 1))
def test_numbers_come_back_as_they_went(
    dimension: Range, distribution: BaseDistribution, share: float
) -> None:
    """Value to suggestion to value, anywhere on the range, its ends included."""
    axis = SamplerAxis(dimension)
    at = min(max(dimension.at(share), dimension.low), dimension.high)
    value = round(at) if dimension.kind == "int" else at

    suggestion = axis.suggestion_of(value)
    back = axis.value_of(suggestion)

    assert axis.distribution == distribution
    assert distribution._contains(suggestion)
    assert type(back) is type(value)
    assert back == pytest.approx(value, rel=1e-12)
    assert dimension.contains(back)


@given(st.floats(1e-5, 1), st.floats(1, 1e4), st.floats(0, 1))
def test_a_reverse_log_suggestion_never_leaves_its_range(
    low: float, factor: float, share: float
) -> None:
    """Found at 0.42256173022598326 to 2.7091407947809074: rounding left it by one bit."""
    high = low * factor
    dimension = Range(
        name="d", kind="float", low=low, high=high, default=low, sampling="reverse_log"
    )

    values = [SamplerAxis(dimension).value_of(at) for at in (0.0, share, 1.0)]

    assert all(dimension.contains(value) for value in values)


def test_the_ends_of_a_reverse_log_range_are_inside() -> None:
    """The example that the property found, kept."""
    low, high = 0.42256173022598326, 2.7091407947809074
    dimension = Range(
        name="d", kind="float", low=low, high=high, default=low, sampling="reverse_log"
    )

    assert SamplerAxis(dimension).value_of(0.0) == low


def test_reverse_log_is_dense_at_the_upper_end() -> None:
    """By hand: halfway up 1 to 100 lies 101 - 10 = 91; plain log has 10 there."""
    dimension = Range(name="d", kind="float", low=1, high=100, default=1.0, sampling="reverse_log")

    assert SamplerAxis(dimension).value_of(0.5) == pytest.approx(91)


def test_a_value_between_steps_is_seen_at_the_nearest() -> None:
    """A baseline's own value still teaches the sampler something."""
    dimension = Range(name="d", kind="float", low=0.0, high=0.5, step=0.125, default=0.0)

    assert SamplerAxis(dimension).suggestion_of(0.3) == 2


def test_a_suggestion_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="'d' cannot take the suggestion 'a'"):
        SamplerAxis(WORDS).value_of("a")


@pytest.mark.parametrize(
    ("dimension", "distribution"),
    [
        (WORDS, CategoricalDistribution(("b", "a", "c"))),
        (ORDERED, CategoricalDistribution((8, 16, 128))),
        (
            Range(name="d", kind="int", low=8, high=60, step=2, sampling="log", default=8),
            IntDistribution(8, 60, log=True),
        ),
        (
            Range(name="d", kind="float", low=0.5, high=0.9, sampling="reverse_log", default=0.9),
            FloatDistribution(0.5, 0.9),
        ),
    ],
    ids=["choice", "ordered", "log step", "reverse log"],
)
def test_the_ledger_records_real_values(
    dimension: Dimension, distribution: BaseDistribution
) -> None:
    """Dashboards show values, not indices; a step that misses the bound must not lower it."""
    assert recorded(dimension) == distribution


def test_only_active_values_are_recorded() -> None:
    config = CNN_SPACE.defaults()

    distributions = recorded_all(CNN_SPACE, config)

    assert list(distributions) == list(config)
    assert "sgd_lr" not in distributions
    assert all(
        not any(c.parent not in config for c in CNN_SPACE[name].when) for name in distributions
    )
    assert Condition("optimizer", ("sgd",)) in CNN_SPACE["sgd_lr"].when
