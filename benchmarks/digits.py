"""Writes scikit-learn's 1,797 handwritten digits as a 28x28 dataset: the table to tune on.

    python benchmarks/digits.py digits.npz

Each of the 8x8 pixels becomes 3x3, with a border of two: no pixel is invented. The last fifth
of each class is the test part, which a recording never opens.
"""

import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

BORDER = 2
SCALE = 3


def main(path: str) -> None:
    """Writes the file."""
    small, labels = load_digits(return_X_y=True)
    pixels = np.round(small.reshape(-1, 8, 8) / small.max() * 255).astype(np.uint8)
    large = np.kron(pixels, np.ones((1, SCALE, SCALE), dtype=np.uint8))
    images = np.pad(large, ((0, 0), (BORDER, BORDER), (BORDER, BORDER)))
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=0
    )
    np.savez_compressed(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


if __name__ == "__main__":
    main(sys.argv[1])
