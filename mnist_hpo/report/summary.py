"""The study in words: what was searched, who leads and how sure that is, what it saved."""

from collections import Counter
from collections.abc import Iterator

from mnist_hpo.configs import in_words
from mnist_hpo.formats import duration_text, score_text, share_text, whole_text
from mnist_hpo.ranking import cost
from mnist_hpo.report.material import Material
from mnist_hpo.standing import StudyState, state_of


def summary(material: Material) -> Iterator[str]:
    """Yields the summary, a sentence or two a paragraph."""
    if not material.rows:
        yield "No trial was begun yet."
        return
    yield _search(material)
    yield _winner(material)
    yield _ties(material)
    yield _saved(material)
    yield _test(material)


def headline(material: Material) -> str:
    """Returns the one line below the title."""
    best = material.complete
    facts = material.facts
    where = f"{facts.folds} folds x {facts.epochs} epochs of {_data(material)}"
    if not best:
        return f"{where}; no trial is complete yet"
    assert best[0].score is not None  # noqa: S101 - complete trials have one
    return f"{score_text(best[0].score)} by trial {best[0].trial.number}; {where}"


def _data(material: Material) -> str:
    named = material.facts.dataset
    return named.rpartition("/")[2] or named


def _search(material: Material) -> str:
    history, facts = material.history, material.facts
    state = {
        StudyState.RUNNING: "is being searched",
        StudyState.INTERRUPTED: "is interrupted and can be resumed",
        StudyState.DONE: "is done" + (f" ({history.ending.reason})" if history.ending else ""),
    }[state_of(material.snapshot)]
    counts = Counter(str(row.state) for row in material.rows)
    named = ", ".join(f"{count} {state}" for state, count in counts.items())
    return (
        f"The study {facts.study} {state}. Its {len(material.rows)} trials ({named}) were chosen "
        f"from the space {facts.space.name} by the sampler {facts.sampler} under the policy "
        f"{facts.policy}, on {whole_text(facts.images)} development images, in "
        f"{duration_text(history.elapsed)}."
    )


def _winner(material: Material) -> str:
    if not material.complete:
        return "No trial has all its folds yet, so there is no score and no winner."
    row = material.complete[0]
    assert row.score is not None  # noqa: S101 - complete trials have one
    words = ", ".join(f"{name} {own}" for name, own in in_words(row.trial.config).items())
    done = state_of(material.snapshot) is StudyState.DONE
    return (
        f"The {'winner' if done else 'best so far'} is trial {row.trial.number}, from "
        f"{row.trial.origin}: {score_text(row.score)} (mean ± standard deviation of the "
        f"validation accuracy over {row.score.folds} folds, at the last epoch), worst fold "
        f"{row.worst or 0:.4f}. It has {whole_text(row.trial.params)} parameters: {words}."
    )


def _ties(material: Material) -> str:
    if len(material.complete) < 2:
        return (
            "There is no second complete trial to compare it with."
            if material.complete
            else "Predicted means below are estimates, never scores."
        )
    tied = [str(row.trial.number) for row in material.complete if row.is_tied]
    if not tied:
        return "No other complete trial ties with it: every paired 95 % interval excludes zero."
    who = f"trial {tied[0]}" if len(tied) == 1 else f"trials {', '.join(tied)}"
    return (
        f"On these folds {who} cannot be told from it: the paired, corrected 95 % interval of the "
        f"difference contains zero. Such ties are marked =."
    )


def _saved(material: Material) -> str:
    cost_ = cost(material.history, material.rows)
    if not cost_.settled:
        return f"So far {whole_text(cost_.fold_epochs)} epochs of single folds were trained."
    whole = cost_.saved_fold_epochs + cost_.settled_fold_epochs
    return (
        f"Full cross-validation of the {cost_.settled} settled trials takes {whole_text(whole)} "
        f"epochs of single folds; {whole_text(cost_.saved_fold_epochs)} of them "
        f"({share_text(cost_.saved_share)}) were not needed."
    )


def _test(material: Material) -> str:
    final, looks = material.final, len(material.history.openings)
    if final is None:
        if looks:
            return "The test set was opened, but the process ended before it wrote a result."
        return "The test set is sealed: nothing was finalized yet."
    result = final.result
    low, high = result.interval
    seen = "once" if looks == 1 else f"{looks} times"
    return (
        f"Retrained on the whole development set, trial {final.trial.number} is right on "
        f"{whole_text(result.correct)} of {whole_text(result.total)} test images: "
        f"{result.accuracy:.4f} (95 % interval {low:.4f} to {high:.4f}). The test set was opened "
        f"{seen}."
    )
