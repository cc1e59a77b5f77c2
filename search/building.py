"""Who shares a traced graph, and what tracing one costs: known beforehand, without a clock."""

from collections.abc import Callable

from search.records import Facts
from spaces.space import Config

GraphOf = Callable[[Config], str]
"""Names the traced graph of a configuration: a worker that has kept it need not build it again."""

_BUILD_IMAGES = 6000
"""Building and tracing takes as long as training on so many images: 3,400 (digits, mnist-2k) to
6,300 (mnist-5k) in the recorded tables. Larger networks take longer for both."""

_LOOKED_AT = 2.0
"""Epochs that a race gives a trial on its first fold, on average: 1 to all, 1 more to one in four,
2 more to a third of these, 6 more to half of those make 1.7, and last calls do the rest."""


def build_cost(facts: Facts) -> float:
    """Returns what building costs, as a share of the epochs that a trial is judged by."""
    train = facts.images * (facts.folds - 1) / facts.folds
    return _BUILD_IMAGES / (_LOOKED_AT * train)
