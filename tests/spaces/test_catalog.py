import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from spaces.architecture import Size
from spaces.catalog import Catalogued, load
from spaces.cnn import CNN
from spaces.cnn_space import CNN_SPACE
from spaces.documented import DOCUMENTED
from spaces.documented_models import DocumentedHyperModel
from spaces.errors import ImpossibleModel, SpaceError
from spaces.narrowing import narrowed

MODULE = """
import keras
import keras_tuner


def build(hp):
    model = keras.Sequential([keras.Input((28, 28, 1))])
    model.add(keras.layers.Conv2D(hp.Choice("filters", [4, 8]), 3, strides=2))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(10))
    model.compile("adam", "mse")
    return model


class Model(keras_tuner.HyperModel):
    def build(self, hp):
        return build(hp)


class Sized(Model):
    def __init__(self, size):
        super().__init__()


def nothing(hp):
    return None


def fragile(hp):
    if hp.Int("depth", 1, 9) > 1:
        raise MemoryError("far too deep")


instance = Sized(3)
number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user's module in the current directory, under a name of its own."""
    name = f"user_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


@pytest.fixture
def cnn() -> Catalogued:
    return load("cnn")


def test_the_cnn_space_comes_with_five_baselines(cnn: Catalogued) -> None:
    assert cnn.space == CNN_SPACE
    assert cnn.baselines == DOCUMENTED


def test_loading_the_cnn_space_imports_no_keras() -> None:
    code = (
        "import sys\n"
        "from spaces.catalog import load\n"
        "from spaces.narrowing import narrowed\n"
        "models = load('cnn')\n"
        "[models.size_of(model.config) for model in models.baselines]\n"
        "narrowed(models.space, {'filters_1': '8..32'}, {})\n"
        "print([m for m in ('keras', 'keras_tuner', 'tensorflow') if m in sys.modules])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "[]"


def test_sizes_are_known_for_points_and_for_baselines(cnn: Catalogued) -> None:
    sizes = [cnn.size_of(model.config).params for model in cnn.baselines]

    assert sizes == [896_906, 93_322, 1_199_882, 119_978, 61_025_674]


def test_an_impossible_configuration_has_no_size(cnn: Catalogued) -> None:
    config = cnn.space.defaults() | {"conv_layers": 4, "padding": "valid"}
    config |= {"filters_3": 8, "filters_4": 8}

    with pytest.raises(ImpossibleModel):
        cnn.size_of(config)


def test_a_point_is_made_into_the_cnn(cnn: Catalogued) -> None:
    config = cnn.space.defaults()

    hypermodel, hp = cnn.make(config, epochs=7)

    assert isinstance(hypermodel, CNN)
    assert hypermodel.epochs == 7
    assert hp.values == config


def test_a_named_baseline_is_made_into_the_documented_model(cnn: Catalogued) -> None:
    hypermodel, hp = cnn.make({"documented": "003"}, epochs=7)

    assert isinstance(hypermodel, DocumentedHyperModel)
    assert hp.values == {"documented": "003"}


def test_a_baseline_takes_part_in_a_space_that_leaves_it_out(cnn: Catalogued) -> None:
    small = cnn.with_space(narrowed(CNN_SPACE, {}, {"conv_layers": "1", "optimizer": "adam"}))
    config = DOCUMENTED[1].config

    hypermodel, hp = small.make(config, epochs=2)

    assert not small.space.contains(config)
    assert hypermodel.build(hp).count_params() == 93_322


def test_a_configuration_outside_a_narrowed_space_is_refused(cnn: Catalogued) -> None:
    small = cnn.with_space(narrowed(CNN_SPACE, {}, {"kernel": "3"}))

    with pytest.raises(SpaceError, match=r"'kernel' takes \[3\], got 5"):
        small.make(CNN_SPACE.defaults() | {"kernel": 5}, epochs=2)


def test_what_is_loaded_can_be_sent_to_a_worker(cnn: Catalogued, module: str) -> None:
    user = load(f"{module}:build")

    copies = pickle.loads(pickle.dumps((cnn, user)))  # noqa: S301 - our own bytes

    assert copies == (cnn, user)


@pytest.mark.parametrize("attribute", ["build", "Model", "instance"])
def test_functions_classes_and_instances_can_be_searched(module: str, attribute: str) -> None:
    models = load(f"{module}:{attribute}")
    config = {"filters": 8}

    size = models.size_of(config)
    hypermodel, hp = models.make(config, epochs=1)

    assert models.name == f"{module}:{attribute}"
    assert models.baselines == ()
    assert models.space["filters"].grid(1) == (4, 8)
    # 13x13 outputs, a kernel of 9x8 weights; then 1352 inputs to 10 units.
    assert size.macs == 13 * 13 * 72 + 13_520
    assert size.params == 72 + 8 + 13_520 + 10
    assert hypermodel.build(hp).count_params() == size.params


def test_a_build_that_raises_weighs_nothing(module: str) -> None:
    """So it becomes a trial, whose training shows the error; a search goes on."""
    models = load(f"{module}:fragile")

    assert models.size_of({"depth": 5}) == Size(params=0, macs=0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cn", r"got 'cn'\. Did you mean 'cnn'\?"),
        ("resnet", r"module:attribute, got 'resnet'"),
        (":build", r"got ':build'"),
        ("nowhere_at_all:build", r"'nowhere_at_all', which cannot be imported: ModuleNotFound"),
        ("{module}:biuld", r"no attribute 'biuld'\. Did you mean 'build'\?"),
        ("{module}:number", r"is int\. Name one of those"),
        ("{module}:Sized", r"without arguments: .* missing 1 required"),
        ("{module}:nothing", r"at least one hyperparameter"),
    ],
)
def test_a_name_that_leads_nowhere_is_explained(module: str, name: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        load(name.format(module=module))


def test_a_module_that_breaks_is_named_with_its_reason(module: str) -> None:
    del module
    Path("broken_models.py").write_text("raise RuntimeError('no disk')")

    with pytest.raises(SpaceError, match=r"'broken_models', .* RuntimeError: no disk"):
        load("broken_models:build")
