"""From a dataset's name to what a search gets: the development set, never the test set."""

from mnist_hpo.data.records import Dataset
from mnist_hpo.data.sources import development
from search.study import Development


def development_for(name: str) -> tuple[Development, Dataset]:
    """Reads a dataset.

    Args:
        name: As `--dataset` takes it.

    Raises:
        DataError: it cannot be found, read or trusted.
    """
    images, facts = development(name)
    return Development(name=facts.name, sha256=facts.sha256, x=images.x, y=images.y), facts
