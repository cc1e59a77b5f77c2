"""What follows from a configuration is computed once, and never taken for another's."""

from dataclasses import replace

from search import testing
from search.per_trial import PerTrial
from spaces.space import Config, Space


def test_a_value_is_computed_once_for_a_trial() -> None:
    """However many epochs it trains meanwhile; another study's trial of its number is another."""
    asked: list[Config] = []

    def width(config: Config, space: Space) -> str:
        asked.append(config)
        return f"{config['width']} in {space.name}"

    facts = testing.facts()
    trial = replace(testing.trial(0, facts), config={"width": 8, "rate": 0.01})
    remembered = PerTrial(width)

    assert remembered.of(trial, facts.space) == width(trial.config, facts.space)
    assert remembered.of(replace(trial, attempts=((1, 1),) * 3), facts.space) == "8 in small"
    assert len(asked) == 2

    other = replace(trial, config={**trial.config, "width": 16})
    assert remembered.of(other, facts.space) == "16 in small"
    assert remembered.of(trial, replace(facts.space, name="x")) == "8 in x"
    assert remembered.of(trial, facts.space) == "8 in small"
