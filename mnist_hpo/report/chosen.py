"""Feature maps of a digit that a person chose: the only part of a report that runs a model."""

from pathlib import Path

from mnist_hpo.development import development_for
from mnist_hpo.errors import NoResultError, UserError
from mnist_hpo.examining import feature_maps
from mnist_hpo.final_models import loaded
from mnist_hpo.report.material import ChosenDigit, Material
from mnist_hpo.winner import model_path


def chosen_digit(material: Material, folder: Path, index: int) -> ChosenDigit:
    """Runs the finalized model on one development image.

    Raises:
        NoResultError: nothing was finalized yet.
        UserError: there is no such image, or data or model file are not the study's.
    """
    study, facts = material.facts.study, material.facts
    if material.final is None:
        raise NoResultError(
            f"Feature maps are those of a finalized model, and study {study!r} has none.",
            f"mnist-hpo finalize {study}",
        )
    if index >= facts.images:
        raise UserError(
            f"Study {study!r} has the development images 0 to {facts.images - 1}, got {index}.",
            f"mnist-hpo report {study} --digit 0",
        )
    data, _ = development_for(facts.dataset)
    if data.sha256 != facts.data_sha256:
        raise UserError(
            f"The data of study {study!r} changed since it was started.",
            f"mnist-hpo report {study}        shows the digit that finalize drew",
        )
    path = model_path(folder, material.history, material.final.trial)
    model = loaded(path, sha256=material.final.model_sha256)
    return ChosenDigit(
        pixels=data.x[index],
        index=index,
        label=int(data.y[index]),
        maps=feature_maps(model, data.x[index]),
    )
