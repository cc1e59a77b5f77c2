"""Seeds a build: everything that making a model draws from, and nothing that others need."""

import contextlib
import functools
import random
from collections.abc import Iterator
from typing import Any, final

import keras
import tensorflow as tf
from keras.src.random import seed_generator
from tensorflow.python import pywrap_tfe
from tensorflow.python.framework import random_seed

_BUILDS = 100
"""Each leaves 0.5 to 0.8 MB of kernels behind, whatever the size of its model."""


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds everything that building a model draws from.

    Keras draws the seeds of its initializers from Python's global generator, which threads of
    this process share: Dask's event loop draws its jitter there, and one draw of its between
    two of ours gave other weights (seen in 2 of 21 folds). So Keras gets a generator of its
    own meanwhile. It has the sequence of the seeded global one, and no public way in.
    """
    _kernels().seed(seed)
    shared = seed_generator.python_random
    seed_generator.python_random = random.Random(seed)  # noqa: S311 - weights, no secrets
    try:
        yield
    finally:
        seed_generator.python_random = shared


@final
class _Kernels:
    """Keeps TensorFlow's kernels while it is seeded, wherever that changes no result.

    TensorFlow forgets all kernels then, because one that draws goes on where it was. Every
    traced model spends 0.2 to 0.7 s of its next epoch on optimizing its graphs again. But
    Keras' layers and initializers never draw from TensorFlow's own generators; a user's may.
    """

    def __init__(self) -> None:
        self.drawn = False
        self._builds = 0
        get_seed = random_seed.get_seed

        def noticed(op_seed: int | None) -> Any:  # noqa: ANN401 - as TensorFlow has it
            self.drawn = True
            return get_seed(op_seed)

        random_seed.get_seed = noticed
        tf.random.set_seed(0)  # forgets what was drawn before

    def seed(self, seed: int) -> None:
        """Seeds Python, NumPy, Keras and TensorFlow."""
        self._builds += 1
        forget = pywrap_tfe.TFE_ContextClearCaches
        if not self.drawn and self._builds % _BUILDS:
            pywrap_tfe.TFE_ContextClearCaches = lambda _: None
        try:
            keras.utils.set_random_seed(seed)
        finally:
            pywrap_tfe.TFE_ContextClearCaches = forget


@functools.cache
def _kernels() -> _Kernels:
    return _Kernels()
