"""One attempt to train a small dense net in this process, without a slot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tiny import BOTH

from sweeps.keep_weights import Keep
from sweeps.store import Results
from sweeps.study.overrides import select
from sweeps.worker import run_one as worker
from sweeps.worker.messages import Assignment, Content, Context, Rows
from sweeps.worker.tasks import Task

PLANNED = {trial.axes["net"]: trial for trial in select(BOTH).declared}
DENSE = PLANNED["dense"]


def context(results: Path, keep_weights: Keep = "ode") -> Context:
    """Of a worker in this process."""
    provenance = {
        "code_hash": "c",
        "worker_id": "w",
        "executor": "inline",
        "submission_id": "s",
    }
    return Context(results=results, provenance=provenance, keep_weights=keep_weights)


def train(
    results: Path,
    should_stop: Callable[[list[Content]], bool] = lambda _: False,
    attempt: str = "first",
    **about: Any,
) -> list[Rows]:
    """The rows of one attempt to train the dense net, in their order."""
    Results(results).create()
    task = Task(
        DENSE.trial_id,
        DENSE.spec,
        True,
        tuple(one.evaluation for one in DENSE.evaluations),
        (),
        0.0,
    )
    said: list[Content] = []
    worker.run_one(
        Assignment(task, attempt), context(results, **about), said.append, lambda: should_stop(said)
    )
    return [one for one in said if isinstance(one, Rows)]
