"""The messages between a shard and the slot that trains its trials."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeps.run_settings import RunSettings
from sweeps.store import Results
from sweeps.worker.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Context(RunSettings):
    """Where trials run, besides how; the same for all trials of a slot.

    gpu: CUDA_VISIBLE_DEVICES of the slot's process, if it is not that of its parent.
    """

    results: Path
    threads: int = 1
    provenance: dict[str, Any]
    gpu: str | None = None

    def checkpoints(self, trial_id: str) -> list[Path]:
        """The folders of a trial's checkpoints, the one where they are usually written first."""
        folders = [Results(self.results).checkpoints / trial_id]
        if self.checkpoint_dir:
            # Trials of several results folders may have the same id.
            place = hashlib.sha256(str(self.results).encode()).hexdigest()[:16]
            folders.insert(0, self.checkpoint_dir / f"odesweep-{place}" / trial_id)
        return folders


@dataclass(frozen=True)
class Assignment:
    """One attempt at a task.

    To train and evaluate, or (train False) to evaluate kept weights only.
    """

    task: Task
    attempt_id: str
    attempts: int = 1


@dataclass(frozen=True)
class Progress:
    """Sent after a step, at most a few times per second. Steps of a stack are those of all."""

    iteration: int
    iterations: int
    loss: float
    seconds_per_step: float


@dataclass(frozen=True)
class Checkpointed:
    """A checkpoint was written."""

    iteration: int


@dataclass(frozen=True)
class Rows:
    """Finished rows of one table, ready to publish."""

    table: str
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class Alive:
    """A heartbeat outside the steps: while loading, evaluating or waiting for a disk."""


@dataclass(frozen=True)
class Ending:
    """How the assignment ended.

    outcome: a trial's outcome, or one of `interrupted` (stopped on request, can be resumed),
    `evaluated` (nothing was trained), `infrastructure` (infrastructure failure: detail says what;
    the trial can resume from its checkpoint). frames: the last lines of a crash's traceback. log:
    the file with the whole traceback.
    """

    outcome: str
    detail: str | None = None
    fingerprint: str | None = None
    iteration: int = 0
    finished: dict[str, Any] = field(default_factory=dict)
    frames: str | None = None
    log: Path | None = None


Content = Progress | Checkpointed | Rows | Alive | Ending
Emit = Callable[[Content], None]


@dataclass(frozen=True)
class Message:
    """What a slot says about one trial. An Ending is the last message about it."""

    trial_id: str
    content: Content


ShouldStop = Callable[[], bool]
