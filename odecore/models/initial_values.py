"""Initial values of parameters, each from a random stream of its own, so that models sharing a layer share its values."""

import torch
from torch import nn

from odecore.training import streams


@torch.no_grad()
def draw(model: nn.Module, seed: int) -> None:
    """Kaiming normal with fan-in and the ReLU gain, std = sqrt(2 / fan_in), for weights; 0 for biases (He et al. 2015; Ott 2021, code).

    torch's own default for kaiming_normal_ (leaky ReLU with slope 0) is the same number. A parameter's stream is keyed by (seed, "init", its name):
    its values depend on nothing else of the model.
    """
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=streams.generator(seed, "init", name))
        else:
            nn.init.zeros_(parameter)
