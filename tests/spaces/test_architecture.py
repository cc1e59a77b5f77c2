import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces.architecture import (
    Conv,
    Dense,
    Flatten,
    Layer,
    Output,
    Pool,
    Stem,
    measure,
    named,
    rows,
)
from spaces.cnn_space import CNN_SPACE, architecture_of
from spaces.documented import DOCUMENTED, DocumentedModel
from spaces.errors import ImpossibleModel
from spaces.testing import configurations

# Counted by Keras from the sources' own code; multiply-adds in millions.
TABLE = {
    "000": (896_906, 8.26),
    "001": (93_322, 2.79),
    "002": (1_199_882, 11.99),
    "003": (119_978, 16.96),
    "004": (61_025_674, 89.62),
}


@pytest.mark.parametrize("model", DOCUMENTED, ids=lambda model: model.name)
def test_the_documented_sizes_are_reproduced(model: DocumentedModel) -> None:
    params, millions = TABLE[model.name]

    size = model.size

    assert size.params == params
    assert round(size.macs / 1e6, 2) == millions


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Conv(8), Pool()] * 4, r"3x3 convolution .* conv_4 gets 1x1"),
        ([Conv(8, padding="same"), Pool()] * 5, r"2x2 pooling .* pool_5 gets 1x1"),
    ],
    ids=["convolution", "pooling"],
)
def test_a_network_that_shrinks_away_is_impossible(layers: list[Layer], message: str) -> None:
    architecture = (*layers, Flatten(), Output())

    with pytest.raises(ImpossibleModel, match=message):
        measure(architecture)


def test_an_image_of_just_the_kernels_size_is_enough() -> None:
    table = rows((Conv(4, kernel=5), Flatten(), Output(3)), image=(5, 5, 2))

    assert [row.shape for row in table] == [(1, 1, 4), (4,), (3,)]
    assert [row.macs for row in table] == [5 * 5 * 2 * 4, 0, 12]
    assert [row.params for row in table] == [5 * 5 * 2 * 4 + 4, 0, 15]


def test_batch_norm_trades_the_bias_for_four_numbers_a_filter() -> None:
    plain = measure((Conv(8),))

    normalised = measure((Conv(8, batch_norm=True),))

    assert normalised.params == plain.params + 3 * 8
    assert normalised.macs == plain.macs


def test_layers_are_numbered_by_kind() -> None:
    architecture = (Stem(2), Conv(8), Pool(), Conv(8), Flatten(), Dense(4), Output())

    names = [name for name, _ in named(architecture)]

    assert names == ["stem", "conv_1", "pool_1", "conv_2", "flatten", "dense_1", "output"]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_valid_padding_never_has_more_parameters_or_work_than_same(data: st.DataObject) -> None:
    config = dict(data.draw(configurations(CNN_SPACE))) | {"padding": "same"}
    same = measure(architecture_of(config))

    try:
        valid = measure(architecture_of(config | {"padding": "valid"}))
    except ImpossibleModel:
        return

    assert valid.params <= same.params
    assert valid.macs < same.macs
