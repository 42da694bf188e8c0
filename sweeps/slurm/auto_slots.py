"""`slots = "auto"` under SLURM: a task measures on its node how many trials it runs side by side.

What it finds is an event, and other tasks of the command on such a device take it from there.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sweeps.device import here
from sweeps.execute.auto_slots import (
    BestSlots,
    heaviest,
    measure,
    most_slots,
    visible_gpus,
    worth_measuring,
)
from sweeps.profiles import Profile
from sweeps.run_settings import RunSettings
from sweeps.slurm.gres import asked_gpus
from sweeps.slurm.profile import long_options, slots_per_task, task_cpus
from sweeps.store import EventLog, Results, Submission
from sweeps.worker.tasks import Task

EVENT = "slots_measured"
# A node that takes longer to import torch and read the data goes on with one slot.
LONGEST_SECONDS = 180.0


def most_slots_per_task(profile: Profile) -> int:
    """How many trials a task may run at the same time; of auto the most that it may choose."""
    if profile.slots != "auto":
        return slots_per_task(profile)
    return most_slots(task_cpus(profile), max(1, asked_gpus(long_options(profile))))


def slots_here(
    results: Results,
    submission: Submission,
    shard: int,
    worker_id: str,
    events: Iterable[Mapping[str, Any]],
    stopped: Callable[[], bool],
) -> tuple[BestSlots, str]:
    """The best number of slots for one shard on this node, and a line that says why.

    worker_id: under which the event of a measurement is written. events: those so far. stopped:
    whether the task was told to stop, which ends a measurement.
    """
    settings, rows = submission.settings(), submission.rows()
    run, visible, cores = RunSettings.read(settings), visible_gpus(), settings["cpus"]
    devices = max(1, len(visible))
    candidates = worth_measuring(sum(row["shard"] == shard for row in rows), cores, devices)
    spec = heaviest([Task.from_row(row) for row in rows]) if len(candidates) > 1 else None
    if spec is None:
        best = BestSlots({1: 0.0}, devices)
        return best, str(best)
    asked = {
        "command_id": run.command_id,
        "device": str(here()),
        "devices": devices,
        "cpus": cores,
        "candidates": candidates,
    }
    for event in events:
        if event["event"] == EVENT and asked.items() <= event.items():
            best = BestSlots({int(n): rate for n, rate in event["rates"].items()}, devices)
            return best, f"{best}, as measured on {event['host']}"
    deadline = time.monotonic() + LONGEST_SECONDS
    rates = measure(
        spec,
        run.data_root,
        candidates,
        cores // devices,
        eager=run.eager,
        gpu=(*visible, None)[0],
        stop=lambda: stopped() or time.monotonic() > deadline,
    )
    best = BestSlots(rates, devices)
    line = f"{best} on {asked['device']}"
    if len(rates) < 2:
        line = "slots = auto: 1 on each device (the measurement failed or was stopped)"
    elif not stopped():
        log = EventLog(results, worker_id)
        study = submission.metadata["study"]
        log.append(EVENT, **asked, rates=rates, study=study, message=line)
        log.close()
    return best, line
