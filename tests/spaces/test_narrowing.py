import pytest

from spaces.cnn_space import CNN_SPACE
from spaces.errors import SpaceError
from spaces.narrowing import narrowed
from spaces.space import Choice, Condition, Range, Space

BOOLEANS = ["true", "yes", "on", "TRUE"]


def test_a_list_replaces_the_values_and_moves_the_default_inside() -> None:
    space = narrowed(CNN_SPACE, {"filters_1": "64, 48"}, {})

    dimension = space["filters_1"]
    assert isinstance(dimension, Choice)
    assert dimension.values == (48, 64)
    assert dimension.default == 48
    assert dimension.ordered


def test_the_order_in_which_a_list_is_typed_does_not_matter() -> None:
    one = narrowed(CNN_SPACE, {"optimizer": "sgd,adam", "units_1": "256,32"}, {})

    other = narrowed(CNN_SPACE, {"optimizer": "adam,sgd", "units_1": "32,256"}, {})

    assert one.sha256 == other.sha256


def test_bounds_move_a_range_and_its_default() -> None:
    dimension = narrowed(CNN_SPACE, {"adam_lr": "0.002..0.05"}, {})["adam_lr"]

    assert isinstance(dimension, Range)
    assert (dimension.low, dimension.high, dimension.default) == (0.002, 0.05, 0.002)
    assert dimension.sampling == "log"
    assert dimension.when == (Condition("optimizer", ("adam",)),)


def test_bounds_keep_the_listed_values_inside() -> None:
    dimension = narrowed(CNN_SPACE, {"batch_size": "50..200"}, {})["batch_size"]

    assert isinstance(dimension, Choice)
    assert dimension.values == (64, 128)


def test_a_list_makes_a_range_an_ordered_choice() -> None:
    dimension = narrowed(CNN_SPACE, {"sgd_lr": "0.1,0.01"}, {})["sgd_lr"]

    assert isinstance(dimension, Choice)
    assert dimension.values == (0.01, 0.1)
    assert dimension.ordered


@pytest.mark.parametrize("text", BOOLEANS)
def test_booleans_are_read_as_people_write_them(text: str) -> None:
    space = narrowed(CNN_SPACE, {}, {"batch_norm": text})

    assert space["batch_norm"].grid(1) == (True,)
    assert space.defaults()["batch_norm"] is True


def test_a_fixed_child_keeps_its_condition() -> None:
    space = narrowed(CNN_SPACE, {}, {"filters_2": "48"})

    assert space["filters_2"].grid(1) == (48,)
    assert space["filters_2"].when == CNN_SPACE["filters_2"].when


def test_what_can_no_longer_be_active_is_dropped() -> None:
    space = narrowed(
        CNN_SPACE, {"conv_layers": "1..2"}, {"optimizer": "adam", "dense_layers": "0"}
    )

    names = [dimension.name for dimension in space.dimensions]
    assert [name for name in names if name.endswith("_lr")] == ["adam_lr"]
    assert not {"filters_3", "filters_4", "units_1", "dense_dropout", "adamw_decay"} & set(names)
    assert space.contains(space.defaults())


@pytest.mark.parametrize(
    ("ranges", "fixed", "message"),
    [
        ({"filter_1": "8"}, {}, r"no hyperparameter 'filter_1'\. Did you mean 'filters_1'\?"),
        ({}, {"zzz": "8"}, r"no hyperparameter 'zzz'\. It has conv_layers, filters_1"),
        ({"filters_1": "0"}, {}, r"whole numbers from 1 to 1024: got '0'.*--set filters_1=8,16"),
        ({"filters_1": "8.5"}, {}, r"whole numbers"),
        ({"filters_1": ""}, {}, r"got ''"),
        ({"filters_1": "8,,16"}, {}, r"got '8,,16'"),
        ({"filters_1": "8,8"}, {}, r"each value once"),
        ({"filters_1": "9..15"}, {}, r"bounds around one of \[8, 16"),
        ({"conv_layers": "1..5"}, {}, r"from 1 to 4: got '1..5'.*--set conv_layers=1..4"),
        ({"conv_layers": "3..1"}, {}, r"the low bound first: got '3..1'"),
        ({"conv_layers": ".."}, {}, r"got '\.\.'"),
        ({"adam_lr": "nan"}, {}, r"got 'nan'"),
        ({"adam_lr": "0.001..inf"}, {}, r"got '0.001..inf'"),
        ({"adam_lr": "-1..1"}, {}, r"numbers from 1e-06 to 10"),
        ({"padding": "same..valid"}, {}, r"a list of its values.*--set padding=same,valid"),
        ({"padding": "full"}, {}, r"values of \[same, valid\]: got 'full'"),
        ({"batch_norm": "maybe"}, {}, r"--set batch_norm=false,true"),
        ({}, {"batch_norm": "2"}, r"got '2'.*--fix batch_norm=false"),
        ({}, {"conv_dropout": "1.0"}, r"from 0 to 0.9: got '1.0'.*--fix conv_dropout=0.0"),
        ({"kernel": "3"}, {"kernel": "3"}, r"--set kernel=3 and --fix kernel=3"),
    ],
)
def test_a_refusal_says_the_law_the_value_and_what_would_work(
    ranges: dict[str, str], fixed: dict[str, str], message: str
) -> None:
    with pytest.raises(SpaceError, match=message):
        narrowed(CNN_SPACE, ranges, fixed)


@pytest.mark.parametrize(
    ("ranges", "fixed"),
    [
        ({}, {"filters_4": "32", "conv_layers": "2"}),
        ({"filters_4": "16,32", "conv_layers": "2"}, {}),
    ],
    ids=["fixed", "set"],
)
def test_a_child_that_nothing_activates_is_refused(
    ranges: dict[str, str], fixed: dict[str, str]
) -> None:
    with pytest.raises(
        SpaceError, match=r"'filters_4' is active only while conv_layers is 4, but"
    ):
        narrowed(CNN_SPACE, ranges, fixed)


def test_without_limits_numbers_stay_inside_the_range() -> None:
    space = Space("own", (Range(name="width", kind="int", low=2, high=9, default=3),))

    with pytest.raises(SpaceError, match="whole numbers from 2 to 9"):
        narrowed(space, {"width": "2..10"}, {})


def test_nothing_asked_changes_nothing() -> None:
    assert narrowed(CNN_SPACE, {}, {}) == CNN_SPACE
