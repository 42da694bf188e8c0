"""Points for fields without parameters."""

import torch

from odecore import data
from odecore.config.data import Fan, Line


def test_the_fans_classes_cannot_be_separated_by_a_line() -> None:
    fan = data.load(Fan(), None)
    assert fan.train_x.shape == (4, *Fan().shape)
    assert {
        tuple(point): label
        for point, label in zip(fan.test_x.tolist(), fan.test_y.tolist(), strict=True)
    } == {
        (0.0, 0.0): 0,
        (1.0, 1.0): 0,
        (0.0, 1.0): 1,
        (1.0, 0.0): 1,
    }
    assert fan.inputs(fan.train_x).dtype == torch.float32


def test_the_lines_points_are_exchanged_by_a_sign() -> None:
    line = data.load(Line(), None)
    assert line.train_x.shape == (2, *Line().shape)
    assert torch.equal(line.train_x.flip(0), -line.train_x)
    assert line.train_y.tolist() == line.test_y.tolist() == [0, 1]
