"""The Gaussian process: it interpolates, knows what it does not know, and never breaks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.log_odds import Floats
from search.smoothing import LENGTHS, MOST, OWN_SHARES, Smooth


def smooth(points: Floats) -> Floats:
    """A hill in the unit square."""
    return np.asarray(2 - ((points - 0.4) ** 2).sum(axis=1))


def square(count: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).random((count, 2))


def test_a_smooth_function_is_found_between_its_points() -> None:
    """From 60 points, to a fifth of its spread, away from the corners."""
    points, others = square(60), 0.1 + 0.8 * square(200, seed=1)

    means, _ = Smooth.fitted(points, smooth(points)).at(others)

    spread = float(smooth(others).std())
    assert float(np.abs(means - smooth(others)).max()) < 0.5 * spread
    assert float(np.abs(means - smooth(others)).mean()) < 0.2 * spread


def test_what_is_each_points_own_is_not_interpolated() -> None:
    """Noise as large as the function: the mean of neighbours is nearer to it than they are."""
    points = square(150)
    noise = np.random.default_rng(2).normal(0, 0.1, 150)

    process = Smooth.fitted(points, smooth(points) + noise)

    means, _ = process.at(points)
    assert float(np.abs(means - smooth(points)).mean()) < 0.5 * float(np.abs(noise).mean())
    assert process.own > 0.002


def test_it_is_surer_near_data() -> None:
    """Far away it knows as much as before: the centre, and the whole signal for variance."""
    points = square(30) * 0.2
    process = Smooth.fitted(points, smooth(points))

    near, some, far = (process.at(np.array([[x, x]])) for x in (0.1, 0.8, 90.0))

    assert near[1][0] < some[1][0] < far[1][0]
    assert far[0][0] == pytest.approx(process.centre)
    assert far[1][0] == pytest.approx(process.signal)


def test_more_data_makes_it_surer() -> None:
    """At any place, all else equal."""
    place = np.array([[0.5, 0.5]])
    points = square(100)
    few, many = (Smooth.fitted(points[:n], smooth(points[:n])) for n in (10, 100))

    assert many.at(place)[1][0] / many.signal < few.at(place)[1][0] / few.signal


def test_variances_split_into_what_neighbours_explain_and_the_rest() -> None:
    """One of the shares tried, one of the lengths tried."""
    points = square(40)
    values = smooth(points)

    process = Smooth.fitted(points, values)

    assert process.signal + process.own == pytest.approx(float(values.var()))
    assert process.own / (process.signal + process.own) == pytest.approx(min(OWN_SHARES))
    assert process.length in LENGTHS


@pytest.mark.parametrize("count", [1, 2, 20])
def test_equal_values_predict_themselves(count: int) -> None:
    """Without any spread nothing is divided by zero."""
    process = Smooth.fitted(square(count), np.full(count, 3.0))

    means, variances = process.at(square(5, seed=1))

    assert means == pytest.approx(np.full(5, 3.0))
    assert (variances > 0).all()


def test_equal_points_with_other_values_are_their_mean() -> None:
    """Two trials of one place."""
    points = np.array([[0.5, 0.5]] * 2 + [[90.0, 90.0]])

    means, _ = Smooth.fitted(points, np.array([1.0, 2.0, 1.5])).at(points[:1])

    assert means[0] == pytest.approx(1.5)


def test_of_too_many_points_the_best_are_taken() -> None:
    """What is bad need not be known exactly."""
    points = square(MOST + 50)
    values = smooth(points)

    process = Smooth.fitted(points, values)

    assert len(process.points) == MOST
    assert process.centre == pytest.approx(float(np.sort(values)[50:].mean()))
    means, _ = process.at(points)
    best = np.argsort(-values)[:20]
    assert float(np.abs(means[best] - values[best]).max()) < 0.1 * float(values.std())


def test_the_order_of_the_points_hardly_matters() -> None:
    """Up to the last bits: proposals round them away."""
    points, others = square(50), square(20, seed=1)
    values = smooth(points)
    turned = np.random.default_rng(1).permutation(50)

    one, _ = Smooth.fitted(points, values).at(others)
    other, _ = Smooth.fitted(points[turned], values[turned]).at(others)

    assert one == pytest.approx(other, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-0.5, 1.5), st.floats(-0.5, 1.5), st.floats(-20, 20)),
        min_size=1,
        max_size=30,
    )
)
def test_any_data_give_finite_answers(rows: list[tuple[float, float, float]]) -> None:
    """Doubled points, constant columns, spikes."""
    table = np.array(rows)

    means, variances = Smooth.fitted(table[:, :2], table[:, 2]).at(square(5))

    assert np.isfinite(means).all()
    assert (variances > 0).all()
    assert (means >= table[:, 2].min() - 40).all()


def test_what_is_believed_moves_no_mean_and_leaves_less_to_learn() -> None:
    """As a process with the same constants does that is given its own means as further data."""
    points, further, asked = square(20), square(4, seed=3), square(50, seed=4)
    process = Smooth.fitted(points, smooth(points))

    believing = process.believing(further)

    means, before = process.at(asked)
    same, after = believing.at(asked)
    assert same == pytest.approx(means)
    assert (after <= before + 1e-12).all()
    near, was = believing.at(further)[1], process.at(further)[1]
    assert (near < was).all()
    covariance = process.signal * matern(
        all_points := np.vstack([process.points, further]), process
    )
    covariance += process.own * np.eye(len(all_points))
    assert np.tril(believing.lower) == pytest.approx(np.linalg.cholesky(covariance))


def matern(points: Floats, process: Smooth) -> Floats:
    """The kernel with smoothness 5/2, written out once more."""
    r = np.linalg.norm(points[:, None] - points[None], axis=2) / process.length
    return np.asarray((1 + 5**0.5 * r + 5 * r**2 / 3) * np.exp(-(5**0.5) * r))
