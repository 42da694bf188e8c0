"""Optimizers by config."""

import torch
from torch import nn

from odecore.config.train import Adam, OptimizerConfig, Sgd


def build(config: OptimizerConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer over all trainable parameters of `model`."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    match config:
        case Adam():
            return torch.optim.Adam(parameters, lr=config.lr, weight_decay=config.weight_decay)
        case Sgd():
            return torch.optim.SGD(parameters, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
