"""The full MNIST: Keras' file, from its cache or by its downloader, trusted only by its hash."""

import contextlib
import hashlib
import io
import os
import shlex
import socket
import sys
import tempfile
from pathlib import Path
from typing import Final

from mnist_hpo.data.bounds import open_file
from mnist_hpo.data.npz import parse_npz
from mnist_hpo.data.records import RawArrays
from mnist_hpo.errors import DataError

SHA256: Final = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
SOURCE: Final = f"MNIST as published by Keras, mnist.npz checked by SHA-256 {SHA256}"

_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
_MAX_BYTES = 64 * 2**20
_PATIENCE_SECONDS = 20.0


def read_mnist() -> RawArrays:
    """Reads MNIST from Keras' cache; downloads it there if it is missing.

    Raises:
        DataError: the cached or downloaded file is another one, or there is no network.
    """
    path = cached_file()
    try:
        present = path.exists()
    except OSError:
        present = True  # behind a closed door: opening it says which
    if present:
        content = _checked(path)
    else:
        content = _download()
        _keep(content, path)
    # The bytes that were hashed are the bytes that are parsed: the file may change in between.
    return parse_npz(io.BytesIO(content), where=str(path))


def cached_file() -> Path:
    """Returns where Keras keeps `mnist.npz` if it may write there, without importing Keras."""
    home = os.environ.get("KERAS_HOME") or "~/.keras"
    try:
        return Path(home).expanduser() / "datasets" / "mnist.npz"
    except RuntimeError as error:
        raise DataError(
            f"Keras keeps MNIST in {home!r}, and this user has no home directory.",
            "set KERAS_HOME to a folder, or try `--dataset mnist-5k`",
        ) from error


def _checked(path: Path) -> bytes:
    with open_file(path, max_bytes=_MAX_BYTES) as stream:
        content = stream.read()
    got = hashlib.sha256(content).hexdigest()
    if got != SHA256:
        quoted = shlex.quote(str(path))
        raise DataError(
            f"mnist.npz is known by its SHA-256 {SHA256}, {str(path)!r} has {got}: it is cut, "
            f"repacked or forged.",
            f"delete it to download it again: rm {quoted}; or, if you trust it, name it: "
            f"`--dataset {quoted}`",
        )
    return content


def _download() -> bytes:
    import keras  # noqa: PLC0415 - it loads TensorFlow, which only a download needs

    patience = socket.getdefaulttimeout()
    # A firewall that swallows packets would hold the plain urlretrieve of Keras for ever.
    socket.setdefaulttimeout(_PATIENCE_SECONDS)
    try:
        # Into a folder of its own: Keras deletes the target of a failed download and leaves half
        # of it after a kill. Its progress bar goes to stderr: stdout belongs to --json and --csv.
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
            path = keras.utils.get_file("mnist.npz", origin=_URL, cache_dir=folder)
            return _checked(Path(path))
    except DataError:
        raise
    except Exception as error:
        # get_file raises bare Exceptions for HTTP and network failures.
        raise DataError(
            f"MNIST is not on this machine and cannot be downloaded: {error}",
            "use a copy of mnist.npz with `--dataset FILE.npz`, or the 5,000 real digits that "
            "need no download with `--dataset mnist-5k`",
        ) from error
    finally:
        socket.setdefaulttimeout(patience)


def _keep(content: bytes, path: Path) -> None:
    """Stores the checked file, whole or not at all; not stored, it is downloaded again."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.tmp-{os.getpid()}")
        try:
            draft.write_bytes(content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
