"""Curves in one character an epoch."""

import pytest

from mnist_hpo.sparkline import LEVELS, PLAIN, sparkline, thinned


def test_the_ends_of_the_scale_are_its_first_and_last_level() -> None:
    assert sparkline([0.9, 0.96, 1.0], low=0.9, high=1.0) == "▁▅█"
    assert sparkline([0.0, 2.0], low=0.9, high=1.0) == "▁█"


def test_curves_with_one_scale_can_be_compared() -> None:
    assert sparkline([0.5], low=0.0, high=1.0) < sparkline([0.9], low=0.0, high=1.0)
    assert sparkline([0.5, 0.5], low=0.5, high=0.5) == "██"
    assert sparkline([], low=0.0, high=1.0) == ""


@pytest.mark.parametrize("width", [2, 7, 10])
def test_a_long_curve_keeps_its_ends(width: int) -> None:
    values = [float(i) for i in range(10)]

    thin = thinned(values, width)

    assert (len(thin), thin[0], thin[-1]) == (width, 0.0, 9.0)
    assert thin == sorted(thin)


def test_each_level_has_its_own_sign_in_ascii() -> None:
    assert len(LEVELS) == len(PLAIN) == len(set(PLAIN))
    assert PLAIN.isascii()
