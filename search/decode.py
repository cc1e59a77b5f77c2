"""From a ledger's attributes to records, and back: the format on disk.

A trial's attributes, each written by one commit:

    candidate             {"config", "origin", "params", "macs", "in_space"}
    epoch:FOLD:RUN:EPOCH  the facts of a finished epoch; this commit is what makes it finished
    attempts:FOLD         {"epoch", "count"}: the newest job of that fold, before it starts
    failure:N             the N-th failed run
    verdict               {"state", "reason", "fold", "epoch"}

Each of these but `attempts` also has an `order`: a number that grows by one with each commit, so
that the history before any decision can be had again and the decision be checked. No number may
be missing. And each has a checksum (`search.seals`), as have the study's facts, budget, ending
and openings; format 1 had none.

A study's attributes: facts, budget, ending, opening:N; on a server also owner, the signature of
the newest one, which is no part of the history.
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

from search.records import (
    Budget,
    Curve,
    Ending,
    Epoch,
    Facts,
    Failure,
    Opening,
    Trial,
    TrialState,
    Verdict,
)

SCHEMA = 2
"""Version of this format; a ledger of a newer one is refused."""

SEALED = 2
"""Since this version every fact has a checksum."""

TRIAL_FACTS = ("candidate", "epoch:", "attempts:", "failure:", "verdict")
"""How the names of a trial's facts begin. What else a trial has follows from these, and is there
for Optuna's tools."""

STUDY_FACTS = ("facts", "budget", "ending", "opening:")
"""Likewise of a study."""

Attributes = Mapping[str, Any]


def owner(study: str, trial: int) -> str:
    """Names a trial as the owner of its facts."""
    return f"trial {trial} of {study}"


def epoch_key(fold: int, run: int, epoch: int) -> str:
    """Names the attribute of a finished epoch."""
    return f"epoch:{fold}:{run}:{epoch}"


def encode_epoch(epoch: Epoch, elapsed: float) -> dict[str, Any]:
    """Returns the facts of an epoch and the study's age at that moment."""
    return {**asdict(epoch), "elapsed": elapsed}


def decode_epoch(value: Attributes) -> Epoch:
    """Reads what `encode_epoch` wrote."""
    # Named one by one: of a large ledger most of the reading is this call.
    return Epoch(
        valid_accuracy=value["valid_accuracy"],
        valid_loss=value["valid_loss"],
        train_accuracy=value["train_accuracy"],
        train_loss=value["train_loss"],
        seconds=value["seconds"],
        build_seconds=value.get("build_seconds", 0.0),
        cpu_seconds=value.get("cpu_seconds", 0.0),
        build_cpu_seconds=value.get("build_cpu_seconds", 0.0),
        checkpoint=value.get("checkpoint"),
    )


def encode_verdict(verdict: Verdict) -> dict[str, Any]:
    """Returns a verdict as plain values."""
    return {**asdict(verdict), "state": str(verdict.state)}


def encode_candidate(trial: Trial) -> dict[str, Any]:
    """Returns what is known of a trial before it trains."""
    return {
        "config": dict(trial.config),
        "origin": trial.origin,
        "params": trial.params,
        "macs": trial.macs,
        "in_space": trial.in_space,
    }


def decode_trial(number: int, attributes: Attributes, facts: Facts) -> Trial:
    """Builds a trial from its attributes."""
    failures: list[tuple[int, Failure]] = []
    epochs: dict[int, dict[tuple[int, int], Epoch]] = {}
    attempts = [(0, 0)] * facts.folds
    for key, value in attributes.items():
        kind, _, rest = key.partition(":")
        if kind == "epoch":
            fold, place = _place_of(rest)
            epochs.setdefault(fold, {})[place] = decode_epoch(value)
        elif kind == "attempts":
            attempts[int(rest)] = (value["epoch"], value["count"])
        elif kind == "failure":
            own = {name: value[name] for name in Failure.__slots__}
            failures.append((int(rest), Failure(**own)))
    ordered = tuple(failure for _, failure in sorted(failures, key=lambda entry: entry[0]))
    runs = [0] * facts.folds
    for failure in ordered:
        runs[failure.fold] += 1
    verdict = attributes.get("verdict")
    candidate = attributes["candidate"]
    return Trial(
        number=number,
        config=candidate["config"],
        origin=candidate["origin"],
        params=candidate["params"],
        macs=candidate["macs"],
        in_space=candidate["in_space"],
        curves=tuple(
            [
                _curve(epochs[fold], run) if fold in epochs else _empty(run)
                for fold, run in enumerate(runs)
            ]
        ),
        attempts=tuple(attempts),
        failures=ordered,
        verdict=None
        if verdict is None
        else Verdict(
            state=TrialState(verdict["state"]),
            **{name: verdict[name] for name in ("reason", "fold", "epoch")},
        ),
    )


@cache
def _place_of(rest: str) -> tuple[int, tuple[int, int]]:
    """Reads fold, run and epoch out of a name: the same few for all trials."""
    fold, run, epoch = map(int, rest.split(":"))
    return fold, (run, epoch)


@cache
def _empty(run: int) -> Curve:
    """Returns the curve of an untrained fold: one record for the many that there are."""
    return Curve((), run)


def _curve(epochs: Mapping[tuple[int, int], Epoch], run: int) -> Curve:
    """Keeps the epochs of the newest run, up to the first gap (there should be none)."""
    kept: list[Epoch] = []
    while (run, len(kept)) in epochs:
        kept.append(epochs[run, len(kept)])
    return Curve(tuple(kept), run)


def before(attributes: Attributes, order: int) -> Attributes:
    """Keeps what was committed before a moment; `attempts` decide nothing and stay."""
    return {key: value for key, value in attributes.items() if value.get("order", -1) < order}


def newest_order(attributes: Attributes) -> int:
    """Returns the order of the newest commit among a trial's attributes; -1 without any."""
    return max(orders_in(attributes), default=-1)


def orders_in(attributes: Attributes) -> list[int]:
    """Returns the orders of all commits among a trial's attributes."""
    return [value["order"] for value in attributes.values() if "order" in value]


def elapsed_in(attributes: Attributes) -> float:
    """Returns the study's age at the newest commit among a trial's attributes, in seconds."""
    ages = [value["elapsed"] for value in attributes.values() if "elapsed" in value]
    return max(ages, default=0.0)


def decode_study(attributes: Attributes) -> tuple[Facts, Budget, Ending | None]:
    """Builds the study's own records from its attributes."""
    ending = attributes.get("ending")
    return (
        Facts.from_json(attributes["facts"]["study"]),
        Budget(**attributes["budget"]),
        None
        if ending is None
        else Ending(reason=ending["reason"], budget=Budget(**ending["budget"])),
    )


def decode_openings(attributes: Attributes) -> tuple[Opening, ...]:
    """Returns every look at the test set, in order."""
    numbered = sorted(
        (int(key.partition(":")[2]), value)
        for key, value in attributes.items()
        if key.startswith("opening:")
    )
    return tuple(Opening(trial=value["trial"], result=value["result"]) for _, value in numbered)
