"""Final weights, stored under the hash of their content.

The path is weights/<trial_id>-<first 16 hex digits of the sha256>.safetensors.
"""

import hashlib
from pathlib import Path

from torch import Tensor, nn

from sweeps.store import Results, publish_bytes


class WeightsMissing(Exception):
    """The saved weights are gone or differ from what their row says.

    The message names the command that trains again.
    """


def path_of(results: Path, trial_id: str, sha256: str) -> Path:
    """The path of the weights with that hash."""
    return Results(results).weights / f"{trial_id}-{sha256[:16]}.safetensors"


def publish(results: Path, trial_id: str, model: nn.Module) -> str:
    """Save the model's parameters and buffers and return their sha256.

    Repeating this is safe, since the name depends only on the content. Raises OSError on a full
    disk.
    """
    from safetensors.torch import save

    state: dict[str, Tensor] = {
        name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()
    }
    data = save(state)
    sha256 = hashlib.sha256(data).hexdigest()
    path = path_of(results, trial_id, sha256)
    if not path.exists():
        publish_bytes(path, data)
    return sha256


def load(results: Path, trial_id: str, sha256: str, model: nn.Module) -> None:
    """Load saved weights into `model`. Raises WeightsMissing if they are gone or damaged."""
    from safetensors.torch import load as parse

    path = path_of(results, trial_id, sha256)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise WeightsMissing(
            f"weights {path} are gone; to train the trial again: `odesweep retry {trial_id[:12]} "
            "--outcome completed`, then run"
        ) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise WeightsMissing(
            f"weights {path} are damaged; delete the file, then `odesweep retry {trial_id[:12]} "
            "--outcome completed` and run"
        )
    model.load_state_dict(parse(data))
