"""Precision of a run: float32 (TF32 off), tf32, or bf16 by autocast."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from odecore.config.train import Precision


@contextmanager
def numerics(precision: Precision, device: torch.device) -> Iterator[None]:
    """Everything inside is computed in `precision`; parameters and optimizer state stay float32. On a CPU tf32 is float32."""
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    if precision == "bf16":
        with torch.autocast(device.type, dtype=torch.bfloat16):
            yield
    else:
        yield
