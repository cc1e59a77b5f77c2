import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces.architecture import Architecture, Augment, Conv, Dense, Dropout, Pool
from spaces.cnn_space import CNN_SPACE, architecture_of
from spaces.documented import DOCUMENTED, DocumentedModel, documented, documented_by
from spaces.errors import SpaceError
from spaces.space import Config, Dimension, Space, config_key
from spaces.testing import configurations

POINTS = [model for model in DOCUMENTED if model.point is not None]


def kinds(architecture: Architecture, *wanted: type) -> list[str]:
    return [type(layer).__name__ for layer in architecture if isinstance(layer, wanted)]


def test_three_documented_models_are_points_of_the_space() -> None:
    assert [model.name for model in POINTS] == ["000", "001", "002"]


@pytest.mark.parametrize("model", POINTS, ids=lambda model: model.name)
def test_a_documented_point_is_exactly_the_documented_network(model: DocumentedModel) -> None:
    assert CNN_SPACE.contains(model.config)
    assert architecture_of(model.config) == model.architecture
    assert model.config["optimizer"] == model.optimizer
    assert model.config[f"{model.optimizer}_lr"] == model.learning_rate
    assert model.config["batch_size"] == model.batch_size


def test_the_other_documented_models_are_named_by_their_configuration() -> None:
    configs = [model.config for model in DOCUMENTED if model.point is None]

    assert configs == [{"documented": "003"}, {"documented": "004"}]
    assert [documented_by(config) for config in configs] == list(DOCUMENTED[3:])


def test_an_unknown_documented_model_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"000, 001, .* got '005'"):
        documented("005")


def test_every_documented_configuration_has_its_own_key() -> None:
    assert len({config_key(model.config) for model in DOCUMENTED}) == 5


def test_the_defaults_are_a_small_network() -> None:
    config = CNN_SPACE.defaults()

    assert CNN_SPACE.contains(config)
    assert kinds(architecture_of(config), Conv, Pool, Dense) == [
        *("Conv", "Pool") * 2,
        "Dense",
    ]


@pytest.mark.parametrize(
    ("pool", "expected"),
    [("each", "CPCPCP"), ("inner", "CPCPC"), ("last", "CCCP")],
)
def test_pooling_goes_where_it_is_placed(pool: str, expected: str) -> None:
    config = documented("000").config | {"pool": pool}

    layers = kinds(architecture_of(config), Conv, Pool)

    assert "".join(kind[0] for kind in layers) == expected


def test_a_single_convolution_is_pooled_and_has_no_placement() -> None:
    config = CNN_SPACE.active(CNN_SPACE.defaults() | {"conv_layers": 1})

    assert "pool" not in config
    assert kinds(architecture_of(config), Conv, Pool) == ["Conv", "Pool"]


@given(configurations(CNN_SPACE))
@settings(max_examples=60, deadline=None)
def test_only_the_chosen_optimizers_learning_rate_is_active(config: Config) -> None:
    rates = [name for name in config if name.endswith("_lr")]

    assert rates == [f"{config['optimizer']}_lr"]
    assert ("adamw_decay" in config) == (config["optimizer"] == "adamw")


@given(configurations(CNN_SPACE))
@settings(max_examples=60, deadline=None)
def test_a_layer_has_its_width_only_if_it_exists(config: Config) -> None:
    layers = architecture_of(config)

    assert len(kinds(layers, Conv)) == sum(name.startswith("filters_") for name in config)
    assert len(kinds(layers, Dense)) == sum(name.startswith("units_") for name in config)
    assert len(kinds(layers, Augment)) == (config["augment"] != "none")
    assert all(layer.rate > 0 for layer in layers if isinstance(layer, Dropout))


def test_the_space_survives_json() -> None:
    text = json.dumps(CNN_SPACE.to_json())

    copy = Space.from_json(json.loads(text))

    assert copy == CNN_SPACE
    assert copy.sha256 == CNN_SPACE.sha256


@pytest.mark.parametrize("dimension", CNN_SPACE.dimensions, ids=lambda dimension: dimension.name)
def test_legal_limits_reach_around_the_range(dimension: Dimension) -> None:
    if dimension.legal is None:
        return
    low, high = dimension.legal

    inside = [float(value) for value in dimension.grid(100)]

    assert low <= min(inside)
    assert max(inside) <= high


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_grids_stay_inside_ranges(data: st.DataObject) -> None:
    dimension = data.draw(st.sampled_from(CNN_SPACE.dimensions))

    values = dimension.grid(data.draw(st.integers(1, 9)))

    assert all(dimension.contains(value) for value in values)
