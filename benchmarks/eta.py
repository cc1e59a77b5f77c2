"""How good the time left is that a search shows: on replayed studies, whose end is known.

    python benchmarks/eta.py [--table results/tables/mnist-5k.jsonl.gz] [--seeds 50]
        [--first 0] [--candidates 100] [--json]

A study is replayed to its end. Then the estimate of each moment is compared with the time that was
really left: after a fifth, a half and four fifths of the study's seconds. Seconds are those of the
table; deciding is not counted.
"""

import argparse
import json
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

from mnist_hpo.time_left import time_left
from search.policies import policy_for, predictor_of
from search.records import History
from search.replay import Replay
from search.samplers import proposer
from search.table import Table

MOMENTS = (0.2, 0.5, 0.8)

METHODS = {
    "full": ("full", "random", False),
    "race-all": ("race", "model", False),
    "race": ("race", "model", True),
}
"""Policy, sampler, and whether it may end by itself: the second one is --no-auto-stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What was said at one moment of one study, and what came."""

    method: str
    seed: int
    moment: float
    """Share of the study's seconds that had passed."""

    trials: int
    said: float | None
    came: float

    @property
    def error(self) -> float | None:
        """Relative to what came."""
        return None if self.said is None else self.said / self.came - 1


def estimates(replay: Replay, method: str, seed: int, candidates: int) -> list[Estimate]:
    """Replays one study and looks back."""
    name, sampler, auto_stop = METHODS[method]
    policy = policy_for(name)
    heard: list[tuple[float, History]] = []
    ran = replay.run(
        policy,
        proposer(sampler, predictor_of(policy), replay.graph_of),
        candidates=candidates,
        seed=seed,
        auto_stop=auto_stop,
        heard=lambda clock, history: heard.append((clock, history)),
    )
    found = []
    for moment in MOMENTS:
        passed, history = next(own for own in heard if own[0] >= moment * ran.training_seconds)
        began = replace(history, trials=(), elapsed=0.0)
        left = time_left(history, began=began, passed=passed)
        found.append(
            Estimate(
                method=method,
                seed=seed,
                moment=moment,
                trials=len(history.trials),
                said=None if left is None else left.seconds,
                came=ran.training_seconds - passed,
            )
        )
    return found


def row(found: Sequence[Estimate]) -> str:
    """Returns a line of the table."""
    errors = sorted(own.error for own in found if own.error is not None)
    within = sum(abs(error) <= 0.25 for error in errors) / len(found)
    low, high = errors[len(errors) // 10], errors[-1 - len(errors) // 10]
    return (
        f"{found[0].method:<18}{found[0].moment:>6.0%}{len(found):>6}{within:>14.0%}"
        f"{statistics.median(errors):>+9.0%}{low:>+8.0%} to {high:>+4.0%}"
    )


def main() -> None:
    """Prints a line a method and moment, or one JSON document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    default = Path(__file__).resolve().parent.parent / "results/tables/mnist-5k.jsonl.gz"
    parser.add_argument("--table", type=Path, default=default)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    replay = Replay(Table.read(options.table), options.table.name)
    methods = options.methods.split(",")
    found = [
        own
        for method in methods
        for seed in range(options.first, options.first + options.seeds)
        for own in estimates(replay, method, seed, options.candidates)
    ]
    machine = {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": version("numpy"),
    }
    if options.as_json:
        print(json.dumps({"machine": machine, "estimates": [asdict(own) for own in found]}))
        return
    print(f"{'method':<18}{'at':>6}{'n':>6}{'within 25 %':>14}{'median':>9}   10 % to 90 %")
    for method in methods:
        for moment in MOMENTS:
            print(row([own for own in found if (own.method, own.moment) == (method, moment)]))


if __name__ == "__main__":
    main()
