"""Data for figures: trajectories, decision regions, statistics of layers in the ODE.

Shapes: B points, D dimensions (1 or 2), G grid points, C channels. Columns are NumPy arrays (rows,)
in the order of the probe's table.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
import torch
from torch import Tensor, nn

from odecore.config.evaluation import DecisionGrid, LayerStatistics, ProbeConfig, Trajectory
from odecore.data import Dataset
from odecore.models.fields import Normed
from odecore.models.ode_block import ODEBlock, SolveFailed, ode_blocks, use_solver
from odecore.solvers import VectorField, build
from odecore.training.optim import LAYERS

Columns = dict[str, np.ndarray]


def _only_block(
    model: nn.Module, data: Dataset, dimensions: tuple[int, ...], what: str
) -> ODEBlock:
    block = getattr(model, "block", None)
    shape = tuple(data.test_x[0].shape)
    if not isinstance(block, ODEBlock) or len(shape) != 1 or shape[0] not in dimensions:
        allowed = " or ".join(map(str, dimensions))
        raise ValueError(
            f"{what} exist for points of dimension {allowed} and models of one ODE block on them, "
            f"not for inputs of shape {shape}"
        )
    return block


def trajectory(model: nn.Module, data: Dataset, probe: Trajectory) -> Columns:
    """States of the first test points after every solver step; step 0 is the input.

    Columns: point, label, step, t, x1, x2 (NaN on a line).
    """
    block = _only_block(model, data, (1, 2), "trajectories")
    x0_BD = data.inputs(data.test_x[: probe.points])
    times, states = [0.0], [x0_BD.clone()]

    def record(t: float, x: torch.Tensor) -> None:
        times.append(t)
        states.append(x.clone())

    with torch.no_grad():
        build(probe.solver)(block.field, x0_BD, on_step=record)
    steps, points = len(times), len(x0_BD)
    x = torch.stack(states).cpu().numpy()
    return {
        "point": np.tile(np.arange(points, dtype=np.int32), steps),
        "label": np.tile(data.test_y[:points].cpu().numpy().astype(np.int32), steps),
        "step": np.repeat(np.arange(steps, dtype=np.int32), points),
        "t": np.repeat(np.asarray(times, dtype=np.float64), points),
        "x1": x[:, :, 0].ravel(),
        "x2": x[:, :, 1].ravel()
        if x.shape[2] == 2
        else np.full(steps * points, np.nan, dtype=x.dtype),
    }


def decision_grid(model: nn.Module, data: Dataset, probe: DecisionGrid) -> Columns:
    """P(class 1) of the linear head on a square grid around the block's outputs.

    Columns: x1, x2, p1.
    """
    block = _only_block(model, data, (2,), "decision grids")
    head = model.head
    assert isinstance(head, nn.Module)
    with torch.no_grad():
        end = build(probe.solver)(block.field, data.inputs(data.test_x)).x1
        low, high = end.amin(0), end.amax(0)
        center, half = (low + high) / 2, (high - low).max() * (0.5 + probe.margin)
        side = torch.linspace(-1, 1, probe.resolution, device=end.device) * half
        x1, x2 = torch.meshgrid(center[0] + side, center[1] + side, indexing="xy")
        grid_G2 = torch.stack((x1.ravel(), x2.ravel()), 1)
        p1 = head(grid_G2).softmax(1)[:, 1]
    return {
        "x1": grid_G2[:, 0].cpu().numpy(),
        "x2": grid_G2[:, 1].cpu().numpy(),
        "p1": p1.cpu().numpy(),
    }


def layer_statistics(model: nn.Module, data: Dataset, probe: LayerStatistics) -> Columns:
    """Mean and variance of each output channel of each layer in the ODE, at every call of f.

    They are over batch and space. Columns: layer, channel, t, mean, var.

    Layers are counted from 0 in the order in which the fields call them, block after block. A
    failed solve leaves the evaluations before it.
    """
    seen = _Statistics()
    was_training = model.training
    model.eval()
    try:
        with (
            torch.no_grad(),
            use_solver(model, probe.solver),
            suppress(SolveFailed),
            _watched(model, seen),
        ):
            model(data.inputs(data.test_x[: probe.samples]))
    finally:
        model.train(was_training)
    if not seen.rows:
        raise ValueError(
            f"layer_statistics needs a model with layers in an ODE block, "
            f"and {type(model).__name__} has none"
        )
    counts = [len(mean) for _, _, mean, _ in seen.rows]
    return {
        "layer": np.repeat(
            np.asarray([layer for layer, _, _, _ in seen.rows], dtype=np.int32), counts
        ),
        "channel": np.concatenate([np.arange(count, dtype=np.int32) for count in counts]),
        "t": np.repeat(np.asarray([t for _, t, _, _ in seen.rows], dtype=np.float64), counts),
        "mean": torch.cat([mean for _, _, mean, _ in seen.rows]).cpu().numpy(),
        "var": torch.cat([variance for _, _, _, variance in seen.rows]).cpu().numpy(),
    }


class _Statistics:
    """What hooks report. rows: layer, t, means and variances (C,)."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, float, Tensor, Tensor]] = []
        self.t = 0.0
        self._numbers: dict[nn.Module, int] = {}

    def after(self, layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Forward hook of a layer."""
        number = self._numbers.setdefault(layer, len(self._numbers))
        variance, mean = torch.var_mean(
            output.double(), dim=[0, *range(2, output.dim())], correction=0
        )
        self.rows.append((number, self.t, mean, variance))

    def before(self, norm: nn.Module, inputs: tuple[Tensor, float]) -> None:
        """Forward pre-hook of a layer's norm: some fields do not call the layer itself."""
        self.after(norm, (), inputs[0])


@contextmanager
def _watched(model: nn.Module, seen: _Statistics) -> Iterator[None]:
    """Inside, layers of the ODE blocks report to `seen`, and so do the times of calls of f."""
    fields = [block.field for block in ode_blocks(model)]
    modules = [module for field in fields for module in field.modules()]
    normed = [module for module in modules if isinstance(module, Normed)]
    bare = [
        module
        for module in modules
        if isinstance(module, LAYERS) and all(module is not slot.layer for slot in normed)
    ]
    hooks = [slot.norm.register_forward_pre_hook(seen.before) for slot in normed] + [
        layer.register_forward_hook(seen.after) for layer in bare
    ]

    def with_time(bind: Callable[[], VectorField]) -> Callable[[], VectorField]:
        def bound() -> VectorField:
            f = bind()

            def timed(t: float, x: Tensor) -> Tensor:
                seen.t = t
                return f(t, x)

            return timed

        return bound

    try:
        for field in fields:
            # On points the flat net multiplies by matrices instead of calling its convolutions,
            # unless asked.
            field.bind = with_time(getattr(field, "bind_convolutions", field.bind))
        yield
    finally:
        for field in fields:
            vars(field).pop("bind", None)
        for hook in hooks:
            hook.remove()


PROBES: dict[type, Callable[..., Columns]] = {
    Trajectory: trajectory,
    DecisionGrid: decision_grid,
    LayerStatistics: layer_statistics,
}


def compute(model: nn.Module, data: Dataset, probe: ProbeConfig) -> Columns:
    """The probe's table for this model. Raises ValueError for `series`: only training has it."""
    if type(probe) not in PROBES:
        raise ValueError(
            f"probe {probe.name} is recorded by the training and cannot be computed from weights; "
            "train the trial again"
        )
    return PROBES[type(probe)](model, data, probe)
