"""Model files that must not be loaded, each by another trick, and a whole one to forge from."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Json = dict[str, Any]


def layer(kind: str, *, module: str = "keras.layers", **config: Any) -> Json:
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


def initializer(kind: str) -> Json:
    return layer(kind, module="keras.initializers")


def description(*more: Json, shape: Any = (None, 28, 28, 1)) -> Json:
    """As Keras writes it: pixels, further layers, a dense layer of ten classes."""
    policy = layer("DTypePolicy", module="keras", name="float32")
    layers = [
        layer("InputLayer", batch_shape=list(shape), dtype="float32", name="pixels"),
        layer("Rescaling", name="scale", dtype=policy, scale=1 / 255, offset=0.0),
        *more,
        layer("Flatten", name="flatten", dtype=policy, data_format="channels_last"),
        layer(
            "Dense",
            name="output",
            dtype=policy,
            units=10,
            activation="softmax",
            use_bias=True,
            kernel_initializer=initializer("GlorotUniform"),
            bias_initializer=initializer("Zeros"),
        ),
    ]
    return layer("Sequential", module="keras", name="cnn", layers=layers)


def weights(write: Callable[[h5py.File], None] | None = None, *, numbers: int = 7840) -> bytes:
    """As Keras writes them, and whatever `write` adds."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        group = file.create_group("layers/dense/vars")
        group["0"] = np.zeros((numbers // 10, 10), np.float32)
        group["1"] = np.zeros(10, np.float32)
        if write is not None:
            write(file)
    return buffer.getvalue()


def model(
    path: Path,
    text: Json | bytes | None = None,
    arrays: bytes | None = None,
    *,
    more: Mapping[str, bytes] | None = None,
    method: int = zipfile.ZIP_STORED,
) -> None:
    """Writes a model file."""
    text = description() if text is None else text
    content = text if isinstance(text, bytes) else json.dumps(text).encode()
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("metadata.json", b'{"keras_version": "3.15.1"}')
        archive.writestr("config.json", content)
        archive.writestr("model.weights.h5", weights() if arrays is None else arrays)
        for name, own in (more or {}).items():
            archive.writestr(name, own)


class Trap:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def described(*layers: Json, **changes: Any) -> Callable[[Path], None]:
    return lambda path: model(path, description(*layers, **changes))


def changed(change: Callable[[Json], object]) -> Callable[[Path], None]:
    """A description with something in it exchanged."""

    def write(path: Path) -> None:
        text = description()
        change(text)
        model(path, text)

    return write


def stored(write: Callable[[h5py.File], None]) -> Callable[[Path], None]:
    return lambda path: model(path, arrays=weights(write))


def _dense(text: Json) -> Json:
    found: Json = text["config"]["layers"][-1]
    return found


def _set(text: Json, **config: Any) -> None:
    _dense(text)["config"].update(config)


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((10,), "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname.h5", "x", (10,))
    file.create_virtual_dataset("layers/dense/vars/2", layout)


def _external(file: h5py.File) -> None:
    file.create_dataset(
        "layers/dense/vars/2", (4,), "u1", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)]
    )


def _bomb(file: h5py.File) -> None:
    file.create_dataset("bomb", (2**40,), "f4", chunks=(2**16,), compression="gzip")


def _late(file: h5py.File) -> None:
    """Claims what is never stored: HDF5 allocates on the first write."""
    file.create_dataset("late", (2**40,), "f4")


def _cycle(file: h5py.File) -> None:
    file["layers/again"] = file["layers"]


def _objects(file: h5py.File) -> None:
    file.create_dataset("texts", (3,), h5py.string_dtype())


def _half(path: Path) -> None:
    model(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _encrypted(path: Path) -> None:
    model(path)
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\1\2")
    content[at + 8] |= 1
    path.write_bytes(bytes(content))


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)


def _twice(path: Path) -> None:
    model(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", b"{}")


WHOLE = model

LAMBDA = layer(
    "Lambda",
    name="run",
    function={"class_name": "__lambda__", "config": {"code": "4wAAAAA=", "defaults": None}},
)

MODELS: Mapping[str, Callable[[Path], object]] = {
    "a lambda layer": described(LAMBDA),
    "a lambda inside another layer": described(layer("TimeDistributed", name="t", layer=LAMBDA)),
    "a registered class": changed(lambda text: _dense(text).update(registered_name="my>Dense")),
    "any function (CVE-2025-1550)": changed(
        lambda text: _set(
            text,
            activation={"module": "os", "class_name": "function", "config": "system"},
        )
    ),
    "a class of another module": changed(lambda text: _dense(text).update(module="os")),
    "an initializer of another module": changed(
        lambda text: _set(text, bias_initializer=layer("Zeros", module="subprocess"))
    ),
    "a saved-model layer (CVE-2026-1462)": described(
        layer("TFSMLayer", name="s", filepath="/etc", call_endpoint="serve")
    ),
    "a torch module (CVE-2025-49655)": described(layer("TorchModuleWrapper", name="t", module="")),
    "a vocabulary file (CVE-2025-12058)": described(
        layer("StringLookup", name="s", vocabulary="/etc/passwd")
    ),
    "a functional model": lambda path: model(path, layer("Functional", module="keras.models")),
    "an activation by name": changed(lambda text: _set(text, activation="builtins>eval")),
    "a regularizer by name": changed(lambda text: _set(text, kernel_regularizer="l2")),
    "a quantized number format": changed(
        lambda text: _set(
            text, dtype=layer("DTypePolicy", module="keras", name="int8_from_float32")
        )
    ),
    "a name that is a path (CVE-2026-12479)": changed(lambda text: _set(text, name="../../up")),
    "a shape bomb (CVE-2026-0897)": changed(lambda text: _set(text, units=10**12)),
    "a shape bomb in build_config": changed(
        lambda text: _dense(text).update(build_config={"input_shape": [None, 10**12]})
    ),
    "a negative size": changed(lambda text: _set(text, units=-1)),
    "scales spread over channels": changed(
        lambda text: text["config"]["layers"][1]["config"].update(scale=[1.0] * 100_000)
    ),
    "another input": described(shape=(None, 4000, 4000, 3)),
    "a pool that leaves nothing": described(
        layer(
            "MaxPooling2D",
            name="pool",
            pool_size=[64, 64],
            strides=[64, 64],
            padding="valid",
            data_format="channels_last",
        )
    ),
    "no layers": changed(lambda text: text["config"].update(layers=[])),
    "ten thousand layers": described(*[layer("ReLU", name=f"r{i}") for i in range(9_000)]),
    "a deep description": lambda path: model(path, b"[" * 100_000),
    "a long description": lambda path: model(path, b" " * (2**20 + 1)),
    "a bomb of a description": lambda path: model(
        path, b" " * (64 << 20), method=zipfile.ZIP_DEFLATED
    ),
    "a description that is no text": lambda path: model(path, b"\xff\xfe\xfd"),
    "a description that is a number": lambda path: model(path, b"1e999"),
    "a bomb of weights": lambda path: model(
        path, arrays=bytes(70 << 20), method=zipfile.ZIP_DEFLATED
    ),
    "weights that are a pickle": lambda path: model(
        path, arrays=pickle.dumps(Trap(path.with_name("trapped")))
    ),
    "weights that are cut": lambda path: model(path, arrays=weights()[:4000]),
    "fewer weights than described": lambda path: model(path, arrays=weights(numbers=100)),
    "a link to another file (CVE-2026-1669)": stored(
        lambda file: file.__setitem__("out", h5py.ExternalLink("/etc/hostname", "/"))
    ),
    "a soft link": stored(lambda file: file.__setitem__("soft", h5py.SoftLink("/layers"))),
    "data in another file": stored(_external),
    "data computed from another file": stored(_virtual),
    "a bomb in HDF5": stored(_bomb),
    "an array that is never stored": stored(_late),
    "a group inside itself": stored(_cycle),
    "texts among the weights": stored(_objects),
    "a member with a path": lambda path: model(path, more={"assets/../../up": b""}),
    "a pickle as a member": lambda path: model(path, more={"custom_objects.pkl": b"\x80\4."}),
    "a member twice": _twice,
    "an encrypted member": _encrypted,
    "another compression": lambda path: model(path, method=zipfile.ZIP_LZMA),
    "half of the file": _half,
    "a model of Keras 2 (CVE-2025-9905)": lambda path: path.write_bytes(weights()),
    "a pickle": lambda path: path.write_bytes(pickle.dumps(Trap(path.with_name("trapped")))),
    "an empty file": lambda path: path.write_bytes(b""),
    "three gigabytes of nothing": _sparse,
    "a folder": lambda path: path.mkdir(),
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a pipe": os.mkfifo,
    "a link to itself": lambda path: path.symlink_to(path),
}
"""How each is made at a path."""
