"""Writes 2,500 digits of MNIST as a dataset: the table that no constant was chosen on.

    python benchmarks/mnist_2k.py mnist-2k.npz [mnist.npz]

The last 2,000 training images for development, the 500 before them as the test part, which a
recording never opens. MNIST comes from Keras' loader, or from a file with the same arrays.
"""

import sys

import numpy as np


def main(path: str, source: str | None = None) -> None:
    """Writes the file."""
    if source is None:
        from keras.datasets import mnist  # noqa: PLC0415 - needs TensorFlow, and a network once

        (images, labels), _ = mnist.load_data()
    else:
        with np.load(source, allow_pickle=False) as arrays:
            images, labels = arrays["x_train"], arrays["y_train"]
    np.savez_compressed(
        path,
        x_train=images[-2000:],
        y_train=labels[-2000:],
        x_test=images[-2500:-2000],
        y_test=labels[-2500:-2000],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
