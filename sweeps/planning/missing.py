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
        """The hash of the trained weights; None if the trial did not complete."""
        ...

    @property
    def weights_kept(self) -> bool | None:
        """Whether the weights were kept; None in rows of older versions, which kept all."""
        ...


def missing(
    trial_id: str, accepted: Accepted | None, items: Mapping[str, T], done: Done
) -> tuple[T, ...]:
    """The evaluations or probes of a trial that can be computed and are not done.

    accepted: the trial's accepted row, if there is one. items: by their eval_id or probe_id. done:
    of accepted weights. A trial that did not complete left no weights, and misses nothing. Without
    kept weights nothing can be computed any more, see `out_of_reach`.
    """
    if accepted and (accepted.weights_sha256 is None or accepted.weights_kept is False):
        return ()
    return _undone(trial_id, accepted, items, done)


def out_of_reach(
    trial_id: str, accepted: Accepted | None, items: Mapping[str, T], done: Done
) -> tuple[T, ...]:
    """The evaluations or probes that are not done and need weights that were not kept.

    Only training the trial again can compute them. Arguments as of `missing`.
    """
    if accepted is None or accepted.weights_sha256 is None or accepted.weights_kept is not False:
        return ()
    return _undone(trial_id, accepted, items, done)


def _undone(
    trial_id: str, accepted: Accepted | None, items: Mapping[str, T], done: Done
) -> tuple[T, ...]:
    weights = accepted.weights_sha256 if accepted else None
    return tuple(item for key, item in items.items() if (trial_id, weights, key) not in done)
