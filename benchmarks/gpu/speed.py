"""Training steps on one device: ours captured and eager, against torchdiffeq and ANODE's scheme.

All variants of a row take turns in the same run, with the same net, field and batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.machine import interleaved, ratio
from benchmarks.solvers import AuthorsNet
from odecore import data as datasets
from odecore.config import TrialSpec
from odecore.models.ode_block import ODEBlock
from odecore.training.fit import Training
from odecore.training.stack import Stack
from sweeps.planning.operation_count import nfe_per_solve

SECONDS_PER_TURN = 0.5
ROUNDS = 5
# Of the matrices whose product measures the device's rate.
MATRIX = {"cuda": 8192, "cpu": 512}
# Forward, backward with respect to states, backward with respect to weights.
PASSES = 3
SGD = {"optimizer": {"name": "sgd", "lr": 1e-3}, "iterations": 10**9, "record_every": 10**9}
ADAM = SGD | {"optimizer": {"name": "adam", "lr": 1e-4}}


@dataclass(frozen=True)
class Row:
    """One line of the table: a spec, the batch on a CPU, and the peer of the ratios.

    stack: how many of these nets also train as one batched step; their time is that of one net.
    """

    name: str
    spec: dict[str, Any]
    rehearsal_batch: int
    peer: str
    precisions: tuple[str, ...] = ("float32", "tf32", "bf16")
    stack: int = 0


def rows() -> list[Row]:
    """The nets of the goals."""
    euler8 = {"name": "euler", "steps": 8}
    images = {"name": "cifar10", "source": "generated", "augment": "crop4_flip"}

    def odenet(layers: int, width: int, batch: int) -> dict[str, Any]:
        model = {"name": "stacked_odenet", "layers": layers, "width": width}
        model |= {"ode_norm": {"name": "layer"}}
        return {
            "data": images,
            "model": model,
            "solver": euler8,
            "train": SGD | {"batch_size": batch},
        }

    def cnn6(solver: dict[str, Any]) -> dict[str, Any]:
        model = {"name": "unmixed_node", "backbone": "cnn6", "norm": {"name": "ta_bn"}}
        return {
            "data": images,
            "model": model,
            "solver": solver,
            "train": SGD | {"batch_size": 256},
        }

    sphere = {
        "data": {"name": "spheres"},
        "model": {"name": "flat_node"},
        "solver": {"name": "euler", "steps": 64},
        "train": ADAM | {"batch_size": 128},
    }
    return [
        Row("ODENet4, width 16, Euler 8, batch 128", odenet(4, 16, 128), 8, "ANODE, eager"),
        Row("ODENet4, width 16, Euler 8, batch 512", odenet(4, 16, 512), 8, "ANODE, eager"),
        Row("ODENet10, width 64, Euler 8, batch 512", odenet(10, 64, 512), 2, "ANODE, eager"),
        Row("CNN-6, TA-BN, Euler 8, batch 256", cnn6(euler8), 4, "torchdiffeq, eager"),
        Row(
            "CNN-6, TA-BN, dopri5 1e-3, batch 256",
            cnn6({"name": "dopri5", "tolerance": 1e-3}),
            4,
            "torchdiffeq, eager",
        ),
        Row(
            "Sphere2, Euler 64, batch 128",
            sphere,
            128,
            "the authors' way, eager",
            ("float32",),
            stack=40,
        ),
    ]


class _AnodeScheme(torch.autograd.Function):
    """ANODE's solve (Gholami et al. 2019, code): forward without graph, then again with one.

    It has two backward passes, one for the input and one for the parameters.
    """

    @staticmethod
    def forward(
        ctx: Any, f_of: Callable[[], Any], steps: int, x0: Tensor, *parameters: Tensor
    ) -> Tensor:
        ctx.f_of, ctx.steps, ctx.parameters = f_of, steps, parameters
        ctx.save_for_backward(x0)
        with torch.no_grad():
            return _euler(f_of(), x0, steps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (x0,) = ctx.saved_tensors
        with torch.enable_grad():
            start = x0.detach().requires_grad_()
            end = _euler(ctx.f_of(), start, ctx.steps)
        (of_x0,) = torch.autograd.grad(end, start, gradients[0], retain_graph=True)
        of_parameters = torch.autograd.grad(end, ctx.parameters, gradients[0], allow_unused=True)
        return None, None, of_x0, *of_parameters


def _euler(f: Callable[[float, Tensor], Tensor], x: Tensor, steps: int) -> Tensor:
    for i in range(steps):
        x = x + f(i / steps, x) / steps
    return x


def _as_anode(training: Training, steps: int) -> Training:
    """The same net, whose ODE blocks solve and differentiate as ANODE does."""
    for block in training.model.modules():
        if isinstance(block, ODEBlock):
            field, parameters = block.field, tuple(block.field.parameters())

            def forward(x0: Tensor, field: Any = field, parameters: Any = parameters) -> Tensor:
                return _AnodeScheme.apply(field.bind, steps, x0, *parameters)

            block.forward = forward
    return training


def _authors_step(device: torch.device, x: Tensor, labels: Tensor) -> Callable[[], None]:
    net = AuthorsNet(64).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(net(x), labels).backward()
        optimizer.step()

    return step


def _training(
    row: Row, device: torch.device, precision: str, *, eager: bool, **more: Any
) -> Training:
    values: dict[str, Any] = row.spec | {"precision": precision} | more
    if device.type == "cpu":
        values |= {"train": values["train"] | {"batch_size": row.rehearsal_batch}}
    spec = TrialSpec.model_validate(values)
    return Training(spec, datasets.load(spec.data, None), device, eager=eager)


def _peer(row: Row, device: torch.device) -> Callable[[], None]:
    solver = row.spec["solver"]
    match row.peer:
        case "ANODE, eager":
            training = _training(row, device, "float32", eager=True)
            return _as_anode(training, solver["steps"]).step
        case "torchdiffeq, eager":
            backend = solver | {"backend": "torchdiffeq"}
            return _training(row, device, "float32", eager=True, solver=backend).step
        case _:
            training = _training(row, device, "float32", eager=True)
            batch = training.spec.train.batch_size
            x = training.data.inputs(training.data.train_x[:batch])
            return _authors_step(device, x, training.data.train_y[:batch])


def measure(row: Row, device: torch.device, *, seconds: float = SECONDS_PER_TURN) -> dict[str, Any]:
    """Seconds per step of every variant, ratios over the peer, and where our step's time goes."""
    variants: dict[str, Callable[[], object]] = {row.peer: _peer(row, device)}
    eager = _training(row, device, "float32", eager=True)
    variants["ours, eager"] = eager.step
    ours: dict[str, Training] = {}
    for precision in row.precisions if device.type == "cuda" else row.precisions[:1]:
        ours[precision] = _training(row, device, precision, eager=False)
        variants[f"ours, {precision}"] = ours[precision].step
    nets = dict.fromkeys(variants, 1)
    if row.stack:
        members = [
            _training(row, device, "float32", eager=False, seed=seed) for seed in range(row.stack)
        ]
        stack, name = Stack(members), f"ours, {row.stack} stacked"
        variants[name], nets[name] = stack.step, row.stack
    turns: dict[str, _Turn] = {}
    for name, step in variants.items():
        for _ in range(3):
            step()  # the libraries choose their kernels, and ours captures
        turns[name] = _Turn(step, device, seconds)
    found = interleaved(turns, ROUNDS if device.type == "cuda" else 1)
    per_step = {
        name: [value / turn.steps / nets[name] for value in found[name]]
        for name, turn in turns.items()
    }
    return {
        "seconds": per_step,
        "ratio": {
            name: ratio(per_step[row.peer], values)
            for name, values in per_step.items()
            if name != row.peer
        },
        "numerics": {name: training.numerics for name, training in ours.items()},
        "refused": {
            name: training.captured.refused
            for name, training in ours.items()
            if training.captured and training.captured.refused
        },
        "data_share": _data_share(eager, per_step["ours, eager"], device),
        "busy": {
            name: _busy(training.step)
            for name, training in (ours | {"eager": eager}).items()
            if device.type == "cuda"
        },
        "operations_per_second": {
            name: _operations(training) / min(per_step[f"ours, {name}"])
            for name, training in ours.items()
        },
    }


class _Turn:
    """About `seconds` of steps, and the wait for the device at their end."""

    def __init__(self, step: Callable[[], object], device: torch.device, seconds: float) -> None:
        self.step, self.device, self.steps = step, device, 1
        once = interleaved({"": self}, 1)[""][0]
        self.steps = max(1, round(seconds / once))

    def __call__(self) -> None:
        for _ in range(self.steps):
            self.step()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _data_share(training: Training, seconds: list[float], device: torch.device) -> float:
    """Time of drawing batches alone over the time of a step."""

    def draw() -> None:
        training._batch()  # pyright: ignore[reportPrivateUsage]

    turn = _Turn(draw, device, 0.1)
    return interleaved({"": turn}, 3)[""][0] / turn.steps / min(seconds)


def _busy(step: Callable[[], None], steps: int = 10) -> dict[str, float]:
    """Kernels per step, and the share of the time in which one ran."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        for _ in range(steps):
            step()
        torch.cuda.synchronize()
    events = [event for event in profiled.events() or () if event.device_type.name == "CUDA"]
    spans = sorted((event.time_range.start, event.time_range.end) for event in events)
    covered, until = 0.0, float("-inf")
    for start, end in spans:
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    whole = until - spans[0][0] if spans else 1.0
    return {"kernels": len(events) / steps, "share": covered / whole}


def _operations(training: Training) -> float:
    """Floating-point operations of one training step; a solve without fixed steps is assumed."""
    spec = training.spec
    work = spec.model.operations(spec.data.shape, spec.data.classes)
    per_sample = 2 * (nfe_per_solve(spec.solver) * work.inside + work.outside)
    return PASSES * per_sample * spec.train.batch_size


def matrix_rate(device: torch.device, precision: str) -> float:
    """Operations per second of a large product of matrices."""
    n = MATRIX[device.type]
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(n, n, device=device, dtype=kind) for _ in range(2))
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"

    def multiply() -> None:
        torch.mm(a, b)

    turn = _Turn(multiply, device, 0.2)
    return 2 * n**3 * turn.steps / min(interleaved({"": turn}, 3)[""])
