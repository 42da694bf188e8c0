"""Precision of a computation: float32 (TF32 off), tf32, bf16 by autocast, or float64."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from odecore.config.evaluation import EvaluationPrecision


@contextmanager
def numerics(precision: EvaluationPrecision, device: torch.device) -> Iterator[None]:
    """Inside, compute in `precision`; parameters and optimizer state stay float32.

    On a CPU tf32 is float32.

    float64 is the type of model and data, see `in_float64`, and changes nothing here but TF32.
    """
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = (
            precision == "tf32"
        )
    if precision == "bf16":
        with torch.autocast(device.type, dtype=torch.bfloat16):
            yield
    else:
        yield


@contextmanager
def in_float64(model: nn.Module) -> Iterator[None]:
    """Inside, `model` is float64; afterwards it has its old tensors, unchanged."""
    parameters = [(parameter, parameter.data, parameter.grad) for parameter in model.parameters()]
    buffers = [
        (module, name, buffer)
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    for parameter, _, _ in parameters:
        parameter.grad = None
    model.double()
    try:
        yield
    finally:
        for parameter, data, gradient in parameters:
            parameter.data, parameter.grad = data, gradient
        for module, name, buffer in buffers:
            setattr(module, name, buffer)
