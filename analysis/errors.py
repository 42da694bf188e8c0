"""Errors of the report that a user can do something about: one line, no traceback, exit code 2."""


class ReportError(Exception):
    """What was given, what is valid, what to do; printed as one line."""

    exit_code = 2
