"""Probes against hand-written loops."""

import numpy as np
import pytest
import torch

from odecore import data as datasets
from odecore.config import DecisionGrid, Trajectory, TrialSpec
from odecore.data import Dataset
from odecore.models import build_model
from odecore.training import probes


@pytest.fixture
def trained() -> tuple[torch.nn.Module, Dataset]:
    values = {
        "data": {"name": "spheres"},
        "model": {"name": "flat_node", "width": 4},
        "solver": {"name": "euler", "steps": 2},
        "train": {"iterations": 1},
    }
    spec = TrialSpec.model_validate(values)
    return build_model(spec), datasets.load(spec.data, None)


def test_trajectory_is_the_euler_loop(trained: tuple[torch.nn.Module, Dataset]) -> None:
    model, data = trained
    columns = probes.compute(model, data, Trajectory.model_validate({"solver": {"name": "euler", "steps": 3}, "points": 5}))
    field = model.block.field  # pyright: ignore[reportAttributeAccessIssue]
    x, expected = data.test_x[:5], [data.test_x[:5]]
    with torch.no_grad():
        for step in range(3):
            x = x + field(step / 3, x) / 3  # pyright: ignore[reportCallIssue]
            expected.append(x)
    assert columns["step"].tolist() == [step for step in range(4) for _ in range(5)]
    assert columns["point"].tolist() == list(range(5)) * 4
    assert columns["label"].tolist() == data.test_y[:5].tolist() * 4
    np.testing.assert_allclose(columns["t"][::5], [0, 1 / 3, 2 / 3, 1], atol=1e-12)
    np.testing.assert_allclose(np.stack((columns["x1"], columns["x2"]), 1), torch.cat(expected).numpy(), atol=1e-6)


def test_decision_grid_covers_all_end_points_and_is_the_heads_softmax(trained: tuple[torch.nn.Module, Dataset]) -> None:
    model, data = trained
    probe = DecisionGrid.model_validate({"solver": {"name": "euler", "steps": 2}, "resolution": 7})
    columns = probes.compute(model, data, probe)
    assert len(columns["p1"]) == 49
    end = probes.compute(model, data, Trajectory.model_validate({"solver": {"name": "euler", "steps": 2}, "points": 1000}))
    last = end["step"] == 2
    for axis in ("x1", "x2"):
        assert columns[axis].min() < end[axis][last].min()
        assert columns[axis].max() > end[axis][last].max()
    states = torch.tensor(np.stack((columns["x1"], columns["x2"]), 1))
    with torch.no_grad():
        exponentials = torch.exp(states @ model.head.weight.T + model.head.bias)  # pyright: ignore
    np.testing.assert_allclose(columns["p1"], (exponentials[:, 1] / exponentials.sum(1)).numpy(), rtol=1e-5)


def test_data_that_is_not_in_the_plane_is_refused() -> None:
    values = {
        "data": {"name": "spheres", "dimension": 3},
        "model": {"name": "flat_node", "width": 4},
        "solver": {"name": "euler", "steps": 2},
        "train": {"iterations": 1},
    }
    spec = TrialSpec.model_validate(values)
    with pytest.raises(ValueError, match="two-dimensional"):
        probes.compute(build_model(spec), datasets.load(spec.data, None), Trajectory.model_validate({"solver": {"name": "euler", "steps": 2}}))
