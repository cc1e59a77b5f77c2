"""A network as a tuple of plain records, and its exact size. Imports no Keras.

Sizes by arithmetic take microseconds where building takes a second, so a proposal that no
network can have, or that is too large, is turned away before anything is allocated.
"""

from collections import Counter
from dataclasses import dataclass
from math import prod

from spaces.errors import ImpossibleModel

IMAGE = (28, 28, 1)
"""Height, width and channels of a digit, whatever the backend's order of axes."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Multiplies raw pixels, 0 to 255."""

    factor: float = 1 / 255


@dataclass(frozen=True, slots=True)
class Augment:
    """Distorts training images at random: "shift", or "affine" (shift, rotation, zoom)."""

    kind: str


@dataclass(frozen=True, slots=True)
class Stem:
    """A dense layer without activation over the channels of each pixel."""

    units: int


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution with stride 1 and ReLU; under batch norm without bias, which shifts anyway."""

    filters: int
    kernel: int = 3
    padding: str = "valid"
    batch_norm: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """Max pooling 2x2; an odd last row or column is dropped."""


@dataclass(frozen=True, slots=True)
class Dropout:
    """Drops a share of the activations while training."""

    rate: float


@dataclass(frozen=True, slots=True)
class Flatten:
    """Lays the feature maps out as one vector."""


@dataclass(frozen=True, slots=True)
class Dense:
    """A hidden dense layer with ReLU."""

    units: int


@dataclass(frozen=True, slots=True)
class Output:
    """The dense softmax layer, one unit a class."""

    classes: int = 10


Layer = Scale | Augment | Stem | Conv | Pool | Dropout | Flatten | Dense | Output
Architecture = tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """What a network weighs and what one image costs."""

    params: int
    """Parameters as Keras counts them, moving averages of batch normalisation included."""

    macs: int
    """Multiply-adds of convolutions and dense layers for one image, forward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A layer in a table: what comes out of it and what it costs."""

    name: str
    layer: Layer
    shape: tuple[int, ...]
    """Height, width and channels, or the units of a vector."""

    params: int
    macs: int


def named(architecture: Architecture) -> tuple[tuple[str, Layer], ...]:
    """Gives each layer the name it has in the Keras model, in tables and in messages."""
    seen: Counter[str] = Counter()
    names = []
    for layer in architecture:
        kind = type(layer).__name__.lower()
        seen[kind] += 1
        once = isinstance(layer, Scale | Augment | Stem | Flatten | Output)
        names.append((kind if once else f"{kind}_{seen[kind]}", layer))
    return tuple(names)


def rows(architecture: Architecture, image: tuple[int, int, int] = IMAGE) -> tuple[Row, ...]:
    """Follows an image through the network, layer by layer.

    Raises:
        ImpossibleModel: a valid convolution or a pooling leaves less than one pixel.
    """
    shape: tuple[int, ...] = image
    table = []
    for name, layer in named(architecture):
        table.append(_row(name, layer, shape))
        shape = table[-1].shape
    return tuple(table)


def measure(architecture: Architecture, image: tuple[int, int, int] = IMAGE) -> Size:
    """Returns the exact size of a network.

    Raises:
        ImpossibleModel: a valid convolution or a pooling leaves less than one pixel.
    """
    table = rows(architecture, image)
    return Size(params=sum(row.params for row in table), macs=sum(row.macs for row in table))


def _row(name: str, layer: Layer, shape: tuple[int, ...]) -> Row:
    match layer:
        case Conv():
            return _conv_row(name, layer, shape)
        case Pool():
            return _pool_row(name, layer, shape)
        case Flatten():
            return Row(name=name, layer=layer, shape=(prod(shape),), params=0, macs=0)
        case Stem(units) | Dense(units) | Output(units):
            kernel = shape[-1] * units
            return Row(
                name=name,
                layer=layer,
                shape=(*shape[:-1], units),
                params=kernel + units,
                macs=prod(shape[:-1]) * kernel,
            )
        case Scale() | Augment() | Dropout():
            return Row(name=name, layer=layer, shape=shape, params=0, macs=0)


def _conv_row(name: str, layer: Conv, shape: tuple[int, ...]) -> Row:
    height, width, channels = shape
    if layer.padding == "valid":
        if min(height, width) < layer.kernel:
            raise ImpossibleModel(
                f"A valid {layer.kernel}x{layer.kernel} convolution needs as many pixels: "
                f"{name} gets {height}x{width}. "
                f"Use padding=same, a smaller kernel, fewer layers or pool=last."
            )
        height, width = height - layer.kernel + 1, width - layer.kernel + 1
    kernel = layer.kernel**2 * channels * layer.filters
    # Batch normalisation: scale, shift, moving mean and moving variance for each filter.
    others = 4 * layer.filters if layer.batch_norm else layer.filters
    return Row(
        name=name,
        layer=layer,
        shape=(height, width, layer.filters),
        params=kernel + others,
        macs=height * width * kernel,
    )


def _pool_row(name: str, layer: Pool, shape: tuple[int, ...]) -> Row:
    height, width, channels = shape
    if min(height, width) < 2:
        raise ImpossibleModel(
            f"A 2x2 pooling needs 2x2 pixels: {name} gets {height}x{width}. "
            f"Use padding=same, a smaller kernel, fewer layers or pool=last."
        )
    return Row(name=name, layer=layer, shape=(height // 2, width // 2, channels), params=0, macs=0)
