"""What is missing of a trial that was trained: the one rule, for plan, status and workers."""

from collections.abc import Collection, Mapping
from typing import Protocol, TypeVar

T = TypeVar("T")
# (trial_id, weights_sha256, eval_id or probe_id)
Done = Collection[tuple[str, str | None, str]]


class Accepted(Protocol):
    """An accepted row, in short."""

    @property
    def weights_sha256(self) -> str | None:
        """The weights that the trial left; None if it did not complete."""
        ...


def missing(
    trial_id: str, accepted: Accepted | None, items: Mapping[str, T], done: Done
) -> tuple[T, ...]:
    """The evaluations or probes of a trial that are not done with the weights that it left.

    accepted: the trial's accepted row, if there is one. items: by their eval_id or probe_id. done:
    of accepted weights. A trial that did not complete left no weights, and misses nothing.
    """
    weights = accepted.weights_sha256 if accepted else None
    if accepted and weights is None:
        return ()
    return tuple(item for key, item in items.items() if (trial_id, weights, key) not in done)
