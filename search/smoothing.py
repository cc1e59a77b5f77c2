"""A Gaussian process over the space: what neighbours say of a configuration.

References:
    Rasmussen and Williams (2006), "Gaussian Processes for Machine Learning", sections 2.2, 5.4.
"""

from dataclasses import dataclass, replace

import numpy as np

from search.log_odds import Floats

LENGTHS = (0.7, 1.4, 2.8)
"""Length scales tried; each hyperparameter is 1 wide."""

OWN_SHARES = (0.1, 0.3, 0.6)
"""Shares of the variance that no neighbour explains, as tried."""

MOST = 256
"""Trials that the process is fitted to: more would take longer than they help."""

ENOUGH = 64
"""Trials that its length and share are chosen by."""

_AT_ONCE = 1024
"""Points whose means are computed together."""

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
    lower: Floats
    """Cholesky factor of the covariance."""

    weights: Floats

    @classmethod
    def fitted(cls, points: Floats, values: Floats) -> "Smooth":
        """Fits by maximum marginal likelihood over a few length scales and shares.

        Of more than `MOST` trials the best ones are taken: there it matters.

        Shapes:
            points: (n, d).
            values: (n,).
        """
        best = np.argsort(-values, kind="stable")[:MOST]
        x, y = points[best], values[best]
        centre, total = float(y.mean()), max(float(y.var()), _LEAST)
        gaps = _distances(x, x)
        length, share = _chosen(gaps[:ENOUGH, :ENOUGH], y[:ENOUGH] - centre, total)
        covariance = _covariance(gaps, total, length, share)
        # By NumPy alone: whoever only reads a study need not wait for SciPy, a tenth of a second.
        lower: Floats = np.linalg.cholesky(covariance).astype(float, copy=False)
        weights: Floats = np.linalg.solve(covariance, y - centre).astype(float, copy=False)
        return cls(x, length, total * (1 - share), total * share, centre, lower, weights)

    def at(self, points: Floats) -> tuple[Floats, Floats]:
        """Returns mean and variance of the smooth part, without `own`.

        Shapes:
            points: (m, d).
            result: twice (m,).
        """
        from scipy.linalg import solve_triangular  # noqa: PLC0415 - for proposals only

        cross = self._cross(points)
        means = self.centre + cross @ self.weights
        half = solve_triangular(self.lower, cross.T, lower=True)
        variances = self.signal - (half**2).sum(axis=0)
        return means, np.maximum(variances, _LEAST)

    def means_at(self, points: Floats) -> Floats:
        """Returns the mean alone, which takes far less time.

        Shapes:
            points: (m, d).
            result: (m,).
        """
        # In parts: thousands of points against all of ours would fill a hundred megabytes.
        parts = [points[i : i + _AT_ONCE] for i in range(0, max(len(points), 1), _AT_ONCE)]
        return np.concatenate([self.centre + self._cross(part) @ self.weights for part in parts])

    def believing(self, points: Floats) -> "Smooth":
        """Returns the process as if at further points its own means had been measured.

        Then the means are the same everywhere and the variances near those points smaller.

        Shapes:
            points: (m, d).

        References:
            Ginsbourger, Le Riche and Carraro (2010), "Kriging is well-suited to parallelize
            optimization": the kriging believer.
        """
        from scipy.linalg import cholesky, solve_triangular  # noqa: PLC0415 - for proposals only

        known, fresh = self.lower.shape[0], len(points)
        beside = solve_triangular(self.lower, self._cross(points).T, lower=True).T
        gaps = _distances(points, points) / self.length
        within = self.signal * _matern(gaps) + self.own * np.eye(fresh)
        lower = np.zeros((known + fresh, known + fresh))
        lower[:known, :known], lower[known:, :known] = self.lower, beside
        lower[known:, known:] = cholesky(within - beside @ beside.T, lower=True)
        return replace(
            self,
            points=np.vstack([self.points, points]),
            lower=lower,
            weights=np.concatenate([self.weights, np.zeros(fresh)]),
        )

    def _cross(self, points: Floats) -> Floats:
        return np.asarray(self.signal * _matern(_distances(points, self.points) / self.length))


def _chosen(gaps: Floats, y: Floats, total: float) -> tuple[float, float]:
    """Returns the length and the share with the largest marginal likelihood."""
    best, kept = -np.inf, (LENGTHS[0], OWN_SHARES[0])
    for length in LENGTHS:
        for share in OWN_SHARES:
            covariance = _covariance(gaps, total, length, share)
            spread = float(np.log(np.diag(np.linalg.cholesky(covariance))).sum())
            likelihood = -0.5 * float(y @ np.linalg.solve(covariance, y)) - spread
            if likelihood > best:
                best, kept = likelihood, (length, share)
    return kept


def _covariance(gaps: Floats, total: float, length: float, share: float) -> Floats:
    return np.asarray(total * ((1 - share) * _matern(gaps / length) + share * np.eye(len(gaps))))


def _distances(a: Floats, b: Floats) -> Floats:
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def _matern(r: Floats) -> Floats:
    """Returns the Matern kernel with smoothness 5/2."""
    scaled = np.sqrt(5.0) * r
    return np.asarray((1 + scaled + scaled**2 / 3) * np.exp(-scaled))
