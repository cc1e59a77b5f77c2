from typing import Any

import keras_tuner
import pytest

from spaces.discovery import discover
from spaces.errors import SpaceError
from spaces.space import Condition


class Scripted(keras_tuner.HyperModel):
    """Asks as a hypermodel would and builds nothing; counts its builds."""

    def __init__(self, script: Any) -> None:
        self.script = script
        self.builds = 0
        super().__init__()

    def build(self, hp: keras_tuner.HyperParameters) -> None:
        self.builds += 1
        self.script(hp)


def nested(hp: keras_tuner.HyperParameters) -> None:
    kind = hp.Choice("kind", ["plain", "fancy"])
    with hp.conditional_scope("kind", ["fancy"]):
        if kind == "fancy":
            depth = hp.Int("depth", 1, 3)
            with hp.conditional_scope("depth", [3]):
                if depth == 3:
                    hp.Float("width", 0.0, 1.0)


def test_code_inside_closed_scopes_is_found() -> None:
    space = discover(Scripted(nested), name="own")

    assert [dimension.name for dimension in space.dimensions] == ["kind", "depth", "width"]
    assert space["width"].when == (Condition("kind", ("fancy",)), Condition("depth", (3,)))


def test_discovery_gives_the_same_space_every_time() -> None:
    spaces = [discover(Scripted(nested), name="own") for _ in range(3)]

    assert spaces[0] == spaces[1] == spaces[2]


def test_a_loop_over_a_number_of_layers_is_followed_to_its_end() -> None:
    def script(hp: keras_tuner.HyperParameters) -> None:
        for index in range(hp.Int("layers", 1, 3)):
            hp.Choice(f"units_{index}", [8, 16])

    space = discover(Scripted(script), name="own")

    assert [d.name for d in space.dimensions] == ["layers", "units_0", "units_1", "units_2"]


def test_a_plain_if_is_followed_into_each_choice() -> None:
    def script(hp: keras_tuner.HyperParameters) -> None:
        if hp.Choice("optimizer", ["adam", "sgd"]) == "sgd" and hp.Boolean("nesterov"):
            hp.Float("momentum", 0.5, 0.99)

    space = discover(Scripted(script), name="own")

    # The momentum needs two values at once, which is not searched for.
    assert [dimension.name for dimension in space.dimensions] == ["optimizer", "nesterov"]


def test_a_scope_that_never_opens_does_not_keep_discovery_waiting() -> None:
    def script(hp: keras_tuner.HyperParameters) -> None:
        hp.Choice("kind", ["a", "b"])
        with hp.conditional_scope("kind", ["c"]):
            hp.Int("never", 1, 2)

    space = discover(Scripted(script), name="own")

    assert [dimension.name for dimension in space.dimensions] == ["kind"]


def test_a_declared_space_is_taken_without_building() -> None:
    class Declared(Scripted):
        def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
            nested(hp)
            hp.Boolean("declared")

    model = Declared(nested)

    space = discover(model, name="own")

    assert model.builds == 0
    assert "declared" in space


def test_a_build_that_fails_is_reported_with_its_values_and_a_cure() -> None:
    def script(hp: keras_tuner.HyperParameters) -> None:
        hp.Int("depth", 2, 5)
        message = "too deep"
        raise RuntimeError(message)

    with pytest.raises(
        SpaceError, match=r"'own' fails with \{'depth': 2\}, RuntimeError: too deep .*declare_"
    ):
        discover(Scripted(script), name="own")


def test_a_probe_that_fails_still_counts_what_it_asked() -> None:
    def script(hp: keras_tuner.HyperParameters) -> None:
        if hp.Int("depth", 1, 5) == 5:
            hp.Boolean("deep")
            message = "too deep"
            raise RuntimeError(message)

    space = discover(Scripted(script), name="own")

    assert "deep" in space
