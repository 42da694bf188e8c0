"""Learning rates against the tables that the papers print, and schedules of torch."""

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from odecore.config.train import ScheduleConfig
from odecore.training import schedule

PARSE = TypeAdapter(ScheduleConfig).validate_python


def rates(config: dict[str, Any] | None, base: float, epochs: int, batches: int = 1) -> list[float]:
    """Of every iteration of a training."""
    parsed = None if config is None else PARSE(config)
    return [
        schedule.lr(parsed, base, iteration // batches, iteration, epochs)
        for iteration in range(epochs * batches)
    ]


def test_no_schedule_is_constant() -> None:
    assert rates(None, 0.3, 5) == [0.3] * 5


def test_gusaks_drops() -> None:
    # Gusak 2020, code: lr / 10 when epoch > 150, lr / 100 when epoch > 250, epochs counted from 1.
    found = rates({"name": "steps", "drops": (150, 250)}, 0.1, 350)
    for epoch_from_1 in range(1, 351):
        expected = 0.1 / 100 if epoch_from_1 > 250 else 0.1 / 10 if epoch_from_1 > 150 else 0.1
        assert found[epoch_from_1 - 1] == pytest.approx(expected)


def test_linear_is_enorms_formula() -> None:
    assert rates({"name": "linear"}, 0.05, 60) == pytest.approx(
        [0.05 * (1 - e / 60) for e in range(60)]
    )


def test_linear_with_the_reports_start_becomes_negative() -> None:
    # ENorm 2019, code: 0 at epoch 30, -0.0483 at epoch 59.
    found = rates({"name": "linear", "start": 0.1}, 0.05, 60)
    assert found[0] == 0.05
    assert found[30] == pytest.approx(0, abs=1e-15)
    assert found[59] == pytest.approx(-0.0483, abs=5e-5)


@pytest.mark.parametrize("unit", ["epochs", "iterations"])
def test_geometric_is_torchs_steplr(unit: str) -> None:
    batches = 3
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.2)
    theirs = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.5)
    expected = []
    for iteration in range(10 * batches):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if unit == "iterations" or iteration % batches == batches - 1:
            theirs.step()
    assert rates(
        {"name": "geometric", "factor": 0.5, "every": 4, "unit": unit}, 0.2, 10, batches
    ) == pytest.approx(expected)
