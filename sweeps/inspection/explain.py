"""Explains the state of one trial: its rows, its attempts, its evaluations.

They come in the order in which one would ask for them.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sweeps.inspection.status import TrialStatus, Watch
from sweeps.store import FINAL_OUTCOMES, axis_words, list_plans, read_plan, read_table
from sweeps.store.clock import shared_time
from sweeps.store.folders import default_folder
from sweeps.worker.attempts import Start


@dataclass(frozen=True)
class Explanation:
    """One trial.

    state: as in `TrialStatus`, None if no saved plan has it. why: one sentence. plans: plan name ->
    axes and command.
    """

    trial_id: str
    state: str | None
    why: str
    plans: dict[str, dict[str, Any]]
    rows: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    missing_evaluations: int
    missing_probes: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        found = [f"trial {self.trial_id}", f"{self.state or 'not in any saved plan'}: {self.why}"]
        for plan, about in self.plans.items():
            found += [
                f"plan {plan}: {' '.join(axis_words(about['axes']))}",
                f"  {about['command']}",
            ]
        if self.missing_evaluations or self.missing_probes:
            found.append(
                f"missing: {self.missing_evaluations} evaluations, {self.missing_probes} probes"
            )
        for row in self.rows:
            detail = f": {row['detail']}" if row["detail"] else ""
            found.append(
                f"row {row['attempt_id'][:8]} finished {row['finished_at']}, "
                f"{row['outcome']}{detail} ({row['standing']})"
            )
        for number, one in enumerate(self.attempts, 1):
            found.append(
                f"attempt {number} started {one['started_at']} by {one['worker']}: {one['words']}"
            )
        return found


def explain(watch: Watch, trial_id: str) -> Explanation:
    """The explanation of one trial, from what `watch` has read and the trial's own rows."""
    now = shared_time(watch.results.events)
    plans: dict[str, dict[str, Any]] = {}
    folder = watch.results.path
    place = () if folder == default_folder().absolute() else ("--results", str(folder))
    for name in list_plans(watch.results):
        plan = read_plan(watch.results, name)
        for row in plan.rows():
            if row["trial_id"] == trial_id:
                axes = {**row["axes"], "seed": row["seed"]}
                command = plan.info.command("run", *axis_words(axes), *place)
                plans[name] = {"axes": axes, "command": command}
    status = [
        trial for plan in plans for trial in watch.study(plan).trials if trial.trial_id == trial_id
    ]
    rows = _rows(watch, trial_id)
    attempts = sorted(
        watch.history.attempts.get(trial_id, {}).values(), key=lambda one: one.started_at
    )
    return Explanation(
        trial_id,
        status[0].state if status else None,
        _why(watch, trial_id, status, rows, attempts, now),
        plans,
        rows,
        [
            {
                "worker": one.worker,
                "started_at": _clock(one.started_at),
                "words": _words(watch, trial_id, one, now),
            }
            for one in attempts
        ],
        max((trial.missing_evaluations for trial in status), default=0),
        max((trial.missing_probes for trial in status), default=0),
    )


def _rows(watch: Watch, trial_id: str) -> list[dict[str, Any]]:
    """Every row of the trial, with the reason why it counts or does not."""
    columns = ("attempt_id", "outcome", "outcome_detail", "traceback", "finished_at")
    table = read_table(watch.results, "runs", columns, ids=[trial_id]).to_pylist()
    return [
        {
            "attempt_id": row["attempt_id"],
            "outcome": row["outcome"],
            "detail": row["outcome_detail"] or _last_line(row["traceback"]),
            "finished_at": row["finished_at"].isoformat(timespec="seconds"),
            "standing": _standing(watch, trial_id, row),
        }
        for row in sorted(table, key=lambda row: (row["finished_at"], row["attempt_id"]))
    ]


def _standing(watch: Watch, trial_id: str, row: dict[str, Any]) -> str:
    accepted = watch.view.accepted.get(trial_id)
    if accepted and accepted.attempt_id == row["attempt_id"]:
        return "accepted"
    if row["attempt_id"] in watch.view.retractions.attempt_ids:
        return "withdrawn by retry"
    return "a duplicate, not accepted" if row["outcome"] in FINAL_OUTCOMES else "not final"


def _last_line(traceback: str | None) -> str | None:
    return traceback.strip().splitlines()[-1] if traceback and traceback.strip() else None


def _why(
    watch: Watch,
    trial_id: str,
    status: list[TrialStatus],
    rows: list[dict[str, Any]],
    attempts: list[Start],
    now: float,
) -> str:
    accepted = watch.view.accepted.get(trial_id)
    if accepted:
        duplicates = sum(row["standing"].startswith("a duplicate") for row in rows)
        more = (
            f"; {duplicates} later row{'s' if duplicates > 1 else ''} of it not accepted"
            if duplicates
            else ""
        )
        kept = "; its weights were not kept" if accepted.weights_kept is False else ""
        return f"row {accepted.attempt_id[:8]} is accepted, {accepted.outcome}{kept}{more}"
    if status and status[0].attempt:
        return (
            f"worker {status[0].attempt.worker} is running it; last heartbeat "
            f"{now - status[0].attempt.seen_at:.0f} s ago"
        )
    if status and status[0].state == "failed":
        detail = f": {rows[-1]['detail']}" if rows and rows[-1]["detail"] else ""
        return (
            f"{status[0].outcome}{detail} (odesweep logs {trial_id[:12]}; odesweep retry "
            f"{trial_id[:12]})"
        )
    if any(row["standing"] == "withdrawn by retry" for row in rows):
        return "its row was withdrawn by retry and it has not been trained again since"
    if status and status[0].queued:
        return f"queued as task {status[0].queued}" + ("" if attempts else "; never started")
    if not attempts:
        return "never started"
    return (
        f"started {'once' if len(attempts) == 1 else f'{len(attempts)} times'}, the last attempt "
        f"{_words(watch, trial_id, attempts[-1], now)}; the next run goes on with it"
    )


def _words(watch: Watch, trial_id: str, attempt: Start, now: float) -> str:
    at = f" at iteration {attempt.iteration}" if attempt.iteration else ""
    if attempt.ending:
        return f"{attempt.ending}{at}"
    running = watch.history.running(trial_id, now, watch.claim_seconds, watch.alive)
    silent = f"last heartbeat {now - attempt.seen_at:.0f} s ago{at}"
    return (
        f"running on {attempt.host}, {silent}"
        if attempt in running
        else f"stopped without reporting, {silent}"
    )


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
