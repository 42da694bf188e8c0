"""Errors of the report that a user can act on: one line, no traceback, exit code 2."""

import difflib
from collections.abc import Iterable


class ReportError(Exception):
    """What was given, what is valid, what to do; printed as one line."""

    exit_code = 2


def did_you_mean(given: str, valid: Iterable[str]) -> str:
    """The part " (did you mean X?)" of a message, or "" if nothing valid is similar."""
    close = difflib.get_close_matches(given, list(valid), n=1, cutoff=0.4)
    return f" (did you mean {close[0]}?)" if close else ""


def nearest(given: str, valid: Iterable[str]) -> str:
    """The names that are most like `given`, for messages; all valid ones if none is like it.

    A name of which `given` is a part is like it.
    """
    names = list(valid)
    close = [name for name in names if given.lower() in name.lower()]
    close += difflib.get_close_matches(given, names, n=3, cutoff=0.5)
    chosen = list(dict.fromkeys(close))[:4]
    return f"nearest: {', '.join(chosen)}" if chosen else f"choose from {', '.join(names)}"
