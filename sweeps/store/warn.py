"""Warnings about what lies in a results folder: one line each, and each once."""

import logging

_LOG = logging.getLogger("odesweep")
_WARNED: set[str] = set()


def warn_once(about: str, message: str) -> None:
    """Log `message` as a warning, unless this process has already warned about the same thing."""
    if about not in _WARNED:
        _WARNED.add(about)
        _LOG.warning("%s", printable(message))


def printable(text: str) -> str:
    """The text in one line that every terminal takes: names of files may hold anything."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )
