"""Adaptation inside a training: when it happens, what it costs, where its value is kept, and that
it changes nothing else.
"""

import copy
import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from trainings import IMAGES, make, run

from odecore.config.solver import FixedStep
from odecore.models import build_model
from odecore.models.ode_block import ode_blocks
from odecore.norms import Norm
from odecore.solvers.adaptation import Adapted
from odecore.solvers.explicit_rk import FixedStepRungeKutta
from odecore.training.fit import Training


def adapted(net: Training | nn.Module) -> Adapted:
    solver = ode_blocks(net.model if isinstance(net, Training) else net)[0].solver
    assert isinstance(solver, Adapted)
    return solver


TWO_BLOCKS = {"name": "groupnorm_odenet", "blocks": 2}


def test_the_adapted_value_is_part_of_the_weights() -> None:
    training = make(solver={"name": "adapted_euler"})
    assert math.isnan(training.model.state_dict()["block.adaptation"])
    training.step()
    h = adapted(training).value
    state = training.model.state_dict()
    assert state["block.adaptation"].dtype == torch.float64
    assert state["block.adaptation"].item() == h
    other = build_model(training.spec)
    other.load_state_dict(state)
    assert adapted(other).value == h
    # A copy has a solver of its own.
    copied = copy.deepcopy(other)
    adapted(copied).value = 0.125
    assert copied.state_dict()["block.adaptation"].item() == 0.125
    assert other.state_dict()["block.adaptation"].item() == h
    assert "block.adaptation" not in make().model.state_dict()


def test_blocks_share_one_step_size() -> None:
    training = run(
        make(
            {"iterations": 2, "batch_size": 8},
            data=IMAGES,
            model=TWO_BLOCKS,
            solver={"name": "adapted_euler"},
        )
    )
    values = [
        value.item()
        for name, value in training.model.state_dict().items()
        if name.endswith("adaptation")
    ]
    assert len(values) == 2
    assert len({*values, training.series[0][2]}) == 1


@pytest.mark.parametrize(
    "solver",
    [{"name": "adapted_euler"}, {"name": "adapted_dopri5", "tolerance": 1e-2}],
    ids=lambda solver: solver["name"],
)
def test_a_check_comes_every_50_steps_and_all_its_evaluations_are_counted(
    solver: dict[str, Any],
) -> None:
    training = make(
        {"iterations": 101, "record_every": 101, "optimizer": {"name": "adam", "lr": 0.01}},
        solver=solver,
    )
    field = ode_blocks(training.model)[0].field
    calls, bind = 0, field.bind

    def counted() -> Any:
        f = bind()

        def g(t: float, x: Tensor) -> Tensor:
            nonlocal calls
            calls += training.model.training
            return f(t, x)

        return g

    field.bind = counted
    run(training)
    assert training.nfe_forward == calls == training.records[0]["nfe_forward"]
    name = "step_size" if solver["name"] == "adapted_euler" else "tolerance"
    found = [(iteration, value) for iteration, key, value in training.series if key == name]
    assert [iteration for iteration, _ in found] == [0, 50, 100]
    ratios = [later / before for (_, before), (_, later) in itertools.pairwise(found)]
    for ratio in ratios:
        assert min(abs(ratio - allowed) for allowed in (0.5, 1.0, 1.1)) < 1e-12
    accuracies = {key for _, key, _ in training.series if key.startswith("batch_accuracy")}
    assert accuracies == {"batch_accuracy.train_solver", "batch_accuracy.test_solver"}


@pytest.mark.parametrize("checked", [True, False])
def test_a_check_leaves_no_trace_but_the_step_size(checked: bool) -> None:
    model = {"name": "stacked_odenet", "layers": 4, "width": 4, "ode_norm": "batch"}
    training = make(
        {"batch_size": 12, "optimizer": {"name": "sgd"}, "iterations": 200},
        data=IMAGES,
        model=model,
        solver={"name": "adapted_euler"},
    )
    solver = adapted(training)
    solver.value = 0.25
    training.iteration = 49 if checked else 48
    differentiated: list[bool] = []
    norm = next(
        module
        for module in ode_blocks(training.model)[0].field.modules()
        if isinstance(module, Norm)
    )
    norm.register_forward_pre_hook(lambda *_: differentiated.append(torch.is_grad_enabled()))
    # Both steps on the same batch.
    training._batch = lambda: (training.data.inputs(training.data.train_x), training.data.train_y)  # pyright: ignore[reportPrivateUsage]
    training.step()
    # 4 evaluations; a check adds the test solver's 2 * 15, h_test = sqrt(0.25 / 50) = 1/14.1, and
    # those of an enlarged step, if it comes to that.
    assert training.nfe_forward == len(differentiated)
    assert training.nfe_forward in ((34, 38) if checked else (4,))
    assert sum(differentiated) == 4
    reference = build_model(training.spec)
    plain = FixedStepRungeKutta(FixedStep(name="euler", steps=4))
    for block in ode_blocks(reference):
        block.solver = plain
    x, y = training.data.inputs(training.data.train_x), training.data.train_y
    torch.nn.functional.cross_entropy(reference(x), y).backward()
    torch.optim.SGD(reference.parameters(), lr=0.1).step()
    found = training.model.state_dict()
    assert (found.pop("stages.0.adaptation").item() != 0.25) is checked
    expected = {
        name: value
        for name, value in reference.state_dict().items()
        if not name.endswith("adaptation")
    }
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name
