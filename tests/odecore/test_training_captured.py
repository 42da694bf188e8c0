"""Steps that do not wait for the device, and captured steps: the same numbers as eager ones.

A CPU has no graphs. A stand-in that runs the step again into the same tensors takes their place;
`benchmarks/gpu.py` compares the real ones.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from trainings import DOPRI5, IMAGES, make, results, run, without_times

from odecore.training import captured
from odecore.training.captured import CapturedPass, can_capture, largest_difference
from odecore.training.checks import Pass, can_wait, steps_until_reading
from odecore.training.fit import Training

NETS: dict[str, dict[str, Any]] = {
    "points": {},
    "ta_bn": {"model": {"name": "flat_node", "width": 4}, "data": IMAGES}
    | {"model": {"name": "unmixed_node", "backbone": "cnn4", "norm": {"name": "ta_bn"}}},
    "gusak, two passes of statistics": {
        "data": IMAGES,
        "model": {
            "name": "stacked_odenet",
            "layers": 10,
            "width": 4,
            "ode_norm": {"name": "batch"},
        },
        "fidelity": {"anode_side_effects": True},
    },
    "spectral": {
        "data": IMAGES,
        "model": {
            "name": "stacked_odenet",
            "layers": 4,
            "width": 4,
            "ode_norm": {"name": "spectral"},
        },
    },
}
TRAIN = {"batch_size": 8, "iterations": 7, "record_every": 3}


def by_running_again(training: Training) -> tuple[captured.Capture, list[int]]:
    """A capture whose replay is the step itself, and a list that grows with each replay."""
    replays: list[int] = []

    def capture(compute: Callable[[], Pass]) -> tuple[Pass, Callable[[], None]]:
        passed = compute()
        parameters = [p for p in training.model.parameters() if p.requires_grad]
        gradients = [p.grad for p in parameters]

        def replay() -> None:
            again = compute()
            for static, value in (
                (passed.loss, again.loss),
                (passed.logits, again.logits),
                *zip(passed.largest, again.largest, strict=True),
                *zip(gradients, [p.grad for p in parameters], strict=True),
            ):
                if static is not None and value is not None:
                    static.data.copy_(value.detach())
            replays.append(1)

        return passed, replay

    return capture, replays


def postponed(training: Training) -> Training:
    training.postponed = True
    return training


def with_capture(training: Training, capture: captured.Capture) -> Training:
    compute = training._compute  # pyright: ignore[reportPrivateUsage]
    training.captured = CapturedPass(compute, training.model, "float32", capture)
    return postponed(training)


@pytest.mark.parametrize("net", NETS)
def test_postponed_and_captured_steps_give_the_same_bits(net: str) -> None:
    eager = run(make(TRAIN, **NETS[net]))
    assert eager.outcome == "completed"
    assert results(run(postponed(make(TRAIN, **NETS[net])))) == results(eager)
    training = make(TRAIN, **NETS[net])
    capture, replays = by_running_again(training)
    assert results(run(with_capture(training, capture))) == results(eager)
    assert training.numerics == "captured"
    # Every batch but the short last ones of an epoch.
    full = sum(
        (i + 1) % training.batches != 0 or len(training.data.train_y) % 8 == 0 for i in range(7)
    )
    assert len(replays) == full


@pytest.mark.parametrize("net", ["points", "gusak, two passes of statistics"])
@pytest.mark.parametrize("rate", [1e30, 1e10, 1e4])
def test_a_postponed_check_finds_the_first_bad_step_and_its_nfe(net: str, rate: float) -> None:
    train = TRAIN | {"iterations": 40, "record_every": 40, "optimizer": {"name": "sgd", "lr": rate}}
    eager, late = make(train, **NETS[net]), postponed(make(train, **NETS[net]))
    run(eager)
    # The first reading comes after one step, the later ones after many.
    run(late)
    assert eager.outcome == "diverged"
    assert (late.outcome, late.detail, late.iteration) == (
        eager.outcome,
        eager.detail,
        eager.iteration,
    )
    assert (late.nfe_forward, late.nfe_backward) == (eager.nfe_forward, eager.nfe_backward)
    assert without_times(late.records) == without_times(eager.records)


class Waits(TorchDispatchMode):
    """Counts what waits for a device: numbers read from tensors."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += "_local_scalar_dense" in str(func) or "nonzero" in str(func)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("net", NETS)
def test_steps_between_readings_wait_for_nothing(net: str) -> None:
    # Adam keeps its number of steps on the host, where reading it costs nothing.
    train = TRAIN | {"iterations": 99, "record_every": 99, "optimizer": {"name": "sgd", "lr": 0.1}}
    training = postponed(make(train, **NETS[net]))
    training.step()
    training._step_seconds.extend([1e-4] * 51)  # pyright: ignore[reportPrivateUsage]
    with Waits() as waits:
        for _ in range(20):
            training.step()
    assert waits.count == 0
    with Waits() as waits:
        make(TRAIN, **NETS[net]).step()
    assert waits.count > 0


def test_a_stop_comes_after_a_reading_and_resumes_with_equal_bits() -> None:
    whole = run(postponed(make(TRAIN)))
    first = postponed(make(TRAIN))
    assert first.run(lambda training: training.iteration >= 2) is None
    second = postponed(make(TRAIN))
    second.load_state(first.state())
    assert results(run(second)) == results(whole)


def test_a_wrong_graph_is_refused_and_the_eager_numbers_stand() -> None:
    eager = run(make(TRAIN))
    training = make(TRAIN)
    capture, _ = by_running_again(training)

    def wrong(compute: Callable[[], Pass]) -> tuple[Pass, Callable[[], None]]:
        passed, replay = capture(compute)

        def replay_wrongly() -> None:
            replay()
            passed.logits.mul_(1.01)

        return passed, replay_wrongly

    assert results(run(with_capture(training, wrong))) == results(eager)
    assert training.numerics == "eager"
    assert training.captured
    assert training.captured.refused == "the captured step differs from the eager one by 0.01"


def test_a_step_that_cannot_be_captured_runs_eagerly() -> None:
    eager, training = run(make(TRAIN)), make(TRAIN)

    def impossible(_: Callable[[], Pass]) -> tuple[Pass, Callable[[], None]]:
        raise RuntimeError("operation not permitted\nmore lines")

    assert results(run(with_capture(training, impossible))) == results(eager)
    assert training.captured
    assert training.captured.refused == "the step cannot be captured: operation not permitted"


def test_what_may_wait_and_what_may_be_captured() -> None:
    def of(**sections: Any) -> tuple[bool, bool]:
        training = make(TRAIN, **sections)
        blocks = training._blocks  # pyright: ignore[reportPrivateUsage]
        return can_wait(blocks), can_capture(training.model, blocks)

    def net(norm: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"data": IMAGES, "model": {"name": "unmixed_node", "norm": norm} | more}

    assert of() == (True, True)
    assert of(solver=DOPRI5)[0] is False
    assert of(gradient={"name": "checkpoint", "every": "block"})[0] is False
    assert of(**net({"name": "ta_bn"}))[1]
    assert of(**net({"name": "ta_bn", "interpolation": "kernel"}))[1] is False
    released = {"name": "ta_bn", "statistics": "kernel", "interpolation": "kernel"}
    assert of(**net(released))[1] is False
    assert make(TRAIN).postponed is False  # nothing to gain on a CPU


def test_a_reading_comes_about_four_times_a_second() -> None:
    assert [steps_until_reading(s) for s in (0.0, 1.0, 0.1, 0.05, 1e-5)] == [1, 1, 2, 5, 64]


def test_the_difference_is_relative_and_knows_what_is_not_finite() -> None:
    one = torch.tensor([3.0, 4.0])
    assert largest_difference([one], [one + torch.tensor([0.0, 0.5])]) == pytest.approx(0.1)
    assert largest_difference([one], [one / 0]) == float("inf")
    assert largest_difference([one / 0], [one / 0]) == 0
