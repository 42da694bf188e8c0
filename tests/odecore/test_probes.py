"""Probes against hand-written loops."""

from typing import Any

import numpy as np
import pytest
import torch
from trainings import IMAGES, POINTS, make, run

from odecore import data as datasets
from odecore.config import DecisionGrid, LayerStatistics, Series, Trajectory, TrialSpec
from odecore.data import Dataset
from odecore.models import build_model
from odecore.models.fields import Normed
from odecore.models.ode_block import ode_blocks
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
    columns = probes.compute(
        model,
        data,
        Trajectory.model_validate({"solver": {"name": "euler", "steps": 3}, "points": 5}),
    )
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
    np.testing.assert_allclose(
        np.stack((columns["x1"], columns["x2"]), 1), torch.cat(expected).numpy(), atol=1e-6
    )


def test_decision_grid_covers_all_end_points_and_is_the_heads_softmax(
    trained: tuple[torch.nn.Module, Dataset],
) -> None:
    model, data = trained
    probe = DecisionGrid.model_validate({"solver": {"name": "euler", "steps": 2}, "resolution": 7})
    columns = probes.compute(model, data, probe)
    assert len(columns["p1"]) == 49
    end = probes.compute(
        model,
        data,
        Trajectory.model_validate({"solver": {"name": "euler", "steps": 2}, "points": 1000}),
    )
    last = end["step"] == 2
    for axis in ("x1", "x2"):
        assert columns[axis].min() < end[axis][last].min()
        assert columns[axis].max() > end[axis][last].max()
    states = torch.tensor(np.stack((columns["x1"], columns["x2"]), 1))
    with torch.no_grad():
        exponentials = torch.exp(states @ model.head.weight.T + model.head.bias)  # pyright: ignore
    np.testing.assert_allclose(
        columns["p1"], (exponentials[:, 1] / exponentials.sum(1)).numpy(), rtol=1e-5
    )


SOLVER = {"name": "euler", "steps": 2}


@pytest.mark.parametrize(
    ("sections", "match"),
    [
        (
            {
                "data": {"name": "spheres", "dimension": 3},
                "model": {"name": "flat_node", "width": 4},
            },
            "dimension 1 or 2",
        ),
        ({"data": IMAGES, "model": {"name": "flat_node", "width": 4}}, "shape .3, 32, 32."),
    ],
)
def test_data_that_is_no_point_of_the_plane_is_refused(
    sections: dict[str, Any], match: str
) -> None:
    training = make({"iterations": 1}, **sections)
    with pytest.raises(ValueError, match=match):
        probes.compute(training.model, training.data, Trajectory.model_validate({"solver": SOLVER}))


def test_a_series_is_not_computed_from_weights(trained: tuple[torch.nn.Module, Dataset]) -> None:
    with pytest.raises(ValueError, match="recorded by the training"):
        probes.compute(*trained, Series())


def test_trajectories_on_a_line_have_no_second_coordinate() -> None:
    training = make(
        {"iterations": 0}, data={"name": "line"}, model={"name": "crossing"}, solver=SOLVER
    )
    columns = probes.compute(
        training.model,
        training.data,
        Trajectory.model_validate({"solver": {"name": "euler", "steps": 4}}),
    )
    # z <- z - 2 z / 4.
    start = training.data.test_x[:, 0].numpy()
    np.testing.assert_allclose(
        columns["x1"], np.concatenate([start / 2**step for step in range(5)])
    )
    assert np.isnan(columns["x2"]).all()
    assert columns["x1"].dtype == columns["x2"].dtype == np.float32


def test_trajectories_of_the_fan_are_the_euler_loop() -> None:
    training = make(
        {"iterations": 0}, data={"name": "fan"}, model={"name": "windermere_fan"}, solver=SOLVER
    )
    columns = probes.compute(
        training.model,
        training.data,
        Trajectory.model_validate({"solver": {"name": "euler", "steps": 316}}),
    )
    z = training.data.test_x.double().numpy()
    for _ in range(316):
        a, b = z[:, 0], z[:, 1]
        z = z + np.stack((0.75 * a + b, b - 75 * np.hypot(a, b) ** 0.75 * a), 1) / 316
    last = columns["step"] == 316
    np.testing.assert_allclose(
        np.stack((columns["x1"][last], columns["x2"][last]), 1), z, rtol=1e-3, atol=1e-3
    )


def statistics_by_hand(outputs: list[torch.Tensor]) -> tuple[list[float], list[float]]:
    """Mean and variance per channel of each output, one after another."""
    flat = [output.double().transpose(0, 1).flatten(1) for output in outputs]
    means = [channel.mean().item() for output in flat for channel in output]
    return means, [
        ((channel - channel.mean()) ** 2).mean().item() for output in flat for channel in output
    ]


def test_layer_statistics_are_those_before_the_norm_at_each_time() -> None:
    model = {"name": "unmixed_node", "backbone": "cnn4", "norm": "batch"}
    training = run(make({"iterations": 3, "batch_size": 8}, data=IMAGES, model=model))
    net, data = training.model, training.data
    columns = probes.compute(
        net,
        data,
        LayerStatistics.model_validate({"solver": {"name": "midpoint", "steps": 2}, "samples": 6}),
    )
    assert set(columns) == {"layer", "channel", "t", "mean", "var"}
    x = data.inputs(data.test_x[:6])
    field = ode_blocks(net.eval())[0].field
    layers = [module for module in field.modules() if isinstance(module, Normed)]

    def by_hand(t: float, z: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        outputs, hidden = [], z
        for number, layer in enumerate(layers):
            hidden = layer.layer(torch.cat((torch.full_like(hidden[:, :1], t), hidden), 1))
            outputs.append(hidden)
            hidden = layer.norm(hidden, t)
            hidden = hidden.relu() if number + 1 < len(layers) else hidden
        return outputs, hidden

    with torch.no_grad():
        for step in (0, 1):
            first, slope = by_hand(step / 2, x)
            second, slope = by_hand(step / 2 + 1 / 4, x + slope / 4)
            x = x + slope / 2
            for t, outputs in ((step / 2, first), (step / 2 + 1 / 4, second)):
                rows = columns["t"] == t
                widths = [32, 64, 32, 3]
                assert columns["layer"][rows].tolist() == [
                    number for number, width in enumerate(widths) for _ in range(width)
                ]
                assert columns["channel"][rows].tolist() == [
                    channel for width in widths for channel in range(width)
                ]
                means, variances = statistics_by_hand(outputs)
                np.testing.assert_allclose(columns["mean"][rows], means, rtol=1e-3, atol=1e-5)
                np.testing.assert_allclose(columns["var"][rows], variances, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("data", "model", "layers", "channels"),
    [
        (POINTS, {"name": "flat_node", "width": 4}, 3, 4 + 4 + 1),
        (IMAGES, {"name": "flat_node", "width": 4}, 3, 4 + 4 + 3),
        (IMAGES, {"name": "groupnorm_odenet", "blocks": 2}, 4, 4 * 64),
        (IMAGES, {"name": "stacked_odenet", "width": 4, "ode_norm": "weight"}, 4, 2 * 4 + 2 * 8),
        (
            IMAGES,
            {
                "name": "second_order_node",
                "backbone": "cnn4",
                "norm": "ta_bn",
                "channels": 4,
                "start": "zeros",
            },
            4,
            None,
        ),
    ],
    ids=["points", "images", "two blocks", "two stages", "second order"],
)
def test_every_layer_of_every_family_reports(
    data: Any, model: Any, layers: int, channels: int | None
) -> None:
    training = make({"iterations": 1}, data=data, model=model)
    training.model.train()
    columns = probes.compute(
        training.model,
        training.data,
        LayerStatistics.model_validate({"solver": SOLVER, "samples": 4}),
    )
    assert sorted(set(columns["layer"].tolist())) == list(range(layers))
    assert sorted(set(columns["t"].tolist())) == [0.0, 0.5]
    if channels is not None:
        assert len(columns["mean"]) == 2 * channels
    assert np.isfinite(columns["mean"]).all()
    assert (columns["var"] >= 0).all()
    # Nothing stays: neither hooks, nor mode.
    assert training.model.training
    hooks = [
        vars(module)[kind]
        for module in training.model.modules()
        for kind in ("_forward_hooks", "_forward_pre_hooks")
    ]
    assert not any(hooks)
    assert all("bind" not in vars(block.field) for block in ode_blocks(training.model))


def test_a_model_without_ode_has_no_layer_statistics() -> None:
    training = make(data=IMAGES, model={"name": "dense", "layers": 1, "width": 4}, solver=None)
    with pytest.raises(ValueError, match="Dense has none"):
        probes.compute(
            training.model, training.data, LayerStatistics.model_validate({"solver": SOLVER})
        )
