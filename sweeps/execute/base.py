"""What every executor is given and gives back, and the process's signals."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

from sweeps.errors import UserError
from sweeps.limits import Limits
from sweeps.profiles import Profile
from sweeps.store import Results, read_submission
from sweeps.worker import provenance
from sweeps.worker.messages import Context
from sweeps.worker.report import Watcher
from sweeps.worker.tasks import Task, labelled


@dataclass(frozen=True)
class Job:
    """One submission on its way to an executor.

    threads: of one slot; None for what the profile or the machine gives. address: of a Ray cluster. debug: let a trial's exceptions through.
    study_file: the user's own, if the study comes from one.
    """

    results: Results
    submission_id: str
    executor: str
    watcher: Watcher
    limits: Limits
    data_root: Path | None = None
    threads: int | None = None
    device: str = "auto"
    debug: bool = False
    profile: Profile = field(default_factory=Profile)
    address: str | None = None
    exclusive: bool = True
    study_file: Path | None = None

    def rows(self) -> list[dict[str, Any]]:
        """The submission's rows, all shards."""
        return read_submission(self.results, self.submission_id).rows()

    def tasks(self, shard: int = 0) -> list[Task]:
        """The trials of one shard of the submission."""
        # Labelled among all, so that a shard of one trial is not nameless.
        rows = self.rows()
        mine = {row["trial_id"] for row in rows if row["shard"] == shard}
        return [
            task for task in labelled([Task.from_row(row) for row in rows]) if task.trial_id in mine
        ]

    def context(self, worker_id: str) -> Context:
        """Where and how this worker's trials run."""
        origin = {
            "executor": self.executor,
            "worker_id": worker_id,
            "submission_id": self.submission_id,
        }
        threads = self.threads or default_threads()
        return Context(
            self.results.path,
            self.data_root,
            threads,
            self.limits,
            provenance.collect() | origin,
            self.device,
            self.exclusive,
        )


def default_threads(cpus: int | None = None) -> int:
    """OMP_NUM_THREADS if set, else the slot's CPUs, else those that this process may use. Raises UserError for nonsense."""
    text = os.environ.get("OMP_NUM_THREADS")
    if text is None:
        return cpus or len(os.sched_getaffinity(0))
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"OMP_NUM_THREADS = {text!r} is not a number of threads")
    return int(text)


def host_name() -> str:
    """This machine's name as part of a file's."""
    return (
        "".join(
            letter if letter.isalnum() or letter == "-" else "-"
            for letter in socket.gethostname().partition(".")[0]
        )
        or "host"
    )


def new_worker_id() -> str:
    """Unique for every worker ever started; says where it ran."""
    return f"{host_name()}-{os.getpid()}-{uuid4().hex[:8]}"


class StopRequest:
    """Set by the first stop signal; `cause` says which. A second Ctrl-C does not wait for anything."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def cause(self) -> str | None:
        """The signal's name, None while there was none."""
        return None if self.signal is None else signal.Signals(self.signal).name

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Signal handler."""
        if number == signal.SIGINT and self.signal is not None:
            raise KeyboardInterrupt
        self.signal = self.signal or number


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """SIGINT, SIGTERM and SIGUSR2 ask for a stop at the next step instead of ending the process; restored afterwards."""
    request = StopRequest()
    before = {
        number: signal.signal(number, request.handle)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
    }
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
