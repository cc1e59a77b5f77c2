"""The space of small CNNs for MNIST, as a record. Imports no Keras.

Three of the five documented models (000, 001, 002) are points of it, see `spaces.documented`.
"""

from spaces.architecture import (
    Architecture,
    Augment,
    Conv,
    Dense,
    Dropout,
    Flatten,
    Layer,
    Output,
    Pool,
    Scale,
)
from spaces.space import Choice, Condition, Config, Range, Space

_RATES = (0.0, 0.125, 0.25, 0.375, 0.5)

MAX_CONVOLUTIONS = 4
MAX_DENSE = 2


def _filters(index: int) -> Choice:
    return Choice(
        name=f"filters_{index}",
        # 8 to 128 in doublings: the documented models use 32, 64 and 128; 8 reaches nets a
        # tenth of their size. Two layers of 256 alone would cost more than any of the five.
        values=(8, 16, 32, 64, 128),
        default=16 if index == 1 else 32,
        ordered=True,
        legal=(1, 1024),
        when=(Condition("conv_layers", tuple(range(index, MAX_CONVOLUTIONS + 1))),)
        if index > 1
        else (),
    )


def _units(index: int) -> Choice:
    return Choice(
        name=f"units_{index}",
        # The documented heads have 64 and 128; one doubling more on each side.
        values=(32, 64, 128, 256),
        default=64,
        ordered=True,
        # 7744 units, as in the documented model 004, can be asked for.
        legal=(1, 8192),
        when=(Condition("dense_layers", tuple(range(index, MAX_DENSE + 1))),),
    )


def _rate(optimizer: str, low: float, high: float, default: float) -> Range:
    return Range(
        name=f"{optimizer}_lr",
        kind="float",
        low=low,
        high=high,
        default=default,
        # A learning rate matters by its factor, not by its difference.
        sampling="log",
        # Smaller ones do not move in a few epochs; larger ones diverge with every optimizer.
        legal=(1e-6, 10.0),
        when=(Condition("optimizer", (optimizer,)),),
    )


CNN_SPACE = Space(
    "cnn",
    (
        # One convolution is the least that makes a CNN; four poolings leave 1x1 of 28x28.
        Range(name="conv_layers", kind="int", low=1, high=MAX_CONVOLUTIONS, default=2, legal=None),
        *(_filters(index) for index in range(1, MAX_CONVOLUTIONS + 1)),
        # 3 in all documented models, 5 in LeNet-5. Beyond 7 strokes (2 to 3 pixels wide) are
        # small against the window and the cost grows with the square.
        Choice(name="kernel", values=(3, 5), default=3, ordered=True, legal=(1, 7)),
        Choice(name="padding", values=("same", "valid"), default="same"),
        # After each convolution, after all but the last, after the last only. With one
        # convolution the three coincide: one pooling follows it.
        Choice(
            name="pool",
            values=("each", "inner", "last"),
            default="each",
            when=(Condition("conv_layers", tuple(range(2, MAX_CONVOLUTIONS + 1))),),
        ),
        # The documented rates are 0, 0.25 and 0.5, here with the steps between them. Above
        # 0.5 more activations are lost than kept, which small nets cannot afford.
        Choice(name="conv_dropout", values=_RATES, default=0.0, ordered=True, legal=(0.0, 0.9)),
        Choice(name="batch_norm", values=(False, True), default=False),
        # The documented models have none, one and (004) two.
        Range(name="dense_layers", kind="int", low=0, high=MAX_DENSE, default=1, legal=None),
        *(_units(index) for index in range(1, MAX_DENSE + 1)),
        Choice(
            name="dense_dropout",
            values=_RATES,
            default=0.25,
            ordered=True,
            legal=(0.0, 0.9),
            when=(Condition("dense_layers", tuple(range(1, MAX_DENSE + 1))),),
        ),
        Choice(
            name="optimizer",
            values=("adam", "adamw", "nadam", "rmsprop", "sgd", "adadelta"),
            default="adam",
        ),
        # Adam moves each weight by about the learning rate a step. A decade on either side of
        # the default 0.001: at 0.0001 ten epochs hardly suffice, above 0.01 ReLUs die.
        _rate("adam", 1e-4, 1e-2, 1e-3),
        # The same steps as Adam's.
        _rate("adamw", 1e-4, 1e-2, 1e-3),
        # Decay times learning rate is what a weight loses a step: 0.1 x 0.01 halves it within
        # an epoch of 750 steps (batch 64); 0.0001 x 0.001 takes a thousandth in ten epochs.
        Range(
            name="adamw_decay",
            kind="float",
            low=1e-4,
            high=1e-1,
            default=4e-3,
            sampling="log",
            legal=(1e-8, 1.0),
            when=(Condition("optimizer", ("adamw",)),),
        ),
        # Adam with Nesterov momentum: the same steps.
        _rate("nadam", 1e-4, 1e-2, 1e-3),
        # Without Adam's bias correction the first step is 1 / sqrt(1 - 0.9) = 3.2 times the
        # learning rate, so the upper end lies that much lower.
        _rate("rmsprop", 1e-4, 3e-3, 1e-3),
        # Momentum 0.9 makes a lasting gradient count ten times: steps of 0.01 to 2 gradients.
        _rate("sgd", 1e-3, 2e-1, 5e-2),
        # 1.0 is the paper's rule, which has no learning rate; 0.001 is the Keras default,
        # which a documented model trains with. Zeiler (2012), arXiv:1212.5701.
        _rate("adadelta", 1e-3, 1.0, 1.0),
        # Cosine: half a period over the study's epochs. Loshchilov and Hutter (2017), ICLR.
        Choice(name="schedule", values=("constant", "cosine"), default="constant"),
        # Documented: 32, 64, 128. Above 256 a few epochs hold too few steps.
        Choice(
            name="batch_size",
            values=(32, 64, 128, 256),
            default=64,
            ordered=True,
            legal=(1, 4096),
        ),
        Choice(name="augment", values=("none", "shift", "affine"), default="none"),
    ),
)


def architecture_of(config: Config, classes: int = 10) -> Architecture:
    """Returns the network of a configuration: its layers, not its training.

    Layers that do nothing (dropout of 0, no augmentation) are left out.

    Args:
        config: A point of `CNN_SPACE` or of a space narrowed from it.
        classes: Units of the output.
    """
    layers: list[Layer] = [Scale()]
    if config["augment"] != "none":
        layers.append(Augment(str(config["augment"])))
    depth = int(config["conv_layers"])
    for index in range(1, depth + 1):
        layers.append(
            Conv(
                filters=int(config[f"filters_{index}"]),
                kernel=int(config["kernel"]),
                padding=str(config["padding"]),
                batch_norm=bool(config["batch_norm"]),
            )
        )
        if _is_pooled(str(config.get("pool", "each")), index, depth):
            layers += [Pool(), *_dropout(float(config["conv_dropout"]))]
    layers.append(Flatten())
    for index in range(1, int(config["dense_layers"]) + 1):
        layers.append(Dense(int(config[f"units_{index}"])))
        layers += _dropout(float(config["dense_dropout"]))
    return (*layers, Output(classes))


def _is_pooled(place: str, index: int, depth: int) -> bool:
    if place == "each":
        return True
    return index < depth if place == "inner" else index == depth


def _dropout(rate: float) -> list[Layer]:
    return [Dropout(rate)] if rate > 0 else []
