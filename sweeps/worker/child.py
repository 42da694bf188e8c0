"""Main of the child process that trains: it reads assignments from a pipe until the pipe closes."""

import contextlib
import ctypes
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection

from sweeps.stop_signals import STOP_SIGNALS
from sweeps.worker.messages import Assignment, Context

PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent dies.

    Where the kernel does not offer this, the end of the pipe ends the child.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(descriptor: int) -> None:
    """Serve assignments that arrive on the inherited pipe `descriptor`."""
    _die_with_parent()
    # The parent decides what a signal means and sends us a message. Schedulers and terminals send
    # their signals to every process.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    connection = Connection(descriptor)
    inbox: queue.SimpleQueue[tuple[Context, Sequence[Assignment]]] = queue.SimpleQueue()
    stop = threading.Event()

    def listen() -> None:
        while True:
            try:
                received = connection.recv()
            except (EOFError, OSError):
                # The parent is gone or done. A running trial is resumed from its checkpoint.
                os._exit(0)
            if received == "stop":
                stop.set()
            else:
                stop.clear()
                inbox.put(received)

    threading.Thread(target=listen, daemon=True).start()
    from sweeps.worker.run_together import run_together

    while True:
        context, assignments = inbox.get()
        try:
            run_together(assignments, context, connection.send, stop.is_set)
        except BrokenPipeError:
            os._exit(0)
