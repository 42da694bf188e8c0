"""How trials run: what goes from the command through the submission's file to their process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sweeps.keep_weights import Keep
from sweeps.limits import Limits
from sweeps.planning.budget import Budget


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Recorded in rows where they matter, and never part of an identity.

    data_root: folder of the data sets. threads: of one slot; None for what the profile or the
    machine gives. eager: no CUDA graphs. keep_weights: which trained nets keep their weights.
    exclusive: no other slot of this run shares the machine, so that measured seconds are valid.
    checkpoint_dir: a folder of the node for checkpoints, None for that of the results folder.
    command_id: shared by all submissions of one command. budget: what the command's trials may use.
    stack: how many trials may be one batched step, see `odecore.training.stack`.
    notify_profile: the file with the address that hears of the end. The address may be secret:
    workers read it there, and nothing else has it.
    """

    limits: Limits = field(default_factory=Limits)
    data_root: Path | None = None
    threads: int | None = None
    eager: bool = False
    # Of submissions of older versions, which kept all.
    keep_weights: Keep = "all"
    exclusive: bool = True
    checkpoint_dir: Path | None = None
    command_id: str = ""
    budget: Budget | None = None
    stack: int = 1
    notify_profile: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a submission's file."""
        return _ADAPTER.dump_python(self, mode="json")

    @staticmethod
    def read(values: Mapping[str, Any]) -> "RunSettings":
        """What `as_dict` gave, also in another version: other keys are skipped."""
        return _ADAPTER.validate_python(values)


_ADAPTER = TypeAdapter(RunSettings)
