"""Which model reads a person's digits, and what it says of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mnist_hpo.data.records import Pixels
from mnist_hpo.final_models import final_model, loaded, sha256_in_card
from mnist_hpo.storage import Storage
from mnist_hpo.studies import find
from search import reader


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedModel:
    """A model file, and what is known of it."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a model says of one image."""

    path: Path
    probabilities: tuple[float, ...]
    """Of the digits 0 to 9."""

    @property
    def digit(self) -> int:
        """The most probable digit."""
        return self.probabilities.index(max(self.probabilities))

    @property
    def probability(self) -> float:
        """How sure the model is of it."""
        return max(self.probabilities)

    @property
    def second(self) -> int:
        """The next most probable digit."""
        order = sorted(range(len(self.probabilities)), key=lambda d: -self.probabilities[d])
        return order[1]

    def to_json(self) -> dict[str, Any]:
        """Returns an entry of `predict --json`."""
        return {
            "image": str(self.path),
            "digit": self.digit,
            "probabilities": list(self.probabilities),
        }


def model_named(name: str, results: Path, storage: Storage | None) -> NamedModel:
    """Returns the model file that a person means: a `.keras` file, or a study's winner.

    Raises:
        UserError: the file has no card, or no study has that name.
        NoResultError: the study's winner was not finalized.
    """
    if name.endswith(".keras"):
        path = Path(name)
        return NamedModel(path=path, sha256=sha256_in_card(path))
    study, place = find(results, storage, name)
    final = final_model(reader.read(place, study).history, results / study)
    return NamedModel(path=final.path, sha256=final.sha256)


def readings(
    named: NamedModel, paths: Sequence[Path], digits: Sequence[Pixels]
) -> tuple[Reading, ...]:
    """Runs the model on digits as MNIST would have them.

    Shapes:
        digits: (28, 28), uint8 each.
    """
    model = loaded(named.path, sha256=named.sha256)
    from search.training import with_channel  # noqa: PLC0415 - TensorFlow, loaded by now

    found = model.predict(with_channel(np.stack(digits)), verbose=0)
    return tuple(
        Reading(path=path, probabilities=tuple(float(own) for own in row))
        for path, row in zip(paths, found, strict=True)
    )
