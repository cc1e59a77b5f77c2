"""The one door to model files: only what the study's hash knows is loaded."""

from pathlib import Path
from typing import TYPE_CHECKING

from mnist_hpo.errors import UserError
from search.files import sha256_of

if TYPE_CHECKING:
    import keras

LARGEST_BYTES = 1024 * 2**20
"""The largest documented model has 244 MB of weights."""


def load_model(path: Path, *, sha256: str) -> "keras.Model":
    """Loads a `.keras` file, to predict with.

    Args:
        path: The file.
        sha256: What the ledger or the card has of it.

    Raises:
        UserError: it is missing, too large, no `.keras` file, or another one than was recorded.
    """
    if path.suffix != ".keras":
        raise UserError(
            f"A model file ends in .keras, got {path.name!r}.",
            "other formats can run code when they are read; mnist-hpo finalize writes .keras",
        )
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= LARGEST_BYTES else b""
    except OSError as error:
        raise UserError(
            f"The model {path} cannot be read: {error.strerror}.",
            "mnist-hpo finalize STUDY        trains the winner again",
        ) from error
    if size > LARGEST_BYTES:
        raise UserError(
            f"A model file has at most {LARGEST_BYTES} bytes, {path} has {size}.",
            "mnist-hpo finalize STUDY        writes one",
        )
    if sha256_of(content) != sha256:
        raise UserError(
            f"{path} is not the file that finalize wrote: its SHA-256 differs from the recorded "
            f"{sha256[:12]}...",
            "mnist-hpo finalize STUDY        in another results folder makes it again",
        )
    import keras  # noqa: PLC0415 - loads TensorFlow, which a refused file need not wait for

    return keras.models.load_model(path, compile=False, safe_mode=True)
