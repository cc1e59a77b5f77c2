"""Seeds: a function of what they are for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.seeds import Purpose, seed_for


@pytest.mark.parametrize(
    ("study_seed", "purpose", "path", "seed"),
    [
        (0, Purpose.WEIGHTS, (0, 0, 0), 431171633),
        (0, Purpose.EPOCH, (0, 0, 0, 0), 1020133312),
        (1, Purpose.EPOCH, (0, 0, 0, 0), 1046755866),
        (42, Purpose.EPOCH, (12, 4, 1, 9), 963442855),
        (7, Purpose.PROPOSAL, (3, 199), 501282415),
        (7, Purpose.GRID, (), 978193900),
    ],
)
def test_the_derivation_never_changes(
    study_seed: int, purpose: Purpose, path: tuple[int, ...], seed: int
) -> None:
    """Recorded once: another derivation would give old studies other bits."""
    assert seed_for(study_seed, purpose, *path) == seed


def test_the_numbers_of_the_purposes_never_change() -> None:
    """They are part of every study's seeds."""
    assert {purpose.name: int(purpose) for purpose in Purpose} == {
        "WEIGHTS": 1,
        "EPOCH": 2,
        "PROPOSAL": 3,
        "GRID": 4,
        "EXAMPLES": 5,
    }


@given(
    st.integers(0, 2**64),
    st.sampled_from(Purpose),
    st.lists(st.integers(0, 2**32 - 1), max_size=5),
)
def test_every_seed_suits_numpy_keras_and_optuna(
    study_seed: int, purpose: Purpose, path: list[int]
) -> None:
    """All of them take 0 to 2**31 - 1, whatever the study's seed."""
    seed = seed_for(study_seed, purpose, *path)

    assert type(seed) is int
    assert 0 <= seed < 2**31
    assert seed == seed_for(study_seed, purpose, *path)


def test_other_uses_have_other_seeds() -> None:
    """5,000 uses within one study share none: by chance that fails once in 170 tries."""
    seeds = {
        seed_for(0, purpose, trial, fold, run, epoch)
        for purpose in Purpose
        for trial in range(10)
        for fold in range(5)
        for run in range(2)
        for epoch in range(10)
    }

    assert len(seeds) == 5_000


def test_the_length_of_a_path_counts() -> None:
    """A fold's weights and an epoch's shuffle never share a seed by a trailing zero."""
    seeds = {seed_for(7, Purpose.EPOCH, *(0,) * length) for length in range(6)}

    assert len(seeds) == 6


def test_zero_is_a_seed_like_any_other() -> None:
    """It is not taken for "none given": it repeats itself and differs from 1."""
    first = [seed_for(0, Purpose.WEIGHTS, trial) for trial in range(5)]
    again = [seed_for(0, Purpose.WEIGHTS, trial) for trial in range(5)]

    assert first == again
    assert set(first).isdisjoint(seed_for(1, Purpose.WEIGHTS, trial) for trial in range(5))


def test_the_global_generator_takes_no_part() -> None:
    before = seed_for(3, Purpose.EPOCH, 1, 2)
    np.random.seed(99)  # noqa: NPY002 - the global state is what must not matter

    assert seed_for(3, Purpose.EPOCH, 1, 2) == before


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        seed_for(-1, Purpose.WEIGHTS)
