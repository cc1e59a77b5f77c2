"""`report --tensorboard DIR`: a study as TensorBoard reads it, curves and HParams.

The files are written after the fact from the ledger, by TensorBoard's own record writer: no
TensorFlow starts. Each run is one file with a fixed name, so that writing again replaces it.
"""

import io
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnist_hpo.errors import UserError
from search.records import Epoch, History, Trial
from spaces.space import Choice, Dimension, Value

if TYPE_CHECKING:  # an extra
    from tensorboard.compat.proto.summary_pb2 import Summary

FILE = "events.out.tfevents.0.mnist-hpo"
"""TensorBoard knows its files by the middle of their names."""

SCORE = "score"
PREDICTED = "predicted mean"
"""Never called a score, there neither."""

_MEASURES: Mapping[str, str] = {
    "accuracy/validation": "valid_accuracy",
    "accuracy/training": "train_accuracy",
    "loss/validation": "valid_loss",
    "loss/training": "train_loss",
}
"""Tag of each curve, and the field of an epoch that it shows."""


def write_events(folder: Path, history: History, predicted: Mapping[int, float]) -> int:
    """Writes a study into a folder: a run a trial, and in it a run a fold.

    Args:
        folder: What `tensorboard --logdir` is given; created where it is missing.
        history: The study.
        predicted: Predicted means of unfinished trials, by number.

    Returns:
        How many trials were written.

    Raises:
        UserError: TensorBoard is not installed.
        OSError: the folder cannot be written.
    """
    _check_installed()
    from tensorboard.plugins.hparams import summary_v2 as hp  # noqa: PLC0415 - an extra

    began = datetime.fromisoformat(history.facts.created).timestamp()
    metrics = [hp.Metric(SCORE), hp.Metric(PREDICTED)]
    axes = [_axis(hp, dimension) for dimension in history.facts.space.dimensions]
    experiment = hp.hparams_config_pb(axes, metrics, time_created_secs=began)
    _write(folder, [(began, 0, experiment)])
    for trial in history.trials:
        run = folder / f"trial-{trial.number}"
        _write(run, _session(history, trial, predicted.get(trial.number), began))
        for fold, curve in enumerate(trial.curves):
            if len(curve):
                _write(run / f"fold-{fold + 1}", _curve(curve.epochs, began))
    return len(history.trials)


def _check_installed() -> None:
    try:
        import tensorboard  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise UserError(
            "TensorBoard's files are written by TensorBoard, which is not installed.",
            "pip install 'mnist-hpo[tensorboard]'",
        ) from None


def _axis(hp: Any, dimension: Dimension) -> Any:  # noqa: ANN401 - an extra, untyped
    """Returns a hyperparameter with its domain."""
    if isinstance(dimension, Choice):
        return hp.HParam(dimension.name, hp.Discrete(list(map(_plain, dimension.values))))
    interval = hp.IntInterval if dimension.kind == "int" else hp.RealInterval
    return hp.HParam(dimension.name, interval(dimension.low, dimension.high))


def _plain(value: Value) -> Value:
    """Returns a value in the one type that TensorBoard wants of a domain: numbers are floats."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


_Dated = tuple[float, int, "Summary"]
"""When, at which step, and what."""


def _session(
    history: History, trial: Trial, predicted: float | None, began: float
) -> Iterator[_Dated]:
    """Yields what the HParams tab shows of a trial."""
    from tensorboard.plugins.hparams import (  # noqa: PLC0415 - an extra
        api_pb2,
        metadata,
        plugin_data_pb2,
        summary_v2,
    )

    config = {name: _plain(value) for name, value in trial.config.items()}
    yield began, 0, summary_v2.hparams_pb(config, f"trial {trial.number}", began)
    step, ended = trial.fold_epochs, began + trial.seconds
    score = trial.score(history.facts.epochs)
    if score is not None:
        yield ended, step, _scalar(SCORE, score.mean)
    elif predicted is not None:
        yield ended, step, _scalar(PREDICTED, predicted)
    end = plugin_data_pb2.SessionEndInfo(
        status=api_pb2.STATUS_FAILURE if trial.is_failed else api_pb2.STATUS_SUCCESS,
        end_time_secs=ended,
    )
    if trial.is_final(history.facts.epochs):
        data = plugin_data_pb2.HParamsPluginData(session_end_info=end)
        yield ended, step, summary_v2._summary_pb(metadata.SESSION_END_INFO_TAG, data)  # noqa: SLF001 - the only function for it


def _curve(epochs: tuple[Epoch, ...], began: float) -> Iterator[_Dated]:
    """Yields the curves of a fold; epochs count from 1."""
    passed = began
    for number, epoch in enumerate(epochs, start=1):
        passed += epoch.seconds + epoch.build_seconds
        for tag, name in _MEASURES.items():
            yield passed, number, _scalar(tag, getattr(epoch, name))


def _scalar(tag: str, value: float) -> "Summary":
    from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415 - an extra

    return Summary(value=[Summary.Value(tag=tag, simple_value=value)])


def _write(folder: Path, summaries: "Iterator[_Dated] | list[_Dated]") -> None:
    from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415 - an extra
    from tensorboard.summary.writer.record_writer import RecordWriter  # noqa: PLC0415 - an extra

    content = io.BytesIO()
    writer = RecordWriter(content)
    dated = list(summaries)
    first = dated[0][0] if dated else 0.0
    writer.write(Event(wall_time=first, file_version="brain.Event:2").SerializeToString())
    for when, step, summary in dated:
        writer.write(Event(wall_time=when, step=step, summary=summary).SerializeToString())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(content.getvalue())
