"""The two fields without parameters: what the figures need to be true of them."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from odecore import data
from odecore.config import TrialSpec
from odecore.models import build_model, parameter_count
from odecore.models.ode_block import ODEBlock, ode_blocks
from odecore.models.toy import Crossing, WindermereFan

# Points (1, 1), (0, 1) and (1, 0) of the fan; (0, 0) stays where it is.
CORNERS = torch.tensor([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)


def spec(model: dict[str, Any], points: str, **solver: Any) -> TrialSpec:
    return TrialSpec.model_validate(
        {"data": {"name": points}, "model": model, "solver": solver, "train": {"iterations": 0}}
    )


def fan(steps: int, **constants: float) -> nn.Module:
    return build_model(
        spec({"name": "windermere_fan", **constants}, "fan", name="euler", steps=steps)
    )


def crossing(**solver: Any) -> nn.Module:
    return build_model(spec({"name": "crossing"}, "line", **solver))


def euler_by_hand(
    z: tuple[float, float], steps: int, alpha: float, beta: float, gamma: float, delta: float
) -> tuple[float, float]:
    """z' = A(z) z, one point in Python's own numbers."""
    z1, z2 = z
    for _ in range(steps):
        a21 = -gamma * math.hypot(z1, z2) ** delta
        z1, z2 = z1 + (alpha * z1 + z2) / steps, z2 + (a21 * z1 + beta * z2) / steps
    return z1, z2


@pytest.mark.parametrize("constants", [(0.75, 1.0, 75.0, 0.75), (0.25, 1.0, 30.0, 1.25)])
def test_fan_is_the_formula(constants: tuple[float, float, float, float]) -> None:
    model = fan(316, **dict(zip(("alpha", "beta", "gamma", "delta"), constants, strict=True)))
    expected = [euler_by_hand((z1, z2), 316, *constants) for z1, z2 in CORNERS.tolist()]
    torch.testing.assert_close(
        model(CORNERS), torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=1e-10
    )
    assert torch.equal(model(torch.zeros(1, 2)), torch.zeros(1, 2))


def margin(ends: Tensor, labels: Tensor) -> float:
    """Largest gap that a direction leaves between the classes, over the spread along it; negative
    when no line parts them.
    """
    angles = torch.linspace(0, 2 * math.pi, 721, dtype=torch.float64)[:-1]
    along = ends.double() @ torch.stack((angles.cos(), angles.sin()))
    gap = along[labels == 1].amin(0) - along[labels == 0].amax(0)
    return (gap / (along.amax(0) - along.amin(0))).max().item()


@pytest.mark.parametrize(("steps", "separable"), [(316, True), (3162, False)])
def test_fan_is_separable_after_coarse_steps_only(steps: int, separable: bool) -> None:
    points = data.load(spec({"name": "windermere_fan"}, "fan", name="euler", steps=1).data, None)
    ends = fan(steps)(points.test_x)
    assert (margin(ends, points.test_y) > 0) == separable
    assert abs(margin(ends, points.test_y)) > 0.1


@pytest.mark.parametrize(
    ("steps", "h", "ends"),
    [
        (316, 10**-2.5, [(-4.08, 0.77), (0.20, 2.16), (-4.02, 3.78)]),
        (3162, 10**-3.5, [(2.12, -3.17), (0.17, 2.15), (2.09, -5.84)]),
    ],
    ids=["coarse", "fine"],
)
def test_end_points_of_the_fan(steps: int, h: float, ends: list[tuple[float, float]]) -> None:
    """Recorded when the constants were searched for, by a script of its own, whose steps are
    10^-2.5 and 10^-3.5 and so end just before t = 1.
    """
    model = fan(steps)
    ode_blocks(model)[0].end_time = steps * h
    torch.testing.assert_close(
        model(CORNERS), torch.tensor(ends, dtype=torch.float64), rtol=0, atol=0.0051
    )


def test_one_euler_step_exchanges_the_points_of_the_line_and_the_solution_does_not() -> None:
    points = data.load(spec({"name": "crossing"}, "line", name="euler", steps=1).data, None)
    coarse, fine = crossing(name="euler", steps=1), crossing(name="dopri5", tolerance=1e-6)
    assert isinstance(coarse, Crossing)
    assert isinstance(fine, Crossing)
    assert torch.equal(coarse.block(points.test_x), -points.test_x)
    torch.testing.assert_close(
        fine.block(points.test_x), points.test_x * math.exp(-2), rtol=0, atol=1e-5
    )
    # The logits call a point by where the exchange would have sent it.
    assert torch.equal(coarse(points.test_x).argmax(1), points.test_y)
    assert not (fine(points.test_x).argmax(1) == points.test_y).any()


@pytest.mark.parametrize(
    ("model", "kind"),
    [(fan(1), WindermereFan), (crossing(name="euler", steps=1), Crossing)],
    ids=["fan", "crossing"],
)
def test_there_is_nothing_to_train_and_one_block_to_follow(
    model: nn.Module, kind: type[nn.Module]
) -> None:
    assert isinstance(model, kind)
    assert parameter_count(model) == 0
    assert not model.state_dict()
    assert isinstance(model.block, ODEBlock)
    assert ode_blocks(model) == [model.block]
    assert (model.blocks, model.depth_layers) == (1, 0)
