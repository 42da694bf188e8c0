"""Errors that a user can act on: one line, no traceback, and an exit code."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """What was given, what is valid, what to do; printed as one line. exit_code 2: wrong usage."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class InfrastructureError(UserError):
    """Infrastructure failure (disk, permissions, missing data); nothing was lost. exit_code 3."""

    exit_code = 3


def printable(text: str) -> str:
    """The text in one line that every terminal takes: names of files may hold anything."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def did_you_mean(given: object, valid: Iterable[str], cutoff: float = 0.6) -> str:
    """The part " (did you mean X?)" of a message, or "" if nothing valid is similar.

    cutoff: the least similarity, from 0 to 1, as in `difflib.get_close_matches`.
    """
    names = {name.casefold(): name for name in valid}
    close = difflib.get_close_matches(str(given).casefold(), names, n=1, cutoff=cutoff)
    return f" (did you mean {names[close[0]]}?)" if close else ""
