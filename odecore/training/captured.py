"""A training step's forward and backward pass as one CUDA graph, replayed for every batch.

On a GPU a small net is bound by the launches of its kernels. A graph launches all of them at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from odecore.models.dropout import Dropout
from odecore.models.ode_block import ODEBlock
from odecore.norms.interpolation import linear, mirrored
from odecore.norms.statistics import Neighbours
from odecore.norms.temporal import TemporalBatchNorm
from odecore.training.checks import Pass

# Libraries choose their kernels and allocate their workspaces in these eager passes.
WARM_UP = 3
# So many replays are compared with the eager pass on the same batch.
COMPARED = 2
# Largest accepted |replayed - eager| / |eager|, norms over each tensor: kernels that add in any
# order differ by rounding. Of bf16 an eager pass differs from itself by up to a few thousandths.
TOLERANCE = {"float32": 1e-4, "tf32": 1e-3, "bf16": 2e-2}

Compute = Callable[[Tensor, Tensor], Pass]
# Records a call without running it; returns what the call returned and a way to run it again into
# the same tensors.
Capture = Callable[[Callable[[], Pass]], tuple[Pass, Callable[[], None]]]


def cuda_graph(compute: Callable[[], Pass]) -> tuple[Pass, Callable[[], None]]:
    """`compute` as a CUDA graph. Raises RuntimeError for what cannot be captured."""
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
    try:
        with torch.cuda.graph(graph):
            passed = compute()
    finally:
        # A capture that fails leaves its own stream as the current one.
        torch.cuda.set_stream(stream)
    return passed, graph.replay


def can_capture(model: nn.Module, blocks: list[ODEBlock]) -> bool:
    """Whether a pass depends on the batch and on tensors alone, and on no number of the host.

    STEER draws an end time, dropout a mask, and some running statistics of TA-BN know the epoch.
    """
    if any(block.steer is not None for block in blocks):
        return False
    for module in model.modules():
        if isinstance(module, Dropout):
            return False
        if isinstance(module, TemporalBatchNorm) and not (
            isinstance(module.statistics, Neighbours) and module.weights in (linear, mirrored)
        ):
            return False
    return True


@dataclass(frozen=True)
class _Recorded:
    """Tensors that a replay reads (x, labels) and writes (the pass, gradients)."""

    x: Tensor
    labels: Tensor
    passed: Pass
    gradients: tuple[Tensor | None, ...]
    replay: Callable[[], None]


class CapturedPass:
    """`compute`, captured at the first batch; batches of another shape run eagerly.

    refused: why every batch runs eagerly after all, None otherwise.
    """

    def __init__(
        self, compute: Compute, model: nn.Module, precision: str, capture: Capture = cuda_graph
    ) -> None:
        self.refused: str | None = None
        self._compute, self._capture = compute, capture
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._buffers = list(model.buffers())
        self._tolerance = TOLERANCE[precision]
        self._recorded: _Recorded | None = None
        self._to_compare = COMPARED

    def __call__(self, x: Tensor, labels: Tensor) -> Pass:
        """The pass of one batch. x: (B, ...), labels: (B,)."""
        if self._recorded is None and self.refused is None:
            self._record(x, labels)
        if self._recorded is None or x.shape != self._recorded.x.shape:
            return self._compute(x, labels)
        if self._to_compare:
            self._to_compare -= 1
            return self._compared(self._recorded, x, labels)
        return self._replayed(self._recorded, x, labels)

    def _record(self, x: Tensor, labels: Tensor) -> None:
        x_static, labels_static = x.clone(), labels.clone()
        before = [buffer.clone() for buffer in self._buffers]
        try:
            self._warm_up(x_static, labels_static)
            for parameter in self._parameters:
                parameter.grad = None
            passed, replay = self._capture(lambda: self._compute(x_static, labels_static))
        except RuntimeError as error:
            self.refused = f"the step cannot be captured: {error}".splitlines()[0]
            return
        finally:
            self._restore(before)
        gradients = tuple(parameter.grad for parameter in self._parameters)
        self._recorded = _Recorded(x_static, labels_static, passed, gradients, replay)

    def _warm_up(self, x: Tensor, labels: Tensor) -> None:
        """On a stream of its own, as torch's notes on CUDA graphs ask for."""
        if x.device.type != "cuda":
            return
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self._compute(x, labels)
        torch.cuda.current_stream().wait_stream(stream)

    def _replayed(self, recorded: _Recorded, x: Tensor, labels: Tensor) -> Pass:
        recorded.x.copy_(x)
        recorded.labels.copy_(labels)
        recorded.replay()
        # An eager pass in between has put other tensors there.
        for parameter, gradient in zip(self._parameters, recorded.gradients, strict=True):
            parameter.grad = gradient
        return recorded.passed

    def _compared(self, recorded: _Recorded, x: Tensor, labels: Tensor) -> Pass:
        """The replayed pass if it agrees with the eager one, else the eager one from now on."""
        before = [buffer.clone() for buffer in self._buffers]
        eager = self._compute(x, labels)
        gradients = [parameter.grad for parameter in self._parameters]
        expected = self._numbers(eager)
        after = [buffer.clone() for buffer in self._buffers]
        self._restore(before)
        replayed = self._replayed(recorded, x, labels)
        difference = largest_difference(expected, self._numbers(replayed))
        if difference <= self._tolerance:
            return replayed
        self.refused = f"the captured step differs from the eager one by {difference:.2g}"
        self._recorded = None
        self._restore(after)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        return eager

    def _numbers(self, passed: Pass) -> list[Tensor]:
        """Copies of all that a pass computes. Gradients are one vector: some are pure rounding."""
        gradients = [p.grad.flatten() for p in self._parameters if p.grad is not None]
        kinds = (
            gradients,
            [buffer.flatten() for buffer in self._buffers if buffer.is_floating_point()],
            [buffer.flatten() for buffer in self._buffers if not buffer.is_floating_point()],
        )
        together = [torch.cat(tensors) for tensors in kinds if tensors]
        return [passed.loss.detach().clone(), passed.logits.clone(), *together]

    def _restore(self, buffers: list[Tensor]) -> None:
        for buffer, value in zip(self._buffers, buffers, strict=True):
            buffer.copy_(value)


def largest_difference(expected: list[Tensor], given: list[Tensor]) -> float:
    """Largest |given - expected| / |expected| over pairs of tensors of any one shape.

    inf where only one of a pair is finite.

    Equal non-finite entries count as equal: a diverging batch is not a fault of the graph.
    """
    if len(expected) != len(given):
        return float("inf")
    differences = [0.0]
    for one, other in zip(expected, given, strict=True):
        one, other = one.double(), other.double()
        if not torch.equal(one.isfinite(), other.isfinite()):
            return float("inf")
        apart = torch.linalg.vector_norm((one - other).nan_to_num(0, 0, 0))
        size = torch.linalg.vector_norm(one.nan_to_num(0, 0, 0))
        differences.append((apart / size.clamp_min(1e-12)).item())
    return max(differences)
