"""The scale of the models: log(right / wrong), where effects of folds and epochs add up."""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def log_odds(accuracy: float, images: int) -> float:
    """Returns log(right / wrong), with half an image added to both."""
    return math.log((accuracy * images + 0.5) / ((1 - accuracy) * images + 0.5))


def share(values: Floats) -> Floats:
    """Inverts the log odds: the share that is right. It is 0 where `exp` would overflow."""
    return np.asarray(1 / (1 + np.exp(-np.maximum(values, -700.0))))
