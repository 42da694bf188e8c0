"""Executor `inline`: slots on this machine, each a child process; one unless more are asked for.

With `debug` this process itself.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from sweeps.cpus import available_cpus
from sweeps.execute.scheduler import Scheduler, Shards
from sweeps.execute.signals import stop_on_signals
from sweeps.execute.worker import Worker, default_threads
from sweeps.planning.shards import SHARDS_PER_SLOT, balance, in_turn
from sweeps.store import read_submission
from sweeps.worker.choose import always
from sweeps.worker.gpus import listing, of_slots
from sweeps.worker.report import ShardReport, Watcher
from sweeps.worker.slot import ChildSlot, InProcessSlot
from sweeps.worker.tasks import Task


class Inline(Scheduler):
    """Runs a submission and returns when it has ended."""

    def slots(self) -> int:
        """One, unless the command line says more."""
        return self.setup.profile.slot_count or 1

    def resources(self) -> tuple[float, float]:
        """The CPUs that its threads use, and one GPU if there is one."""
        return self.setup.threads or default_threads(), float(bool(listing()))

    def divide(self, trials: Sequence[Task]) -> tuple[list[Shards], list[Task]]:
        """One shard, the longest trial first; a few for each of several slots."""
        slots, groups = self.slots(), in_turn(trials)
        if slots == 1:
            return [[[task for group in groups for task in balance(group, 1)[0]]]], []
        shards = SHARDS_PER_SLOT * slots
        stack = self.setup.profile.stack
        return [[shard for group in groups for shard in balance(group, shards, stack)]], []

    def settings(self, shards: Shards) -> dict[str, Any]:
        """See `Scheduler.settings`; several slots divide the cores."""
        given = super().settings(shards)
        if self.slots() > 1:
            each = max(1, available_cpus() // self.slots())
            given["threads"] = given["threads"] or default_threads(each)
        return given

    def send(self, submission_id: str, watcher: Watcher) -> ShardReport:
        """See `Scheduler.send`."""
        shards = sorted(
            {row["shard"] for row in read_submission(self.results, submission_id).rows()}
        )
        slots = min(self.slots(), len(shards))
        if slots > 1:
            return self._side_by_side(submission_id, shards, slots, watcher)
        worker = Worker(self.results, submission_id, watcher)
        slot = worker.slot(debug=self.setup.debug)
        with stop_on_signals() as request, contextlib.closing(slot):
            return worker.run(0, slot, request.cause)

    def _side_by_side(
        self, submission_id: str, shards: Sequence[int], slots: int, watcher: Watcher
    ) -> ShardReport:
        """Each slot takes the next shard until none is left.

        A shard whose other trials are run elsewhere comes back once, after all others.
        """
        left: queue.SimpleQueue[tuple[int, bool]] = queue.SimpleQueue()
        for shard in shards:
            left.put((shard, False))
        one_at_a_time = _OneAtATime(watcher)
        open_slots: list[ChildSlot | InProcessSlot] = []

        def work(gpu: str | None, cause: Callable[[], str | None]) -> ShardReport:
            reports: list[ShardReport] = []
            slot: ChildSlot | InProcessSlot | None = None
            with contextlib.ExitStack() as stack, contextlib.suppress(queue.Empty):
                while not cause() and not any(one.infrastructure for one in reports):
                    shard, again = left.get_nowait()
                    worker = Worker(self.results, submission_id, one_at_a_time, gpu=gpu)
                    if slot is None:
                        slot = stack.enter_context(contextlib.closing(worker.slot()))
                        open_slots.append(slot)
                    patient = always if again else left.empty
                    reports.append(worker.run(shard, slot, cause, patient=patient))
                    if reports[-1].unwaited:
                        left.put((shard, True))
            return ShardReport.merged(reports)

        with stop_on_signals() as request, ThreadPoolExecutor(slots) as pool:
            futures = [pool.submit(work, gpu, request.cause) for gpu in of_slots(slots)]
            try:
                _wait(futures)
            except BaseException:
                # A second Ctrl-C does not wait for checkpoints.
                for slot in open_slots:
                    slot.kill()
                raise
        report = ShardReport.merged(future.result() for future in futures)
        if not left.empty():
            report.stopped = report.stopped or request.cause()
        return report


def _wait(futures: Sequence[Future[ShardReport]]) -> None:
    """In short intervals, so that this thread, the main one, handles signals."""
    while wait(futures, timeout=0.5).not_done:
        pass


class _OneAtATime(Watcher):
    """Passes on what happens in several threads, one call after another."""

    def __init__(self, watcher: Watcher) -> None:
        lock = threading.Lock()

        def guarded(call: Callable[..., None]) -> Callable[..., None]:
            def guard(*arguments: Any) -> None:
                with lock:
                    call(*arguments)

            return guard

        for name in ("writes_to", "began", "progress", "ended", "note", "tick"):
            setattr(self, name, guarded(getattr(watcher, name)))
