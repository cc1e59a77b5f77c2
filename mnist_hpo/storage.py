"""What `--storage` names: one database for the ledgers of several studies."""

from dataclasses import dataclass
from typing import Self

from search.place import AbstractPlace
from search.places import place_at


@dataclass(frozen=True, slots=True)
class Storage:
    """A database that a person named. The URL itself is not kept: it may hold a password."""

    place: AbstractPlace

    option: str | None
    """What to type after `--storage` to come here again; None: the environment says it."""

    warning: str | None = None
    """What a person should know about how the place was named."""

    @classmethod
    def at(cls, url: str, *, typed: bool) -> Self:
        """Returns the storage of a URL.

        Args:
            url: As in `search.places.place_at`.
            typed: It stood on the command line, which other users of the machine can see.

        Raises:
            PlaceError: it names no place.
        """
        place = place_at(url)
        if not place.has_password:
            return cls(place, url)
        if not typed:
            return cls(place, None)
        return cls(
            place,
            str(place),
            "warning: other users can see a password on a command line; MNIST_HPO_STORAGE=URL or "
            "~/.pgpass keep it from them",
        )
