"""The status of a study, from its plan, the rows and the events.

The functions are pure. `Watch` reads the results folder repeatedly. All counting is done in whole
columns, so that a million trials take seconds.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa

from sweeps.errors import UserError, did_you_mean
from sweeps.execute.queues import Queues
from sweeps.limits import Limits
from sweeps.store import (
    FINAL_OUTCOMES,
    OUTCOMES,
    EventReader,
    Results,
    SavedPlan,
    StoreView,
    list_plans,
    read_plan,
    uncollected,
)
from sweeps.store.arrow_compute import pc
from sweeps.store.clock import shared_time
from sweeps.store.prune import DAY_SECONDS
from sweeps.store.schema import KEYS, PROBES
from sweeps.store.to_python import values
from sweeps.worker.attempts import Alive, History, Start, process_alive

State = Literal["done", "running", "failed", "pending"]
_STATES: tuple[State, ...] = get_args(State)
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
    """All trials of one plan, in its order, one number in each column per trial.

    states: as numbers of `State`. outcome_codes: as numbers of OUTCOMES, -1 for none. running: the
    attempts, by trial. queued: trial -> its job in a queue. workers: how many work on it now.
    eta_seconds: until nothing is pending; None when nobody works on it.

    notes: what schedulers say, or that they do not answer, and why a study was stopped early.
    """

    saved: SavedPlan
    states: np.ndarray
    outcome_codes: np.ndarray
    missing_evaluations: np.ndarray
    missing_probes: np.ndarray
    out_of_reach: np.ndarray
    running: Mapping[str, Start]
    queued: Mapping[str, str]
    workers: int
    eta_seconds: float | None
    notes: tuple[str, ...] = ()

    @property
    def plan(self) -> str:
        """Name of the plan."""
        return self.saved.info.name

    def count(self, state: State) -> int:
        """How many trials are in that state."""
        return int((self.states == _STATES.index(state)).sum())

    def outcomes(self, state: State) -> dict[str, int]:
        """Outcome -> number of trials in that state with it."""
        codes = self.outcome_codes[self.states == _STATES.index(state)]
        numbers = np.bincount(codes[codes >= 0], minlength=len(OUTCOMES)).tolist()
        return {name: number for name, number in zip(OUTCOMES, numbers, strict=True) if number}

    @property
    def missing_of_done(self) -> int:
        """Evaluations and probes of done trials that are missing."""
        done = self.states == _STATES.index("done")
        return int((self.missing_evaluations + self.missing_probes)[done].sum())

    def columns(self) -> dict[str, np.ndarray]:
        """What `status` counts: outcome or state -> which trials have it."""
        present = [code for code in np.unique(self.outcome_codes) if code >= 0]
        failures = sorted(OUTCOMES[code] for code in present if OUTCOMES[code] != "completed")
        outcomes = {
            name: self.outcome_codes == OUTCOMES.index(name) for name in ("completed", *failures)
        }
        states: tuple[State, ...] = ("running", "pending")
        return outcomes | {state: self.states == _STATES.index(state) for state in states}

    @cached_property
    def trials(self) -> tuple[TrialStatus, ...]:
        """Every trial by itself."""
        numbers = (self.missing_evaluations, self.missing_probes, self.out_of_reach)
        columns = (self.states, self.outcome_codes, *numbers)
        rows = self.saved.rows(("trial_id", "axes", "seed", "predicted_seconds"))
        return tuple(
            TrialStatus(
                row["trial_id"],
                {**row["axes"], "seed": row["seed"]},
                _STATES[state],
                OUTCOMES[code] if code >= 0 else None,
                self.running.get(row["trial_id"]),
                row["predicted_seconds"] or 0.0,
                evaluations,
                probes,
                None if _STATES[state] == "done" else self.queued.get(row["trial_id"]),
                lost,
            )
            for row, state, code, evaluations, probes, lost in zip(
                rows, *(column.tolist() for column in columns), strict=True
            )
        )


def fold(
    saved: SavedPlan,
    view: StoreView,
    history: History,
    now: float,
    claim_seconds: float,
    alive: Alive,
    queued: Mapping[str, str] | None = None,
) -> StudyStatus:
    """The status of a saved plan at `now` (epoch seconds).

    It comes from rows and events read before. queued: trial -> its job in a queue.
    """
    ids, accepted = saved.table["trial_id"], view.accepted_runs
    row = pc.index_in(ids, value_set=accepted["trial_id"]).combine_chunks()
    done = row.is_valid().to_numpy(zero_copy_only=False)
    states = np.full(len(ids), _STATES.index("pending"), np.int8)
    codes = np.full(len(ids), -1, np.int8)
    failed = _failed(ids.filter(pa.array(~done)), view)
    places = _places(ids, failed)
    states[places] = _STATES.index("failed")
    codes[places] = [failed[trial] for trial in values(ids.take(places))]
    running = _running(ids, history, now, claim_seconds, alive)
    places = _places(ids, running)
    states[places], codes[places] = _STATES.index("running"), -1
    states[done] = _STATES.index("done")
    outcomes = pc.index_in(accepted["outcome"], value_set=pa.array(OUTCOMES)).combine_chunks()
    codes[done] = outcomes.take(row.drop_null())
    evaluations = _undone(saved.table["evaluations"], row, view, ["evaluations"])
    probes = _undone(saved.table["probes"], row, view, PROBES)
    trained = pc.is_valid(accepted["weights_sha256"])
    kept = pc.fill_null(accepted["weights_kept"], True)
    reachable = _of_trials(pc.and_(trained, kept), row, others=True)
    lost = _of_trials(pc.and_not(trained, kept), row, others=False)
    workers = len({attempt.worker for attempt in running.values()})
    return StudyStatus(
        saved,
        states,
        codes,
        evaluations * reachable,
        probes * reachable,
        (evaluations + probes) * lost,
        running,
        queued or {},
        workers,
        _eta_seconds(saved, states, row, accepted, running, now) if workers else None,
    )


def _places(ids: pa.ChunkedArray, trials: Collection[str]) -> np.ndarray:
    """The places of these trials in the plan."""
    wanted = pa.array(list(trials), pa.string())
    return np.flatnonzero(pc.is_in(ids, value_set=wanted).to_numpy())


def _running(
    ids: pa.ChunkedArray, history: History, now: float, claim_seconds: float, alive: Alive
) -> dict[str, Start]:
    """The attempt that is running, for each trial of the plan that has one."""
    found = {
        trial: attempts[0]
        for trial in history.unfinished
        if (attempts := history.running(trial, now, claim_seconds, alive))
    }
    return {trial: found[trial] for trial in values(ids.take(_places(ids, found)))}


def _failed(open_ids: pa.ChunkedArray, view: StoreView) -> dict[str, int]:
    """The number in OUTCOMES of each of these trials whose last row is not final.

    Those that were retried since are pending again.
    """
    last = {trial: rows[-1] for trial, rows in view.attempts_of(open_ids).items()}
    retried_at = view.retractions.restarted_at
    return {
        trial: OUTCOMES.index(row.outcome)
        for trial, row in last.items()
        if row.outcome not in FINAL_OUTCOMES
        and retried_at.get(trial, 0.0) <= row.finished_at.timestamp()
    }


def _of_trials(flags: pa.ChunkedArray, row: pa.Array, *, others: bool) -> np.ndarray:
    """For each trial of the plan the flag of its accepted row; others: of trials without one."""
    return pc.fill_null(flags.combine_chunks().take(row), others).to_numpy(zero_copy_only=False)


def _undone(
    planned: pa.ChunkedArray, row: pa.Array, view: StoreView, tables: Sequence[str]
) -> np.ndarray:
    """How many planned evaluations or probes of each trial its accepted weights do not have yet.

    The vectorized `sweeps.planning.missing`. planned: of the plan, lists of structs whose first
    field is the id. row: each trial's row in `view.accepted_runs`, or null.
    """
    lists = planned.combine_chunks()
    trial, ids = pc.list_parent_indices(lists).to_numpy(), lists.flatten().field(0)
    known = pc.unique(ids)
    item = pc.index_in(ids, value_set=known).to_numpy()
    left = np.ones(len(ids), bool)
    has_row = row.is_valid().to_numpy(zero_copy_only=False)[trial]
    wanted = row.take(pa.array(trial[has_row])).to_numpy() * np.int64(len(known)) + item[has_row]
    for table in tables:
        for rows, of_trial in view.done(table):
            code = pc.index_in(rows[KEYS[table][-1]], value_set=known)
            code = pc.fill_null(code, -1).to_numpy()
            there = of_trial.to_numpy() * np.int64(len(known)) + code
            left[has_row] &= ~np.isin(wanted, there[code >= 0])
    # A plan may name an item of a trial twice.
    pairs = np.unique(trial[left] * len(known) + item[left])
    return np.bincount(pairs // max(1, len(known)), minlength=len(row))


def _eta_seconds(
    saved: SavedPlan,
    states: np.ndarray,
    row: pa.Array,
    accepted: pa.Table,
    running: Mapping[str, Start],
    now: float,
) -> float:
    """Predicted seconds of the rest, divided by the number of workers.

    The prediction is corrected by the real time of the trials that were trained in one attempt.
    """
    predicted = pc.fill_null(saved.table["predicted_seconds"], 0.0).to_numpy()
    times = [accepted[name].cast(pa.int64()) for name in ("finished_at", "started_at")]
    seconds = pc.if_else(pc.equal(accepted["attempts"], 1), pc.subtract(*times), None)
    took = seconds.combine_chunks().take(row)
    timed = took.is_valid().to_numpy(zero_copy_only=False)
    expected = predicted[timed].sum()
    real = 1e-6 * (pc.sum(took).as_py() or 0)
    factor = real / expected if real and expected else 1.0
    left = factor * predicted[states == _STATES.index("pending")].sum()
    places = _places(saved.table["trial_id"], running)
    for trial, whole in zip(
        values(saved.table["trial_id"].take(places)), predicted[places], strict=True
    ):
        left += max(0.0, factor * whole - (now - running[trial].started_at))
    return float(left) / len({attempt.worker for attempt in running.values()})


class Watch:
    """What is known about a results folder. Every `refresh` reads only what is new.

    overview: only for `study`: of the events of workers that no queue has any more, `history` and
    `events` hold those of the trial that each worked on last.
    """

    def __init__(self, results: Results, *, overview: bool = False) -> None:
        self.results, self._overview = results, overview
        self.view = StoreView(results)
        self.history = History()
        self.events: list[dict[str, Any]] = []
        # Trial -> the heartbeats of its last start that have a loss, oldest first.
        self.beats: dict[str, list[dict[str, Any]]] = {}
        self.claim_seconds = Limits.from_environment().claim_seconds
        self.queues = Queues(results)
        self._reader = EventReader(results, ends=overview)
        self._read_events()
        if overview and (since := self.queues.open_since()) is not None:
            # A day for clocks that differ.
            self._add(self._reader.whole_since(since - DAY_SECONDS))

    def refresh(self) -> None:
        """Read new rows and events."""
        self.view.refresh()
        self._read_events()

    def _read_events(self) -> None:
        with uncollected():
            self._add(self._reader.poll())

    def _add(self, new: list[dict[str, Any]]) -> None:
        self.history.add(new)
        self.queues.add(new)
        self.events += new
        for event in new:
            if event["event"] == "started":
                self.beats[event["trial_id"]] = []
            elif event["event"] == "heartbeat" and "loss" in event:
                self.beats.setdefault(event["trial_id"], []).append(event)

    def study(self, plan: str, *, axes: bool = True) -> StudyStatus:
        """Status of the saved plan of that name; axes: also for `trials` and `by_axis`.

        Raises UserError if there is none.
        """
        columns = ("trial_id", "predicted_seconds", "evaluations", "probes")
        wanted = (*columns, *(("axes", "seed") if axes else ()))
        saved = read_plan(self.results, plan, wanted, brief=True)
        queued = {trial: str(job) for trial, job in self.queues.in_flight().trials.items()}
        known = (self.view, self.history, self._now(), self.claim_seconds, process_alive)
        status = fold(saved, *known, queued)
        return replace(status, notes=self._notes(status))

    def _notes(self, status: StudyStatus) -> tuple[str, ...]:
        """What schedulers say of trials that are not done, and whether many crashed alike."""
        not_done = pa.array(status.states != _STATES.index("done"))
        open_ids = status.saved.table["trial_id"].filter(not_done)
        open_ = set(values(open_ids))
        notes = list(self.queues.notes(open_))
        # Of several tasks that stopped for the same reason, the last one knew most.
        alike = {
            event["fingerprint"]: event["message"]
            for event in self.events
            if event["event"] == "stopped_early"
        }
        rows = self.view.attempts_of(open_ids).values() if alike else ()
        shown = {row.fingerprint for of_trial in rows for row in of_trial}
        notes += [message for fingerprint, message in alike.items() if fingerprint in shown]
        study = status.plan.partition("@")[0]
        ended = [
            event["message"]
            for event in self.events
            if event["event"] == "then_ended" and event["study"] == study
        ]
        return (*notes, *(self._command_notes(study) if open_ else ()), *ended[-1:])

    def _command_notes(self, study: str) -> list[str]:
        """How many slots the last command's tasks chose, and that its budget is used."""
        names = ("worker_started", "slots_measured", "budget_used")
        mine = [
            event
            for event in self.events
            if event.get("study") == study and event["event"] in names
        ]
        # Of each kind the last; of each device, where several tasks measured.
        return list(
            {
                (event["event"], event.get("device")): event["message"]
                for event in mine
                if "message" in event and event["command_id"] == mine[-1]["command_id"]
            }.values()
        )

    def running(self) -> set[str]:
        """Trials that are running now."""
        return {
            trial
            for trial in self.history.attempts
            if self.history.running(trial, self._now(), self.claim_seconds, process_alive)
        }

    def _now(self) -> float:
        return shared_time(self.results.events)

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
            trial
            for plan in list_plans(self.results)
            for trial in values(read_plan(self.results, plan).table["trial_id"])
        }
        return planned | set(self.view.attempts) | set(self.history.attempts)

    def find_trial(self, prefix: str) -> str | None:
        """The one trial whose id begins with `prefix`, None if there is none.

        Raises UserError if there are several.
        """
        if not is_id(prefix):
            return None
        matching = sorted(trial for trial in self.trial_ids() if trial.startswith(prefix))
        if len(matching) > 1:
            shown = ", ".join(identity[: len(prefix) + 4] for identity in matching[:5])
            raise UserError(
                f"{prefix} begins the ids of {len(matching)} trials: {shown}; type more of it"
            )
        return matching[0] if matching else None

    def named_trial(self, prefix: str) -> str:
        """`find_trial`. Raises UserError if there is none."""
        if trial := self.find_trial(prefix):
            return trial
        _check_length(prefix)
        raise UserError(
            f"no trial begins with {prefix!r} in {self.results.path}; give at least "
            f"{SHORTEST_PREFIX} digits of its id, which `odesweep plan STUDY --json` lists"
        )

    def find_plan(self, target: str, scale: str | None = None) -> str:
        """The saved plan that a plan's name, a study or a study's file means.

        A plan with overrides stands for its study only if there is no other. Raises UserError if
        there is none or several.
        """
        if target in list_plans(self.results):
            return target
        plans = self.find_plans(study_name(target), scale)
        plans = [plan for plan in plans if "+" not in plan] or plans
        if len(plans) > 1:
            raise UserError(f"{target} has several saved plans; name one: {', '.join(plans)}")
        return plans[0]

    def find_plans(self, study: str, scale: str | None) -> list[str]:
        """Saved plans of a study, at one scale or all; a plan's own name means that plan.

        Raises UserError if there is none.
        """
        everything = list_plans(self.results)
        if study in everything and not scale:
            return [study]
        of_study = [plan for plan in everything if plan.startswith(f"{study}@")]
        if not of_study:
            _check_length(study)
            near = did_you_mean(study, {plan.partition("@")[0] for plan in everything})
            raise UserError(
                f"no saved plan of study {study}{near} and no such trial in {self.results.path}; "
                f"saved plans: {', '.join(everything) or 'none'}"
            )
        plans = [
            plan for plan in of_study if not scale or plan.partition("+")[0] == f"{study}@{scale}"
        ]
        if not plans:
            saved = ", ".join(plan.partition("@")[2] for plan in of_study)
            raise UserError(f"no plan of {study} at scale {scale}; saved: {saved}")
        return plans


def is_id(target: str) -> bool:
    """Whether it can be the beginning of an id."""
    return len(target) >= SHORTEST_PREFIX and _is_hex(target)


def _is_hex(target: str) -> bool:
    return set(target) <= set("0123456789abcdef")


def _check_length(target: str) -> None:
    """Raise UserError for the beginning of an id that is too short."""
    if len(target) < SHORTEST_PREFIX and _is_hex(target):
        raise UserError(f"{target!r} is too short: give at least {SHORTEST_PREFIX} digits of an id")


def study_name(target: str) -> str:
    """A study's name, also for a file."""
    from sweeps.studies import find
    from sweeps.study import study_file

    return find(target).name if study_file.split(target) else target


def in_flight(results: Results) -> set[str]:
    """Trials that are running according to events, and those that a scheduler has queued."""
    watch = Watch(results)
    return watch.running() | watch.queues.in_flight().trials.keys()
