"""Trials side by side as tables: a column each, in blocks where a line has no room for all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from mnist_hpo.configs import in_words
from mnist_hpo.contest import Contestant, Paired, paired
from mnist_hpo.formats import (
    count_text,
    duration_text,
    predicted_text,
    score_text,
    whole_text,
)
from mnist_hpo.tables import GAP, Column, Row, Table, width_of

_FACTS = ("dataset", "folds", "epochs", "seed", "policy", "sampler", "model", "precision")
"""What two studies may differ in that a score depends on."""

_FOLDABLE = 12
"""Down to so many characters a text that is no number is folded."""


@dataclass(frozen=True, slots=True)
class _Line:
    label: str
    cells: tuple[str, ...]
    whole: bool = False
    """A score or a difference: never folded, and shown even if all are equal."""


def blocks(
    contestants: Sequence[Contestant], *, width: int | None, every: bool
) -> tuple[Table, ...]:
    """Returns the tables, one below the other.

    Args:
        contestants: At least two; all are compared with the first one.
        width: Characters of a line; None: everything in one table.
        every: Equal rows as well.
    """
    lines = [
        line for line in _lines(contestants) if every or line.whole or len(set(line.cells)) > 1
    ]
    names = names_of(contestants)
    needs = [
        max(min(width_of(name), _FOLDABLE), *(_need(line, i) for line in lines))
        for i, name in enumerate(names)
    ]
    label = max(width_of(line.label) for line in lines)
    return tuple(
        _table(lines, names, needs, chosen)
        for chosen in _split(needs, None if width is None else width - label)
    )


def names_of(contestants: Sequence[Contestant]) -> list[str]:
    """Returns what each is called: its number, with its study where there are several."""
    several = _are_several(contestants)
    return [
        f"{own.facts.study} #{own.number}" if several else f"#{own.number}" for own in contestants
    ]


def _are_several(contestants: Sequence[Contestant]) -> bool:
    return len({own.facts.study for own in contestants}) > 1


def _need(line: _Line, i: int) -> int:
    own = width_of(line.cells[i])
    return own if line.whole else min(own, _FOLDABLE)


def _split(needs: Sequence[int], room: int | None) -> list[list[int]]:
    """Returns which contestants stand in which block: as many as fit, at least one."""
    found: list[list[int]] = [[]]
    for i in range(len(needs)):
        used = sum(needs[j] + len(GAP) for j in [*found[-1], i])
        if room is not None and found[-1] and used > room:
            found.append([])
        found[-1].append(i)
    return found


def _table(
    lines: Sequence[_Line], names: Sequence[str], needs: Sequence[int], chosen: Sequence[int]
) -> Table:
    return Table(
        (Column(""), *(Column(names[i], right=True, least=needs[i]) for i in chosen)),
        tuple(
            Row(
                {"": line.label} | {names[i]: line.cells[i] for i in chosen},
                "bold" if line.label == "score" else "",
            )
            for line in lines
        ),
    )


def _lines(contestants: Sequence[Contestant]) -> list[_Line]:
    def line(label: str, cell: Callable[[Contestant], str], *, whole: bool = False) -> _Line:
        return _Line(label, tuple(cell(own) for own in contestants), whole)

    first = contestants[0]
    # The first one is what the others are compared with.
    pairs = [None, *(paired(own, first) for own in contestants[1:])]
    names = dict.fromkeys(name for own in contestants for name in _words(own))
    studies = _FACTS if _are_several(contestants) else ()
    return [
        line("score", _score, whole=True),
        _Line(f"against {names_of([first])[0]}, paired", tuple(map(_gap, pairs)), whole=True),
        _Line("folds won", tuple(map(_won, pairs)), whole=True),
        line("state", lambda own: str(own.row.state)),
        *(
            line(f"fold {fold + 1}", partial(_fold, fold))
            for fold in range(max(own.facts.folds for own in contestants))
        ),
        line("worst fold", lambda own: _accuracy(own.row.worst)),
        *(line(name, partial(_fact, name)) for name in studies),
        *(line(name, partial(_word, name)) for name in names),
        line("parameters", lambda own: whole_text(own.row.trial.params)),
        line("multiply-adds", lambda own: count_text(own.row.trial.macs)),
        line("fold-epochs", lambda own: whole_text(own.row.trial.fold_epochs)),
        line("time", lambda own: duration_text(own.row.trial.seconds)),
        line("origin", lambda own: own.row.trial.origin),
    ]


def _words(own: Contestant) -> dict[str, str]:
    return in_words(own.row.trial.config)


def _score(own: Contestant) -> str:
    if own.row.score is not None:
        return score_text(own.row.score)
    return "-" if own.row.predicted is None else predicted_text(own.row.predicted)


def _accuracy(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _fact(name: str, own: Contestant) -> str:
    return str(getattr(own.facts, name))


def _word(name: str, own: Contestant) -> str:
    return _words(own).get(name, "-")


def _fold(fold: int, own: Contestant) -> str:
    return _accuracy(own.last(fold)) if fold < own.facts.folds else "-"


def _gap(pair: Paired | None) -> str:
    if pair is None or pair.difference is None:
        return "-"
    gap = pair.difference
    # The last place is kept for the sign of a tie.
    return f"{gap.mean:+.4f} ± {gap.half_width:.4f} {'=' if gap.is_tie else ' '}"


def _won(pair: Paired | None) -> str:
    if pair is None or pair.folds == 0:
        return "-"
    ties = f" ({pair.tied} equal)" if pair.tied else ""
    return f"{pair.won} of {pair.folds}{ties}"
