"""The formats: how each is written, and read again by its own runtime."""

import abc
import contextlib
import io
import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
import numpy.typing as npt

from mnist_hpo.errors import UserError
from mnist_hpo.export.bare import bare

if TYPE_CHECKING:
    import keras

Floats = npt.NDArray[np.float32]


class AbstractFormat(abc.ABC):
    """A way to write a model down for others."""

    name: ClassVar[str]
    ending: ClassVar[str]
    """Of the file or folder, after the study's name."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Modules of the extra `export` that writing or checking takes."""

    about: ClassVar[str]
    """How others read it, in a sentence."""

    def check_installed(self) -> None:
        """Refuses before anything is loaded.

        Raises:
            UserError: a module is missing.
        """
        missing = [module for module in self.needs if find_spec(module) is None]
        if missing:
            raise UserError(
                f"The format {self.name} needs {' and '.join(missing)}, not installed here.",
                "pip install 'mnist-hpo[export]'",
            )

    @abc.abstractmethod
    def write(self, model: "keras.Model", source: Path, path: Path) -> None:
        """Writes the model.

        Args:
            model: The finalized model, loaded.
            source: Its file, whose bytes were checked.
            path: Where to; nothing is there.
        """

    @abc.abstractmethod
    def predict(self, path: Path, pixels: Floats) -> Floats:
        """Reads what was written as others will, and predicts.

        Shapes:
            pixels: (n, 28, 28, 1), or as the backend orders axes, 0 to 255.
            return: (n, 10), probabilities.
        """


@final
class Keras(AbstractFormat):
    """The model file itself, as finalize wrote it."""

    name = "keras"
    ending = ".keras"
    about = "keras.models.load_model(PATH)"

    def write(self, model: "keras.Model", source: Path, path: Path) -> None:
        del model
        shutil.copyfile(source, path)

    def predict(self, path: Path, pixels: Floats) -> Floats:
        import keras  # noqa: PLC0415 - loads TensorFlow

        model = keras.models.load_model(path, compile=False, safe_mode=True)
        return np.asarray(model.predict(pixels, verbose=0))


@final
class SavedModel(AbstractFormat):
    """TensorFlow's own folder, for TensorFlow Serving."""

    name = "saved-model"
    ending = "-saved-model"
    about = "model = tf.saved_model.load(PATH); model.serve(pixels)"

    def write(self, model: "keras.Model", source: Path, path: Path) -> None:
        del source
        with _quiet():
            bare(model).export(path, format="tf_saved_model", verbose=False)

    def predict(self, path: Path, pixels: Floats) -> Floats:
        import tensorflow as tf  # noqa: PLC0415 - loads TensorFlow

        held = tf.saved_model.load(str(path))  # its functions do not keep its variables alive
        return np.asarray(held.serve(pixels))


@final
class Onnx(AbstractFormat):
    """The open exchange format, by tf2onnx."""

    name = "onnx"
    ending = ".onnx"
    needs = ("tf2onnx", "onnx", "onnxruntime")
    about = "onnxruntime.InferenceSession(PATH).run(None, {'pixels': pixels})"

    def write(self, model: "keras.Model", source: Path, path: Path) -> None:
        del source
        with _quiet():
            bare(model).export(path, format="onnx", verbose=False)

    def predict(self, path: Path, pixels: Floats) -> Floats:
        import onnxruntime  # noqa: PLC0415 - an extra

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {session.get_inputs()[0].name: pixels})[0])


@final
class TfLite(AbstractFormat):
    """For telephones and small devices, by TensorFlow's converter; 32-bit floats."""

    name = "tflite"
    ending = ".tflite"
    needs = ("ai_edge_litert",)
    about = "ai_edge_litert.interpreter.Interpreter(model_path=PATH)"

    def write(self, model: "keras.Model", source: Path, path: Path) -> None:
        del source
        with _quiet():
            bare(model).export(path, format="litert", verbose=False)

    def predict(self, path: Path, pixels: Floats) -> Floats:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - an extra

        with _quiet():
            reader: Any = Interpreter(model_path=str(path))
            entry = reader.get_input_details()[0]["index"]
            reader.resize_tensor_input(entry, pixels.shape)
            reader.allocate_tensors()
            reader.set_tensor(entry, pixels)
            reader.invoke()
            return np.array(reader.get_tensor(reader.get_output_details()[0]["index"]))


FORMATS: Mapping[str, AbstractFormat] = MappingProxyType(
    {own.name: own for own in (Keras(), SavedModel(), Onnx(), TfLite())}
)
"""Every format, by the name that `--format` takes."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps converters from announcing what they do: what matters is checked afterwards."""
    from search.native_logs import silenced  # noqa: PLC0415 - as the formats' own modules

    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            silenced(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
