"""Writes some of MNIST's training images as a dataset, for tables that no constant was chosen on.

    python benchmarks/mnist_part.py OUT.npz BEGIN IMAGES [mnist.npz]

IMAGES of them from number BEGIN on are for development; the 500 before are the test part, which a
recording never opens. MNIST comes from Keras' loader, or from a file with the same arrays.
"""

import sys

import numpy as np

_TEST = 500


def main(path: str, begin: int, images: int, source: str | None = None) -> None:
    """Writes the file.

    Raises:
        ValueError: MNIST does not have these images.
    """
    if source is None:
        from keras.datasets import mnist  # noqa: PLC0415 - needs TensorFlow, and a network once

        (x, y), _ = mnist.load_data()
    else:
        with np.load(source, allow_pickle=False) as arrays:
            x, y = arrays["x_train"], arrays["y_train"]
    test, train = slice(begin - _TEST, begin), slice(begin, begin + images)
    if begin < _TEST or images < 1 or train.stop > len(x):
        raise ValueError(
            f"A part begins at image {_TEST} or later and ends at image {len(x)} at the latest, "
            f"got {begin} to {train.stop}."
        )
    np.savez_compressed(path, x_train=x[train], y_train=y[train], x_test=x[test], y_test=y[test])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
