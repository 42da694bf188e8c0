"""What differs on a GPU, as far as a CPU can show it: layout, precision, and what waits."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from trainings import DOPRI5, IMAGES, make

from odecore.models.ode_block import ode_blocks
from odecore.training.fit import Training

NETS: dict[str, dict[str, Any]] = {
    "gusak": {"name": "stacked_odenet", "layers": 10, "width": 4, "ode_norm": {"name": "layer"}},
    "zheng": {"name": "unmixed_node", "backbone": "cnn4", "norm": {"name": "ta_bn"}},
    "augmented": {"name": "augmented_node", "width": 4},
    "chen": {"name": "groupnorm_odenet"},
    "ott": {"name": "flat_node", "width": 4},
}


class Watch(TorchDispatchMode):
    """Counts convolutions by the layout of what they read, and numbers read from tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.layouts: Counter[str] = Counter()
        self.waits = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "aten.convolution.default" in str(func) and args[0].dim() == 4:
            last = args[0].is_contiguous(memory_format=torch.channels_last)
            self.layouts["last" if last else "first"] += 1
        self.waits += "_local_scalar_dense" in str(func) or "nonzero" in str(func)
        return func(*args, **(kwargs or {}))


def images(net: str, **sections: Any) -> Training:
    return make({"batch_size": 4, "iterations": 2}, data=IMAGES, model=NETS[net], **sections)


def gradient(training: Training) -> Tensor:
    """Of the first step, all parameters."""
    x, labels = training._batch()  # pyright: ignore[reportPrivateUsage]
    training.model.train()
    training._compute(x, labels)  # pyright: ignore[reportPrivateUsage]
    found = [p.grad.flatten() for p in training.model.parameters() if p.grad is not None]
    return torch.cat(found)


@pytest.mark.parametrize("net", NETS)
def test_channels_last_changes_only_rounding(net: str) -> None:
    expected = gradient(images(net))
    training = images(net)
    assert not training.channels_last, "nothing changes on a CPU"
    training.channels_last = True
    training.model.to(memory_format=torch.channels_last)
    with Watch() as watch:
        found = gradient(training)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())
    assert set(watch.layouts) == {"last"}
    assert training.numerics == "eager, channels last"


@pytest.mark.parametrize("solver", [{"name": "euler", "steps": 2}, DOPRI5], ids=lambda s: s["name"])
@pytest.mark.parametrize("net", NETS)
def test_bf16_leaves_states_slopes_and_step_control_in_float32(
    net: str, solver: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    training, seen = images(net, solver=solver, precision="bf16"), Counter[torch.dtype]()
    for block in ode_blocks(training.model):
        bind = block.field.bind

        def bound(bind: Any = bind) -> Any:
            f = bind()

            def recorded(t: float, x: Tensor) -> Tensor:
                slope = f(t, x)
                seen.update([x.dtype, slope.dtype])
                return slope

            return recorded

        monkeypatch.setattr(block.field, "bind", bound)
        block.register_forward_hook(lambda _m, _given, x: seen.update([x.dtype]))
    gradient(training)
    assert set(seen) == {torch.float32}


@pytest.mark.parametrize("net", NETS)
def test_an_adaptive_solve_waits_once_for_each_step(net: str) -> None:
    training, solutions = images(net, solver=DOPRI5), []
    blocks = ode_blocks(training.model)
    for block in blocks:
        solve = block.solver

        def recorded(*given: Any, solve: Any = solve, **named: Any) -> Any:
            solutions.append(solve(*given, **named))
            return solutions[-1]

        recorded.config, recorded.order = solve.config, solve.order  # pyright: ignore
        block.solver = recorded  # pyright: ignore
    with Watch() as watch:
        gradient(training)
    steps = sum(one.steps_accepted + one.steps_rejected for one in solutions)
    assert steps >= 2 * len(blocks)
    # Each solve: its first step size, and whether the end is finite. Once: the loss.
    assert watch.waits <= steps + 3 * len(blocks) + 1
