"""Optimizers by config, and each of their steps: state reset, rate, norms, clipping.

Shapes: gradients and parameters are of any shape, norms are scalars.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grads_with_norm_, get_total_norm

from odecore import norms
from odecore.config import TrialSpec
from odecore.config.train import Adam, AdamW, OptimizerConfig, RmsProp, Sgd
from odecore.training import schedule

# Whatever has weights and output channels.
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)


def build(
    config: OptimizerConfig, model: nn.Module, *, decay_grids: bool = False
) -> torch.optim.Optimizer | None:
    """The optimizer of all trainable parameters, None without any.

    Those of `norms.undecayed` get no weight decay, unless decay_grids.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        return None
    apart = set() if decay_grids else norms.undecayed(model)
    decayed: dict[str, Any] = {"params": [p for p in parameters if p not in apart]}
    undecayed: dict[str, Any] = {
        "params": [p for p in parameters if p in apart],
        "weight_decay": 0.0,
    }
    groups = [group for group in (decayed, undecayed) if group["params"]]
    # One kernel for all parameters, and no number of Adam's on the host. RMSprop has none.
    fused = parameters[0].device.type == "cuda" or None
    match config:
        case Adam():
            return torch.optim.Adam(
                groups, lr=config.lr, weight_decay=config.weight_decay, fused=fused
            )
        case Sgd():
            return torch.optim.SGD(
                groups,
                lr=config.lr,
                momentum=config.momentum,
                weight_decay=config.weight_decay,
                fused=fused,
            )
        case AdamW():
            return torch.optim.AdamW(
                groups, lr=config.lr, weight_decay=config.weight_decay, fused=fused
            )
        case RmsProp():
            return torch.optim.RMSprop(groups, lr=config.lr, weight_decay=config.weight_decay)


class Updates:
    """The optimizer steps of one training. batches: per epoch.

    A model without parameters has no steps.

    biases: of linear layers and convolutions; their gradients' norms are what blows up in ENorm's
    nets (ENorm 2019, section 3, reports NaN losses).
    """

    def __init__(self, spec: TrialSpec, model: nn.Module, batches: int) -> None:
        self.train, self.momentum_reset, self.batches = (
            spec.train,
            spec.fidelity.momentum_reset,
            batches,
        )
        self.optimizer = build(spec.train.optimizer, model, decay_grids=spec.train.decay_grids)
        self.grids = norms.grids(model)
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.biases = [
            layer.bias
            for layer in model.modules()
            if isinstance(layer, LAYERS) and layer.bias is not None
        ]

    @property
    def learning_rate(self) -> float | None:
        """Of the latest step."""
        return self.optimizer.param_groups[0]["lr"] if self.optimizer else None

    def start(self) -> None:
        """Forget the gradients of the step before."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self, iteration: int) -> tuple[Tensor, Tensor]:
        """Step `iteration`, counted from 0.

        Returns norms before clipping: of all gradients, and of the largest of one layer's bias.
        """
        optimizer = self.ready(iteration)
        norm = get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        bias_norms = [torch.linalg.vector_norm(p.grad) for p in self.biases if p.grad is not None]
        bias_norm = torch.stack(bias_norms).max() if bias_norms else torch.zeros_like(norm)
        if self.train.gradient_clip is not None:
            clip_grads_with_norm_(self.parameters, self.train.gradient_clip, norm)
        if self.train.grid_clip is not None:
            for parameters in self.grids:
                clip_grad_norm_(parameters, self.train.grid_clip)
        optimizer.step()
        return norm, bias_norm

    def ready(self, iteration: int) -> torch.optim.Optimizer:
        """The optimizer with state and learning rate of step `iteration`, counted from 0."""
        assert self.optimizer is not None
        epoch, batch = divmod(iteration, self.batches)
        if self.momentum_reset and batch == 0:
            self.optimizer.state.clear()
        rate = schedule.lr(
            self.train.schedule, self.train.optimizer.lr, epoch, iteration, self.train.epochs
        )
        for group in self.optimizer.param_groups:
            # torch refuses a negative rate in constructors only.
            group["lr"] = rate
        return self.optimizer

    def state(self) -> dict[str, Any] | None:
        """The optimizer's."""
        return self.optimizer.state_dict() if self.optimizer else None

    def load_state(self, state: dict[str, Any] | None) -> None:
        """Continue from `state`."""
        if self.optimizer and state is not None:
            self.optimizer.load_state_dict(state)
