"""Checks of a device: its numbers against the CPU's, and captured steps against eager ones.

Each check returns what it measured as one line, and raises AssertionError when it fails.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.nets import GRADIENTS, MODELS, SOLVERS, possible
from benchmarks.gpu.nets import with_gradient as gradient_values
from benchmarks.gpu.nets import with_norm as norm_values
from odecore import data as datasets
from odecore import norms
from odecore.config import TrialSpec, lookup
from odecore.models import build_model, dropout
from odecore.models.ode_block import repeat_side_effects
from odecore.training import checkpointing
from odecore.training.fit import Training
from odecore.training.stack import Stack

Check = Callable[[torch.device], str]
# In float64 the order of sums is all that differs.
ROUNDING = 1e-9
# After a short training in float32, relative to the size of the weights or of the loss.
AFTER_TRAINING = 1e-2
# bf16 has 8 bits: of the loss.
BF16 = 0.1
TRAINED = {"optimizer": {"name": "adam", "lr": 1e-3}, "iterations": 30, "batch_size": 64}
# On a CPU, where there is nothing to find.
REHEARSED = {"iterations": 6, "batch_size": 4}
IMAGES_TO_TRAIN = {"name": "cifar10", "source": "generated", "train_limit": 256, "test_limit": 64}


def checks() -> dict[str, Check]:
    """Name -> check, in the order in which they run: what nothing else shows comes first."""
    spec = TrialSpec.model_validate(to_capture()["ODENet4, batch norm"])
    found: dict[str, Check] = {
        f"captured: {name}": partial(captured_is_eager, TrialSpec.model_validate(values))
        for name, values in to_capture().items()
    }
    found |= {
        "stacked": partial(stacked_is_alone, TrialSpec.model_validate(to_capture()["Sphere2"])),
        "resume": partial(resumes, spec),
        "bf16": partial(bf16_is_close, spec),
        "first bad step": first_bad_step_is_exact,
    }
    for model, (_, slots) in MODELS.items():
        for norm in lookup.NORMS if slots else ("none",):
            if spec := possible(norm_values(model, norm)):
                found[f"{model}, {norm}"] = partial(agrees_with_cpu, spec)
    for solver in SOLVERS:
        for gradient in GRADIENTS:
            if spec := possible(gradient_values(solver, gradient)):
                found[f"{solver}, {gradient}"] = partial(agrees_with_cpu, spec)
    return found


def to_capture() -> dict[str, dict[str, Any]]:
    """Nets of four papers whose steps can be captured."""
    common = {"data": IMAGES_TO_TRAIN, "train": TRAINED}
    euler = {"solver": {"name": "euler", "steps": 4}}
    odenet = {"name": "stacked_odenet", "layers": 4, "width": 16}
    cnn = {"name": "unmixed_node", "backbone": "cnn4"}
    return {
        "ODENet4, batch norm": common | euler | {"model": odenet | {"ode_norm": {"name": "batch"}}},
        "ODENet4, spectral norm": common
        | euler
        | {"model": odenet | {"ode_norm": {"name": "spectral"}}},
        "ODENet4, ANODE's statistics": common
        | euler
        | {
            "model": odenet | {"ode_norm": {"name": "batch"}},
            "fidelity": {"anode_side_effects": True},
        },
        "CNN-4, TA-BN": common
        | {
            "solver": {"name": "rk4", "steps": 2},
            "model": cnn | {"norm": {"name": "ta_bn", "penalty": 1e-4}},
        },
        "Sphere2": {
            "data": {"name": "spheres", "train_size": 256, "test_size": 64},
            "model": {"name": "flat_node"},
            "train": TRAINED,
            "solver": {"name": "rk4_38", "steps": 8},
        },
    }


def apart(one: Tensor, other: Tensor) -> float:
    """|one - other| / |one| in float64, both on the CPU."""
    one, other = one.detach().double().cpu(), other.detach().double().cpu()
    return ((one - other).norm() / one.norm().clamp_min(1e-12)).item()


def _flat(tensors: Any) -> Tensor:
    return torch.cat([tensor.detach().double().cpu().flatten() for tensor in tensors])


def agrees_with_cpu(spec: TrialSpec, device: torch.device) -> str:
    """One pass in float64: logits, gradients and what the norms keep."""
    results: list[dict[str, Tensor]] = []
    for place in (torch.device("cpu"), device):
        data = datasets.load(spec.data, None).to(place)
        model = build_model(spec).to(place).double().train()
        dropout.set_streams(model, spec.seed, 0)
        logits = model(data.inputs(data.train_x[:4]).double())
        loss = torch.nn.functional.cross_entropy(logits, data.train_y[:4])
        penalty = norms.penalty(model)
        (loss if penalty is None else loss + penalty).backward()
        repeat_side_effects(model)
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        results.append(
            {
                "logits": logits,
                "gradients": _flat(gradients),
                "buffers": _flat(model.buffers()) if list(model.buffers()) else torch.ones(1),
            }
        )
    differences = {name: apart(results[0][name], results[1][name]) for name in results[0]}
    worst = max(differences, key=lambda name: differences[name])
    assert differences[worst] <= ROUNDING, f"{worst} differ by {differences[worst]:.2g}"
    return f"{differences[worst]:.1g}"


def _training(spec: TrialSpec, device: torch.device, *, eager: bool = False) -> Training:
    if device.type == "cpu":
        train = spec.train.model_copy(update=REHEARSED)
        spec = spec.model_copy(update={"train": train})
    return Training(spec, datasets.load(spec.data, None), device, eager=eager)


def _trained(spec: TrialSpec, device: torch.device, *, eager: bool = False) -> Training:
    training = _training(spec, device, eager=eager)
    training.run(lambda _: False)
    assert training.outcome == "completed", f"{training.outcome}: {training.detail}"
    return training


def _weights_apart(one: Training, other: Training) -> float:
    return apart(_flat(one.model.state_dict().values()), _flat(other.model.state_dict().values()))


def captured_is_eager(spec: TrialSpec, device: torch.device) -> str:
    """Captured steps end where eager ones do, and the graph was not refused."""
    eager, captured = (_trained(spec, device, eager=how) for how in (True, False))
    if device.type == "cuda":
        assert captured.captured is not None, "the step is not meant to be captured"
        assert captured.captured.refused is None, captured.captured.refused
    difference = _weights_apart(eager, captured)
    assert difference <= AFTER_TRAINING, f"weights differ by {difference:.2g}"
    assert captured.nfe_forward == eager.nfe_forward
    return f"{difference:.1g}"


def stacked_is_alone(spec: TrialSpec, device: torch.device) -> str:
    """Members of a stack, captured, end where each ends alone and eager."""
    specs = [spec.model_copy(update={"seed": seed}) for seed in range(4)]
    members = [_training(one, device) for one in specs]
    stack = Stack(members)
    stack.run(lambda _: False)
    if device.type == "cuda":
        assert stack.captured is not None
        assert stack.captured.refused is None, stack.captured.refused
    worst = 0.0
    for member, one in zip(members, specs, strict=True):
        alone = _trained(one, device, eager=True)
        worst = max(worst, _weights_apart(alone, member))
        assert (member.outcome, member.nfe_forward) == (alone.outcome, alone.nfe_forward)
    assert worst <= AFTER_TRAINING, f"weights differ by {worst:.2g}"
    return f"{worst:.1g}"


def resumes(spec: TrialSpec, device: torch.device) -> str:
    """A training that stopped and went on from its checkpoint ends where an uncut one does."""
    uncut, cut = _trained(spec, device), _training(spec, device)
    cut.run(lambda training: training.iteration >= training.iterations // 2)
    assert cut.outcome is None
    with tempfile.TemporaryDirectory() as folder:
        checkpointing.save(Path(folder, "attempt"), cut.iteration, cut.state())
        state = checkpointing.furthest(Path(folder))
    assert state is not None
    resumed = _training(spec, device)
    resumed.load_state(state)
    resumed.run(lambda _: False)
    difference = _weights_apart(uncut, resumed)
    assert difference <= AFTER_TRAINING, f"weights differ by {difference:.2g}"
    assert resumed.nfe_forward == uncut.nfe_forward
    return f"{difference:.1g}"


def bf16_is_close(spec: TrialSpec, device: torch.device) -> str:
    """The loss of a training in bf16 is near that in float32."""
    full = _trained(spec, device)
    half = _trained(spec.model_copy(update={"precision": "bf16"}), device)
    losses = [training.records[-1]["loss_train"] for training in (full, half)]
    difference = abs(losses[0] - losses[1]) / losses[0]
    assert difference <= BF16, f"the loss differs by {difference:.2g}"
    return f"{difference:.1g}"


def first_bad_step_is_exact(device: torch.device) -> str:
    """A training that explodes ends at the same step with postponed checks as with eager ones."""
    values = to_capture()["ODENet4, batch norm"] | {
        "train": TRAINED | {"optimizer": {"name": "sgd", "lr": 1e25}}
    }
    spec = TrialSpec.model_validate(values)
    ends: list[tuple[Any, ...]] = []
    for eager in (True, False):
        training = _training(spec, device, eager=eager)
        training.run(lambda _: False)
        ends.append((training.outcome, training.iteration, training.nfe_forward))
    assert ends[0] == ends[1], f"{ends[0]} against {ends[1]}"
    assert ends[0][0] == "diverged"
    return f"step {ends[0][1]}"
