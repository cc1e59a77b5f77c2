"""Gradients that TensorFlow registers for ever, forgotten with the model that they are of."""

import contextlib
import weakref
from collections.abc import Iterable, Iterator

import keras
from tensorflow.python.framework import ops

_OF_A_TRACE = "CustomGradient-"


@contextlib.contextmanager
def forgotten_with(model: keras.Model) -> Iterator[None]:
    """Lets what tracing registers meanwhile go when the model goes.

    Keras sums gradients by TensorFlow's `all_reduce`, which has a gradient of its own: that is
    registered by name for each trace, for the whole process, and holds the trace's graph.

    Args:
        model: Only Keras' own: a user's traced function may outlive it, and would miss its
            gradient in the next model.
    """
    registry = ops.gradient_registry._registry  # noqa: SLF001 - there is no way out but this
    before = set(registry)
    try:
        yield
    finally:
        names = [n for n in registry.keys() - before if n.startswith(_OF_A_TRACE)]
        if names:
            weakref.finalize(model, _forget, names).atexit = False


def _forget(names: Iterable[str]) -> None:
    for name in names:
        ops.gradient_registry._registry.pop(name, None)  # noqa: SLF001 - as above
