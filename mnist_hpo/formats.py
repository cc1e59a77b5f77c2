"""How numbers are written for people. Tables only: JSON and CSV keep every digit."""

from datetime import timedelta
from typing import TYPE_CHECKING

from search.records import Score, Trial, TrialState
from spaces.space import Value

if TYPE_CHECKING:  # it imports NumPy, which only studies with unfinished trials need
    from search.prediction import Prediction


def score_text(score: Score) -> str:
    """Returns mean ± standard deviation over the folds."""
    return f"{score.mean:.4f} ± {score.std:.4f}"


def predicted_text(predicted: "Prediction") -> str:
    """Returns a predicted mean, marked as such: it is no score."""
    return f"~{predicted.mean:.4f}"


def count_text(count: int) -> str:
    """Returns a count with a unit: 940, 9.4k, 121k, 1.2M."""
    size = float(count)
    for unit in ("", "k", "M"):
        if size < 999.5:
            return f"{size:.1f}{unit}" if unit and size < 9.95 else f"{size:.0f}{unit}"
        size /= 1000
    return f"{size:.1f}G"


def whole_text(count: int) -> str:
    """Returns a count in groups of three digits."""
    return f"{count:,}".replace(",", " ")


def share_text(share: float) -> str:
    """Returns a share of 1 as a whole percentage."""
    return f"{100 * share:.0f} %"


def duration_text(seconds: float) -> str:
    """Returns minutes:seconds, or hours:minutes:seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def ago_text(age: timedelta) -> str:
    """Returns how long ago something was, in one unit."""
    seconds = max(0, round(age.total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def rate_text(rate: float) -> str:
    """Returns a number whose power of ten matters: 9.4e-4."""
    mantissa, _, exponent = f"{rate:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def value_text(value: Value) -> str:
    """Returns a hyperparameter's value."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return rate_text(value) if 0 < abs(value) < 0.01 else f"{value:.3g}"
    return str(value)


def position_text(trial: Trial) -> str:
    """Returns where a trial stands, as fold.epoch."""
    fold, epoch = position_of(trial)
    return f"{fold}.{epoch}"


def place_text(trial: Trial) -> str:
    """Returns where a trial stands, in words."""
    fold, epoch = position_of(trial)
    return f"fold {fold}, epoch {epoch}"


def position_of(trial: Trial) -> tuple[int, int]:
    """Returns the fold that a trial was last trained on, from 1, and its finished epochs."""
    verdict = trial.verdict
    if verdict is not None and verdict.state is TrialState.FAILED and verdict.fold is not None:
        # A failed run leaves no curve: only the verdict knows how far it had come.
        return verdict.fold + 1, verdict.epoch or 0
    fold, epochs = trial.position() or (0, 0)
    return fold + 1, epochs
