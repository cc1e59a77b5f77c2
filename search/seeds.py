"""Seeds as a function of what they are for: never a stream, so nothing depends on order."""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a seed is for. The numbers are part of every study: never change or reuse one."""

    WEIGHTS = 1
    EPOCH = 2
    PROPOSAL = 3
    GRID = 4
    EXAMPLES = 5


def seed_for(study_seed: int, purpose: Purpose, *path: int) -> int:
    """Derives a seed from the study's seed and where it is used.

    Args:
        study_seed: Any integer from 0; 0 is a seed like any other.
        purpose: What the seed is for.
        path: Trial, fold, run, epoch, ... as far as they tell uses apart.

    Returns:
        A number below 2**31, which NumPy, Keras, TensorFlow and Optuna all take.
    """
    sequence = np.random.SeedSequence(study_seed, spawn_key=(int(purpose), *path))
    return int(sequence.generate_state(1, np.uint32)[0] >> 1)
