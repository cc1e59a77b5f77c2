"""The application: the only place that knows MNIST, a terminal and files of results.

`mnist_hpo.Study` reads a study from Python: `Study.open("mnist").to_dataframe()`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnist_hpo.notebook import Study

__all__ = ["Study"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any attribute a module may have
    """Imports `Study` when somebody asks for it: the command line never waits for it."""
    if name == "Study":
        from mnist_hpo.notebook import Study  # noqa: PLC0415 - see above

        return Study
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
