"""The result of `finalize` in words and tables: test result, confusions, documented figures."""

from collections.abc import Iterator
from pathlib import Path

from mnist_hpo.formats import score_text, whole_text
from mnist_hpo.ranking import standings
from mnist_hpo.statistics import TestResult
from mnist_hpo.winner import Final, model_path
from search.records import History
from spaces.documented import DOCUMENTED

_CONFUSIONS = 4
"""Most frequent confusions that get a place in the summary."""


def final_lines(history: History, final: Final, folder: Path) -> Iterator[str]:
    """Yields the summary, the matrix and the documented figures, a line each."""
    facts, trial = history.facts, final.trial
    result = TestResult.from_json(final.result)
    score = trial.score(facts.epochs)
    word = "winner" if trial == history.incumbent else "trial "
    shown = "" if score is None else f"{score_text(score)} over {facts.folds} folds   "
    yield f"{word} #{trial.number}   {shown}{whole_text(trial.params)} parameters{_ties(history)}"
    low, high = result.interval
    looks = len(history.openings)
    yield (
        f"test set     {result.accuracy:.4f}  ({result.total - result.correct} wrong of "
        f"{whole_text(result.total)}, 95 % interval {low:.4f}-{high:.4f}), "
        f"loss {result.loss:.4f}, seen {'once' if looks == 1 else f'{looks} times'}"
    )
    if not final.looked_again:
        yield "             recorded before; the test set stayed closed"
    yield "mixed up     " + ("    ".join(_confusions(result)) or "nothing")
    path = model_path(folder, history, trial)
    there = "" if path.is_file() else " (no longer there)"
    yield (
        f"model        {path}{there}  sha256 {final.result['model_sha256'][:8]}..  "
        f"{facts.epochs} epochs, seed {facts.seed}"
    )
    yield ""
    yield from _matrix(result)
    yield ""
    yield from _documented(result)


def _ties(history: History) -> str:
    tied = [f"#{row.trial.number}" for row in standings(history) if row.is_tied]
    return f"   tie with {', '.join(tied)}" if tied else ""


def _confusions(result: TestResult) -> list[str]:
    pairs = [
        (count, true, predicted)
        for true, row in enumerate(result.confusion)
        for predicted, count in enumerate(row)
        if true != predicted and count
    ]
    most = sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))[:_CONFUSIONS]
    return [f"{true} as {predicted}: {count}" for count, true, predicted in most]


def _matrix(result: TestResult) -> Iterator[str]:
    yield "true  predicted 0 to 9" + " " * 37 + "precision  recall"
    for digit, row in enumerate(result.confusion):
        counts = "".join(f"{count:>5}" for count in row)
        yield f"{digit:>4}  {counts}   {result.precision[digit]:>9.4f}  {result.recall[digit]:.4f}"


def _documented(result: TestResult) -> Iterator[str]:
    yield "documented models on their test images, for comparison (not ranked with ours)"
    for model in DOCUMENTED:
        for figure in model.published:
            if "test" in figure.label.lower():
                yield (
                    f"  {model.name}  {figure.value:.4f}  {figure.label}, "
                    f"{whole_text(figure.images)} images"
                )
    yield f"  ours {result.accuracy:.4f}  {whole_text(result.total)} images"
