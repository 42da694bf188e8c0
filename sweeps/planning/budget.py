"""`--budget`: CPU-hours or GPU-hours after which a command's workers begin no other trial."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sweeps.errors import UserError

_UNITS = {"coreh": "CPU", "gpuh": "GPU"}


@dataclass(frozen=True)
class Budget:
    """text: as typed. slot_seconds: how long all slots together may be busy with trials, s."""

    text: str
    slot_seconds: float

    def times(self, slots: int) -> "Budget":
        """The same for slots that each have so many times less."""
        return replace(self, slot_seconds=self.slot_seconds * slots)

    def begun(self, seconds: Sequence[float]) -> int:
        """How many trials of these predicted seconds begin, one after another."""
        used, count = 0.0, 0
        for one in seconds:
            if used >= self.slot_seconds:
                break
            used, count = used + one, count + 1
        return count


def parse(text: str, cpus: float, gpus: float) -> Budget:
    """A budget such as "40gpuh" or "500coreh", for slots with so many CPUs and GPUs.

    Raises UserError for other text, and for GPU-hours where trials use no GPU.
    """
    matched = re.fullmatch(r"(\d+(?:\.\d+)?)(coreh|gpuh)", text)
    if matched is None or float(matched[1]) <= 0:
        raise UserError(
            f"--budget {text}: give hours with their unit, such as 500coreh (of CPU cores) or "
            "40gpuh (of GPUs)"
        )
    each = gpus if matched[2] == "gpuh" else cpus
    if not each:
        raise UserError(
            f"--budget {text}: these trials get no GPU; give one in the profile (gpus = 1), or a "
            "budget in coreh"
        )
    return Budget(text, 3600 * float(matched[1]) / each)
