"""When norms update their state: in the forward pass, never in recomputation or backward solves.

Modules hand each change to `once`. Whoever runs an evaluation a second time says how with
`handled_by`. The handler lives in a context variable that is set and reset around the evaluation
itself: on a CUDA device recomputation runs in a thread of autograd's.
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
    """The ordinary way: change."""
    return change()


def withhold(_change: Callable[[], Any], unchanged: Callable[[], Any]) -> Any:
    """Change nothing."""
    return unchanged()


def record(values: list[Any]) -> Handler:
    """Change, and append what is computed with to `values`."""

    def handle(change: Callable[[], Any], _unchanged: Callable[[], Any]) -> Any:
        values.append(change())
        return values[-1]

    return handle


def replay(values: list[Any]) -> Handler:
    """Change nothing and compute with the recorded values, in their order."""
    remaining = iter(values)

    def handle(_change: Callable[[], Any], _unchanged: Callable[[], Any]) -> Any:
        return next(remaining)

    return handle


def collect(changes: list[Callable[[], Any]]) -> Handler:
    """Change, and append the change to `changes`, so that it can be made once more."""

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
