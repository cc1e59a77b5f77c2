"""Reads a finalized model: known by its SHA-256, checked member by member, only then loaded."""

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from mnist_hpo.data.bounds import open_file
from mnist_hpo.data.zips import Refuse, check_compression, check_directory, plain_members
from mnist_hpo.errors import DataError
from mnist_hpo.model_arrays import check_arrays
from mnist_hpo.model_layers import check_model
from search.files import sha256_of
from search.records import History, Trial

if TYPE_CHECKING:
    import keras

MAX_BYTES = 64 * 2**20
"""The largest documented model below the default limits has 10 MB with its optimizer."""

_DESCRIPTION, _WEIGHTS = "config.json", "model.weights.h5"

# The description of the deepest model of the space has 19 kB.
_LIMITS = {"metadata.json": 2**16, _DESCRIPTION: 2**20, _WEIGHTS: MAX_BYTES}


def known_sha256(history: History, trial: Trial) -> str | None:
    """Returns the SHA-256 that the ledger has of a finalized model, None: it was not finalized."""
    for opening in reversed(history.openings):
        if opening.trial == trial.number and opening.result is not None:
            return str(opening.result["model_sha256"])
    return None


def load_model(path: Path, *, sha256: str) -> "keras.Model":
    """Loads a model of the CNN space or a documented model, to predict with.

    Args:
        path: The `.keras` file.
        sha256: What the ledger or the card has of it.

    Raises:
        DataError: as `read_model`, or Keras cannot load it.
    """
    content = read_model(path, sha256=sha256)
    import keras  # noqa: PLC0415 - loads TensorFlow, which a refused file need not wait for

    with tempfile.TemporaryDirectory() as folder:
        # The bytes that were checked are those that are loaded: the file may change meanwhile.
        copy = Path(folder) / "model.keras"
        copy.write_bytes(content)
        try:
            # Not compiled: what would be called for training need not be looked up.
            return keras.models.load_model(copy, compile=False, safe_mode=True)
        except Exception as error:
            raise _refusal(path)(f"Keras cannot load it: {type(error).__name__}.") from error


def read_model(path: Path, *, sha256: str) -> bytes:
    """Reads a model file and checks all that can be checked without Keras.

    Raises:
        DataError: it is another file than the one recorded, or holds anything but the layers
            of our own space and their weights.
    """
    content = check_known(path, sha256=sha256)
    check_content(content, _refusal(path))
    return content


def check_known(path: Path, *, sha256: str) -> bytes:
    """Reads a model file of any space, whose SHA-256 must be the one recorded.

    Raises:
        DataError: it is another file, too large, or cannot be read.
    """
    with open_file(path, max_bytes=MAX_BYTES) as stream:
        content = stream.read(MAX_BYTES + 1)
    found = sha256_of(content)
    if found != sha256:
        raise _refusal(path)(f"its SHA-256 is {found[:12]}, and {sha256[:12]} was recorded.")
    return content


def check_content(content: bytes, refuse: Refuse) -> None:
    """Checks a model file's bytes.

    Args:
        content: The whole file.
        refuse: Makes the error from what is wrong, in words.

    Raises:
        DataError: as `read_model`.
    """
    try:
        stream = io.BytesIO(content)
        check_directory(stream, where="it", refuse=refuse)
        with zipfile.ZipFile(stream) as archive:
            _check_members(archive, refuse)
            weights = check_model(json.loads(archive.read(_DESCRIPTION)), refuse)
            stored = check_arrays(archive.read(_WEIGHTS), refuse)
    except DataError:
        raise
    except Exception as error:
        # zipfile, zlib and json raise a dozen types for broken bytes, RecursionError among them.
        raise refuse(f"it is damaged or no .keras file: {type(error).__name__}.") from error
    if weights > stored:
        raise refuse(f"it describes {weights} weights and stores {stored} numbers.")


def _check_members(archive: zipfile.ZipFile, refuse: Refuse) -> None:
    members = plain_members(archive, where="it", refuse=refuse)
    if members.keys() != _LIMITS.keys():
        raise refuse(
            f"a model has the members {', '.join(_LIMITS)}, it has "
            f"{', '.join(members)[:200] or 'none'}."
        )
    for name, member in members.items():
        check_compression(member, where="it", refuse=refuse)
        if member.file_size > _LIMITS[name]:
            raise refuse(
                f"{name} has at most {_LIMITS[name]} bytes, it claims {member.file_size}."
            )


def _refusal(path: Path) -> Refuse:
    def refuse(message: str) -> DataError:
        return DataError(
            f"{str(path)!r} is no model that `finalize` wrote: {message}",
            "mnist-hpo finalize STUDY --trial N        writes a trial's model anew",
        )

    return refuse
