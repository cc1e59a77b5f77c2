"""Trials as rows with equal columns: for CSV and data frames."""

from typing import Any

from search.records import History


def flat_trials(document: dict[str, Any], history: History) -> list[dict[str, object]]:
    """Returns the trials as rows with the same columns each.

    Args:
        document: As `schema.show_json` returns it.
        history: The same study.
    """
    names = [dimension.name for dimension in history.facts.space.dimensions]
    given = [name for trial in history.trials for name in trial.config]
    columns = dict.fromkeys([*names, *given])
    last = history.facts.epochs
    rows = []
    for trial in document["trials"]:
        score = trial["score"] or {"mean": None, "std": None, "se": None}
        predicted = trial["predicted"] or {"mean": None, "low": None, "high": None}
        stopped = trial["stopped"] or {"fold": None, "epoch": None, "reason": None}
        plain = ("number", "state", "origin", "rank", "tied")
        sizes = ("worst", "params", "macs", "fold_epochs", "seconds")
        rows.append(
            {name: trial[name] for name in plain}
            | {f"score_{name}": value for name, value in score.items()}
            | {f"predicted_{name}": value for name, value in predicted.items()}
            | {name: trial[name] for name in sizes}
            | {
                f"fold_{number}": fold[last - 1] if len(fold) >= last else None
                for number, fold in enumerate(trial["folds"], start=1)
            }
            | {f"stopped_{name}": value for name, value in stopped.items()}
            | {f"config_{name}": trial["config"].get(name) for name in columns}
        )
    return rows
