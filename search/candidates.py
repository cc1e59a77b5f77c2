"""Who comes next: the baselines first, then whatever the sampler proposes and fits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from search.proposals import AbstractProposer
from search.records import Curve, Facts, History, Trial
from spaces.architecture import Size
from spaces.errors import ImpossibleModel
from spaces.space import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A known configuration that takes part in the search, first in line."""

    name: str
    config: Config


class Candidates:
    """Makes trials from proposals; a function of the history, as its parts are."""

    def __init__(
        self,
        proposer: AbstractProposer,
        size_of: Callable[[Config], Size],
        baselines: Sequence[Baseline] = (),
    ) -> None:
        self._proposer = proposer
        self._size_of = size_of
        self._baselines = tuple(baselines)

    def next(self, history: History) -> Trial | None:
        """Returns the next candidate as a trial without epochs, or None: space exhausted."""
        facts = history.facts
        seen = {trial.origin for trial in history.trials}
        for baseline in self._baselines:
            if baseline.name not in seen and self.misfit(baseline.config, facts) is None:
                return self._trial(history, baseline.config, baseline.name)
        config = self._proposer.propose(history, lambda config: self.misfit(config, facts))
        return None if config is None else self._trial(history, config, self._proposer.name)

    def promise(self, history: History) -> float | None:
        """Returns the chance that the sampler's next proposal wins, None: it does not know."""
        return self._proposer.promise(history, lambda config: self.misfit(config, history.facts))

    def misfit(self, config: Config, facts: Facts) -> str | None:
        """Says why a configuration cannot be trained in this study, or None: it can."""
        try:
            size = self._size_of(config)
        except ImpossibleModel as error:
            return str(error)
        if size.params > facts.max_params:
            return f"{size.params:,} weights are above --max-params {facts.max_params:,}"
        if size.macs > facts.max_macs:
            return f"{size.macs:,} multiply-adds are above --max-macs {facts.max_macs:,}"
        return None

    def _trial(self, history: History, config: Config, origin: str) -> Trial:
        facts, size = history.facts, self._size_of(config)
        return Trial(
            number=len(history.trials),
            config=dict(config),
            origin=origin,
            params=size.params,
            macs=size.macs,
            in_space=facts.space.contains(config),
            curves=(Curve(),) * facts.folds,
            attempts=((0, 0),) * facts.folds,
        )
