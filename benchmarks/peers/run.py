"""Runs peers on a recorded table: `python -m benchmarks.peers.run --help`."""

import argparse
import importlib
import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from benchmarks.peers.course import Result, Setting
from mnist_hpo.peer_runs import files_beside, runs_in
from search.table import Table

Key = tuple[str, int, str, str, int]
"""What makes a run: table, candidates, peer, setting, seed."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a peer is, found without importing its library."""

    module: str
    needs: str
    """The library's package."""

    settings: tuple[Setting, ...] = get_args(Setting)


PEERS = {
    "naive-random": Peer("naive", "optuna", ("default",)),
    "naive-tpe": Peer("naive", "optuna"),
    "optuna-median": Peer("optuna_pruners", "optuna"),
    "optuna-median-fold1": Peer("optuna_pruners", "optuna", ("best effort",)),
    "optuna-sha": Peer("optuna_pruners", "optuna"),
    "optuna-sha-fold1": Peer("optuna_pruners", "optuna", ("best effort",)),
    "optuna-hyperband": Peer("optuna_pruners", "optuna"),
    "optuna-hyperband-fold1": Peer("optuna_pruners", "optuna", ("best effort",)),
    "optuna-wilcoxon": Peer("optuna_pruners", "optuna"),
    "keras-tuner-random": Peer("keras_tuner_peers", "keras_tuner"),
    "keras-tuner-bayesian": Peer("keras_tuner_peers", "keras_tuner"),
    "keras-tuner-hyperband": Peer("keras_tuner_peers", "keras_tuner"),
    "keras-tuner-hyperband-fold1": Peer("keras_tuner_peers", "keras_tuner", ("best effort",)),
    "smac-folds": Peer("smac3", "smac"),
    "smac-epochs": Peer("smac3", "smac"),
    "smac-hpo": Peer("smac3", "smac"),
    "ray-asha": Peer("ray_tune", "ray"),
    "ray-asha-fold1": Peer("ray_tune", "ray", ("best effort",)),
}


def run(peer: str, table: Table, *, candidates: int, seed: int, setting: Setting) -> Result:
    """Runs one peer once."""
    module = importlib.import_module(f"benchmarks.peers.{PEERS[peer].module}")
    result: Result = module.run(peer, table, candidates=candidates, seed=seed, setting=setting)
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs what the command line asks for and is neither in the file nor kept beside the table."""
    options = _parser().parse_args(arguments)
    if options.list:
        for name, peer in PEERS.items():
            print(f"{name}: {', '.join(peer.settings)}; needs {peer.needs}")
        return
    if not (options.table and options.peer and options.out):
        raise SystemExit("A run takes --table, --peer and --out.")
    # Decision seconds are one worker's: no library spreads over cores that others train on.
    for threads in ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        os.environ.setdefault(threads, "1")
    table, done = Table.read(options.table), _in_file(options.out)
    for path in files_beside(options.table):
        if path.suffix == ".gz":
            done |= _keys_in(path)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    for name, setting in _wanted(options.peer, options.setting):
        for seed in seeds:
            if (options.table.name, options.candidates, name, setting, seed) in done:
                continue
            result = run(name, table, candidates=options.candidates, seed=seed, setting=setting)
            record = {"table": options.table.name, "candidates": options.candidates, **result}
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            print(
                f"{name} ({setting}) seed {seed}: {result['cost']:.1f} s, of these "
                f"{result['decision']:.1f} s deciding, {result['fold_epochs']} fold-epochs, "
                f"{result['best_score'] - result['pick_score']:.4f} below the best",
                flush=True,
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.run", description=__doc__)
    parser.add_argument("--list", action="store_true", help="name the peers and stop")
    parser.add_argument("--table", type=Path, help="a recorded table")
    parser.add_argument(
        "--peer",
        nargs="+",
        choices=[*PEERS, "all"],
        help="all: every peer; those whose library is not installed here are told and left out",
    )
    parser.add_argument("--setting", choices=get_args(Setting), help="only this one")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--first-seed", type=int, default=0, help="the first one")
    parser.add_argument("--candidates", type=int, default=100, help="configurations a run")
    parser.add_argument("--out", type=Path, help="results, one JSON object a line; appended to")
    return parser


def _wanted(names: Sequence[str], only: Setting | None) -> Iterator[tuple[str, Setting]]:
    for name, peer in PEERS.items():
        if name not in names and "all" not in names:
            continue
        if importlib.util.find_spec(peer.needs) is None:
            print(f"{name}: {peer.needs} is not installed here")
            continue
        for setting in peer.settings:
            if only in {None, setting}:
                yield name, setting


def _in_file(path: Path) -> set[Key]:
    """Reads which runs are in the file; a line cut short by a kill is ended, and run again."""
    if not path.exists():
        return set()
    if (text := path.read_bytes()) and not text.endswith(b"\n"):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")
    return _keys_in(path)


def _keys_in(path: Path) -> set[Key]:
    return {
        (run["table"], run["candidates"], run["peer"], run["setting"], run["seed"])
        for run in runs_in(path)
    }


if __name__ == "__main__":
    main()
