from dataclasses import replace
from typing import Any

import keras_tuner
import pytest
from hypothesis import given, settings

from spaces.cnn_space import CNN_SPACE
from spaces.errors import SpaceError
from spaces.keras_tuner_bridge import declare, hyperparameters, plain_names, recorded
from spaces.space import Choice, Condition, Config, Range, Space
from spaces.testing import configurations


def without_limits(space: Space) -> Space:
    return Space(space.name, tuple(replace(d, legal=None) for d in space.dimensions))


def two_heads(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """One name with two ranges, one of which has a child."""
    values = {"head": hp.Choice("head", ["wide", "deep", "none"])}
    with hp.conditional_scope("head", ["wide"]):
        values["wide"] = hp.Int("units", 100, 200, step=50)
    with hp.conditional_scope("head", ["deep"]):
        values["deep"] = hp.Int("units", 10, 50, step=10)
        with hp.conditional_scope("units", [50]):
            values["rate"] = hp.Float("rate", 0.1, 0.5)
    return values


def test_the_cnn_space_returns_unchanged_but_for_its_limits() -> None:
    hp = keras_tuner.HyperParameters()

    declare(CNN_SPACE, hp)

    assert recorded("cnn", hp) == without_limits(CNN_SPACE)


def test_declaring_gives_the_active_defaults() -> None:
    assert declare(CNN_SPACE, keras_tuner.HyperParameters()) == CNN_SPACE.defaults()


def test_declaring_twice_registers_once() -> None:
    hp = keras_tuner.HyperParameters()
    declare(CNN_SPACE, hp)

    declare(CNN_SPACE, hp)

    assert len(hp.space) == len(CNN_SPACE.dimensions)


@given(configurations(CNN_SPACE))
@settings(max_examples=40, deadline=None)
def test_a_build_sees_exactly_the_configuration(config: Config) -> None:
    hp = hyperparameters(CNN_SPACE, config)

    assert hp.values == config
    assert declare(CNN_SPACE, hp) == config


def test_a_configuration_outside_the_space_is_refused() -> None:
    with pytest.raises(SpaceError, match="'kernel' takes"):
        hyperparameters(CNN_SPACE, CNN_SPACE.defaults() | {"kernel": 4})


def test_a_single_boolean_stays_a_boolean() -> None:
    space = Space("own", (Choice(name="on", values=(True,), default=True),))
    hp = keras_tuner.HyperParameters()

    config = declare(space, hp)

    assert config["on"] is True
    assert recorded("own", hp) == space


def test_every_kind_of_hyperparameter_has_a_record() -> None:
    hp = keras_tuner.HyperParameters()
    hp.Fixed("fixed", 3)
    hp.Choice("choice", ["a", "b"], default="b")
    hp.Int("log", 1, 64, step=2, sampling="log")
    hp.Float("step", 0, 1, step=0.25)

    space = recorded("own", hp)

    assert space.dimensions == (
        Choice(name="fixed", values=(3,), default=3),
        Choice(name="choice", values=("a", "b"), default="b"),
        Range(name="log", kind="int", low=1, high=64, step=2, sampling="log", default=1),
        Range(name="step", kind="float", low=0.0, high=1.0, step=0.25, default=0.0),
    )


def test_one_name_under_two_conditions_becomes_two_dimensions() -> None:
    hp = keras_tuner.HyperParameters()
    two_heads(hp)

    space = recorded("own", hp)

    wide, deep = Condition("head", ("wide",)), Condition("head", ("deep",))
    assert [(dimension.name, dimension.when) for dimension in space.dimensions] == [
        ("head", ()),
        ("units@head:wide", (wide,)),
        ("units@head:deep", (deep,)),
        ("rate", (deep, Condition("units@head:deep", (50,)))),
    ]
    assert set(plain_names(space).values()) == {"head", "units", "rate"}


@pytest.mark.parametrize(
    ("config", "seen"),
    [
        (
            {"head": "wide", "units@head:wide": 100},
            {"head": "wide", "wide": 100, "deep": None, "rate": None},
        ),
        (
            {
                "head": "deep",
                "units@head:deep": 50,
                "rate": 0.25,
            },
            {"head": "deep", "wide": None, "deep": 50, "rate": 0.25},
        ),
        (
            {"head": "none"},
            {"head": "none", "wide": None, "deep": None, "rate": None},
        ),
    ],
    ids=["wide", "deep", "none"],
)
def test_names_are_translated_back_for_the_users_code(
    config: dict[str, Any], seen: dict[str, Any]
) -> None:
    hp = keras_tuner.HyperParameters()
    two_heads(hp)
    space = Space.from_json(recorded("own", hp).to_json())

    filled = hyperparameters(space, config)

    assert two_heads(filled) == seen
    assert declare(space, filled) == config


def test_two_ranges_that_would_share_a_value_are_refused() -> None:
    hp = keras_tuner.HyperParameters()
    hp.Int("layers", 1, 3)
    for values in ([1, 2], [2, 3]):
        with hp.conditional_scope("layers", values):
            hp.Int("units", 1, 9)

    with pytest.raises(SpaceError, match=r"'units' is registered under layers:1/2 and under"):
        recorded("own", hp)
