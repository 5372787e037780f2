"""Keep the trials of a search in a database, from which one or several processes draw.

A trial that a process has claimed is its own while that process lives: each holds a lock that ends
with it. What a process leaves unfinished is claimed again, with the same settings and the same run
folder, and goes on from there; so it counts once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from tfner.config import RunSettings
from tfner.exceptions import ConfigError
from tfner.training.search.folder import SearchFolder
from tfner.training.search.proposals import (
    FIRST_STEP,
    STEPS,
    build_sampler,
    distribution,
    estimate_importance,
    open_study,
    quiet_log,
    using,
)
from tfner.training.search.records import TrialRecord
from tfner.training.search.space import SearchSpace

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
# Names of what is kept of a trial besides Optuna's own: see TrialRecord.
NUMBER, BASE, PRUNED, REASON, TWIN = "number", "base", "pruned", "reason", "twin"
SECONDS = "seconds"
WORKER = "worker"  # the process that has claimed it


@dataclass
class Claim:
    """Hold a trial that this process works on.

    `settings` are None where those that were drawn contradict one another, as `reason` says.
    """

    number: int
    trial: optuna.Trial
    settings: RunSettings | None
    is_base: bool = False
    reason: str = ""


class Study:
    """Draw trials from a database, and keep their results there.

    Args:
        folder: of the search.
        space: what is drawn.
        prunes: whether trials behind the others are ended.

    Raises:
        StorageError: the database cannot be used; so of all methods.
    """

    def __init__(self, folder: SearchFolder, space: SearchSpace, *, prunes: bool = True):
        self.folder = folder
        self.space = space
        self.distributions = {key: distribution(each) for key, each in space.dimensions.items()}
        quiet_log()
        with using(folder.storage), folder.one_at_a_time():
            self.study = open_study(folder.storage, prunes=prunes)
            self._queue_base()

    def _queue_base(self) -> None:
        """Let the first trial be the configuration as it stands."""
        if not any(BASE in trial.user_attrs for trial in self._alive()):
            values = self.space.base_values()
            self._queue(values, {BASE: True}, {})

    def _queue(
        self, values: Mapping[str, Any], attributes: dict[str, Any], scores: dict[int, float]
    ) -> None:
        """Let one of the next claims be a trial with such values, and scores that it has had."""
        options: Any = {"state": TrialState.WAITING, "user_attrs": attributes}
        options["distributions"] = {key: self.distributions[key] for key in values}
        trial = optuna.trial.create_trial(
            params=dict(values), intermediate_values=scores, **options
        )
        self.study.add_trial(trial)

    def _trials(self) -> list[FrozenTrial]:
        """List all trials as they are in the database now."""
        return self.study.get_trials(deepcopy=False)

    def _alive(self) -> list[FrozenTrial]:
        """List the trials without those that are queued once more."""
        return [trial for trial in self._trials() if trial.state != TrialState.FAIL]

    def claim(self, most: int, worker: str) -> Claim | None:
        """Draw the next trial for a process; None where `most` are finished or under way."""
        with using(self.folder.storage), self.folder.one_at_a_time():
            self._requeue_dead()
            alive = self._alive()
            waiting = [trial for trial in alive if trial.state == TrialState.WAITING]
            if len(alive) - len(waiting) >= most:
                return None
            number = 1 + sum(NUMBER in trial.user_attrs for trial in alive)
            seed = self.space.base.seed
            self.study.sampler = build_sampler(seed, number)
            is_base = bool(waiting) and BASE in waiting[0].user_attrs
            trial = self.study.ask({} if is_base else self.distributions)
            trial.set_user_attr(WORKER, worker)
            number = trial.user_attrs.get(NUMBER, number)
            trial.set_user_attr(NUMBER, number)
        if is_base:
            return Claim(number, trial, self.space.base, is_base=True)
        try:
            settings = self.space.settings(trial.params)
        except ConfigError as error:
            return Claim(number, trial, None, reason=str(error))
        return Claim(number, trial, settings)

    def _requeue_dead(self) -> None:
        """Queue the trials of processes that have ended without a word."""
        for trial in self._trials():
            if trial.state == TrialState.RUNNING:
                worker = trial.user_attrs.get(WORKER)
                if worker is None or not self.folder.works(worker):
                    self._requeue(trial)

    def _requeue(self, trial: FrozenTrial) -> None:
        """Mark a trial as failed, which does not count, and queue it once more."""
        self.study.tell(trial.number, state=TrialState.FAIL)
        attributes = {key: value for key, value in trial.user_attrs.items() if key != WORKER}
        scores = trial.intermediate_values
        self._queue(trial.params, attributes, scores)
        self._queue_base()

    def release(self, claim: Claim, seconds: float) -> None:
        """Give back a claim that has come to no end: whoever claims next goes on with it."""
        with using(self.folder.storage), self.folder.one_at_a_time():
            add_seconds(claim.trial, seconds)
            trial = self._find(claim)
            if trial.state == TrialState.RUNNING:
                self._requeue(trial)

    def _find(self, claim: Claim) -> FrozenTrial:
        """Read a claimed trial from the database."""
        return next(trial for trial in self._trials() if trial.number == claim.trial.number)

    def report(self, claim: Claim, epoch: int, epochs: int, f1: float) -> bool:
        """Keep the dev F1 of an epoch, from 1; return whether the training is to end with it.

        At a share of the training between two epochs the score of the earlier one counts. The
        configuration as it stands is never pruned.
        """
        trial = claim.trial
        step = STEPS * epoch // epochs
        with using(self.folder.storage):
            scores = self._find(claim).intermediate_values
            last = max(scores, default=step)
            for between in range(last + 1, step):
                trial.report(scores[last], between)
            if step not in scores:
                trial.report(f1, step)
            late = step >= FIRST_STEP and epoch < epochs
            if claim.is_base or not late or not trial.should_prune():
                return False
            trial.set_user_attr(PRUNED, True)
        return True

    def finish(self, claim: Claim, f1: float | None, seconds: float, reason: str = "") -> None:
        """Keep the result of a trial; without an F1, for some reason, it is worse than any."""
        trial = claim.trial
        with using(self.folder.storage):
            add_seconds(trial, seconds)
            if reason:
                trial.set_user_attr(REASON, reason)
            if f1 is None or PRUNED in trial.user_attrs:
                self.study.tell(trial, state=TrialState.PRUNED)
            else:
                self.study.tell(trial, f1)

    def copy_result(self, claim: Claim, twin: TrialRecord) -> None:
        """Keep the result of an earlier trial with the same settings: it would be the same."""
        with using(self.folder.storage):
            claim.trial.set_user_attr(TWIN, twin.number)
            if twin.state == "pruned":
                claim.trial.set_user_attr(PRUNED, True)
        self.finish(claim, twin.f1, 0.0, twin.reason)

    def under_way(self) -> list[int]:
        """List the trials that processes work on now, by number."""
        with using(self.folder.storage), self.folder.one_at_a_time():
            running = [each for each in self._trials() if each.state == TrialState.RUNNING]
            workers = {each.user_attrs[NUMBER]: each.user_attrs.get(WORKER) for each in running}
            return sorted(
                number for number, worker in workers.items() if worker and self.folder.works(worker)
            )

    def find_twin(self, claim: Claim) -> TrialRecord | None:
        """Find a trial that has ended and had the very settings of a claim."""
        if claim.settings is None:
            return None
        values = self.space.values_of(claim.settings)
        found = [each for each in self.records() if each.twin is None and each.settings == values]
        return found[0] if found else None

    def records(self) -> list[TrialRecord]:
        """List the trials that have ended, by number."""
        with using(self.folder.storage):
            ended = [trial for trial in self._trials() if trial.state in FINISHED]
        records = map(self._record, ended)
        return sorted(records, key=lambda record: record.number)

    def _record(self, trial: FrozenTrial) -> TrialRecord:
        kept = trial.user_attrs
        try:
            settings = self.space.base if BASE in kept else self.space.settings(trial.params)
            values = self.space.values_of(settings)
        except ConfigError:
            values = dict(trial.params)
        state: Literal["finished", "pruned", "failed"] = "finished"
        if trial.state == TrialState.PRUNED:
            state = "pruned" if PRUNED in kept else "failed"
        f1 = None if state == "failed" else trial.value
        about: dict[str, Any] = {"seconds": kept.get(SECONDS, 0.0)}
        about["is_base"] = BASE in kept
        about["reason"] = kept.get(REASON, "")
        about["twin"] = kept.get(TWIN)
        return TrialRecord(kept[NUMBER], state, f1, settings=values, **about)

    def importance(self) -> dict[str, float] | None:
        """Estimate what share each setting has in how good a trial is; None of too few trials.

        The configuration as it stands is left out where it lies outside of the space.
        """
        keys = set(self.distributions)
        with using(self.folder.storage):
            trials = [each for each in self._trials() if each.state == TrialState.COMPLETE]
        comparable = [trial for trial in trials if set(trial.params) == keys]
        return estimate_importance(comparable)


def add_seconds(trial: optuna.Trial, seconds: float) -> None:
    """Add to the seconds that a trial has taken."""
    before = trial.user_attrs.get(SECONDS, 0.0)
    trial.set_user_attr(SECONDS, before + seconds)
