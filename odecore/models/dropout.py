"""Dropout whose mask comes from a random stream of its own."""

import torch
from torch import Generator, Tensor, nn

from odecore.training import streams

PROBABILITY = 0.5


class Dropout(nn.Module):
    """In training each entry is 0 with probability 1/2, else twice itself; in eval x itself.

    x: (B, ...). The training loop gives each step the stream (seed, "dropout", iteration) by
    `set_streams`; without one torch's global generator draws the mask.
    """

    def __init__(self) -> None:
        super().__init__()
        self.generator: Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """x, or x by the mask. The mask is drawn on the CPU, so it is the same on each device."""
        if not self.training:
            return x
        kept = torch.rand(x.shape, generator=self.generator) >= PROBABILITY
        return x * kept.to(x.device, non_blocking=True) / (1 - PROBABILITY)


def set_streams(model: nn.Module, seed: int, iteration: int) -> None:
    """Give every dropout of the model the random stream of this training step."""
    layers = [module for module in model.modules() if isinstance(module, Dropout)]
    for number, layer in enumerate(layers):
        layer.generator = streams.generator(seed, "dropout", number, iteration)
