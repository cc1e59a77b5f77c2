"""The program, with scripted curves in place of training; its arguments as `mnist-hpo` takes them.

Run by a person or a test, a process of its own: nothing of it was imported before.
"""

import os
import sys

from search.testing import ScriptedTrainer


def scripted(**_: object) -> ScriptedTrainer:
    """Stands for `searching.LazyTrainer`; an epoch takes EPOCH_SECONDS."""
    return ScriptedTrainer(seconds=float(os.environ["EPOCH_SECONDS"]))


if __name__ == "__main__":  # its workers import this file, too
    from mnist_hpo import cli, searching

    vars(searching)["LazyTrainer"] = scripted
    sys.exit(cli.main())
