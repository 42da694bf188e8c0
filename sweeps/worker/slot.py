"""The place where the trials of a shard are trained.

This is a long-lived child process, which is replaced when it dies, or this process itself, for a
debugger.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Protocol

from sweeps.worker.messages import Assignment, Context, Ending, Message

TICK_SECONDS = 0.2

OnMessage = Callable[[Message | None], None]


class SlotDied(Exception):
    """The child ended in the middle of a trial.

    exit_code: a negative number is the signal that killed it.
    """

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(f"the trial's process ended with exit code {exit_code}")
        self.exit_code = exit_code


class Slot(Protocol):
    """Runs one assignment at a time, or several as a stack.

    `on_message` is called with every message, and with None at least every tick.
    """

    def run(
        self,
        assignments: Sequence[Assignment],
        on_message: OnMessage,
        should_stop: Callable[[], bool],
    ) -> None:
        """Run assignments until each has sent its ending. Raises SlotDied if the process dies."""
        ...

    def kill(self) -> None:
        """End the current assignments at once. `run` then raises SlotDied."""
        ...

    def starved_seconds(self) -> float:
        """How long its process was ready and got no CPU; 0 where the system does not tell."""
        ...

    def close(self) -> None:
        """End the process."""
        ...


class ChildSlot:
    """A new Python process that imports torch once and trains trial after trial.

    Its output goes to `log`. It dies with its parent. context may be replaced between trials by
    that of the next shard.
    """

    def __init__(self, context: Context, log: Path) -> None:
        self.context, self.log = context, log
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def _start(self) -> Connection:
        ours, theirs = Pipe()
        environment = os.environ | {
            "OMP_NUM_THREADS": str(self.context.threads),
            "MKL_NUM_THREADS": str(self.context.threads),
        }
        if self.context.gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = self.context.gpu
        # -P keeps the current folder off the import path: it may hold a folder with the name of one
        # of the packages.
        command = [
            sys.executable,
            "-P",
            "-c",
            f"from sweeps.worker.child import main; main({theirs.fileno()})",
        ]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
            )
        theirs.close()
        self._connection = ours
        return ours

    def run(
        self,
        assignments: Sequence[Assignment],
        on_message: OnMessage,
        should_stop: Callable[[], bool],
    ) -> None:
        """See `Slot.run`."""
        told_to_stop = False
        running = len(assignments)
        try:
            connection = (
                self._connection
                if self._connection and self._process and self._process.poll() is None
                else self._start()
            )
            connection.send((self.context, assignments))
            while running:
                if connection.poll(TICK_SECONDS):
                    message: Message = connection.recv()
                    running -= isinstance(message.content, Ending)
                    on_message(message)
                else:
                    on_message(None)
                if not told_to_stop and should_stop():
                    connection.send("stop")
                    told_to_stop = True
        except (EOFError, OSError) as error:
            # on_message can also raise OSErrors of our own disk. Only a broken pipe means that the
            # child is gone.
            if isinstance(error, OSError) and not isinstance(
                error, (BrokenPipeError, ConnectionResetError)
            ):
                raise
            raise SlotDied(self._reap()) from None

    def _reap(self) -> int | None:
        code = None
        if self._process:
            try:
                code = self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                code = self._process.wait()
        if self._connection:
            self._connection.close()
        self._process = self._connection = None
        return code

    def starved_seconds(self) -> float:
        """See `Slot.starved_seconds`. Linux counts it for the main thread, which computes."""
        try:
            counts = Path(
                f"/proc/{self._process.pid if self._process else 0}/schedstat"
            ).read_text()
            return int(counts.split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            return 0.0

    def kill(self) -> None:
        """See `Slot.kill`."""
        if self._process:
            self._process.kill()

    def close(self) -> None:
        """Close the pipe, which ends the child.

        It is killed if it has not ended within 10 seconds.
        """
        if self._connection:
            self._connection.close()
            self._connection = None
        self._reap()


class InProcessSlot:
    """Trains in this process, without isolation.

    This is for a debugger, and for callers that replace the whole process.
    """

    def __init__(self, context: Context, *, debug: bool = False) -> None:
        self.context, self.debug = context, debug

    def run(
        self,
        assignments: Sequence[Assignment],
        on_message: OnMessage,
        should_stop: Callable[[], bool],
    ) -> None:
        """See `Slot.run`."""
        from sweeps.worker.run_together import run_together

        last_tick = time.monotonic()

        def stop() -> bool:
            nonlocal last_tick
            if time.monotonic() - last_tick >= TICK_SECONDS:
                last_tick = time.monotonic()
                on_message(None)
            return should_stop()

        run_together(assignments, self.context, on_message, stop, debug=self.debug)

    def starved_seconds(self) -> float:
        """Nobody watches it."""
        return 0.0

    def kill(self) -> None:
        """Do nothing: a trial cannot be ended from inside its own thread."""

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
