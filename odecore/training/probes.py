"""Data for figures that is neither per epoch nor an evaluation: trajectories in the plane and decision regions."""

# Shapes: B points, G grid points. Columns come back as one NumPy array each, in the order of the probe's table.

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from odecore.config.evaluation import DecisionGrid, ProbeConfig, Trajectory
from odecore.data import Dataset
from odecore.models.ode_block import ODEBlock
from odecore.solvers import build

Columns = dict[str, np.ndarray]


def _plane_block(model: nn.Module, data: Dataset) -> ODEBlock:
    block = getattr(model, "block", None)
    if not isinstance(block, ODEBlock) or data.test_x[0].shape != (2,):
        raise ValueError("trajectories and decision grids exist for two-dimensional data and models of one ODE block")
    return block


def trajectory(model: nn.Module, data: Dataset, probe: Trajectory) -> Columns:
    """States of the first test points after every solver step, step 0 being the input: point, label, step, t, x1, x2."""
    block = _plane_block(model, data)
    x0_B2 = data.inputs(data.test_x[: probe.points])
    times, states = [0.0], [x0_B2.clone()]

    def keep(t: float, x: torch.Tensor) -> None:
        times.append(t)
        states.append(x.clone())

    with torch.no_grad():
        build(probe.solver)(block.field, x0_B2, on_step=keep)
    steps, points = len(times), len(x0_B2)
    x = torch.stack(states).cpu().numpy()
    return {
        "point": np.tile(np.arange(points, dtype=np.int32), steps),
        "label": np.tile(data.test_y[:points].cpu().numpy().astype(np.int32), steps),
        "step": np.repeat(np.arange(steps, dtype=np.int32), points),
        "t": np.repeat(np.asarray(times, dtype=np.float64), points),
        "x1": x[:, :, 0].ravel(),
        "x2": x[:, :, 1].ravel(),
    }


def decision_grid(model: nn.Module, data: Dataset, probe: DecisionGrid) -> Columns:
    """Probability of class 1 that the linear head gives to each state of a square grid around the block's outputs: x1, x2, p1."""
    block = _plane_block(model, data)
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
    return {"x1": grid_G2[:, 0].cpu().numpy(), "x2": grid_G2[:, 1].cpu().numpy(), "p1": p1.cpu().numpy()}


PROBES: dict[type, Callable[..., Columns]] = {Trajectory: trajectory, DecisionGrid: decision_grid}


def compute(model: nn.Module, data: Dataset, probe: ProbeConfig) -> Columns:
    """The probe's table for this model, in tidy long form."""
    return PROBES[type(probe)](model, data, probe)
