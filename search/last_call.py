"""Who goes on when a race would end: trials that wait at a rung and may still win.

A rung compares what little is known there; where epochs are short or folds small, that is mostly
noise. Predictions tell how little it is: here their spread decides, not a place in a ranking.
"""

from statistics import NormalDist

from search.drop_rule import tie_at
from search.log_odds import log_odds
from search.prediction import Prediction

_SDS = 2 * 1.96
"""Standard deviations in a 95 % interval."""


def chance_to_win(own: Prediction, best: float, images: int) -> float:
    """Returns the chance that a trial beats the best prospect by more than a tie.

    Args:
        own: What it would score.
        best: The score, or the predicted mean, to beat.
        images: Of the whole cross-validation.
    """
    low, middle, high = (log_odds(value, images) for value in (own.low, own.mean, own.high))
    aim = log_odds(min(best + tie_at(best, images), 1.0), images)
    if high <= low:
        return float(middle > aim)
    return round(1 - NormalDist(middle, (high - low) / _SDS).cdf(aim), 9)
