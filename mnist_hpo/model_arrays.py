"""What the weights in a `.keras` file may be: plain arrays that lie in the file itself.

An HDF5 file can point to other files, be computed from them, or claim a terabyte that it does
not store (CVE-2026-1669, -0897, -12570). Keras refuses such claims above 4 GiB; here nothing may
claim more than it stores.
"""

import io
import math
from collections.abc import Callable, Iterator
from typing import Any

from mnist_hpo.errors import DataError

MAX_PARTS = 5_000
"""Groups and arrays; weights and optimizer variables of 64 layers are some hundreds."""

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def check_arrays(content: bytes, refuse: Callable[[str], DataError]) -> int:
    """Checks the `model.weights.h5` of a model file.

    Args:
        content: Its bytes.
        refuse: Makes the error from what is wrong, in words.

    Returns:
        How many numbers it stores.

    Raises:
        DataError: it is no HDF5 file, or holds anything but plain arrays of numbers.
    """
    if not content.startswith(_SIGNATURE):
        raise refuse("its weights are no HDF5 file.")
    import h5py  # noqa: PLC0415 - a third of a second that no other command needs

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            arrays = list(_arrays(file, h5py, refuse))
            numbers = sum(int(math.prod(array.shape)) for array in arrays)
            claimed = sum(math.prod(array.shape) * array.dtype.itemsize for array in arrays)
    except DataError:
        raise
    except Exception as error:
        # h5py raises half a dozen types for broken bytes.
        raise refuse(f"its weights are damaged: {type(error).__name__}: {error}.") from error
    if claimed > len(content):
        raise refuse(f"its weights claim {claimed} bytes, and {len(content)} are stored.")
    return numbers


def _arrays(group: Any, h5py: Any, refuse: Callable[[str], DataError]) -> Iterator[Any]:  # noqa: ANN401 - h5py is untyped
    """Yields every array, and refuses whatever leads out of the file or computes anything."""
    groups, seen = [group], 0
    while groups:
        group = groups.pop()
        for name in group:
            seen += 1
            if seen > MAX_PARTS:  # a group may contain itself
                raise refuse(f"its weights have more than {MAX_PARTS} parts.")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise refuse(f"its weights have a link in place of {name[:60]!r}.")
            found = group[name]
            if isinstance(found, h5py.Group):
                groups.append(found)
            elif not isinstance(found, h5py.Dataset) or found.dtype.kind not in "fiu":
                raise refuse(f"its weights have {name[:60]!r}, which is no array of numbers.")
            elif found.is_virtual or found.external or found.chunks or found.shape is None:
                raise refuse(f"its weights have {name[:60]!r}, which is not stored as it is.")
            else:
                yield found
