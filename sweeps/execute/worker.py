"""A worker: the process that runs a shard of a submission, wherever an executor starts it."""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from sweeps.cpus import available_cpus
from sweeps.errors import UserError
from sweeps.notify import Notifier
from sweeps.planning.shards import balance, in_turn
from sweeps.run_settings import RunSettings
from sweeps.store import Results, read_submission
from sweeps.worker import provenance
from sweeps.worker.choose import Fits, always
from sweeps.worker.messages import Context
from sweeps.worker.report import ShardReport, Watcher
from sweeps.worker.shard import Shard
from sweeps.worker.slot import ChildSlot, InProcessSlot
from sweeps.worker.tasks import Task, labelled


class Part(NamedTuple):
    """The share of a shard that the slot `number` of `slots` runs, which divide it."""

    number: int = 0
    slots: int = 1


WHOLE = Part()


class Worker:
    """Runs shards of one submission, as the settings in the submission's file say.

    worker_id: unique, says where the worker runs. gpu: see `Context`. part: of each shard.
    """

    def __init__(
        self,
        results: Results,
        submission_id: str,
        watcher: Watcher,
        *,
        worker_id: str | None = None,
        gpu: str | None = None,
        part: Part = WHOLE,
    ) -> None:
        self.results, self.submission_id, self.watcher = results, submission_id, watcher
        self.part = part
        self.worker_id = worker_id or f"{host_name()}-{os.getpid()}-{uuid4().hex[:8]}"
        self.submission = read_submission(results, submission_id)
        settings = self.submission.settings()
        origin = {
            "executor": self.submission.metadata["executor"],
            "worker_id": self.worker_id,
            "submission_id": submission_id,
        }
        run = RunSettings.read(settings)
        here = {
            "threads": run.threads or default_threads(_share(settings.get("cpus"), part)),
            "checkpoint_dir": on_this_node(run.checkpoint_dir),
            # Of slots that each have all which the part's slots divide.
            "budget": run.budget and run.budget.times(part.slots),
        }
        # A copy of the code is not a git checkout, or is inside another one. The sender knew the
        # right commit.
        known = provenance.collect() | settings.get("code", {}) | origin
        self.context = Context(**vars(run) | here, results=results.path, provenance=known, gpu=gpu)

    def trials(self, shard: int) -> list[Task]:
        """The trials of one part of a shard, labelled so that all of the submission differ."""
        rows, counts = self.submission.rows(), self.submission.settings().get("first")
        first = counts[shard] if counts else 0
        trials = [
            replace(task, first=row["task"] < first)
            for row, task in zip(rows, labelled([Task.from_row(row) for row in rows]), strict=True)
            if row["shard"] == shard
        ]
        if self.part.slots == 1:
            return trials
        number, slots, stack = self.part.number, self.part.slots, self.context.stack
        divided = [balance(group, slots, stack) for group in in_turn(trials)]
        return [task for parts in divided if number < len(parts) for task in parts[number]]

    def slot(self, *, debug: bool = False) -> ChildSlot | InProcessSlot:
        """A child process that trains; with `debug` this process itself. The caller closes it."""
        if debug:
            return InProcessSlot(self.context, debug=True)
        return ChildSlot(self.context, self._log)

    def log(self, line: str) -> None:
        """Write a line to the log, before what the trials print."""
        with self._log.open("a") as file:
            file.write(line + "\n")

    @property
    def _log(self) -> Path:
        return self.results.logs / f"{self.worker_id}.log"

    def run(
        self,
        shard: int,
        slot: ChildSlot | InProcessSlot,
        stop_cause: Callable[[], str | None],
        fits: Fits = always,
        patient: Callable[[], bool] = always,
    ) -> ShardReport:
        """Run one shard in a slot. See `Shard` for stop_cause, fits and patient."""
        slot.context = self.context
        log = slot.log if isinstance(slot, ChildSlot) else self._log
        self.watcher.writes_to(log)
        about = {
            "command_id": self.context.command_id,
            "study": self.submission.metadata["study"],
            "shard": shard,
            "slot": self.part.number,
            "slots": self.part.slots,
        }
        trials = self.trials(shard)
        work = Shard(
            trials, self.context, slot, log, stop_cause, self.watcher, fits, about, patient
        )
        report = work.run()
        if report.infrastructure is None:
            Notifier.of(self.results, self.submission).tell_end(report.stopped)
        return report


def _share(cpus: int | None, part: Part) -> int | None:
    """The CPUs of one of the slots that divide them."""
    return cpus and max(1, cpus // part.slots)


def on_this_node(folder: Path | None) -> Path | None:
    """A folder with the variables of this node filled in. Raises UserError if one is not set."""
    if folder is None:
        return None
    path = Path(os.path.expandvars(folder)).expanduser()
    if "$" in str(path) or not path.is_absolute():
        raise UserError(
            f"checkpoint_dir = {str(folder)!r} is {str(path)!r} on {host_name()}; give an absolute "
            "path whose variables are set in each job"
        )
    return path


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
