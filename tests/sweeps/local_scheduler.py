"""Executor `local`: one process of this machine for each shard, which outlives the command."""

import contextlib
import getpass
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from sweeps.execute.registry import Executor
from sweeps.execute.scheduler import InFlight, QueuedJob, QueueScheduler, Shards
from sweeps.execute.signals import stop_on_signals
from sweeps.execute.worker import Worker
from sweeps.planning.shards import balance
from sweeps.store import Results, Sent, list_submissions, read_sent, read_submission, write_sent
from sweeps.worker.report import Watcher
from sweeps.worker.tasks import Task

EXECUTOR = Executor("local_scheduler:Local", "processes here", options=frozenset({"wait"}))


class Local(QueueScheduler):
    title = "local"

    def divide(self, trials: Sequence[Task]) -> tuple[list[Shards], list[Task]]:
        return [balance(trials, self.slots())], []

    def send(self, submission_id: str, watcher: Watcher) -> None:
        rows = read_submission(self.results, submission_id).rows()
        pids: list[str] = []
        for shard in range(1 + max(row["shard"] for row in rows)):
            arguments = (str(self.results.path), submission_id, str(shard))
            with self.log(submission_id, shard).open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "local_scheduler", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            pids.append(str(process.pid))
        write_sent(self.results, submission_id, Sent(" ".join(pids), getpass.getuser()))

    def in_flight(self, *, cancelled: bool = False) -> InFlight:
        jobs = [job for one in list_submissions(self.results) for job in self.jobs(one)]
        running = {trial: QueuedJob(one, pid, "RUNNING") for trial, one, pid, _ in jobs}
        return InFlight(running, jobs={"RUNNING": len(set(running.values()))})

    def cancel(self, submission_ids: Collection[str]) -> None:
        for pid in {pid for one in submission_ids for _, _, pid, _ in self.jobs(one)}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)

    def logs(self, trial_id: str) -> Iterator[tuple[str, str]]:
        for submission in list_submissions(self.results):
            for trial, one, pid, shard in self.jobs(submission):
                if trial == trial_id:
                    yield f"process {pid}", self.log(one, shard).read_text()

    def log(self, submission_id: str, shard: int) -> Path:
        return self.results.logs / f"{submission_id}-{shard}.log"

    def jobs(self, submission_id: str) -> Iterator[tuple[str, str, str, int]]:
        """Trial, submission, process and shard of what still runs."""
        sent = read_sent(self.results, submission_id)
        submission = read_submission(self.results, submission_id)
        if sent is None or submission.metadata["executor"] != "local":
            return
        pids = (sent.job_id or "").split()
        for row in submission.rows():
            # The name of a process that ended may be another's now.
            with contextlib.suppress(OSError):
                pid = pids[row["shard"]]
                if submission_id in Path(f"/proc/{pid}/cmdline").read_text():
                    yield row["trial_id"], submission_id, pid, row["shard"]


def main(results: str, submission_id: str, shard: str) -> None:
    """Run one shard in this process."""
    worker = Worker(Results(Path(results)), submission_id, Watcher())
    with stop_on_signals() as request, contextlib.closing(worker.slot()) as slot:
        worker.run(int(shard), slot, request.cause)


if __name__ == "__main__":
    main(*sys.argv[1:])
