"""`bench replay`: whole studies on a recorded table, seed after seed, and what they cost."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from mnist_hpo.errors import UserError
from mnist_hpo.peer_runs import files_beside, runs_in
from search.policies import policy_for, predictor_of
from search.policy import POLICIES
from search.prediction import Predictor
from search.replay import Replay, Replayed
from search.samplers import proposer
from search.study import Choices
from search.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way to search: a policy, its constants and a sampler."""

    name: str
    policy: str
    sampler: str
    options: Mapping[str, str]

    @property
    def settings(self) -> dict[str, Any]:
        """What was set, for the record."""
        return {"policy": self.policy, "sampler": self.sampler, **self.options}

    @classmethod
    def parsed(cls, text: str) -> "Method":
        """Reads POLICY[/SAMPLER][:NAME=VALUE...], for instance race/tpe:factors=3.

        Raises:
            UserError: it is nothing of the kind.
        """
        head, *pairs = text.split(":")
        policy, _, sampler = head.partition("/")
        options = dict(pair.partition("=")[::2] for pair in pairs)
        if policy not in POLICIES or not all(options.values()):
            raise UserError(
                f"A method is POLICY[/SAMPLER][:NAME=VALUE...], got {text!r}.",
                f"policies are {', '.join(POLICIES)}; for instance race/tpe:factors=3",
            )
        sampler = sampler or ("random" if policy != "race" else Choices.sampler)
        policy_for(policy, options)
        proposer(sampler)
        return cls(name=text, policy=policy, sampler=sampler, options=options)


NAIVE = Method(name="full", policy="full", sampler="random", options={})
"""What everything is measured against: every epoch of every fold of random candidates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What is kept of one replayed study; peers give the same."""

    method: str
    seed: int
    cost: float
    """Recorded seconds until the last worker was done, and the seconds of deciding."""

    decision: float
    score: float
    """True score of the recommended configuration."""

    fold_epochs: float
    trials: int
    jobs: int
    steps: tuple[tuple[float, float], ...]
    """(cost, true score) whenever the recommendation changed; the cost with its completion."""

    misses: tuple[tuple[float, float, bool], ...] = ()
    """For each unfinished trial: predicted mean, true mean, and whether it was in the interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is replayed."""

    table: Path
    candidates: int
    seeds: int
    workers: int
    processes: int


def replayed(
    plan: Plan, methods: Sequence[Method], tell: Callable[[str], None]
) -> dict[str, list[Result]]:
    """Runs every method with every seed, on as many processes as asked.

    Args:
        plan: What is replayed.
        methods: The methods.
        tell: Told of each method that is done.
    """
    found: dict[str, list[Result]] = {}
    with ProcessPoolExecutor(
        plan.processes, mp_context=get_context("spawn"), initializer=_open, initargs=(plan.table,)
    ) as pool:
        for method in methods:
            work = partial(_one, method, plan)
            found[method.name] = list(pool.map(work, range(plan.seeds)))
            tell(f"{method.name}: {plan.seeds} studies")
    return found


_REPLAYS: dict[Path, Replay] = {}


def _open(path: Path) -> None:
    _REPLAYS[path] = Replay(Table.read(path), path.name)


def _one(method: Method, plan: Plan, seed: int) -> Result:
    replay = _REPLAYS[plan.table]
    policy = policy_for(method.policy, method.options)
    predictor = predictor_of(policy)
    ran = replay.run(
        policy,
        proposer(method.sampler, predictor, replay.graph_of),
        candidates=plan.candidates,
        seed=seed,
        workers=plan.workers,
    )
    return Result(
        method=method.name,
        seed=seed,
        cost=ran.cost,
        decision=ran.decision_seconds,
        score=ran.score,
        fold_epochs=ran.fold_epochs,
        trials=ran.trials,
        jobs=ran.jobs,
        steps=tuple((clock, replay.table.rows[row].score) for clock, row in ran.steps),
        misses=tuple(_misses(replay, ran, predictor)),
    )


def _misses(
    replay: Replay, ran: Replayed, predictor: Predictor
) -> Iterator[tuple[float, float, bool]]:
    predicted = predictor.predictions(ran.history)
    for trial in ran.history.trials:
        own = predicted.get(trial.number)
        if own is not None and trial.score(replay.table.epochs) is None:
            true = replay.row(trial.config).score
            yield own.mean, true, own.low <= true <= own.high


def peer_results(
    plan: Plan, names: Sequence[str], seeds: int, tell: Callable[[str], None]
) -> dict[str, list[Result]]:
    """Runs other libraries on the same table, each by its own code.

    What they gave is kept beside the table, in TABLE.peers.jsonl, and not run again. Files
    TABLE.peers-*.jsonl, plain or with .gz behind it, are read as well: from an environment that
    other libraries live in, or from somebody who has run them before.

    Raises:
        UserError: the peers lie in the source tree, and this is not run there; or one failed, or
            its runs cannot be read.
    """
    if not Path("benchmarks/peers/run.py").is_file():
        raise UserError(
            "The peers are run from the source tree: there is no benchmarks/peers/run.py here.",
            "change to the folder of the source tree, or leave out --peers",
        )
    out = plan.table.with_name(f"{plan.table.name}.peers.jsonl")
    command = [sys.executable, "-m", "benchmarks.peers.run", "--table", str(plan.table)]
    command += ["--peer", *names, "--seeds", str(seeds), "--out", str(out)]
    command += ["--candidates", str(plan.candidates)]
    tell(" ".join(command))
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode:  # noqa: S603 - ours
        raise UserError("A peer failed; its own words stand above.", "benchmarks/peers/README.md")
    table = Table.read(plan.table)
    found: dict[str, list[Result]] = {}
    for path in files_beside(plan.table):
        for record in runs_in(path):
            same = (record.get("table"), record.get("candidates")) == (
                plan.table.name,
                plan.candidates,
            )
            if same and ("all" in names or record["peer"] in names):
                result = _peer_result(record, table)
                found.setdefault(result.method, []).append(result)
    there = {method.partition(" (")[0] for method in found}
    if missing := [name for name in names if name not in {"all", *there}]:
        raise UserError(
            f"Peers have results to compare with, {', '.join(missing)} has none: its library is "
            f"not installed here, and no {plan.table.name}.peers-*.jsonl has any.",
            "benchmarks/peers/README.md",
        )
    return found


def _peer_result(record: Mapping[str, Any], table: Table) -> Result:
    return Result(
        method=f"{record['peer']} ({record['setting']})",
        seed=record["seed"],
        cost=record["cost"],
        decision=record["decision"],
        score=table.rows[record["pick"]].score,
        fold_epochs=record["fold_epochs"],
        trials=record["tried"],
        jobs=record["tried"],
        steps=tuple((cost, table.rows[row].score) for cost, row in record["trajectory"]),
    )
