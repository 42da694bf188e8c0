"""Predicted cost of trials and evaluations, in seconds of one core.

The prediction comes from rows of the same or similar trials, otherwise from a count of operations.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from odecore.config import Evaluation, TrialSpec
from odecore.config.data import IMAGE_SETS, Images, Spheres
from odecore.config.methods import FIXED_STEP
from odecore.config.models.idle import Idle
from odecore.config.solver import FixedStep, SolverConfig

# The NFE of an adaptive solve is not known beforehand. Gladzik 2019 prints 26, 34 and 52 for dopri5
# at 1e-3, 1e-4 and 1e-5, which is about a factor of the square root of two per decade. This is
# assumed for all adaptive solvers and replaced as soon as there are rows.
EVALUATIONS_AT_1E_3 = 26
# Measured with torch 2.15 on one server core and flat_node, right within a factor of 3: an
# optimizer step without its calls of f, a call of f without its operations, and floating-point
# operations per second.
SECONDS_PER_ITERATION = 2.5e-3
SECONDS_PER_CALL = 0.1e-3
OPERATIONS_PER_SECOND = 4e10
# Forward, backward with respect to states, backward with respect to weights. Recomputation and the
# adjoint's own solve add one forward.
PASSES = {"backprop": 3, "checkpoint": 4, "adjoint": 4}
# Points of the toy data sets.
TOY_SIZES = {"fan": 4, "line": 2}


def nfe_per_solve(solver: SolverConfig | None) -> int:
    """NFE of one forward solve; an assumption for adaptive and adapted solvers."""
    if solver is None:
        return 0
    if isinstance(solver, FixedStep):
        return FIXED_STEP[solver.name].stages * solver.steps
    decades = -math.log10(getattr(solver, "tolerance", 1e-3)) - 3
    return round(EVALUATIONS_AT_1E_3 * 2 ** (decades / 2))


def samples(spec: TrialSpec, split: str) -> int:
    """Samples in a split."""
    data, train = spec.data, split == "train"
    if isinstance(data, Spheres):
        return data.train_size if train else data.test_size
    if not isinstance(data, Images):
        return TOY_SIZES[data.name]
    whole, limit = (
        (IMAGE_SETS[data.name].train_size, data.train_limit)
        if train
        else (IMAGE_SETS[data.name].test_size, data.test_limit)
    )
    return min(whole, limit or whole)


def iterations(spec: TrialSpec) -> int:
    """Optimizer steps of the whole training."""
    if spec.train.iterations is not None:
        return spec.train.iterations
    batches = samples(spec, "train") / spec.train.batch_size
    return (spec.train.epochs or 0) * (
        math.floor(batches) if spec.train.drop_last else math.ceil(batches)
    )


def _pass_seconds(spec: TrialSpec, solver: SolverConfig | None, batch: int) -> float:
    """Seconds of one forward pass.

    All calls of f in all blocks, and their operations and the others.
    """
    evaluations = nfe_per_solve(solver)
    counted = spec.model.operations(spec.data.shape, spec.data.classes)
    operations = 2 * (evaluations * counted.inside + counted.outside)
    return (
        evaluations * max(1, spec.ode_blocks) * SECONDS_PER_CALL
        + operations * batch / OPERATIONS_PER_SECOND
    )


def counted_train_seconds(spec: TrialSpec) -> float:
    """Training time, computed only from the count of operations."""
    if isinstance(spec.model, Idle):
        return spec.model.seconds * iterations(spec)
    step = PASSES[spec.gradient.name] * _pass_seconds(spec, spec.solver, spec.train.batch_size)
    return iterations(spec) * (SECONDS_PER_ITERATION + step)


def counted_evaluation_seconds(spec: TrialSpec, evaluation: Evaluation) -> float:
    """Time of one evaluation of a trained net, computed only from the count of operations."""
    if isinstance(spec.model, Idle):
        return 0.0
    n = min(samples(spec, evaluation.split), evaluation.limit or samples(spec, evaluation.split))
    batches = math.ceil(n / evaluation.batch_size)
    solver = spec.solver if evaluation.solver is None else evaluation.solver
    return batches * _pass_seconds(spec, solver, min(n, evaluation.batch_size))


@dataclass
class Costs:
    """Predictions, which get better with more rows.

    Rows need cell_id, spec, outcome, train_seconds and nfe_forward.
    """

    _cells: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _similar: dict[str, list[float]] = field(
        default_factory=lambda: defaultdict(lambda: [0.0, 0.0])
    )
    # The training time of a cell, and its ratio to the count. Each of its seeds and evaluations
    # asks for them.
    _predicted: dict[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> "Costs":
        """Learn from completed runs."""
        costs = cls()
        for row in rows:
            if row["outcome"] == "completed" and row["train_seconds"]:
                costs._cells[row["cell_id"]].append(row["train_seconds"])
                total = costs._similar[_similarity(json.loads(row["spec"]))]
                total[0] += row["train_seconds"]
                total[1] += row["nfe_forward"] or 0
        return costs

    def train_seconds(self, spec: TrialSpec, cell_id: str) -> float:
        """The mean of the runs of the same cell.

        Without such runs: seconds per call of f of runs with the same model, data and batch size.
        Without those: the count.
        """
        return self._of_cell(spec, cell_id)[0]

    def evaluation_seconds(self, spec: TrialSpec, cell_id: str, evaluation: Evaluation) -> float:
        """The count, corrected by the error of the count for the trial's training."""
        return self._of_cell(spec, cell_id)[1] * counted_evaluation_seconds(spec, evaluation)

    def _of_cell(self, spec: TrialSpec, cell_id: str) -> tuple[float, float]:
        if cell_id not in self._predicted:
            counted = counted_train_seconds(spec)
            seconds = self._measured(spec, cell_id, counted)
            self._predicted[cell_id] = seconds, seconds / counted if counted else 1.0
        return self._predicted[cell_id]

    def _measured(self, spec: TrialSpec, cell_id: str, counted: float) -> float:
        if measured := self._cells.get(cell_id):
            return sum(measured) / len(measured)
        seconds, evaluations = self._similar.get(
            _similarity(spec.model_dump(mode="json")), (0.0, 0.0)
        )
        if evaluations and spec.ode_blocks:
            return (
                seconds
                / evaluations
                * iterations(spec)
                * nfe_per_solve(spec.solver)
                * spec.ode_blocks
            )
        return counted


def _similarity(spec: Mapping[str, Any]) -> str:
    return json.dumps(
        [spec["model"], spec["data"], spec["gradient"], spec["train"]["batch_size"]], sort_keys=True
    )
