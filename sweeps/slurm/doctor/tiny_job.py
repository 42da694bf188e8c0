"""The course of one test job: what SLURM and the compute node say about it."""

from dataclasses import dataclass, field
from typing import Any

from sweeps.slurm import commands


@dataclass
class TinyJob:
    """How the test job went.

    fields: what SLURM says about it. waited, took: seconds in the queue and after. report: what the
    node reported, if anything. log: what the job printed.
    """

    job_id: str
    fields: dict[str, str] = field(default_factory=dict)
    waited: float = 0.0
    took: float = 0.0
    report: dict[str, Any] | None = None
    log: str = ""

    @property
    def state(self) -> str:
        """The state in SLURM's own word; empty until SLURM has answered."""
        return self.fields.get("JobState", "")

    @property
    def node(self) -> str:
        """The node it ran on."""
        return self.fields.get("BatchHost") or self.fields.get("NodeList") or "its node"

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state in commands.OVER
