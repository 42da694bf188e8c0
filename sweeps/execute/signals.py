"""Signals of the process: the first one asks for a stop at the next step."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from sweeps.stop_signals import STOP_SIGNALS


class StopRequest:
    """Set by the first stop signal (`cause`). A second Ctrl-C ends the process at once."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def cause(self) -> str | None:
        """The signal's name; None while there was none."""
        return None if self.signal is None else signal.Signals(self.signal).name

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        if number == signal.SIGINT and self.signal is not None:
            raise KeyboardInterrupt
        self.signal = self.signal or number


@contextmanager
def handled(
    handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals
) -> Iterator[None]:
    """Let a function handle signals; the handlers before it are restored after."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Let STOP_SIGNALS ask for a stop instead of ending the process.

    SIGHUP stays ignored where it is, as under nohup.
    """
    request = StopRequest()
    hangup_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    numbers = [one for one in STOP_SIGNALS if one != signal.SIGHUP or not hangup_ignored]
    with handled(request.handle, *numbers):
        yield request
