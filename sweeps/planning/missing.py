"""What is missing of a trial that was trained: the one rule, for plan, status and workers."""

from collections.abc import Collection, Mapping
from typing import TypeVar

T = TypeVar("T")
# (trial_id, weights_sha256, eval_id or probe_id)
Done = Collection[tuple[str, str | None, str]]


def reachable(weights_sha256: str | None, weights_kept: bool | None) -> bool:
    """Whether evaluations and probes of an accepted row can be computed.

    weights_sha256: None if the trial did not complete: it left no weights, and misses nothing.
    weights_kept: False if only training it again can compute them; None in rows of older versions,
    which kept all.
    """
    return weights_sha256 is not None and weights_kept is not False


def undone(
    trial_id: str, weights_sha256: str | None, items: Mapping[str, T], done: Done
) -> tuple[T, ...]:
    """The evaluations or probes, by their eval_id or probe_id, that are not in `done`.

    done: of accepted weights.
    """
    return tuple(item for key, item in items.items() if (trial_id, weights_sha256, key) not in done)
