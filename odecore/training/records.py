"""Sums over the steps of a training since its last recorded row, and that row.

Shapes: losses and norms are scalars; logits (B, K), labels (B,).
"""

import resource
import sys
from typing import Any, Literal

import torch
from torch import Tensor

# What checkpoints of version 0.1 call these numbers.
_RENAMED = {
    "evaluations_forward": "nfe_forward",
    "evaluations_backward": "nfe_backward",
    "recent_evaluations": "recent_nfe",
}


def current_names(state: dict[str, Any]) -> dict[str, Any]:
    """Part of a checkpoint's state with the names of this version, so that older ones resume."""
    return {_RENAMED.get(name, name): value for name, value in state.items()}


class Sums:
    """Sums and maxima over the steps of one row. They stay on the device: no sync per step."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        names = ("loss", "correct", "gradient_norm_max", "bias_gradient_norm_max")
        self.tensors = {name: torch.zeros((), dtype=torch.float64, device=device) for name in names}
        self.samples = self.steps = self.nfe_forward = self.nfe_backward = 0
        self.train_seconds = 0.0

    def add_batch(
        self,
        loss: Tensor,
        logits: Tensor,
        labels: Tensor,
        gradient_norm: Tensor,
        bias_gradient_norm: Tensor,
    ) -> None:
        """Add a step: mean loss and logits of its batch, norms of its gradients before clipping."""
        tensors = self.tensors
        tensors["loss"] += loss.detach().double() * len(labels)
        tensors["correct"] += (logits.detach().argmax(1) == labels).sum()
        for name, norm in (
            ("gradient_norm_max", gradient_norm),
            ("bias_gradient_norm_max", bias_gradient_norm),
        ):
            tensors[name] = torch.maximum(tensors[name], norm.double())
        self.samples += len(labels)
        self.steps += 1

    def row(
        self, batch_size: int, accuracy_divisor: Literal["count", "batch_size"]
    ) -> dict[str, Any]:
        """The columns from training steps. Mean loss and accuracy are NaN without steps."""
        divisor = self.samples if accuracy_divisor == "count" else self.steps * batch_size
        loss, correct, gradient_norm_max, bias_gradient_norm_max = torch.stack(
            list(self.tensors.values())
        ).tolist()
        return {
            "loss_train": loss / self.samples if self.samples else float("nan"),
            "accuracy_train": correct / divisor if divisor else float("nan"),
            "gradient_norm_max": gradient_norm_max,
            "bias_gradient_norm_max": bias_gradient_norm_max,
            "nfe_forward": self.nfe_forward,
            "nfe_backward": self.nfe_backward,
            "train_seconds": self.train_seconds,
        }

    def state(self) -> dict[str, Any]:
        """As plain data and tensors."""
        return {name: value for name, value in vars(self).items() if name != "device"}

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        vars(self).update(current_names(state))
        self.tensors = {name: value.to(self.device) for name, value in self.tensors.items()}


def reset_peak_memory(device: torch.device) -> None:
    """Start measuring this trial's peak. The peak of a CPU process cannot be reset."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_bytes(device: torch.device) -> int:
    """Peak of the device's allocator; on a CPU, of the process, earlier trials included."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, a Mac in bytes.
    return peak if sys.platform == "darwin" else peak * 1024
