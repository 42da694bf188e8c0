"""What trials and evaluations will cost, in seconds of one core: from rows of the same or similar trials, else from a count of operations."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from odecore.config import Evaluation, TrialSpec
from odecore.config.data import Spheres
from odecore.config.flat_node import FlatNode
from odecore.config.idle import Idle
from odecore.config.solver import Adaptive, FixedStep

# Evaluations of f per step of the fixed-step methods: their numbers of stages.
STAGES = {"euler": 1, "midpoint": 2, "heun": 2, "heun3": 3, "rk4": 4, "rk4_38": 4}
# Nobody knows beforehand how many evaluations an adaptive solve takes; this is an assumption, replaced as soon as there are rows.
ADAPTIVE_EVALUATIONS = 50
# Measured with torch 2.15 on one server core and flat_node, right within a factor of 3: an optimizer step without its calls of f, a call of f
# without its operations, and floating-point operations a second.
SECONDS_PER_ITERATION = 2.5e-3
SECONDS_PER_CALL = 0.1e-3
OPERATIONS_PER_SECOND = 4e10
# Forward, backward with respect to states, backward with respect to weights; recomputation and the adjoint's own solve add one forward.
PASSES = {"backprop": 3, "checkpoint": 4, "adjoint": 4}
TRAIN_SIZES = {"mnist": 60_000, "cifar10": 50_000}
TEST_SIZE = 10_000


def evaluations_per_solve(solver: FixedStep | Adaptive) -> int:
    """Evaluations of f in one forward solve; for adaptive solvers an assumption."""
    return STAGES[solver.name] * solver.steps if isinstance(solver, FixedStep) else ADAPTIVE_EVALUATIONS


def samples(spec: TrialSpec, split: str) -> int:
    """Samples in a split."""
    if isinstance(spec.data, Spheres):
        return spec.data.train_size if split == "train" else spec.data.test_size
    whole, limit = (TRAIN_SIZES[spec.data.name], spec.data.train_limit) if split == "train" else (TEST_SIZE, spec.data.test_limit)
    return min(whole, limit or whole)


def iterations(spec: TrialSpec) -> int:
    """Optimizer steps of the whole training."""
    if spec.train.iterations is not None:
        return spec.train.iterations
    batches = samples(spec, "train") / spec.train.batch_size
    return (spec.train.epochs or 0) * (math.floor(batches) if spec.train.drop_last else math.ceil(batches))


def operations(spec: TrialSpec) -> int:
    """Floating-point operations of one evaluation of f on one sample; 2 for each multiply-add of the convolutions."""
    if not isinstance(spec.model, FlatNode):
        return 0
    width, (channels, *places) = spec.model.width, (1, *spec.data.shape) if len(spec.data.shape) == 1 else spec.data.shape
    weights = channels * width + width * width * 3 ** len(places) + width * channels
    return 2 * weights * math.prod(places)


def _call_seconds(spec: TrialSpec, batch: int) -> float:
    return SECONDS_PER_CALL + operations(spec) * batch / OPERATIONS_PER_SECOND


def counted_train_seconds(spec: TrialSpec) -> float:
    """Training time from the count of operations alone."""
    if isinstance(spec.model, Idle):
        return spec.model.seconds * iterations(spec)
    calls = PASSES[spec.gradient.name] * evaluations_per_solve(spec.solver)
    return iterations(spec) * (SECONDS_PER_ITERATION + calls * _call_seconds(spec, spec.train.batch_size))


def counted_evaluation_seconds(spec: TrialSpec, evaluation: Evaluation) -> float:
    """Time of one evaluation of a trained net, from the count of operations alone."""
    if isinstance(spec.model, Idle):
        return 0.0
    n = min(samples(spec, evaluation.split), evaluation.limit or samples(spec, evaluation.split))
    batches = math.ceil(n / evaluation.batch_size)
    return batches * evaluations_per_solve(evaluation.solver) * _call_seconds(spec, min(n, evaluation.batch_size))


@dataclass
class Costs:
    """Predictions, better the more rows it has seen. Rows need cell_id, spec, outcome, train_seconds and evaluations_forward."""

    _cells: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _similar: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0]))

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> "Costs":
        """Learn from completed runs."""
        costs = cls()
        for row in rows:
            if row["outcome"] == "completed" and row["train_seconds"]:
                costs._cells[row["cell_id"]].append(row["train_seconds"])
                total = costs._similar[_similarity(json.loads(row["spec"]))]
                total[0] += row["train_seconds"]
                total[1] += row["evaluations_forward"] or 0
        return costs

    def train_seconds(self, spec: TrialSpec, cell_id: str) -> float:
        """Mean of the same cell's runs; else seconds per evaluation of runs with the same model, data and batch size; else the count."""
        if measured := self._cells.get(cell_id):
            return sum(measured) / len(measured)
        seconds, evaluations = self._similar.get(_similarity(spec.model_dump(mode="json")), (0.0, 0.0))
        if evaluations:
            return seconds / evaluations * iterations(spec) * evaluations_per_solve(spec.solver)
        return counted_train_seconds(spec)

    def evaluation_seconds(self, spec: TrialSpec, cell_id: str, evaluation: Evaluation) -> float:
        """The count, corrected by how far the count is off for the trial's training."""
        counted = counted_train_seconds(spec)
        factor = self.train_seconds(spec, cell_id) / counted if counted else 1.0
        return factor * counted_evaluation_seconds(spec, evaluation)


def _similarity(spec: Mapping[str, Any]) -> str:
    return json.dumps([spec["model"], spec["data"], spec["gradient"], spec["train"]["batch_size"]], sort_keys=True)
