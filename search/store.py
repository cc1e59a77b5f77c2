"""The ledger: a study's durable history, an ordinary Optuna study, written by one process.

Every method that changes something commits before it returns, and only then updates
`Ledger.history`: nothing is decided on or shown that a crash could take back.
"""

from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any, Self, final

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState as OptunaState

from search import changes, decode, reader
from search.distributions import recorded_all
from search.errors import LedgerError, StudyError
from search.ledger import AbstractLedger
from search.place import AbstractLock, AbstractPlace
from search.places import Where, place_of
from search.quiet import quiet_optuna
from search.records import Budget, Epoch, Facts, Failure, History, Job, Trial, Verdict
from search.seals import sealed
from search.writer import AbstractWriter


@final
class Ledger(AbstractLedger):
    """A study that this process owns. Use `create` or `open`, and `close` at the end."""

    def __init__(
        self, place: AbstractPlace, lock: AbstractLock, writer: AbstractWriter, study: str
    ) -> None:
        self._lock = lock
        self._writer = writer
        self._storage = writer.storage
        with place.reading(study) as db:
            self._history = reader.load(db, place, study)
            ((self._study_id,),) = db.rows(
                "SELECT study_id FROM studies WHERE study_name = ?", study
            )
            rows = db.rows(
                "SELECT number, trial_id, state FROM trials WHERE study_id = ?", self._study_id
            )
            self._order = reader.newest_order(db, study)
        strange = {state for _, _, state in rows} - {state.name for state in OptunaState}
        if strange:
            raise LedgerError(f"The ledger {place} is corrupt: trials are {sorted(strange)}.")
        self._ids: dict[int, int] = {number: trial_id for number, trial_id, _ in rows}
        for number, _, state in rows:
            if state == OptunaState.RUNNING.name:
                self._settle(number)

    @classmethod
    def create(cls, where: Where, facts: Facts, budget: Budget) -> Self:
        """Starts a study.

        Raises:
            StudyError: the ledger already holds a study of that name.
            StudyOwned: another process is starting or searching it.
            LedgerError: the storage cannot be written.
        """
        place, study = place_of(where), facts.study
        lock = place.lock(study).acquire()
        try:
            writer = place.writer(lock, study)
            try:
                with quiet_optuna():
                    _make(writer, facts, budget)
                return cls(place, lock, writer, study)
            except BaseException:
                writer.close()
                raise
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open(cls, where: Where, study: str) -> Self:
        """Opens a study to go on with it; everything a crash left half done is completed.

        Raises:
            UnknownStudy: the ledger holds no study of that name.
            StudyOwned: another process owns the study.
            LedgerError: there is no ledger, or it is corrupt, read-only or unreachable.
        """
        place = place_of(where)
        reader.read(place, study)  # an unknown name must leave no lock file behind
        lock = place.lock(study).acquire()
        try:
            writer = place.writer(lock, study)
            try:
                writer.sign(writer.commit(lambda: writer.storage.get_study_id_from_name(study)))
                return cls(place, lock, writer, study)
            except BaseException:
                writer.close()
                raise
        except BaseException:
            lock.release()
            raise

    @property
    def history(self) -> History:
        return self._history

    def close(self) -> None:
        """Gives the study back."""
        self._writer.close()
        self._lock.release()

    def check_place(self) -> None:
        self._writer.check_place()

    def add(self, trial: Trial) -> None:
        after = changes.added(self._history, trial)
        params = dict(trial.config) if trial.in_space else {}
        candidate = self._ordered(decode.encode_candidate(trial))
        frozen = optuna.trial.FrozenTrial(
            number=trial.number,
            trial_id=-1,
            state=OptunaState.RUNNING,
            value=None,
            datetime_start=datetime.now(),  # noqa: DTZ005 - Optuna converts local time itself
            datetime_complete=None,
            params=params,
            distributions=recorded_all(self._history.facts.space, params),
            user_attrs={"candidate": self._sealed(trial.number, "candidate", candidate)},
            system_attrs={},
            intermediate_values={},
        )
        self._ids[trial.number] = self._writer.create_trial(self._study_id, frozen)
        self._order += 1
        self._history = after

    def start(self, job: Job) -> None:
        self._commit_attempts(job, changes.started(self._history, job))

    def release(self, job: Job) -> None:
        self._commit_attempts(job, changes.released(self._history, job))

    def _commit_attempts(self, job: Job, after: History) -> None:
        epoch, count = after.trials[job.trial].attempts[job.fold]
        key = f"attempts:{job.fold}"
        self._set(job.trial, key, self._sealed(job.trial, key, {"epoch": epoch, "count": count}))
        self._history = after

    def record(self, job: Job, epochs: tuple[Epoch, ...], *, elapsed: float) -> None:
        for number, epoch in enumerate(epochs, start=job.start):
            after = changes.recorded(
                self._history, job, number=number, epoch=epoch, elapsed=elapsed
            )
            key = decode.epoch_key(job.fold, job.run, number)
            self._state(job.trial, key, decode.encode_epoch(epoch, elapsed))
            self._report(job.trial, job.fold, number, epoch)
            self._history = after
        self._tell(self._history.trials[job.trial])

    def fail(self, failure: Failure, trial_number: int, *, elapsed: float) -> None:
        after = changes.failed(self._history, failure, trial_number, elapsed=elapsed)
        count = len(self._history.trials[trial_number].failures)
        self._state(trial_number, f"failure:{count}", {**asdict(failure), "elapsed": elapsed})
        self._history = after
        self._judge_failures(trial_number)

    def _judge_failures(self, trial_number: int) -> None:
        verdict = changes.verdict_of_failures(self._history, trial_number)
        if verdict is not None:
            self.judge(trial_number, verdict)

    def judge(self, trial_number: int, verdict: Verdict) -> None:
        after = changes.judged(self._history, trial_number, verdict)
        self._state(trial_number, "verdict", decode.encode_verdict(verdict))
        self._history = after
        self._tell(after.trials[trial_number])

    def set_budget(self, budget: Budget) -> None:
        self._set_study("budget", asdict(budget))
        self._history = changes.budget_set(self._history, budget)

    def end(self, reason: str) -> None:
        self._set_study("ending", {"reason": reason, "budget": asdict(self._history.budget)})
        self._history = changes.ended(self._history, reason)

    def open_test(self, trial: int) -> int:
        """Commits that the test set is about to be looked at; returns the look's number."""
        number = len(self._history.openings)
        self._set_study(f"opening:{number}", {"trial": trial, "result": None})
        self._history = changes.look_opened(self._history, trial)
        return number

    def record_test(self, number: int, result: dict[str, Any]) -> None:
        """Commits what a look at the test set showed."""
        after = changes.look_recorded(self._history, number, result)
        self._set_study(f"opening:{number}", asdict(after.openings[number]))
        self._history = after

    def _state(self, trial: int, key: str, fact: dict[str, Any]) -> None:
        """Commits a fact of a trial, as the next one of the study."""
        self._set(trial, key, self._sealed(trial, key, self._ordered(fact)))
        self._order += 1

    def _ordered(self, fact: dict[str, Any]) -> dict[str, Any]:
        """Adds the place of a fact among all commits of the study, if it is the next one."""
        return {**fact, "order": self._order + 1}

    def _sealed(self, trial: int, key: str, fact: dict[str, Any]) -> dict[str, Any]:
        return sealed(decode.owner(self._history.facts.study, trial), key, fact)

    def _set(self, trial: int, key: str, value: object) -> None:
        self._writer.commit(
            lambda: self._storage.set_trial_user_attr(self._ids[trial], key, value)
        )

    def _set_study(self, key: str, fact: dict[str, Any]) -> None:
        value = sealed(self._history.facts.study, key, fact)
        self._writer.commit(lambda: self._storage.set_study_user_attr(self._study_id, key, value))

    def _report(self, trial: int, fold: int, epoch: int, result: Epoch) -> None:
        """Repeats an epoch's accuracy as a step, for Optuna's own tools; safe to repeat."""
        step = fold * self._history.facts.epochs + epoch
        self._writer.commit(
            lambda: self._storage.set_trial_intermediate_value(
                self._ids[trial], step, result.valid_accuracy
            )
        )

    def _tell(self, trial: Trial) -> None:
        """Tells Optuna a final state, once there is one; that closes its trial for ever."""
        epochs = self._history.facts.epochs
        if not trial.is_final(epochs):
            return
        score = trial.score(epochs)
        summary: dict[str, object] = {"params": trial.params, "seconds": trial.seconds}
        if score is not None:
            summary |= {"cv_mean": score.mean, "cv_std": score.std}
            for fold, curve in enumerate(trial.curves):
                summary[f"fold_{fold}"] = curve.accuracies[epochs - 1]
        for key, value in summary.items():
            self._set(trial.number, key, value)
        state = OptunaState.COMPLETE
        if trial.verdict is not None:
            state = OptunaState.FAIL if trial.is_failed else OptunaState.PRUNED
        self._close_trial(trial.number, state, None if score is None else score.mean)

    def _close_trial(self, number: int, state: OptunaState, value: float | None) -> None:
        values = None if value is None else [value]

        def close() -> None:
            try:
                self._storage.set_trial_state_values(self._ids[number], state, values)
            except optuna.exceptions.UpdateFinishedTrialError:
                # A commit whose acknowledgement was lost is repeated: it had come through.
                if self._storage.get_trial(self._ids[number]).state is not state:
                    raise

        self._writer.commit(close)

    def _settle(self, number: int) -> None:
        """Completes what follows from a trial's committed facts and a crash cut off."""
        stored = self._writer.commit(lambda: self._storage.get_trial(self._ids[number]))
        steps = stored.intermediate_values
        trial = self._history.trials[number]
        for fold, curve in enumerate(trial.curves):
            for epoch, result in enumerate(curve.epochs):
                step = fold * self._history.facts.epochs + epoch
                if steps.get(step) != result.valid_accuracy:
                    self._report(number, fold, epoch, result)
        self._tell(trial)
        if trial.verdict is None:
            self._judge_failures(number)


def _make(writer: AbstractWriter, facts: Facts, budget: Budget) -> None:
    """Writes what makes a study, by commits that are safe to repeat."""
    storage, study = writer.storage, facts.study

    def study_id() -> int:
        try:
            return storage.get_study_id_from_name(study)  # a process died before it stated facts
        except KeyError:
            return storage.create_new_study([StudyDirection.MAXIMIZE], study)

    key = writer.commit(study_id)
    if "facts" in writer.commit(lambda: storage.get_study_user_attrs(key)):
        raise StudyError(
            f"Study {study!r} exists already. Go on with it by `resume {study}`, or name "
            f"another one with `--study`."
        )
    writer.sign(key)
    # The last commit is the one that makes it a study.
    for name, fact in (
        ("budget", asdict(budget)),
        ("facts", {"schema": decode.SCHEMA, "study": facts.to_json()}),
    ):
        value = sealed(study, name, fact)
        writer.commit(partial(storage.set_study_user_attr, key, name, value))
