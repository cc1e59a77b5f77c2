"""The commands that make a study again, from its facts alone."""

import shlex
from pathlib import Path

from search.records import Budget, Facts


def search_command(facts: Facts, budget: Budget) -> str:
    """Returns the `search` that starts the same study in an empty results folder.

    What decides the result is spelled out even where it is the default: defaults may change. A
    file is named without its folder, which is another machine's business.
    """
    named = Path(facts.dataset).name if "/" in facts.dataset else facts.dataset
    words = ["search", "--dataset", named, "--study", facts.study]
    if facts.model != "cnn":
        words += ["--space", facts.model]
    if budget.trials is not None:
        words += ["--trials", str(budget.trials)]
    if budget.minutes is not None:
        words += ["--minutes", f"{budget.minutes:g}"]
    for name in ("epochs", "folds", "policy", "sampler", "baselines", "seed"):
        words += [f"--{name}", str(getattr(facts, name))]
    for name, own in facts.race.items():
        words += ["--race", f"{name}={own}"]
    for name, own in facts.ranges.items():
        words += ["--set", f"{name}={own}"]
    for name, own in facts.fixed.items():
        words += ["--fix", f"{name}={own}"]
    words += ["--max-params", str(facts.max_params), "--max-macs", str(facts.max_macs)]
    words += ["--precision", facts.precision]
    if not budget.auto_stop:
        words.append("--no-auto-stop")
    return shlex.join(["mnist-hpo", *words])


def commands(facts: Facts, budget: Budget, finalized: tuple[int, ...]) -> tuple[str, ...]:
    """Returns the commands from an empty folder to the page, one a line.

    Args:
        facts: The study's.
        budget: Its newest.
        finalized: Trials whose model looked at the test set; the winner's comes first if it did.
    """
    looks = [f"mnist-hpo finalize {facts.study} --trial {number}" for number in finalized]
    return (search_command(facts, budget), *looks, f"mnist-hpo report {facts.study}")
