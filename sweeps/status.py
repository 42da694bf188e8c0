"""The status of a study, from its plan, the rows and the events.

The functions are pure. `Watch` reads the results folder repeatedly.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sweeps.errors import UserError
from sweeps.execute.queues import Queues
from sweeps.limits import Limits
from sweeps.missing import missing, out_of_reach
from sweeps.store import (
    FINAL_OUTCOMES,
    Attempt,
    EventReader,
    Results,
    StoreView,
    label,
    list_plans,
    read_plan,
    uncollected,
)
from sweeps.worker.history import History, Start, process_alive

Alive = Callable[[str, int], bool | None]
State = Literal["done", "running", "failed", "pending"]
# Fewer digits could name a trial by accident.
SHORTEST_PREFIX = 4


@dataclass(frozen=True)
class TrialStatus:
    """One planned trial.

    outcome: of its accepted row, or of its last row when it failed. attempt: the one that is
    running.

    queued: its job in a queue and the job's state, such as "123_4 PENDING (Priority)", if any.
    out_of_reach: evaluations and probes that need weights that were not kept.
    """

    trial_id: str
    axes: dict[str, Any]
    state: State
    outcome: str | None
    attempt: Start | None
    predicted_seconds: float
    missing_evaluations: int
    missing_probes: int
    queued: str | None = None
    out_of_reach: int = 0


@dataclass(frozen=True)
class StudyStatus:
    """All trials of one plan.

    workers: how many work on it now. eta_seconds: until nothing is pending; None when nobody works
    on it.

    notes: what schedulers say, or that they do not answer, and why a study was stopped early.
    """

    plan: str
    title: str
    trials: tuple[TrialStatus, ...]
    workers: int
    eta_seconds: float | None
    notes: tuple[str, ...] = ()

    def of(self, state: State) -> list[TrialStatus]:
        """Trials in that state."""
        return [trial for trial in self.trials if trial.state == state]

    def outcomes(self, state: State) -> dict[str, int]:
        """Outcome -> number of trials in that state with it."""
        return dict(Counter(trial.outcome or "" for trial in self.of(state)))

    def by_axis(self) -> dict[str, dict[str, list[TrialStatus]]]:
        """Axis (and seed) -> value as text -> trials, in the plan's order."""
        trials: dict[str, dict[str, list[TrialStatus]]] = {}
        for trial in self.trials:
            for axis, value in trial.axes.items():
                trials.setdefault(axis, {}).setdefault(label(value), []).append(trial)
        return trials


def fold(
    plan: str,
    title: str,
    planned: Sequence[Mapping[str, Any]],
    view: StoreView,
    history: History,
    now: float,
    claim_seconds: float,
    alive: Alive,
    queued: Mapping[str, str] | None = None,
    notes: tuple[str, ...] = (),
) -> StudyStatus:
    """The status of a plan's rows `planned` at `now` (epoch seconds).

    It comes from rows and events read before. queued: trial -> its job in a queue.
    """
    trials = tuple(
        _trial(row, view, history, now, claim_seconds, alive, (queued or {}).get(row["trial_id"]))
        for row in planned
    )
    running = [trial for trial in trials if trial.attempt is not None]
    workers = len({trial.attempt.worker for trial in running if trial.attempt})
    return StudyStatus(
        plan, title, trials, workers, _eta_seconds(trials, history, workers, now), notes
    )


def _trial(
    planned: Mapping[str, Any],
    view: StoreView,
    history: History,
    now: float,
    claim_seconds: float,
    alive: Alive,
    queued: str | None,
) -> TrialStatus:
    trial_id = planned["trial_id"]
    accepted = view.accepted.get(trial_id)
    running = history.running(trial_id, now, claim_seconds, alive)
    state, outcome = _state(trial_id, accepted, view, bool(running))
    evaluations = {item["eval_id"]: item for item in planned["evaluations"]}
    probes = {item["probe_id"]: item for item in planned["probes"]}
    lost = (
        *out_of_reach(trial_id, accepted, evaluations, view.done_evaluations),
        *out_of_reach(trial_id, accepted, probes, view.done_probes),
    )
    return TrialStatus(
        trial_id,
        {**planned["axes"], "seed": planned["seed"]},
        state,
        outcome,
        running[0] if running else None,
        planned["predicted_seconds"] or 0.0,
        len(missing(trial_id, accepted, evaluations, view.done_evaluations)),
        len(missing(trial_id, accepted, probes, view.done_probes)),
        queued if state != "done" else None,
        len(lost),
    )


def _state(
    trial_id: str, accepted: Attempt | None, view: StoreView, running: bool
) -> tuple[State, str | None]:
    if accepted:
        return "done", accepted.outcome
    if running:
        return "running", None
    rows = view.attempts.get(trial_id, [])
    if rows and rows[-1].outcome not in FINAL_OUTCOMES:
        retried = (
            view.retractions.restarted_at.get(trial_id, 0.0) > rows[-1].finished_at.timestamp()
        )
        return ("pending", None) if retried else ("failed", rows[-1].outcome)
    return "pending", None


def _eta_seconds(
    trials: Sequence[TrialStatus], history: History, workers: int, now: float
) -> float | None:
    """Predicted seconds of the rest, divided by the number of workers.

    The prediction is corrected by the real time of finished trials.
    """
    if not workers:
        return None
    took, predicted = 0.0, 0.0
    for trial in trials:
        for attempt in history.attempts.get(trial.trial_id, {}).values():
            if (
                trial.state == "done"
                and attempt.ending in FINAL_OUTCOMES
                and attempt.resume_iteration == 0
            ):
                took += attempt.seen_at - attempt.started_at
                predicted += trial.predicted_seconds
    factor = took / predicted if took and predicted else 1.0
    left = sum(trial.predicted_seconds * factor for trial in trials if trial.state == "pending")
    left += sum(
        max(0.0, trial.predicted_seconds * factor - (now - trial.attempt.started_at))
        for trial in trials
        if trial.attempt
    )
    return left / workers


class Watch:
    """What is known about a results folder. Every `refresh` reads only what is new."""

    def __init__(self, results: Results) -> None:
        self.results = results
        with uncollected():
            self.view = StoreView(results)
        self.history = History()
        self.events: list[dict[str, Any]] = []
        # Trial -> the heartbeats of its last start that have a loss, oldest first.
        self.beats: dict[str, list[dict[str, Any]]] = {}
        self.claim_seconds = Limits.from_environment().claim_seconds
        self.queues = Queues(results)
        self._reader = EventReader(results)
        self.refresh()

    def refresh(self) -> None:
        """Read new rows and events."""
        with uncollected():
            self.view.refresh()
            new = self._reader.poll()
            self.history.add(new)
            self.queues.add(new)
            self.events += new
            for event in new:
                if event["event"] == "started":
                    self.beats[event["trial_id"]] = []
                elif event["event"] == "heartbeat" and "loss" in event:
                    self.beats.setdefault(event["trial_id"], []).append(event)

    def study(self, plan: str) -> StudyStatus:
        """Status of the saved plan of that name. Raises UserError if there is none."""
        saved = read_plan(self.results, plan)
        queued = {trial: str(job) for trial, job in self.queues.in_flight().trials.items()}
        with uncollected():
            known = (self.view, self.history, time.time(), self.claim_seconds, process_alive)
            status = fold(plan, saved.info.title, saved.rows(), *known, queued)
        return replace(status, notes=self._notes(status))

    def _notes(self, status: StudyStatus) -> tuple[str, ...]:
        """What schedulers say of trials that are not done, and whether many crashed alike."""
        open_ = {trial.trial_id for trial in status.trials if trial.state != "done"}
        notes = list(self.queues.notes(open_))
        # Of several tasks that stopped for the same reason, the last one knew most.
        alike = {
            event["fingerprint"]: event["message"]
            for event in self.events
            if event["event"] == "stopped_early"
        }
        shown = {
            attempt.fingerprint
            for trial in open_
            for attempt in self.history.attempts.get(trial, {}).values()
        }
        notes += [message for fingerprint, message in alike.items() if fingerprint in shown]
        return tuple(notes)

    def running(self) -> set[str]:
        """Trials that are running now."""
        return {
            trial
            for trial in self.history.attempts
            if self.history.running(trial, time.time(), self.claim_seconds, process_alive)
        }

    def alive(self, host: str, pid: int) -> bool | None:
        """See `process_alive`."""
        return process_alive(host, pid)

    def worker_ended(self, worker: str) -> bool:
        """Whether a worker reported its end, or its process is gone."""
        mine = [event for event in self.events if event["worker"] == worker]
        last = mine[-1]
        return last["event"] == "worker_ended" or process_alive(last["host"], last["pid"]) is False

    def trial_ids(self) -> set[str]:
        """Every trial in plans, rows or events."""
        planned = {
            row["trial_id"]
            for plan in list_plans(self.results)
            for row in read_plan(self.results, plan).rows()
        }
        return planned | set(self.view.attempts) | set(self.history.attempts)

    def find_trial(self, prefix: str) -> str | None:
        """The one trial whose id begins with `prefix`, None if there is none.

        Raises UserError if there are several.
        """
        if len(prefix) < SHORTEST_PREFIX or not set(prefix) <= set("0123456789abcdef"):
            return None
        matching = sorted(trial for trial in self.trial_ids() if trial.startswith(prefix))
        if len(matching) > 1:
            shown = ", ".join(identity[: len(prefix) + 4] for identity in matching[:5])
            raise UserError(
                f"{prefix} begins the ids of {len(matching)} trials: {shown}; type more of it"
            )
        return matching[0] if matching else None

    def find_plans(self, study: str, scale: str | None) -> list[str]:
        """Saved plans of a study, at one scale or all. Raises UserError if there is none."""
        wanted = f"{study}@{scale or ''}"
        plans = [
            plan
            for plan in list_plans(self.results)
            if plan.startswith(wanted) and (not scale or plan.partition("+")[0] == wanted)
        ]
        if not plans:
            saved = ", ".join(list_plans(self.results)) or "none"
            raise UserError(
                f"no saved plan of study {wanted.removesuffix('@')} and no such trial in "
                f"{self.results.path}; saved plans: {saved}"
            )
        return plans


def in_flight(results: Results) -> set[str]:
    """Trials that are running according to events, and those that a scheduler has queued."""
    watch = Watch(results)
    return watch.running() | watch.queues.in_flight().trials.keys()
