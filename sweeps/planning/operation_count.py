"""Cost of trials and evaluations from a count of operations alone: a roofline, of any device."""

import math

from odecore.config import Evaluation, TrialSpec
from odecore.config.data import IMAGE_SETS, Images, Spheres
from odecore.config.models.idle import Idle
from odecore.config.solver import FixedStep, SolverConfig
from odecore.config.solver_methods import FIXED_STEP

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
# Operations of a step, in those of its forward pass. Forward, backward with respect to states,
# backward with respect to weights. Recomputation and the adjoint's own solve add one forward.
PASSES = {"backprop": 3, "checkpoint": 4, "adjoint": 4}
# The calls themselves, in the same unit, and what torchdiffeq's loop costs beside ours. Measured on
# one core with flat_node of 64 units, Euler's method with 4 and 64 steps: docs/benchmarks.md.
CALLS = {"backprop": 3, "checkpoint": 7, "adjoint": 15}
TORCHDIFFEQ_CALL = 1.3
TORCHDIFFEQ_SECONDS_PER_ITERATION = 2e-3
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


def _pass_seconds(
    spec: TrialSpec, solver: SolverConfig | None, batch: int, rate: float, nfe: float | None = None
) -> tuple[float, float]:
    """Seconds of one forward pass: of all calls of f in all blocks, and of all operations.

    nfe: of one solve, if known.
    """
    evaluations = nfe_per_solve(solver) if nfe is None else nfe
    counted = spec.model.operations(spec.data.shape, spec.data.classes)
    operations = 2 * (evaluations * counted.inside + counted.outside)
    call = SECONDS_PER_CALL * (TORCHDIFFEQ_CALL if _by_torchdiffeq(solver) else 1)
    return evaluations * max(1, spec.ode_blocks) * call, operations * batch / rate


def _by_torchdiffeq(solver: SolverConfig | None) -> bool:
    return getattr(solver, "backend", None) == "torchdiffeq"


def step_seconds(
    spec: TrialSpec, rate: float = OPERATIONS_PER_SECOND, nfe: float | None = None
) -> float:
    """One optimizer step. rate: operations per second. nfe: of one solve, if known."""
    if isinstance(spec.model, Idle):
        return spec.model.seconds
    calls, operations = _pass_seconds(spec, spec.solver, spec.train.batch_size, rate, nfe)
    gradient = spec.gradient.name
    loop = TORCHDIFFEQ_SECONDS_PER_ITERATION if _by_torchdiffeq(spec.solver) else 0.0
    return SECONDS_PER_ITERATION + loop + CALLS[gradient] * calls + PASSES[gradient] * operations


def counted_train_seconds(spec: TrialSpec, rate: float = OPERATIONS_PER_SECOND) -> float:
    """All optimizer steps of a training."""
    return iterations(spec) * step_seconds(spec, rate)


def records(spec: TrialSpec) -> int:
    """Rows of its curve, each with scores of the net so far."""
    batches = math.ceil(samples(spec, "train") / spec.train.batch_size)
    return math.ceil(iterations(spec) / (spec.train.record_every or batches))


def scored_samples(spec: TrialSpec) -> int:
    """Samples that are scored for each row of the curve."""
    also = spec.train.also_test
    return samples(spec, "test") + sum(
        min(samples(spec, one.split), one.limit or samples(spec, one.split)) for one in also
    )


def sample_seconds(spec: TrialSpec, rate: float = OPERATIONS_PER_SECOND) -> float:
    """The score of one sample, in batches of the training's size."""
    if isinstance(spec.model, Idle):
        return 0.0
    batch = min(spec.train.batch_size, samples(spec, "test"))
    return sum(_pass_seconds(spec, spec.solver, batch, rate)) / batch


def counted_evaluation_seconds(
    spec: TrialSpec, evaluation: Evaluation, rate: float = OPERATIONS_PER_SECOND
) -> float:
    """One evaluation of a trained net."""
    if isinstance(spec.model, Idle):
        return 0.0
    n = min(samples(spec, evaluation.split), evaluation.limit or samples(spec, evaluation.split))
    batches = math.ceil(n / evaluation.batch_size)
    solver = spec.solver if evaluation.solver is None else evaluation.solver
    return batches * sum(_pass_seconds(spec, solver, min(n, evaluation.batch_size), rate))
