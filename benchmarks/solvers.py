"""Our solver loop compared with torchdiffeq, one thread.

Both sides get the same fields, parameters, batches and tolerances. The first part is a dopri5
solve. Both end on t = 1 (torchdiffeq by its option step_t), so that they take the same steps, and
both call the same f. Only the loop differs. The second part is a training step of Ott's net on
two-dimensional spheres. The peer is written like the paper's authors did, torchdiffeq over
nn.Conv1d, and ours is what a trial runs.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torchdiffeq
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.machine import interleaved, ratio, show_ratio
from odecore import data, solvers
from odecore.config.solver import Adaptive
from odecore.config.spec import TrialSpec
from odecore.models import build_model
from odecore.models.fields import ConvField1d, ConvField2d, FieldModule
from odecore.solvers.base import VectorField
from odecore.training.fit import Training

ROUNDS = 9
TOLERANCE = 1e-5
# Multiplies the initial weights (Kaiming normal): they are then about as large as after training,
# so that the solver has to work.
GAIN = 1.4
SOLVER = solvers.build(Adaptive(name="dopri5", tolerance=TOLERANCE))
TIMES = torch.tensor([0.0, 1.0])
# Typed as a tensor or a tuple of tensors, as its caller passed it; here always a tensor.
odeint: Any = torchdiffeq.odeint
ONTO_END = {"step_t": torch.tensor([1.0], dtype=torch.float64)}


class Counted:
    """f with the number of its calls and the seconds inside them.

    For torchdiffeq it also counts accepted and rejected steps by callbacks.
    """

    def __init__(self, f: VectorField) -> None:
        self.f = f
        self.evaluations = self.accepted = self.rejected = 0
        self.seconds = 0.0

    def __call__(self, t: Any, x: Tensor) -> Tensor:
        """One call of f."""
        start = time.perf_counter()
        slope = self.f(t, x)
        self.seconds += time.perf_counter() - start
        self.evaluations += 1
        return slope

    def callback_accept_step(self, *_: object) -> None:
        """Count."""
        self.accepted += 1

    def callback_reject_step(self, *_: object) -> None:
        """Count."""
        self.rejected += 1


def solve_ours(f: VectorField, x0: Tensor) -> Tensor:
    """Our loop."""
    return SOLVER(f, x0).x1


def solve_theirs(f: VectorField, x0: Tensor) -> Tensor:
    """The loop of torchdiffeq, with back-propagation like ours."""
    return odeint(f, x0, TIMES, rtol=TOLERANCE, atol=TOLERANCE, method="dopri5", options=ONTO_END)[
        -1
    ]


SIDES: dict[str, Callable[[VectorField, Tensor], Tensor]] = {
    "torchdiffeq": solve_theirs,
    "odecore": solve_ours,
}


def fields() -> dict[str, tuple[FieldModule, Tensor, int]]:
    """Name -> field, states, calls per turn."""
    torch.manual_seed(0)
    sphere, images = ConvField1d(2, 32), ConvField2d(8, 32)
    for parameter in (*sphere.parameters(), *images.parameters()):
        nn.init.kaiming_normal_(parameter) if parameter.dim() > 1 else nn.init.zeros_(parameter)
        parameter.data.mul_(GAIN)
    return {
        "sphere field, 128 x 2": (sphere, torch.randn(128, 2), 5),
        "conv field, 32 x 8 x 14 x 14": (images, torch.randn(32, 8, 14, 14), 1),
    }


def adaptive_solves() -> dict[str, Any]:
    """Times of forward, and of forward with backward, on every field.

    Also steps and NFE of both sides, and the share of time outside f.
    """
    found: dict[str, Any] = {}
    for name, (field, x0, repetitions) in fields().items():
        same_work = _same_work(field, x0)
        forward = interleaved(
            {side: partial(_forward, solve, field, x0) for side, solve in SIDES.items()},
            ROUNDS,
            repetitions,
        )
        both = interleaved(
            {side: partial(_backward, solve, field, x0) for side, solve in SIDES.items()},
            ROUNDS,
            repetitions,
        )
        outside = {side: _share_outside(solve, field, x0) for side, solve in SIDES.items()}
        print(f"dopri5, tolerance {TOLERANCE:g}, {name}: both {same_work}")
        for words, seconds in (("forward", forward), ("forward and backward", both)):
            _print_times(words, seconds, "torchdiffeq", "odecore")
        print(
            f"  outside f, forward: torchdiffeq {outside['torchdiffeq']:.0%}, odecore "
            f"{outside['odecore']:.0%} of the solve"
        )
        found[name] = {
            "same_work": same_work,
            "forward_seconds": forward,
            "forward_and_backward_seconds": both,
            "share_outside_f": outside,
        }
    return found


def _forward(
    solve: Callable[[VectorField, Tensor], Tensor], field: FieldModule, x0: Tensor
) -> None:
    with torch.no_grad():
        solve(field.bind(), x0)


def _backward(
    solve: Callable[[VectorField, Tensor], Tensor], field: FieldModule, x0: Tensor
) -> None:
    field.zero_grad()
    solve(field.bind(), x0).square().mean().backward()


def _same_work(field: FieldModule, x0: Tensor) -> str:
    """Steps and NFE, which must be equal, as must the results."""
    with torch.no_grad():
        counted = Counted(field.bind())
        theirs = solve_theirs(counted, x0)
        solution = SOLVER(field.bind(), x0)
    mine = (solution.steps_accepted, solution.steps_rejected, solution.nfe)
    if mine != (counted.accepted, counted.rejected, counted.evaluations):
        raise RuntimeError(
            f"not the same work: {mine} and "
            f"{(counted.accepted, counted.rejected, counted.evaluations)}"
        )
    torch.testing.assert_close(solution.x1, theirs, rtol=1e-3, atol=1e-4)
    return f"{mine[0]} steps accepted, {mine[1]} rejected, NFE {mine[2]}"


def _share_outside(
    solve: Callable[[VectorField, Tensor], Tensor], field: FieldModule, x0: Tensor
) -> float:
    shares = []
    for _ in range(ROUNDS):
        counted = Counted(field.bind())
        start = time.perf_counter()
        with torch.no_grad():
            solve(counted, x0)
        shares.append(1 - counted.seconds / (time.perf_counter() - start))
    return statistics.median(shares)


class AuthorsNet(nn.Module):
    """Ott 2021, code: torchdiffeq's Euler over three nn.Conv1d on (B, 1, 2), and a linear layer."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, 32, 1),
            nn.ReLU(),
            nn.Conv1d(32, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(32, 1, 1),
        )
        self.head = nn.Linear(2, 2)
        self.options = {"step_size": 1 / steps}

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 2). Logits: (B, 2)."""
        solved = odeint(
            lambda _t, state: self.layers(state),
            x.unsqueeze(1),
            TIMES,
            method="euler",
            options=self.options,
        )
        return self.head(solved[-1].flatten(1))


def training_steps() -> dict[str, Any]:
    """Seconds per training step of one Sphere2 net, Euler with 16 and with 64 steps."""
    return {
        f"Euler K = {steps}": _training_step(steps, repetitions)
        for steps, repetitions in ((16, 5), (64, 2))
    }


def _training_step(steps: int, repetitions: int) -> dict[str, Any]:
    spec = TrialSpec.model_validate(
        {
            "data": {"name": "spheres"},
            "model": {"name": "flat_node"},
            "solver": {"name": "euler", "steps": steps},
            "train": {
                "optimizer": {"name": "adam", "lr": 1e-4},
                "batch_size": 128,
                "iterations": 10_000,
            },
        }
    )
    training = Training(spec, data.load(spec.data, None), torch.device("cpu"))
    ours, theirs = build_model(spec), AuthorsNet(steps)
    # The same parameters in the same order: three convolutions and the head.
    for mine, peer in zip(ours.parameters(), theirs.parameters(), strict=True):
        peer.data.copy_(mine.data)
    x, labels = training.data.inputs(training.data.train_x[:128]), training.data.train_y[:128]
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)
    variants = {
        "authors' way": _stepper(theirs, x, labels),
        "odecore": _stepper(ours, x, labels),
        "odecore, as a trial runs it": training.step,
    }
    seconds = interleaved(variants, ROUNDS, repetitions)
    print(f"Sphere2 training step, Euler K = {steps}, batch 128")
    for name in list(variants)[1:]:
        _print_times("", seconds, "authors' way", name)
    return {
        "seconds": seconds,
        "ratio": {
            name: ratio(seconds["authors' way"], seconds[name]) for name in list(variants)[1:]
        },
    }


def _stepper(model: nn.Module, x: Tensor, labels: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(model(x), labels).backward()
        optimizer.step()

    return step


def _print_times(words: str, seconds: dict[str, list[float]], peer: str, ours: str) -> None:
    theirs, mine = (statistics.median(seconds[side]) * 1e3 for side in (peer, ours))
    print(
        f"  {words + ': ' if words else ''}{peer} {theirs:.3g} ms, {ours} {mine:.3g} ms: "
        f"{show_ratio(ratio(seconds[peer], seconds[ours]))}"
    )


def main(_argv: list[str]) -> dict[str, Any]:
    """Run and print; returns the numbers."""
    torch.set_num_threads(1)
    return {"adaptive": adaptive_solves(), "sphere2": training_steps()}
