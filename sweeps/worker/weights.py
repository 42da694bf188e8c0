"""Final weights, stored under the hash of their content.

The path is weights/<trial_id>-<first 16 hex digits of the sha256>.safetensors.
"""

import hashlib
import os
from pathlib import Path

from torch import Tensor, nn

from sweeps.store import Results, publish_bytes
from sweeps.store.files import read_bytes


class WeightsMissing(Exception):
    """The saved weights are gone or differ from what their row says.

    The message names the command that trains again.
    """


def path_of(results: Path, trial_id: str, sha256: str) -> Path:
    """The path of the weights with that hash."""
    return Results(results).weights / f"{trial_id}-{sha256[:16]}.safetensors"


def encode(model: nn.Module) -> bytes:
    """The model's parameters and buffers as the content of a file."""
    from safetensors.torch import save

    state: dict[str, Tensor] = {
        name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()
    }
    return save(state)


def sha256_of(data: bytes) -> str:
    """The hash that names encoded weights, whether they are saved or not."""
    return hashlib.sha256(data).hexdigest()


def publish(results: Path, trial_id: str, data: bytes) -> None:
    """Save encoded weights under their hash.

    Repeating this is safe, since the name depends only on the content. Raises OSError on a full
    disk.
    """
    path = path_of(results, trial_id, sha256_of(data))
    try:
        # A file of a trial that is not accepted is deleted at a great age. This one is young again.
        os.utime(path)
    except FileNotFoundError:
        publish_bytes(path, data)


def load(results: Path, trial_id: str, sha256: str, model: nn.Module) -> None:
    """Load saved weights into `model`. Raises WeightsMissing if they are gone or damaged."""
    from safetensors.torch import load as parse

    path = path_of(results, trial_id, sha256)
    try:
        data = read_bytes(path)
    except FileNotFoundError:
        raise WeightsMissing(
            f"weights {path} are gone; to train the trial again: `odesweep retry {trial_id[:12]} "
            "--outcome completed`, then run"
        ) from None
    if sha256_of(data) != sha256:
        raise WeightsMissing(
            f"weights {path} are damaged; delete the file, then `odesweep retry {trial_id[:12]} "
            "--outcome completed` and run"
        )
    model.load_state_dict(parse(data))
