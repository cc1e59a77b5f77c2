"""The live view's picture: a state and a moment in, lines of text out. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from mnist_hpo.advance import Bar, current, finalists, overall
from mnist_hpo.bars import DONE, REST
from mnist_hpo.formats import duration_text, score_text, share_text, whole_text
from mnist_hpo.live_state import LiveState
from mnist_hpo.live_table import SHOWN_TRIALS, Predictions, live_table, trials_of
from mnist_hpo.ranking import Cost, Standing, cost, standings
from mnist_hpo.rungs import ladder
from mnist_hpo.tables import Line, Table, fit, fold, width_of
from mnist_hpo.time_left import TimeLeft
from search.records import History

STARTING = "Starting the workers (TensorFlow takes seconds)."
STOP = "Ctrl-C: finish the epoch and stop. Twice: stop now."
LOOK_ON = "Ctrl-C ends this view; the search goes on."

_NAME = 16
"""Characters of the longest names of bars: `trial 18, fold 1`, `finalists' folds`."""

_LONGEST, _SHORTEST = 40, 8
"""Characters of a bar; where there is no room for the shortest, numbers stand alone."""

_FEWEST_ROWS = 3
_LADDER_HEIGHT = 32
"""Lines of a terminal from which on the ladder is drawn, a line a rung."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What follows from a history alone: made once for each, drawn many times."""

    rows: tuple[Standing, ...]
    cost: Cost

    @classmethod
    def of(cls, history: History) -> Self:
        """Ranks the trials and adds up what they cost."""
        rows = standings(history, owned=True)
        return cls(rows=rows, cost=cost(history, rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a picture shows beside the state."""

    elapsed: float
    """Seconds the study has been searched by now."""

    overview: Overview | None = None
    """None as long as there is no history."""

    left: TimeLeft | None = None
    predictions: Predictions = field(default_factory=lambda: MappingProxyType({}))


def picture(  # noqa: PLR0913 - what there is to show, and where
    state: LiveState,
    moment: Moment,
    *,
    width: int,
    height: int | None = None,
    footer: str = STOP,
    shown: Callable[[str], str] = str,
) -> tuple[Line, ...]:
    """Draws a search.

    Args:
        state: What was heard of it.
        moment: What else is known now.
        width: Characters of a line.
        height: Lines of the terminal: where there are few, older news and trials are left out.
            None: any number.
        footer: The last line, unless a signal has something to say.
        shown: Makes a text fit for the terminal, in ASCII say.

    Returns:
        The lines. None is wider than `width`, and no number in them is cut.
    """
    history, overview = state.history, moment.overview
    if history is None or overview is None:
        return _folded([state.message or STARTING], width, shown)
    above = [
        *_flowed(_study(state, history), width, shown),
        *_flowed(_lead(state, history, overview), width, shown, "bold"),
        *_bars(state, history, moment, width, shown),
        *_ladder(history, width, shown, drawn=height is None or height >= _LADDER_HEIGHT),
        *_folded(_saved(overview.cost), width, shown),
        Line(""),
    ]
    note = "~ predicted, not measured.  " if moment.predictions else ""
    below = _folded([note + (state.message or footer)], width, shown)
    spare = None if height is None else height - len(above) - len(below)
    tables = (
        live_table(history, overview.rows, state.running, moment.predictions, most=most)
        for most in range(SHOWN_TRIALS, _FEWEST_ROWS - 1, -1)
    )
    table = _fitting(tables, width, shown, spare)
    if spare is not None:
        spare = max(spare - len(table), 0)
    news = _news(state.news, width, shown, spare)
    return (*above, *table, *news, *below)


def _study(state: LiveState, history: History) -> list[str]:
    facts, workers = history.facts, max(state.workers, len(state.running))
    own = [facts.study, facts.policy, facts.sampler, f"seed {facts.seed}"]
    own.append(f"{facts.folds} folds x {facts.epochs} epochs")
    return own if not workers else [*own, f"{workers} worker{'' if workers == 1 else 's'}"]


def _lead(state: LiveState, history: History, overview: Overview) -> list[str]:
    best = history.incumbent
    score = None if best is None else best.score(history.facts.epochs)
    lead = "best -"
    if best is not None and score is not None:
        lead = f"best #{best.number}  {score_text(score)}"
    ties = sum(row.is_tied for row in overview.rows)
    at_work = trials_of(state.running)
    counts = Counter(str(history.state_of(trial, at_work)) for trial in history.trials)
    return [
        lead,
        *([f"{ties} tie{'' if ties == 1 else 's'} with it"] if ties else []),
        *(f"{name} {count}" for name, count in sorted(counts.items())),
    ]


def _bars(
    state: LiveState, history: History, moment: Moment, width: int, shown: Callable[[str], str]
) -> list[Line]:
    left, tail = moment.left, [duration_text(moment.elapsed)]
    if left is not None and not history.is_done:
        word = "at most " if left.is_limit else "ETA ~" if left.is_rough else "ETA "
        tail.append(f"{word}{duration_text(left.seconds)}")
    bars = [(overall(history), tail)]
    if state.current is not None:
        own = current(history, state.current)
        bars.append((own, _time_of(own, history, state.current[0])))
    if history.facts.policy != "full" and (last := finalists(history)) is not None:
        bars.append((last, []))
    counts = [_count(bar) for bar, _ in bars]
    ends = [
        "  ".join([f"{count:>{max(map(len, counts))}}", *own])
        for count, (_, own) in zip(counts, bars, strict=True)
    ]
    name = max(_NAME, *(len(bar.name) for bar, _ in bars))
    room = min(width - name - 2 - max(map(len, ends)), _LONGEST)
    return [
        Line(shown(f"{bar.name:<{name}} {_drawn(bar, room)} {end}".rstrip()))
        for (bar, _), end in zip(bars, ends, strict=True)
    ]


def _time_of(bar: Bar, history: History, number: int) -> list[str]:
    """Returns the time that the work in hand still needs, at the pace of its trial."""
    trial = history.trials[number]
    if bar.total is None or not trial.fold_epochs:
        return []
    return [f"ETA {duration_text((bar.total - bar.done) * trial.seconds / trial.fold_epochs)}"]


def _count(bar: Bar) -> str:
    done = f"{bar.done:.1f}".removesuffix(".0")
    return done if bar.total is None else f"{done}/{bar.total:g}"


def _drawn(bar: Bar, room: int) -> str:
    if room < _SHORTEST:
        return ""
    if not bar.total:
        return " " * room
    # Not full before all of it is done.
    full = int(room * min(bar.done / bar.total, 1.0))
    return DONE * full + REST * (room - full)


def _ladder(
    history: History, width: int, shown: Callable[[str], str], *, drawn: bool
) -> tuple[Line, ...]:
    """Shows how many trials reached which rung, and how many all folds."""
    steps, whole = ladder(history), len(history.complete())
    if not steps or not history.trials:
        return ()
    if not drawn:
        counts = [f"{rung}: {count}" for rung, count in steps]
        parts = ["trials that reached epoch", *counts, f"and all folds: {whole}"]
        return _flowed(parts, width, shown)
    named = [*((f"reached epoch {rung}", count) for rung, count in steps), ("all folds", whole)]
    most = max(1, *(count for _, count in named))
    name = max(len(own) for own, _ in named)
    room = min(width - max(name, _NAME) - 2 - len(str(most)), _LONGEST)
    lengths = [-(-room * count // most) for _, count in named]  # one trial is something
    return tuple(
        Line(shown(f"{own:<{max(name, _NAME)}} {f'{DONE * length} ' if length else ''}{count}"))
        for (own, count), length in zip(named, lengths, strict=True)
    )


def _saved(own: Cost) -> list[str]:
    if not own.settled:
        return []
    full = own.settled_fold_epochs + own.saved_fold_epochs
    trials = f"{own.settled} trial{'' if own.settled == 1 else 's'}"
    return [
        (
            f"saved {whole_text(own.saved_fold_epochs)} of {whole_text(full)} fold-epochs "
            f"({share_text(own.saved_share)}) of full cross-validation, {trials}"
        )
    ]


def _fitting(
    tables: Iterable[Table], width: int, shown: Callable[[str], str], spare: int | None
) -> tuple[Line, ...]:
    """Returns the first table that there is room for, else the last one."""
    lines: tuple[Line, ...] = ()
    for table in tables:
        lines = fit(table.mapped(shown), width).lines
        if spare is None or len(lines) <= spare:
            break
    return lines


def _news(
    news: Sequence[str], width: int, shown: Callable[[str], str], spare: int | None
) -> tuple[Line, ...]:
    """Returns the newest sentences that have room, whole."""
    kept: tuple[Line, ...] = ()
    for sentence in reversed(news):
        lines = _folded([sentence], width, shown, "dim")
        if spare is not None and len(kept) + len(lines) > spare:
            break
        kept = (*lines, *kept)
    return kept


def _folded(
    texts: Iterable[str], width: int, shown: Callable[[str], str], style: str = ""
) -> tuple[Line, ...]:
    return tuple(Line(line, style) for text in texts for line in fold(shown(text), width))


def _flowed(
    parts: Iterable[str], width: int, shown: Callable[[str], str], style: str = ""
) -> tuple[Line, ...]:
    """Puts parts side by side, and whole ones on the next line; only one too wide is folded."""
    lines: list[str] = []
    for part in map(shown, parts):
        if lines and width_of(lines[-1]) + 2 + width_of(part) <= width:
            lines[-1] += f"  {part}"
        else:
            lines += fold(part, width)
    return tuple(Line(line, style) for line in lines)
