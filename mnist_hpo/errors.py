"""What ends a command with one message, a `help:` line and an exit code instead of a traceback.

UserError               2  wrong input: an option, a name, a changed space
├── DataError           2  a dataset that cannot be had, read or trusted
├── NoResultError       1  the command ran and there is nothing to show for it
├── StorageError        3  the ledger is unreachable, full, read-only or corrupt
├── OwnedError          4  a live process owns the study
└── EnvironmentDrift    5  versions or results differ from those the study was started with
"""

from typing import ClassVar


class UserError(Exception):
    """The user can mend this; the message says what is wrong and the help what to type."""

    exit_code: ClassVar[int] = 2

    # Both texts are positional and go to Exception whole, so that an error survives pickling on
    # its way back from a worker process.
    def __init__(self, message: str, help: str) -> None:  # noqa: A002 - the word people see
        super().__init__(message, help)
        self.message = message
        self.help = help

    def __str__(self) -> str:
        return self.message


class DataError(UserError):
    """A dataset cannot be found, read or trusted."""


class NoResultError(UserError):
    """The command ran, and no usable result came of it."""

    exit_code = 1


class StorageError(UserError):
    """The ledger cannot be reached, written or believed."""

    exit_code = 3


class OwnedError(UserError):
    """Another live process owns the study."""

    exit_code = 4


class EnvironmentDrift(UserError):  # noqa: N818 - a fact about a machine, not a mistake
    """This environment cannot continue the study bit for bit."""

    exit_code = 5
