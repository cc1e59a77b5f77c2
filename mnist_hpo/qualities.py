"""What can be asked of a trial by name: in a column, a condition or an order."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from mnist_hpo.configs import in_short
from mnist_hpo.errors import UserError
from mnist_hpo.formats import count_text, duration_text, rate_text, value_text, whole_text
from mnist_hpo.ranking import Standing
from spaces.space import Space, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Something that a trial has, or has not yet."""

    name: str
    of: Callable[[Standing], Value | None]
    """Unrounded, or None."""

    said: Callable[[Value], str] = value_text
    """As a table shows it."""

    right: bool = True
    """Aligned to the right."""

    def text(self, row: Standing) -> str:
        """Returns it as a table shows it, "-" where a trial has none."""
        value = self.of(row)
        return "-" if value is None else self.said(value)


def _accuracy(value: Value) -> str:
    return f"{value:.4f}"


OWN: Mapping[str, Quality] = {
    own.name: own
    for own in (
        Quality(name="trial", of=lambda row: row.trial.number),
        Quality(name="state", of=lambda row: str(row.state), right=False),
        Quality(name="rank", of=lambda row: row.rank),
        Quality(
            name="score",
            of=lambda row: None if row.score is None else row.score.mean,
            said=_accuracy,
        ),
        Quality(
            name="std", of=lambda row: None if row.score is None else row.score.std, said=_accuracy
        ),
        Quality(name="worst", of=lambda row: row.worst, said=_accuracy),
        Quality(
            name="predicted",
            of=lambda row: None if row.predicted is None else row.predicted.mean,
            said=lambda value: f"~{value:.4f}",
        ),
        Quality(name="params", of=lambda row: row.trial.params, said=lambda n: count_text(int(n))),
        Quality(name="macs", of=lambda row: row.trial.macs, said=lambda n: count_text(int(n))),
        Quality(
            name="time", of=lambda row: row.trial.seconds, said=lambda s: duration_text(float(s))
        ),
        Quality(
            name="fold_epochs",
            of=lambda row: row.trial.fold_epochs,
            said=lambda n: whole_text(int(n)),
        ),
        Quality(name="origin", of=lambda row: row.trial.origin, right=False),
    )
}
"""What every trial can have."""


def qualities(rows: Iterable[Standing], space: Space) -> Mapping[str, Quality]:
    """Returns what can be asked of a study's trials: `OWN`, and their hyperparameters.

    A hyperparameter goes by its own name (`filters_1`, `adam_lr`) and by the one that tables
    have for several of them (`filters`, `lr`).
    """
    given: dict[str, Value] = {own.name: own.default for own in space.dimensions}
    for row in rows:
        given.update(row.trial.config)  # a documented model may lie outside the space
    given.pop("documented", None)  # its name is the trial's origin
    tabled = {name: short(name) for name in in_short(given)}
    return {**{name: _hyperparameter(name) for name in given}, **tabled, **OWN}


def short(name: str) -> Quality:
    """Returns a hyperparameter as tables have it."""
    return Quality(
        name=name,
        of=lambda row: in_short(row.trial.config).get(name),
        said=lambda v: rate_text(v) if name == "lr" and isinstance(v, float) else value_text(v),
        right=name == "lr",
    )


def _hyperparameter(name: str) -> Quality:
    return Quality(name=name, of=lambda row: row.trial.config.get(name), right=False)


def named(name: str, known: Mapping[str, Quality]) -> Quality:
    """Returns what is called so.

    Raises:
        UserError: nothing is; the nearest name is in its help.
    """
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = "".join(f"did you mean {own!r}?\n" for own in near)
    raise UserError(
        f"No trial of this study has {name!r}.", f"{hint}there are: {', '.join(known)}"
    )
