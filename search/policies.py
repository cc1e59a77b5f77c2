"""Every policy by its name, and its constants as a person types them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from search.epoch_race import EpochsPolicy
from search.errors import StudyError
from search.fold_race import FoldsPolicy
from search.policy import POLICIES, AbstractPolicy, FullPolicy
from search.prediction import Predictor
from search.race import RacePolicy
from search.race_options import RaceOptions


def policy_for(name: str, options: Mapping[str, str] | None = None) -> AbstractPolicy:
    """Returns a policy.

    Args:
        name: One of `POLICIES`.
        options: Constants of the race, by name, as text; only the race has any.

    Raises:
        StudyError: an unknown policy or option, or a value that it cannot have.
    """
    if options and name != "race":
        raise StudyError(
            f"Only the policy 'race' has options; {name!r} was given {dict(options)}."
        )
    match name:
        case "race":
            return RacePolicy(race_options(options or {}))
        case "full":
            return FullPolicy()
        case "epochs":
            return EpochsPolicy()
        case "folds-forgiving":
            return FoldsPolicy(against="worst")
        case "folds-aggressive":
            return FoldsPolicy(against="mean")
    raise StudyError(f"There is no policy {name!r}; there are: {', '.join(POLICIES)}.")


def predictor_of(policy: AbstractPolicy) -> Predictor:
    """Returns what predicts unfinished trials: the race's own, where there is a race."""
    return policy.predictor if isinstance(policy, RacePolicy) else Predictor()


def race_options(given: Mapping[str, str]) -> RaceOptions:
    """Reads the race's constants from text.

    Raises:
        StudyError: an unknown name, or a value that the constant cannot have.
    """
    fields = {field.name: field for field in dataclasses.fields(RaceOptions)}
    values: dict[str, Any] = {}
    for name, text in given.items():
        if name not in fields:
            raise StudyError(f"The race has no option {name!r}; it has {', '.join(fields)}.")
        try:
            values[name] = _parsed(fields[name].default, text)
        except (ValueError, KeyError, ZeroDivisionError) as error:
            raise StudyError(
                f"The race's {name} is like {fields[name].default}, got {text!r}."
            ) from error
    return RaceOptions(**values)


def _parsed(like: object, text: str) -> object:
    """Reads text as a value of the default's type."""
    match like:
        case bool():
            return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
        case int():
            return int(text)
        case float():
            over, slash, under = text.partition("/")  # 0.05, 1e-3, and 1/3
            return float(over) / float(under) if slash else float(text)
        case tuple():
            kind = type(like[0])
            return tuple(kind(part) for part in text.replace("-", ",").split(","))
    return text
