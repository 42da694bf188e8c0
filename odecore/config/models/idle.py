"""For testing: a trial that does nothing for a while and, if asked, dies in a chosen way."""

from typing import Literal

from pydantic import Field, PositiveInt

from odecore.config.model import Model, Work


class Idle(Model):
    """Sleeps `seconds` in every training step.

    At training step `at_step` (counted from 1) shows `fault`.

    Faults: raise (an exception), segfault, kill_self (SIGKILL), hang (never returns), allocate (an
    allocation beyond RLIMIT_AS).
    """

    builder = "odecore.models.idle:build"
    takes = ("images", "points", "fan", "line")
    takes_any_solver = True
    name: Literal["idle"] = "idle"
    seconds: float = Field(default=0.0, ge=0)
    fault: Literal["none", "raise", "segfault", "kill_self", "hang", "allocate"] = "none"
    at_step: PositiveInt = 1

    def operations(self, shape: tuple[int, ...], classes: int) -> Work:
        """Almost no work."""
        return Work()

    def weights(self, shape: tuple[int, ...], classes: int) -> int:
        """See `Model.weights`."""
        return 0
