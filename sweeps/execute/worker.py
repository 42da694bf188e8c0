"""A worker: the process that runs a shard of a submission, wherever an executor starts it."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from sweeps.cpus import available_cpus
from sweeps.errors import UserError
from sweeps.limits import Limits
from sweeps.store import Results, read_submission
from sweeps.worker import provenance
from sweeps.worker.choose import Fits, always
from sweeps.worker.messages import Context
from sweeps.worker.report import ShardReport, Watcher
from sweeps.worker.shard import run_shard
from sweeps.worker.slot import ChildSlot, InProcessSlot
from sweeps.worker.tasks import Task, labelled


class Worker:
    """Runs shards of one submission, as the settings in the submission's file say.

    worker_id: unique, says where the worker runs. gpu: see `Context`.
    """

    def __init__(
        self,
        results: Results,
        submission_id: str,
        watcher: Watcher,
        *,
        worker_id: str | None = None,
        gpu: str | None = None,
    ) -> None:
        self.results, self.submission_id, self.watcher = results, submission_id, watcher
        self.worker_id = worker_id or f"{host_name()}-{os.getpid()}-{uuid4().hex[:8]}"
        self.submission = read_submission(results, submission_id)
        settings = self.submission.settings()
        origin = {
            "executor": self.submission.metadata["executor"],
            "worker_id": self.worker_id,
            "submission_id": submission_id,
        }
        self.context = Context(
            results.path,
            Path(settings["data_root"]) if settings["data_root"] else None,
            settings["threads"] or default_threads(settings.get("cpus")),
            Limits(**settings["limits"]),
            # A copy of the code is not a git checkout, or is inside another one. The sender knew
            # the right commit.
            provenance.collect() | settings.get("code", {}) | origin,
            device=settings["device"],
            exclusive=settings["exclusive"],
            eager=settings.get("eager", False),
            # Submissions of older versions kept all.
            keep_weights=settings.get("keep_weights", "all"),
            gpu=gpu,
        )

    def trials(self, shard: int) -> list[Task]:
        """The trials of one shard, labelled so that all trials of the submission differ."""
        rows = self.submission.rows()
        members = {row["trial_id"] for row in rows if row["shard"] == shard}
        return [
            task
            for task in labelled([Task.from_row(row) for row in rows])
            if task.trial_id in members
        ]

    def slot(self, *, debug: bool = False) -> ChildSlot | InProcessSlot:
        """A child process that trains; with `debug` this process itself. The caller closes it."""
        if debug:
            return InProcessSlot(self.context, debug=True)
        return ChildSlot(self.context, self.results.logs / f"{self.worker_id}.log")

    def run(
        self,
        shard: int,
        slot: ChildSlot | InProcessSlot,
        stop_cause: Callable[[], str | None],
        fits: Fits = always,
    ) -> ShardReport:
        """Run one shard in a slot. See `run_shard` for stop_cause and fits."""
        slot.context = self.context
        log = (
            slot.log if isinstance(slot, ChildSlot) else self.results.logs / f"{self.worker_id}.log"
        )
        self.watcher.writes_to(log)
        return run_shard(
            self.trials(shard),
            self.context,
            slot,
            submission_id=self.submission_id,
            worker_id=self.worker_id,
            log=log,
            stop_cause=stop_cause,
            watcher=self.watcher,
            fits=fits,
        )


def default_threads(cpus: int | None = None) -> int:
    """OMP_NUM_THREADS if set, else the slot's CPUs, else those that this process may use.

    Raises UserError when OMP_NUM_THREADS is not a positive number.
    """
    text = os.environ.get("OMP_NUM_THREADS")
    if text is None:
        return cpus or available_cpus()
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"OMP_NUM_THREADS = {text!r} is not a number of threads")
    return int(text)


def host_name() -> str:
    """This machine's name, in letters that a file name may have."""
    letters = socket.gethostname().partition(".")[0]
    return "".join(one if one.isalnum() or one == "-" else "-" for one in letters) or "host"
