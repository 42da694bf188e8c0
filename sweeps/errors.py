"""Errors a user can do something about: one line, no traceback, and the exit code that goes with them."""


class UserError(Exception):
    """What was given, what is valid, what to do; printed as one line. exit_code 2: wrong usage."""

    exit_code = 2


class InfrastructureError(UserError):
    """Infrastructure failure (disk, permissions, missing data); nothing was lost. exit_code 3."""

    exit_code = 3
