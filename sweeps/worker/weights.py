"""Final weights, content-addressed: weights/<trial_id>-<first 16 hex of their sha256>.safetensors."""

import hashlib
from pathlib import Path

from torch import Tensor, nn

from sweeps.store import Results, publish_bytes


class WeightsMissing(Exception):
    """The kept weights are gone or no longer what their row says; the message names the command that trains again."""


def path_of(results: Path, trial_id: str, sha256: str) -> Path:
    """Where the weights of that hash are kept."""
    return Results(results).weights / f"{trial_id}-{sha256[:16]}.safetensors"


def publish(results: Path, trial_id: str, model: nn.Module) -> str:
    """Keep the model's parameters and buffers; returns their sha256. Safe to repeat: the name is the content. Raises OSError on a full disk."""
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
    """Load kept weights into `model`. Raises WeightsMissing when they are not there or damaged."""
    from safetensors.torch import load as parse

    path = path_of(results, trial_id, sha256)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise WeightsMissing(
            f"weights {path} are gone; `odesweep retry {trial_id[:12]} --outcome completed`, then run, trains the trial again"
        ) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise WeightsMissing(
            f"weights {path} are damaged; delete the file, then `odesweep retry {trial_id[:12]} --outcome completed` and run"
        )
    model.load_state_dict(parse(data))
