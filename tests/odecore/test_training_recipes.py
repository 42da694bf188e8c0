"""What recipes add to a step, each against a loop written by hand."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from trainings import IMAGES, POINTS, make, run

from odecore import norms
from odecore.models import build_model
from odecore.models.ode_block import ode_blocks
from odecore.training.fit import Training
from odecore.training.streams import generator

STACKED = {"name": "stacked_odenet", "layers": 4, "width": 4}


def batches(training: Training, epoch: int) -> list[Tensor]:
    """Indices of an epoch's batches."""
    size = training.spec.train.batch_size
    return list(
        torch.randperm(len(training.data.train_y), generator=generator(0, "order", epoch)).split(
            size
        )
    )


def loss_of(model: nn.Module, training: Training, chosen: Tensor) -> Tensor:
    return functional.cross_entropy(
        model(training.data.inputs(training.data.train_x[chosen])), training.data.train_y[chosen]
    )


@pytest.mark.parametrize("reset", [False, True])
def test_momentum_reset_is_sgd_with_fresh_buffers_each_epoch(reset: bool) -> None:
    optimizer = {"name": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4}
    schedule = {"name": "steps", "drops": (2,)}
    train = {"optimizer": optimizer, "iterations": None, "epochs": 3, "schedule": schedule}
    training = make(train, fidelity={"momentum_reset": reset})
    model = build_model(training.spec)
    momentum = [torch.zeros_like(p) for p in model.parameters()]
    for epoch in range(3):
        if reset:
            momentum = [torch.zeros_like(p) for p in model.parameters()]
        for chosen in batches(training, epoch):
            gradients = torch.autograd.grad(
                loss_of(model, training, chosen), list(model.parameters())
            )
            with torch.no_grad():
                for p, m, g in zip(model.parameters(), momentum, gradients, strict=True):
                    m.mul_(0.9).add_(g + 5e-4 * p)
                    p.sub_(m * (0.05 if epoch < 2 else 0.005))
    run(training)
    for p, q in zip(model.parameters(), training.model.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)
    assert [row["learning_rate"] for row in training.records] == pytest.approx([0.05, 0.05, 0.005])


def test_momentum_reset_makes_a_difference() -> None:
    train = {"optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9}}
    losses = [
        run(make(train, fidelity={"momentum_reset": reset})).records[-1]["loss_train"]
        for reset in (False, True)
    ]
    assert losses[0] != losses[1]


def test_the_loss_that_is_stepped_on_has_ta_bns_penalty_and_the_recorded_one_has_not() -> None:
    def step(penalty: float) -> tuple[Training, nn.Parameter]:
        model = STACKED | {"ode_norm": {"name": "ta_bn", "grid_size": 1, "penalty": penalty}}
        training = make(
            {"optimizer": {"name": "sgd", "lr": 0.1}, "iterations": 1}, data=IMAGES, model=model
        )
        alpha = next(p for name, p in training.model.named_parameters() if name.endswith("alpha"))
        with torch.no_grad():
            alpha.fill_(2.0)
        return run(training), alpha

    (plain, alpha), (penalized, alpha_penalized) = step(0.0), step(0.5)
    assert plain.records[0]["loss_train"] == penalized.records[0]["loss_train"]
    # d/d alpha of 0.5 alpha^2 is alpha = 2; lr 0.1.
    torch.testing.assert_close(alpha_penalized, alpha - 0.1 * 2.0)
    assert norms.penalty(plain.model) is None


def test_side_effects_of_anode_update_running_statistics_twice() -> None:
    def statistics(twice: bool) -> Tensor:
        training = make(
            {"iterations": 1},
            data=IMAGES,
            model=STACKED | {"ode_norm": "batch"},
            solver={"name": "euler", "steps": 1},
            fidelity={"anode_side_effects": twice},
        )
        run(training)
        return next(
            b
            for name, b in training.model.named_buffers()
            if name.endswith("running_mean") and "stem" not in name
        )

    # From 0 with momentum 0.1 towards m: 0.1 m once, 0.9 * 0.1 m + 0.1 m twice.
    torch.testing.assert_close(statistics(True), 1.9 * statistics(False), rtol=1e-4, atol=1e-7)


def test_steer_draws_one_end_time_per_iteration_and_tests_at_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = {"name": "augmented_node", "backbone": "conv3", "width": 4, "channels": 1, "steer": 0.5}
    training = make(
        {"iterations": 40, "batch_size": 4, "record_every": 20},
        data=IMAGES,
        model=model,
        solver={"name": "euler", "steps": 1},
        seed=3,
    )
    (block,) = ode_blocks(training.model)
    seen: list[tuple[bool, float]] = []
    solve = block.gradient

    def watched(field: Any, x0: Tensor, solver: Any, t1: float = 1.0) -> Any:
        seen.append((torch.is_grad_enabled(), t1))
        return solve(field, x0, solver, t1)

    monkeypatch.setattr(block, "gradient", watched)
    run(training)
    trained, tested = (
        [t1 for training_pass, t1 in seen if training_pass is wanted] for wanted in (True, False)
    )
    draws = [
        torch.rand((), generator=generator(3, "steer", iteration), dtype=torch.float64).item()
        for iteration in range(40)
    ]
    assert trained == pytest.approx([0.5 + draw for draw in draws])
    assert min(trained) < 0.65
    assert max(trained) > 1.35
    assert tested
    assert set(tested) == {1.0}


@pytest.mark.parametrize("gradient", ["backprop", "checkpoint", "adjoint"])
def test_a_step_of_steer_is_the_gradient_of_a_solve_to_that_time(gradient: str) -> None:
    model = {"name": "augmented_node", "backbone": "conv3", "width": 4, "channels": 1, "steer": 0.5}
    sections: dict[str, Any] = {
        "data": IMAGES,
        "model": model,
        "solver": {"name": "euler", "steps": 4},
        "gradient": {"name": gradient},
    }
    training = make(
        {"optimizer": {"name": "sgd", "lr": 0.1}, "batch_size": 24, "iterations": 1}, **sections
    )
    by_hand = build_model(training.spec)
    end = 0.5 + torch.rand((), generator=generator(0, "steer", 0), dtype=torch.float64).item()
    # Euler by hand to that end, of the block inside the model.
    chosen = batches(training, 0)[0]
    x = training.data.inputs(training.data.train_x[chosen])
    z = functional.pad(x, (0, 0, 0, 0, 0, 1))
    for k in range(4):
        z = z + end / 4 * by_hand.block.field(k * end / 4, z)  # pyright: ignore
    loss = functional.cross_entropy(by_hand.head(z.flatten(1)), training.data.train_y[chosen])  # pyright: ignore
    (expected,) = torch.autograd.grad(loss, [by_hand.head.weight])  # pyright: ignore
    before = training.model.head.weight.detach().clone()  # pyright: ignore
    run(training)
    after = training.model.head.weight.detach()  # pyright: ignore
    torch.testing.assert_close(after, before - 0.1 * expected, rtol=1e-4, atol=1e-6)


def test_augmentation_has_a_stream_per_iteration() -> None:
    data = IMAGES | {"augment": "crop4_flip"}
    training = make({"batch_size": 8, "iterations": 5}, data=data, model=STACKED)
    for iteration in range(4):
        chosen = batches(training, iteration // 3)[iteration % 3]
        expected = training.data.training_inputs(
            training.data.train_x[chosen], generator(0, "augment", iteration)
        )
        assert torch.equal(training._batch()[0], expected)  # pyright: ignore[reportPrivateUsage]
        training.step()


def test_enorm_balances_after_each_step_and_counts_dead_units() -> None:
    model = {
        "name": "dense",
        "layers": 2,
        "width": 5,
        "enorm": {"c": 1.2, "cycles": 100, "dead_units": "skip"},
    }
    training = make({"iterations": 3, "batch_size": 8}, data=IMAGES, model=model, solver=None)
    weights = [layer.weight for layer in training.model.modules() if isinstance(layer, nn.Linear)]
    run(training)
    for incoming, outgoing in itertools.pairwise(weights):
        # At the fixed point columns have c times the norm of rows (Stock et al. 2019).
        torch.testing.assert_close(
            outgoing.norm(dim=0), 1.2 * incoming.norm(dim=1), rtol=1e-3, atol=0
        )
    assert training.series == []
    again = make({"iterations": 1, "batch_size": 8}, data=IMAGES, model=model, solver=None)
    with torch.no_grad():
        first, second = [
            layer.weight for layer in again.model.modules() if isinstance(layer, nn.Linear)
        ][:2]
        first[1], second[:, 1] = 0.0, 0.0
    run(again)
    # One unit, in each of 100 cycles.
    assert again.series == [(1, "dead_units", 100.0)]


def test_a_run_in_float64_of_the_same_steps_has_the_same_losses() -> None:
    training = run(
        make(
            {"optimizer": {"name": "sgd", "lr": 0.1}, "iterations": 4, "record_every": 1},
            data=POINTS,
        )
    )
    model = build_model(training.spec).double()
    for row, chosen in zip(training.records, batches(training, 0), strict=True):
        x, y = training.data.train_x[chosen].double(), training.data.train_y[chosen]
        for p in model.parameters():
            p.grad = None
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        assert row["loss_train"] == pytest.approx(loss.item(), rel=1e-4)
        with torch.no_grad():
            for p in model.parameters():
                assert p.grad is not None
                p.sub_(0.1 * p.grad)
