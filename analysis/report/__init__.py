"""`odereport report`: everything on one HTML page that needs neither network nor server."""

from analysis.report.page import write_report

__all__ = ["write_report"]
