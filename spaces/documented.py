"""The five documented models: exact architecture, training, published figures. Imports no Keras.

Each comes from a public repository, described by one source file. Where its text and its
notebook disagree, the notebook is followed, because that is what ran; `notes` say so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from spaces.architecture import (
    Architecture,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Output,
    Pool,
    Scale,
    Size,
    Stem,
    measure,
)
from spaces.errors import SpaceError
from spaces.space import Config, Value

Loss = Literal["categorical_crossentropy", "sparse_categorical_crossentropy"]


@dataclass(frozen=True, slots=True)
class Figure:
    """An accuracy that the source reports. No cross-validation score: not ranked with ours."""

    label: str
    value: float
    images: int
    """Number of images it was measured on: its sampling error is about sqrt(p (1 - p) / n)."""

    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentedModel:
    """One of the five models, as its notebook builds and trains it."""

    name: str
    title: str
    source: str
    """Name of the source file that describes it."""

    repository: str
    architecture: Architecture
    optimizer: str
    learning_rate: float
    loss: Loss
    """With `categorical_crossentropy` labels are one-hot, with the sparse one integers."""

    batch_size: int
    epochs: int
    published: tuple[Figure, ...]
    notes: tuple[str, ...]
    point: tuple[tuple[str, Value], ...] | None = None
    """Its configuration in the CNN space; None: it lies outside."""

    @property
    def config(self) -> dict[str, Value]:
        """The configuration a study records: a point of the CNN space, or the model's name."""
        return {"documented": self.name} if self.point is None else dict(self.point)

    @property
    def size(self) -> Size:
        """Parameters and multiply-adds."""
        return measure(self.architecture)


def _point(**values: Value) -> tuple[tuple[str, Value], ...]:
    return tuple(values.items())


DOCUMENTED: tuple[DocumentedModel, ...] = (
    DocumentedModel(
        name="000",
        title="Three convolutions, same padding, 5-fold",
        source="000_09f810d3092327bb.txt",
        repository="Priyam2323/CNN_MNIST",
        architecture=(
            Scale(),
            Conv(32, padding="same"),
            Pool(),
            Conv(64, padding="same"),
            Pool(),
            Conv(128, padding="same"),
            Flatten(),
            Dense(128),
            Dropout(0.5),
            Output(),
        ),
        optimizer="adam",
        learning_rate=0.001,
        loss="categorical_crossentropy",
        batch_size=32,
        epochs=10,
        published=(
            Figure("fold 1 of 5", 0.992083, 12_000, "11,905 right, after the last epoch"),
            Figure("test", 0.9930, 10_000, "trace of a confusion matrix, provenance unclear"),
        ),
        notes=(
            "The saved run stops inside fold 2: no mean over the folds was published.",
            "By its execution count the confusion matrix belongs to an earlier run's model.",
            "The text leaves out dropout rate and batch size: 0.5 and 32 (the Keras default).",
            "The text resizes images to 28x28; the notebook only reshapes them.",
        ),
        point=_point(
            conv_layers=3,
            filters_1=32,
            filters_2=64,
            filters_3=128,
            kernel=3,
            padding="same",
            pool="inner",
            conv_dropout=0.0,
            batch_norm=False,
            dense_layers=1,
            units_1=128,
            dense_dropout=0.5,
            optimizer="adam",
            adam_lr=0.001,
            schedule="constant",
            batch_size=32,
            augment="none",
        ),
    ),
    DocumentedModel(
        name="001",
        title="Three convolutions, valid padding, hold-out",
        source="001_cb9ebcb42c2723c6.txt",
        repository="AshishKumarSingh03/Convolutional_Neural_Network_MNIST",
        architecture=(
            Scale(),
            Conv(32),
            Pool(),
            Conv(64),
            Pool(),
            Conv(64),
            Flatten(),
            Dense(64),
            Output(),
        ),
        optimizer="rmsprop",
        learning_rate=0.001,
        loss="categorical_crossentropy",
        batch_size=64,
        epochs=5,
        published=(
            Figure("second half of test", 0.9966, 5_000),
            Figure("first half of test", 0.9878, 5_000, "used for validation"),
            Figure("test", 0.9922, 10_000, "mean of the two halves"),
            Figure("test, second notebook", 0.9912, 10_000, "mean of 0.9954 and 0.9870"),
        ),
        notes=(
            "The halves of the test set differ in difficulty: compare over all 10,000.",
            "The notebook's K-fold cell is a variant: adam, batch 256, 3 unseeded folds, 0.98487.",
        ),
        point=_point(
            conv_layers=3,
            filters_1=32,
            filters_2=64,
            filters_3=64,
            kernel=3,
            padding="valid",
            pool="inner",
            conv_dropout=0.0,
            batch_norm=False,
            dense_layers=1,
            units_1=64,
            dense_dropout=0.0,
            optimizer="rmsprop",
            rmsprop_lr=0.001,
            schedule="constant",
            batch_size=64,
            augment="none",
        ),
    ),
    DocumentedModel(
        name="002",
        title="Two convolutions, Adadelta",
        source="002_e8caffc586dcfaf3.txt",
        repository="Rubengar2/Learning-and-Projects",
        architecture=(
            Scale(),
            Conv(32),
            Conv(64),
            Pool(),
            Dropout(0.25),
            Flatten(),
            Dense(128),
            Dropout(0.5),
            Output(),
        ),
        optimizer="adadelta",
        learning_rate=0.001,
        loss="categorical_crossentropy",
        batch_size=128,
        epochs=9,
        published=(),
        notes=(
            "Default lr changed: the recipe assumed 1.0, Keras takes 0.001. Run as written.",
            "With 0.001 the net underfits.",
            "The text has two poolings and two dense layers with ReLU, the code one of each.",
        ),
        point=_point(
            conv_layers=2,
            filters_1=32,
            filters_2=64,
            kernel=3,
            padding="valid",
            pool="last",
            conv_dropout=0.25,
            batch_norm=False,
            dense_layers=1,
            units_1=128,
            dense_dropout=0.5,
            optimizer="adadelta",
            adadelta_lr=0.001,
            schedule="constant",
            batch_size=128,
            augment="none",
        ),
    ),
    DocumentedModel(
        name="003",
        title="Dense stem, raw pixels",
        source="003_8867d5aa39006826.txt",
        repository="Tomjaz/mnist_using_cnn",
        architecture=(
            Stem(32),
            Conv(32),
            Conv(64),
            Pool(),
            Dropout(0.25),
            Flatten(),
            Output(),
        ),
        optimizer="adam",
        learning_rate=0.001,
        loss="categorical_crossentropy",
        batch_size=32,
        epochs=10,
        published=(Figure("test", 0.9174, 10_000),),
        notes=(
            "Pixels are not scaled, the likely cause of 0.9174; the text scales them.",
            "The text has a dense layer with ReLU; the notebook has none.",
        ),
    ),
    DocumentedModel(
        name="004",
        title="Dense layer of 7744 units",
        source="004_f6cecdc239e33ee2.txt",
        repository="Shivani29sheth/CNN-for-MNIST-using-Keras",
        architecture=(
            Scale(),
            Conv(32),
            Conv(64),
            Conv(64),
            Pool(),
            Flatten(),
            Dense(7744),
            Dense(128),
            Output(),
        ),
        optimizer="adam",
        learning_rate=0.001,
        loss="sparse_categorical_crossentropy",
        batch_size=32,
        epochs=5,
        published=(Figure("test", 0.9888, 10_000, "9,888 right, 112 wrong"),),
        notes=(
            "The dense layer of 7744 units is literal: text, code and summary agree.",
            "The text reports 0.9885; the notebook's 0.9888 is quoted.",
        ),
    ),
)

_BY_NAME: Mapping[str, DocumentedModel] = {model.name: model for model in DOCUMENTED}


def documented(name: str) -> DocumentedModel:
    """Returns the documented model called `name`, "000" to "004".

    Raises:
        SpaceError: there is none of that name.
    """
    if name not in _BY_NAME:
        near = get_close_matches(name, _BY_NAME, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise SpaceError(f"The documented models are {', '.join(_BY_NAME)}, got {name!r}.{hint}")
    return _BY_NAME[name]


def documented_by(config: Config) -> DocumentedModel | None:
    """Returns the documented model that `config` names, or None: a point of a space."""
    return documented(str(config["documented"])) if "documented" in config else None
