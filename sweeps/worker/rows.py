"""Builds rows from finished work: flat dictionaries for the tables of the store. Loads no torch."""

import hashlib
import math
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from odecore.config import Evaluation, ProbeConfig, Series
from sweeps.device import cpu_name
from sweeps.spec import cell_id, eval_id, flatten, probe_id
from sweeps.store import SCHEMAS, Results, spec_columns
from sweeps.store.clock import shared_now
from sweeps.worker.messages import Assignment, Context

if TYPE_CHECKING:
    from odecore.training.evaluate import Score
    from odecore.training.fit import Training


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def bare_row(
    assignment: Assignment,
    context: Context,
    *,
    outcome: str,
    started_at: datetime,
    detail: str | None = None,
    fingerprint: str | None = None,
) -> dict[str, Any]:
    """The row of an attempt of which only the outcome is known.

    Every column that needs a trained model is null.
    """
    spec = assignment.task.spec
    return {
        **dict.fromkeys(SCHEMAS["runs"].names),
        "trial_id": assignment.task.trial_id,
        "cell_id": cell_id(spec),
        "attempt_id": assignment.attempt_id,
        "spec": spec.model_dump_json(),
        **spec_columns(flatten(spec)),
        "outcome": outcome,
        "outcome_detail": detail,
        "fingerprint": fingerprint,
        "started_at": started_at,
        "finished_at": shared_now(Results(context.results).events),
        "attempts": assignment.attempts,
        "cpu_threads": context.threads,
        **context.provenance,
    }


def run_row(
    assignment: Assignment,
    context: Context,
    training: "Training",
    *,
    outcome: str,
    started_at: datetime,
    timing_valid: bool,
    weights_sha256: str | None,
    weights_kept: bool | None,
) -> dict[str, Any]:
    """The row of an attempt that reached a final outcome.

    timing_valid: as far as this process knows; with other slots or a stack it is not.
    """
    from odecore.training.fit import peak_memory_bytes

    records = training.records
    scored = [record for record in records if math.isfinite(record["accuracy_test"])]
    best = max(scored, key=lambda record: record["accuracy_test"], default={})
    last = records[-1] if records else {}
    seconds = training.train_seconds
    return bare_row(
        assignment, context, outcome=outcome, started_at=started_at, detail=training.detail
    ) | {
        "outcome_iteration": training.iteration,
        "outcome_epoch": training.epoch,
        **{
            name: _finite(last.get(name))
            for name in ("accuracy_test", "accuracy_train", "loss_test", "loss_train")
        },
        "accuracy_test_best": best.get("accuracy_test"),
        "iteration_best": best.get("iteration"),
        "parameters": sum(p.numel() for p in training.model.parameters() if p.requires_grad),
        "depth_layers": training.model.depth_layers,
        "n_blocks": training.model.blocks,
        "train_seconds": seconds,
        "evaluate_seconds": training.evaluate_seconds,
        "nfe_forward": training.nfe_forward,
        "nfe_backward": training.nfe_backward,
        "fallbacks": training.fallbacks,
        "peak_memory_bytes": peak_memory_bytes(training.device),
        "samples_per_second": training.iteration * assignment.task.spec.train.batch_size / seconds
        if seconds
        else None,
        "timing_valid": timing_valid and context.exclusive and not training.stacked,
        "numerics": training.numerics,
        "weights_sha256": weights_sha256,
        "weights_kept": weights_kept,
        "device": device_name(training.device),
        "data_sha256": training.data.sha256,
        "epochs": [
            {
                name: _finite(value) if isinstance(value, float) else value
                for name, value in record.items()
            }
            for record in records
        ],
    }


def device_name(device: Any) -> str:
    """The name of the device: that of the GPU, or of the processor."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return cpu_name()


def _attached(table: str, assignment: Assignment, weights_sha256: str) -> dict[str, Any]:
    return {
        **dict.fromkeys(SCHEMAS[table].names),
        "trial_id": assignment.task.trial_id,
        "weights_sha256": weights_sha256,
        "attempt_id": assignment.attempt_id,
        "finished_at": datetime.now(UTC),
    }


def evaluation_row(
    assignment: Assignment,
    context: Context,
    evaluation: Evaluation,
    scored: "Score",
    weights_sha256: str,
    device: Any,
) -> dict[str, Any]:
    """The row of one evaluation of saved weights."""
    good = scored.outcome == "completed"
    return _attached("evaluations", assignment, weights_sha256) | {
        "eval_id": eval_id(evaluation),
        **{evaluation_column(name): value for name, value in flatten(evaluation).items()},
        "outcome": scored.outcome,
        "outcome_detail": scored.detail,
        "samples": scored.samples,
        "correct": scored.correct if good else None,
        "accuracy": _finite(scored.accuracy),
        "loss": _finite(scored.loss),
        "nfe_per_batch": scored.nfe / scored.batches if scored.batches else None,
        "seconds": scored.seconds,
        "device": device_name(device),
        "cpu_threads": context.threads,
        "code_hash": context.provenance["code_hash"],
        "worker_id": context.provenance["worker_id"],
    }


def probe_rows(
    assignment: Assignment, probe: ProbeConfig, columns: dict[str, Any], weights_sha256: str
) -> list[dict[str, Any]]:
    """The rows of one probe, all with the same keys."""
    shared = _attached(f"probe_{probe.name}", assignment, weights_sha256) | {
        "probe_id": probe_id(probe),
        **_solver_columns(getattr(probe, "solver", None)),
    }
    names = list(columns)
    return [
        shared | dict(zip(names, values, strict=True))
        for values in zip(*(columns[name].tolist() for name in names), strict=True)
    ]


def series_rows(
    assignment: Assignment, series: list[tuple[int, str, float]], weights_sha256: str | None
) -> list[dict[str, Any]]:
    """The values that the training recorded by iteration.

    These rows belong to the attempt. A run that failed has them too, without weights.
    """
    shared = _attached("probe_series", assignment, weights_sha256 or "") | {
        "probe_id": probe_id(Series())
    }
    return [
        shared | {"iteration": iteration, "name": name, "value": _finite(value)}
        for iteration, name, value in series
    ]


def _solver_columns(solver: Any) -> dict[str, Any]:
    return {
        evaluation_column(f"solver_{name}"): getattr(solver, name, None)
        for name in ("name", "steps", "tolerance")
    }


def evaluation_column(name: str) -> str:
    """The column for a field of an evaluation, such as test_solver for solver_name."""
    return f"test_{name}".removesuffix("_name") if name.startswith("solver_") else name


def fingerprint_of(failure: BaseException) -> str:
    """A fingerprint of the crash's cause.

    The exception's type and the functions it passed through, without values and line numbers.
    """
    frames = [
        f"{frame.filename.rpartition('/')[2]}:{frame.name}"
        for frame in traceback.extract_tb(failure.__traceback__)
    ]
    return f"{type(failure).__name__}-{hashlib.sha256('|'.join(frames).encode()).hexdigest()[:12]}"


def is_out_of_memory(failure: BaseException) -> bool:
    """True for the errors of Python, torch's CPU allocator and CUDA when memory runs out."""
    text = str(failure)
    return (
        isinstance(failure, MemoryError)
        or type(failure).__name__ == "OutOfMemoryError"
        or "DefaultCPUAllocator" in text
    )
