"""When norms update their state: in the forward pass, never in recomputation or backward solves.

Modules pass each change to `once`. Code that runs a forward pass a second time chooses with
`handled_by` what happens then. The handler lives in a context variable that is set and reset around
the call itself: on a CUDA device recomputation runs in a thread of autograd.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

# Called with `change`, which does it and returns what is computed with, and `unchanged`, which
# returns the same kind of thing without a change.
Handler = Callable[[Callable[[], Any], Callable[[], Any]], Any]


def perform(change: Callable[[], Any], _unchanged: Callable[[], Any]) -> Any:
    """The default: make the change."""
    return change()


def withhold(_change: Callable[[], Any], unchanged: Callable[[], Any]) -> Any:
    """Make no change."""
    return unchanged()


def record(values: list[Any]) -> Handler:
    """Make the change, and append the values of the computation to `values`."""

    def handle(change: Callable[[], Any], _unchanged: Callable[[], Any]) -> Any:
        values.append(change())
        return values[-1]

    return handle


def replay(values: list[Any]) -> Handler:
    """Make no change, and use the recorded values in their order."""
    remaining = iter(values)

    def handle(_change: Callable[[], Any], _unchanged: Callable[[], Any]) -> Any:
        return next(remaining)

    return handle


def collect(changes: list[Callable[[], Any]]) -> Handler:
    """Make the change, and append it to `changes`, so that it can be repeated."""

    def handle(change: Callable[[], Any], _unchanged: Callable[[], Any]) -> Any:
        changes.append(change)
        return change()

    return handle


_handler: ContextVar[Handler] = ContextVar("side_effects", default=perform)


@contextmanager
def handled_by(handler: Handler) -> Iterator[None]:
    """Inside, `handler` decides about every change."""
    token = _handler.set(handler)
    try:
        yield
    finally:
        _handler.reset(token)


def once(change: Callable[[], T], unchanged: Callable[[], T]) -> T:
    """What the pass that is running makes of `change`."""
    return _handler.get()(change, unchanged)


def nothing() -> None:
    """`unchanged` of a change whose result nobody needs."""
