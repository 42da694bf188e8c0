"""Stacked trainings against the same trainings alone, and which trainings can be stacked."""

from typing import Any

import pytest
import torch
from trainings import CPU, DOPRI5, IMAGES, POINTS, make, run

from odecore import data as datasets
from odecore.config.stacks import stack_key
from odecore.training.fit import Training
from odecore.training.stack import Stack

ADAM, SGD = {"name": "adam", "lr": 1e-3}, {"name": "sgd", "lr": 0.05, "momentum": 0.9}
NETS: dict[str, dict[str, Any]] = {
    "conv": {"model": {"name": "flat_node", "width": 8}},
    "linear": {"model": {"name": "flat_node", "width": 8, "kind": "linear"}},
    "ten dimensions, rk4": {
        "model": {"name": "flat_node", "width": 4},
        "data": POINTS | {"dimension": 10},
        "solver": {"name": "rk4_38", "steps": 2},
    },
}
# The last batch of an epoch is smaller, and an epoch does not end with a row.
TRAIN = {"batch_size": 32, "iterations": 100, "record_every": 30}


def members(train: dict[str, Any] | None = None, n: int = 3, **sections: Any) -> list[Training]:
    return [make(TRAIN | (train or {}), seed=seed, **sections) for seed in range(n)]


def never(_: Stack) -> bool:
    return False


def assert_alike(stacked: Training, alone: Training, tolerance: float = 1e-5) -> None:
    counts = ("iteration", "outcome", "detail", "nfe_forward", "nfe_backward")
    for name in counts:
        assert getattr(stacked, name) == getattr(alone, name), name
    for name, value in alone.model.state_dict().items():
        torch.testing.assert_close(
            stacked.model.state_dict()[name], value, rtol=tolerance, atol=tolerance
        )
    assert len(stacked.records) == len(alone.records)
    for given, expected in zip(stacked.records, alone.records, strict=True):
        assert given.keys() == expected.keys()
        for name in given.keys() - {"train_seconds", "evaluate_seconds", "peak_memory_bytes"}:
            assert given[name] == pytest.approx(expected[name], rel=tolerance, abs=tolerance), name


@pytest.mark.parametrize("optimizer", [ADAM, SGD], ids=["adam", "sgd"])
@pytest.mark.parametrize("net", NETS)
def test_members_equal_their_own_training_after_a_hundred_steps(
    net: str, optimizer: dict[str, Any]
) -> None:
    train = {"optimizer": optimizer}
    stacked = members(train, **NETS[net])
    ended: list[Training] = []
    Stack(stacked).run(never, ended.append)
    assert {id(one) for one in ended} == {id(one) for one in stacked}
    for member, alone in zip(stacked, members(train, **NETS[net]), strict=True):
        assert_alike(member, run(alone))
        assert member.numerics == "eager, 3 stacked"
    assert stacked[0].last_loss != stacked[1].last_loss


def test_members_have_their_own_learning_rate_and_weight_decay() -> None:
    optimizers = [ADAM, ADAM | {"lr": 1e-2}, ADAM, ADAM | {"weight_decay": 0.1}]

    def made() -> list[Training]:
        return [
            make(TRAIN | {"optimizer": optimizer}, seed=seed, **NETS["conv"])
            for seed, optimizer in enumerate(optimizers)
        ]

    stacked = made()
    Stack(stacked).run(never)
    for member, alone in zip(stacked, made(), strict=True):
        assert_alike(member, run(alone))


@pytest.mark.parametrize("rate", [1e30, 1e10, 1e4])
def test_a_member_that_diverges_ends_at_its_step_and_the_others_go_on(rate: float) -> None:
    rates = [0.05, rate, 0.01]

    def made() -> list[Training]:
        return [
            make(TRAIN | {"optimizer": SGD | {"lr": lr}}, seed=seed, **NETS["conv"])
            for seed, lr in enumerate(rates)
        ]

    stacked = made()
    Stack(stacked).run(never)
    alone = [run(one) for one in made()]
    assert [one.outcome for one in stacked] == ["completed", "diverged", "completed"]
    bad, expected = stacked[1], alone[1]
    assert (bad.iteration, bad.detail) == (expected.iteration, expected.detail)
    assert bad.nfe_forward == expected.nfe_forward
    assert_alike(stacked[0], alone[0])
    assert_alike(stacked[2], alone[2])


def test_a_stop_resumes_stacked_with_equal_bits_and_alone_up_to_rounding() -> None:
    whole, cut = members(), members()
    Stack(whole).run(never)
    Stack(cut).run(lambda stack: stack.iteration >= 40)
    assert not any(member.outcome for member in cut)
    states = [member.state() for member in cut]
    assert {one.iteration for one in cut} == {cut[0].iteration}
    assert cut[0].iteration < 100

    def resumed() -> list[Training]:
        fresh = members()
        for member, state in zip(fresh, states, strict=True):
            member.load_state(state)
        return fresh

    again = resumed()
    Stack(again).run(never)
    for member, expected in zip(again, whole, strict=True):
        assert_alike(member, expected, tolerance=0)
    for member, expected in zip(resumed(), whole, strict=True):
        assert_alike(run(member), expected)
        # What the row says must not be forgotten with the stack.
        assert member.numerics == "eager, 3 stacked"


def test_a_state_holds_its_own_member_alone() -> None:
    stacked = members(n=8)
    Stack(stacked).run(lambda _: True)
    state = stacked[0].state()
    tensors = [*state["model"].values()]
    tensors += [value for of in state["optimizer"]["state"].values() for value in of.values()]
    for tensor in tensors:
        assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()


def key(**sections: Any) -> str | None:
    train = sections.pop("train", None)
    return stack_key(make(train, **sections).spec)


def test_what_can_be_stacked() -> None:
    assert key() == key(seed=5) == key(train={"optimizer": {"name": "adam", "lr": 1e-2}}) != None  # noqa: E711
    assert key() != key(solver={"name": "euler", "steps": 4})
    assert key() != key(train={"optimizer": SGD})
    assert key(train={"optimizer": SGD}) != key(train={"optimizer": SGD | {"momentum": 0.5}})
    for cannot in (
        {"solver": DOPRI5},
        {"data": IMAGES},
        {"data": POINTS | {"dimension": 11}},
        {"gradient": {"name": "checkpoint"}},
        {"gradient": {"name": "adjoint"}},
        {"solver": {"name": "euler", "steps": 3, "backend": "torchdiffeq"}},
        {"train": {"gradient_clip": 1.0}},
        {"precision": "bf16"},
    ):
        assert key(**cannot) is None, cannot


def test_others_are_refused() -> None:
    spec = make(solver=DOPRI5).spec
    alone = Training(spec, datasets.load(spec.data, None), CPU)
    for wrong in ([alone], [make(), make(solver={"name": "euler", "steps": 5})]):
        with pytest.raises(ValueError, match="differ"):
            Stack(wrong)
