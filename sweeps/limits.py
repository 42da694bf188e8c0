"""How long the worker waits for what, in seconds; each can be set by an environment variable for a site with other habits."""

import os
from dataclasses import dataclass, fields

from sweeps.errors import UserError


@dataclass(frozen=True)
class Limits:
    """Field `x_seconds` is read from ODESWEEP_X_SECONDS. Nothing here changes what is trained.

    stall: no sign of life for this long (or 20 median steps, if longer) is a hang. checkpoint: least time between two checkpoints.
    heartbeat: between two heartbeat events. claim: a started trial without a heartbeat for this long may be taken over. publish_slice: longest
    time a finished row waits in memory. publish_retry: how long a failing disk is retried. checkpoint_kept: after its row is published.
    """

    stall_seconds: float = 600.0
    checkpoint_seconds: float = 15.0
    heartbeat_seconds: float = 60.0
    claim_seconds: float = 180.0
    publish_slice_seconds: float = 30.0
    publish_retry_seconds: float = 600.0
    checkpoint_kept_seconds: float = 120.0

    @classmethod
    def from_environment(cls) -> "Limits":
        """The defaults, with what the environment sets. Raises UserError for a value that is not a number of seconds."""
        values = {}
        for field in fields(cls):
            variable = f"ODESWEEP_{field.name.upper()}"
            if (text := os.environ.get(variable)) is not None:
                try:
                    values[field.name] = float(text)
                except ValueError:
                    raise UserError(f"{variable} = {text!r} is not a number of seconds") from None
        return cls(**values)
