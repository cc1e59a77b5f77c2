"""The one loop: ledger -> policy -> engine -> ledger. Imports no Keras.

The same loop searches, replays a recorded table and is killed in tests: only the trainer that
the engine was given differs.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace

from search import events
from search.building import GraphOf
from search.candidates import Candidates
from search.checkpoints import CheckpointFolder, is_kept
from search.engine import AbstractEngine, Done, Failed, Lost, Outcome
from search.errors import EnvironmentChanged, LedgerError, SearchError, TooManyFailures
from search.ledger import AbstractLedger
from search.patience import EPOCH_SECONDS, Patience
from search.policy import SETTLED, AbstractPolicy, Allowance, Judge, Propose, Run
from search.records import Epoch, Failure, History, Job, Trial
from search.redaction import redacted
from search.trainer import Task, Trained
from spaces.space import config_key

MAX_DEATHS = 3
"""A job whose worker died so often is taken to be the killer: the trial is failed."""

MAX_STARTS = 5
"""Likewise for starts that ended with the whole process. More, since a person's `kill -9`
cannot be told from a job's own doing."""

_FINISHING = 0.15
"""Share of the minutes, the last ones: nothing begins in them while something is unfinished."""

_POLL_SECONDS = 0.5
"""How long the loop sleeps at most before it looks at the clock again."""


class Driver:
    """Searches one study until its budget is used, it is stopped, or it breaks."""

    def __init__(  # noqa: PLR0913 - the loop's parts, each exchanged by some test
        self,
        *,
        ledger: AbstractLedger,
        policy: AbstractPolicy,
        candidates: Candidates,
        engine: AbstractEngine,
        checkpoints: CheckpointFolder,
        listen: events.Listener,
        graph_of: GraphOf = config_key,
        max_failures: int = 5,
        epoch_seconds: float = EPOCH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._policy = policy
        self._candidates = candidates
        self._engine = engine
        self._checkpoints = checkpoints
        self._listen = listen
        self._graph_of = graph_of
        self._max_failures = max_failures
        self._clock = clock
        self._began = clock()
        self._elapsed_before = ledger.history.elapsed
        self._running: dict[tuple[int, int], Job] = {}
        self._redone: dict[tuple[int, int], int] = {}
        self._patience = Patience(epoch_seconds, clock)
        self._failures = 0
        self._exhausted = False
        self._finished = False
        self._stopping = False

    @property
    def running(self) -> frozenset[Job]:
        """Jobs in flight."""
        return frozenset(self._running.values())

    def stop(self) -> None:
        """Asks the loop to end after the epochs in hand. Safe in a signal handler."""
        self._stopping = True

    def run(self) -> str | None:
        """Searches.

        Returns:
            Why the study is done, or None: it was stopped before that and can be resumed.

        Raises:
            TooManyFailures: trials failed one after another; all of it is committed.
            LedgerError: storage failed; what was committed before is safe.
            EnvironmentChanged: an epoch trained again gave other values than the ledger's.
        """
        self._checkpoints.sweep(self._history.trials, self._history.facts.epochs)
        self._listen(events.Started(self._history, self._engine.workers))
        try:
            while True:
                while not self._stopping and self._engine.free() and self._act():
                    pass
                if not self._running:
                    break
                for outcome in self._engine.wait(_POLL_SECONDS):
                    self._take(outcome)
                for job in self._patience.overdue(self._running.values()):
                    self._engine.give_up(job, self._patience.reason)
        except BaseException as error:
            self._give_up()
            if isinstance(error, LedgerError):
                self._ledger.check_place()  # it may have failed because its folder went away
            raise
        return None if self._stopping else self._end()

    @property
    def _history(self) -> History:
        return self._ledger.history

    @property
    def _elapsed(self) -> float:
        return self._elapsed_before + self._clock() - self._began

    def _allowance(self) -> Allowance:
        budget = self._history.budget
        in_number = budget.trials is None or len(self._history.trials) < budget.trials
        left = self._share_left()
        may_begin = left > 0 and not self._is_finishing(left)
        return Allowance(
            may_propose=in_number and not self._exhausted and (may_begin or self._nothing_left()),
            may_widen=left > 0,
            promise=lambda: self._candidates.promise(self._history),
        )

    def _share_left(self) -> float:
        """Returns the share of the minutes that nothing is reserved for; 1 without any."""
        minutes = self._history.budget.minutes
        if minutes is None:
            return 1.0
        return 1 - (self._elapsed + self._reserve()) / (minutes * 60) if minutes else 0.0

    def _is_finishing(self, left: float) -> bool:
        return left <= _FINISHING and not self._finished

    def _reserve(self) -> float:
        """Returns the seconds that the first complete trial still needs, at its pace so far."""
        leader = self._policy.leader(self._history)
        if leader is None or leader.fold_epochs == 0:
            return 0.0
        epochs = self._history.facts.epochs
        missing = [epochs - len(curve) for curve in leader.curves]
        rounds = max(*missing, sum(missing) / self._engine.workers)
        return rounds * leader.seconds / leader.fold_epochs

    def _nothing_left(self) -> bool:
        """Says whether no trial could still become the first complete one."""
        epochs = self._history.facts.epochs
        return all(
            trial.is_final(epochs) and trial.score(epochs) is None
            for trial in self._history.trials
        )

    def _act(self) -> bool:
        """Carries out the policy's next action; False: there is none for now."""
        action = self._policy.next(self._history, self.running, self._allowance())
        match action:
            case Run(job):
                self._submit(job)
            case Propose():
                trial = self._candidates.next(self._history)
                if trial is None:
                    self._exhausted = True
                else:
                    self._ledger.add(trial)
                    self._listen(events.TrialAdded(self._history, trial.number))
            case Judge(number, verdict):
                self._ledger.judge(number, verdict)
                self._close(self._history.trials[number])
            case _:
                return self._goes_on()
        return True

    def _goes_on(self) -> bool:
        """Says whether there is something to begin after all: the last ones finished early."""
        left = self._share_left()
        early = self._is_finishing(left) and left > 0 and not self._running
        self._finished = self._finished or early
        return early

    def _submit(self, job: Job) -> None:
        """Cuts a job to what is committed at once, counts the attempt and hands it out."""
        trial = self._history.trials[job.trial]
        epoch, starts = trial.attempts[job.fold]
        if epoch == job.start and starts >= MAX_STARTS:
            self._fail(job, f"its process died {starts} times in this epoch", "")
            return
        kept = is_kept(trial.params)
        if kept:
            job = job.first_epoch()
        warm = job.start > 0 and self._engine.is_warm(job)
        checkpoint = None
        start = job.start
        if start and not warm:
            path = self._checkpoints.path(job.trial, job.fold, job.run, start)
            newest = trial.curves[job.fold].epochs[start - 1]
            checkpoint = self._checkpoints.read(path, newest.checkpoint)
            if checkpoint is None:
                start = 0  # its file is gone: train the fold again, and compare
        self._running[job.lane] = job
        self._ledger.start(job)
        self._redone[job.lane] = job.start - start
        sent = replace(job, start=start)
        self._patience.begin(sent)
        self._engine.submit(
            Task(
                job=sent,
                config=trial.config,
                graph=self._graph_of(trial.config),
                checkpoint=checkpoint,
                keep=kept and job.stop < self._history.facts.epochs,
            )
        )
        self._listen(events.JobStarted(self._history, job))

    def _take(self, outcome: Outcome) -> None:
        job = self._running[outcome.job.lane]
        if self._history.trials[job.trial].verdict is None:
            self._settle(job, outcome)
        # Else another fold of the trial failed while this one was in flight. Not before now: a
        # signal or an error on the way takes the attempt back, which nobody is to blame for.
        del self._running[job.lane]

    def _settle(self, job: Job, outcome: Outcome) -> None:
        """Commits what became of a job."""
        match outcome:
            case Done(_, trained):
                self._commit(job, trained)
            case Failed(_, message, traceback):
                self._fail(job, message, traceback)
            case Lost(_, reason, died):
                self._listen(events.WorkerLost(job, reason))
                _, starts = self._history.trials[job.trial].attempts[job.fold]
                if not died:
                    self._ledger.release(job)
                elif starts >= MAX_DEATHS:
                    self._fail(job, f"{reason}, {starts} times in this epoch", "")

    def _commit(self, job: Job, trained: Trained) -> None:
        redone = self._redone.pop(job.lane)
        curve = self._history.trials[job.trial].curves[job.fold]
        _compare(job, trained.epochs[:redone], curve.epochs)
        epochs = list(trained.epochs[redone:])
        path = self._checkpoints.path(job.trial, job.fold, job.run, job.stop)
        if trained.checkpoint is not None:
            self._ledger.check_place()  # by that name another study's checkpoint may lie there
            sha256 = self._checkpoints.write(path, trained.checkpoint)
            epochs[-1] = replace(epochs[-1], checkpoint=sha256)
        self._ledger.record(job, tuple(epochs), elapsed=self._elapsed)
        self._checkpoints.drop(self._checkpoints.path(job.trial, job.fold, job.run, job.start))
        self._listen(events.EpochsCommitted(self._history, job))
        trial = self._history.trials[job.trial]
        if trial.is_complete(self._history.facts.epochs):
            self._failures = 0
            self._close(trial)

    def _fail(self, job: Job, message: str, traceback: str) -> None:
        # A user's model may have met a database, and its error may name it.
        failure = Failure(
            fold=job.fold,
            epoch=job.start,
            run=job.run,
            message=redacted(message),
            traceback=redacted(traceback),
        )
        self._ledger.fail(failure, job.trial, elapsed=self._elapsed)
        self._listen(events.RunFailed(self._history, job.trial, failure))
        trial = self._history.trials[job.trial]
        if not trial.is_failed:
            return
        self._close(trial)
        self._failures += 1
        if self._failures >= self._max_failures:
            raise TooManyFailures(
                f"{self._failures} trials failed in a row, the last one with: {failure.message}. "
                f"All of it is saved; `trial` shows each one's traceback."
            )

    def _close(self, trial: Trial) -> None:
        self._checkpoints.sweep(self._history.trials, self._history.facts.epochs)
        self._listen(events.TrialClosed(self._history, trial.number))

    def _give_up(self) -> None:
        """Ends now: takes back the attempts of jobs that nobody will wait for."""
        for job in self._running.values():
            # Whatever ended the search is the news; storage that fails as well is not.
            with contextlib.suppress(SearchError):
                if self._history.trials[job.trial].verdict is None:
                    self._ledger.release(job)
        self._engine.close()

    def _end(self) -> str:
        budget = self._history.budget
        used = budget.trials is not None and len(self._history.trials) >= budget.trials
        if self._exhausted:
            reason = "every configuration of the space was tried"
        elif budget.minutes is not None and not self._allowance().may_widen:
            reason = f"{budget.minutes:g} minutes"
        elif used:
            reason = f"{budget.trials} trials"
        else:
            reason = SETTLED
        self._ledger.end(reason)
        self._listen(events.Ended(self._history, reason))
        return reason


def _compare(job: Job, again: tuple[Epoch, ...], before: tuple[Epoch, ...]) -> None:
    """Checks that epochs trained again gave the ledger's values, bit for bit."""
    for number, (now, then) in enumerate(zip(again, before, strict=False), start=1):
        if (now.valid_accuracy, now.valid_loss) != (then.valid_accuracy, then.valid_loss):
            where = f"trial {job.trial}, fold {job.fold + 1}, epoch {number}"
            was = f"{then.valid_accuracy} (loss {then.valid_loss})"
            got = f"{now.valid_accuracy} (loss {now.valid_loss})"
            raise EnvironmentChanged([f"{where}: was {was}, trained again {got}"])
