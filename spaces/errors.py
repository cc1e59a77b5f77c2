"""What can be wrong with a space or a configuration.

SpaceError              the user's input: an unknown name, a value out of range
└── ImpossibleModel     a configuration that no network can have (not a failed training)
"""


class SpaceError(ValueError):
    """A space, a range or a configuration breaks a rule; the message says which."""


class ImpossibleModel(SpaceError):  # noqa: N818 - a fact about a configuration, not a mistake
    """The configuration shrinks an image below one pixel, so it cannot be built."""
