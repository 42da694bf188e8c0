"""Executor `inline`: one slot on this machine, in a child process; with `debug`, in this very process."""

import contextlib

from sweeps.execute.base import Job, new_worker_id, stop_on_signals
from sweeps.worker.report import ShardReport
from sweeps.worker.shard import run_shard
from sweeps.worker.slot import ChildSlot, InProcessSlot


def execute(job: Job) -> ShardReport:
    """Run the submission's only shard and return when it ends."""
    worker_id = new_worker_id()
    context = job.context(worker_id)
    log = job.results.logs / f"{worker_id}.log"
    slot = InProcessSlot(context, debug=True) if job.debug else ChildSlot(context, log)
    job.watcher.writes_to(log)
    with stop_on_signals() as request, contextlib.closing(slot):
        return run_shard(
            job.tasks(),
            context,
            slot,
            submission_id=job.submission_id,
            worker_id=worker_id,
            log=log,
            stop_cause=request.cause,
            watcher=job.watcher,
        )
