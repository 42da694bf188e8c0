"""How long workers wait, in seconds. An environment variable can change each value."""

import os
from dataclasses import dataclass, fields, replace

from sweeps.errors import UserError

# A results folder gets at most one checkpoint in so many seconds, however many slots write there.
FOLDER_CHECKPOINT_SECONDS = 1.0


@dataclass(frozen=True)
class Limits:
    """Field `x_seconds` is read from ODESWEEP_X_SECONDS. None of them changes the training.

    stall: a trial without a heartbeat for this long (or for 20 median steps, if longer) hangs.
    checkpoint: least time between two checkpoints. heartbeat: time between two heartbeat events.
    claim: another worker may take over a started trial after this time without a heartbeat.
    publish_slice: longest time that a finished row waits in memory. publish_retry: how long writing
    to a failing disk is retried. checkpoint_kept: time after the publication of its row.
    """

    stall_seconds: float = 600.0
    checkpoint_seconds: float = 15.0
    heartbeat_seconds: float = 60.0
    claim_seconds: float = 180.0
    publish_slice_seconds: float = 30.0
    publish_retry_seconds: float = 600.0
    checkpoint_kept_seconds: float = 120.0

    def shared_by(self, slots: int) -> "Limits":
        """With so much time between two checkpoints of a slot that all write at most one a second.

        max(checkpoint_seconds, slots x 1 s); a time that the environment sets stays as it is.
        """
        if _variable("checkpoint_seconds") in os.environ:
            return self
        apart = max(self.checkpoint_seconds, slots * FOLDER_CHECKPOINT_SECONDS)
        return replace(self, checkpoint_seconds=apart)

    @classmethod
    def from_environment(cls) -> "Limits":
        """The defaults, changed by the environment.

        Raises UserError for a value that is not a number of seconds.
        """
        values = {}
        for field in fields(cls):
            variable = _variable(field.name)
            if (text := os.environ.get(variable)) is not None:
                try:
                    values[field.name] = float(text)
                except ValueError:
                    raise UserError(f"{variable} = {text!r} is not a number of seconds") from None
        return cls(**values)


def _variable(field: str) -> str:
    return f"ODESWEEP_{field.upper()}"
