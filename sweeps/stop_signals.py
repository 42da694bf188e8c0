"""Signals that ask for a stop, and output whose reader may go away."""

import os
import signal
from typing import Any, TextIO

# A closed terminal, a scheduler's warning, a limit of CPU seconds, a power failure: all of them
# leave time for a checkpoint. SIGALRM is in use, SIGKILL and SIGSTOP cannot be caught. A Mac has no
# SIGPWR.
_NAMES = ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "XCPU", "PWR")
STOP_SIGNALS = tuple(
    signal.Signals[f"SIG{name}"] for name in _NAMES if f"SIG{name}" in signal.Signals.__members__
)


class Undaunted:
    """A stream that writes nowhere once its reader or its terminal has gone.

    It does not raise OSError then.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """See `TextIO.write`."""
        try:
            return self._stream.write(text)
        except OSError:
            self._give_up()
            return len(text)

    def flush(self) -> None:
        """See `TextIO.flush`."""
        try:
            self._stream.flush()
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        # What Python still holds goes there too, and so does what children inherit.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
