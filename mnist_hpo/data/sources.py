"""From a `--dataset` name to images: the development part, and behind another door the test part.

Nothing read here is kept: `development` looks at the test part to refuse a bad file before a
search rather than after it, counts, hashes, and forgets it.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from mnist_hpo.data import mnist, mnist_5k
from mnist_hpo.data.idx import read_idx_folder
from mnist_hpo.data.npz import read_npz
from mnist_hpo.data.prepare import count_repeated, count_shared, preparation, prepare
from mnist_hpo.data.records import Dataset, Images, RawArrays
from mnist_hpo.errors import DataError

NAMES: Final = ("mnist-5k", "mnist")
_ACCEPTED = f"use {', '.join(NAMES)}, the path of an .npz file, or a folder of IDX files"


@final
@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    text: str
    read: Callable[[], RawArrays]


def development(name: str) -> tuple[Images, Dataset]:
    """Reads the images a search may see.

    Args:
        name: `mnist-5k`, `mnist`, the path of an .npz file, or of a folder of IDX files.

    Returns:
        The development images and the facts of the dataset. The same file gives the same facts.

    Raises:
        DataError: the dataset cannot be found, read or trusted; its test part included.
    """
    source = _source(name)
    raw = source.read()
    images = prepare(raw.x_train, raw.y_train, part="train")
    test = prepare(raw.x_test, raw.y_test, part="test")
    return images, Dataset(
        name=source.name,
        source=source.text,
        preparation=preparation(raw.x_train),
        sha256=images.sha256,
        test_sha256=test.sha256,
        development_size=len(images),
        test_size=len(test),
        shared_images=count_shared(images.x, test.x),
        repeated_images=count_repeated(images.x),
    )


def open_test_set(name: str) -> Images:
    """Opens the test set: for the final evaluation of a winner, once.

    Compare its `sha256` with `Dataset.test_sha256` of the study: the file may have changed.

    Args:
        name: As for `development`, or `Dataset.name`.

    Raises:
        DataError: as `development`.
    """
    raw = _source(name).read()
    return prepare(raw.x_test, raw.y_test, part="test")


def default_study_name(dataset: str) -> str:
    """Returns a study name that matches `[A-Za-z0-9._-]{1,64}` and is no option and no path.

    Args:
        dataset: What `--dataset` takes; it need not exist.
    """
    if dataset in NAMES:
        return dataset
    name = dataset.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if name in ("", ".", ".."):
        name = Path(dataset).resolve().name
    stem = name[:-4] if name.lower().endswith(".npz") else name
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")
    return cleaned[:64].rstrip("-._") or "dataset"


def _source(name: str) -> _Source:
    if name == "mnist":
        return _Source(name, mnist.SOURCE, mnist.read_mnist)
    if name == "mnist-5k":
        return _Source(name, mnist_5k.SOURCE, mnist_5k.read_mnist_5k)
    path = _existing(name)
    if path.is_dir():
        return _Source(str(path), f"IDX files in {path}", lambda: read_idx_folder(path))
    if path.suffix.lower() == ".npz":
        return _Source(str(path), f"{path}", lambda: read_npz(path))
    raise DataError(f"A dataset file ends in .npz, {name!r} does not.", _ACCEPTED)


def _existing(name: str) -> Path:
    """Finds a path, made absolute so that a study finds it again from another directory."""
    try:
        path = Path(name).expanduser()
        if name and path.exists():
            return path.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        # A name too long, a null byte, "~nobody", a folder that may not be entered.
        reason = (isinstance(error, OSError) and error.strerror) or type(error).__name__
        raise DataError(f"{name[:200]!r} is no path: {reason}.", _ACCEPTED) from error
    if "/" in name or "\\" in name or path.suffix.lower() == ".npz":
        raise DataError(f"There is no file or folder {name!r}.", "check the path; " + _ACCEPTED)
    close = difflib.get_close_matches(name.lower(), NAMES, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise DataError(f"There is no dataset {name!r}.{hint}", _ACCEPTED)
