"""Warnings about what lies in a results folder: one line each, and each once."""

import logging

from sweeps.errors import printable

_LOG = logging.getLogger("odesweep")
_WARNED: set[str] = set()


def warn_once(about: str, message: str) -> None:
    """Log `message` as a warning, unless this process has already warned about the same thing."""
    if about not in _WARNED:
        _WARNED.add(about)
        _LOG.warning("%s", printable(message))
