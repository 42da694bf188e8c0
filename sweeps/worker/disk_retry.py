"""Writing again while a disk refuses."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 1.0


def retrying(
    write: Callable[[], T],
    seconds: float,
    stop_asked: Callable[[], bool],
    waiting: Callable[[OSError], None],
) -> T:
    """The result of `write`, which is called again for `seconds` while it raises OSError.

    waiting: called with the error before each pause. Raises the last error, early if `stop_asked`.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return write()
        except OSError as error:
            if time.monotonic() >= deadline or stop_asked():
                raise
            waiting(error)
        time.sleep(min(PAUSE_SECONDS, max(0.05, deadline - time.monotonic())))
