"""A Gaussian process over the space: what neighbours say of a configuration.

References:
    Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", sections 2.2, 5.4.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LENGTHS = (0.7, 1.4, 2.8)
"""Length scales tried; each hyperparameter is 1 wide."""

OWN_SHARES = (0.1, 0.3, 0.6)
"""Shares of the variance that no neighbour explains, as tried."""

MOST = 256
"""Trials that the process is fitted to: more would take longer than they help."""

_LEAST = 1e-6
"""Variance of values that are all the same."""


@dataclass(frozen=True, slots=True)
class Smooth:
    """A fitted process."""

    points: Floats
    length: float
    signal: float
    own: float
    """Variance that no neighbour explains: noise, and what is a configuration's alone."""

    centre: float
    inverse: Floats
    weights: Floats

    @classmethod
    def fitted(cls, points: Floats, values: Floats) -> "Smooth":
        """Fits by maximum marginal likelihood over a few length scales and shares.

        Of more than `MOST` trials the best ones are taken: there it matters.

        Shapes:
            points: (n, d).
            values: (n,).
        """
        chosen = np.argsort(-values, kind="stable")[:MOST]
        x, y = points[chosen], values[chosen]
        centre, total = float(y.mean()), max(float(y.var()), _LEAST)
        gaps = _distances(x, x)
        best, length, share = -np.inf, LENGTHS[0], OWN_SHARES[0]
        lower: npt.NDArray[np.floating[Any]] = np.eye(len(x))
        for tried in LENGTHS:
            shape = _matern(gaps / tried)
            for own in OWN_SHARES:
                covariance = total * ((1 - own) * shape + own * np.eye(len(x)))
                root = np.linalg.cholesky(covariance)
                half = np.linalg.solve(root, y - centre)
                likelihood = -0.5 * float(half @ half) - float(np.log(np.diag(root)).sum())
                if likelihood > best:
                    best, length, share, lower = likelihood, tried, own, root
        half_inverse = np.linalg.inv(lower)
        inverse = half_inverse.T @ half_inverse
        return cls(
            x,
            length,
            total * (1 - share),
            total * share,
            centre,
            inverse,
            inverse @ (y - centre),
        )

    def at(self, points: Floats) -> tuple[Floats, Floats]:
        """Returns mean and variance of the smooth part, without `own`.

        Shapes:
            points: (m, d).
            result: twice (m,).
        """
        cross = self.signal * _matern(_distances(points, self.points) / self.length)
        means = self.centre + cross @ self.weights
        variances = self.signal - ((cross @ self.inverse) * cross).sum(axis=1)
        return means, np.maximum(variances, _LEAST)


def _distances(a: Floats, b: Floats) -> Floats:
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def _matern(r: Floats) -> Floats:
    """Returns the Matern kernel with smoothness 5/2."""
    scaled = np.sqrt(5.0) * r
    return np.asarray((1 + scaled + scaled**2 / 3) * np.exp(-scaled))
