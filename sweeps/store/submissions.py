"""Submissions: what one `run` or `evaluate` passed to an executor.

They never change and are written before anything starts.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import pyarrow as pa

from sweeps.errors import UserError
from sweeps.store.files import list_files, one_line, publish_bytes, publish_table, read_bytes
from sweeps.store.folders import Results, check_name, is_name
from sweeps.store.parquet import load, load_metadata, required
from sweeps.store.schema import SUBMISSION, check_keys, to_table
from sweeps.store.warn import warn_once

METADATA = ("study", "scale", "executor", "command", "created_at")


class Submission(NamedTuple):
    """A submission. metadata: study, scale, executor, command, created_at."""

    submission_id: str
    table: pa.Table
    metadata: dict[str, str]

    def rows(self) -> list[dict[str, Any]]:
        """One dict per trial, in the order of submission."""
        return self.table.to_pylist()

    def settings(self) -> dict[str, Any]:
        """How its trials run, as given to `write_submission`."""
        return settings_of(self.metadata)


class Sent(NamedTuple):
    """The job that a scheduler made of a submission.

    job_id: of its array, None if none was queued. user: who submitted it.
    """

    job_id: str | None
    user: str


def write_submission(
    results: Results,
    rows: Sequence[Mapping[str, Any]],
    metadata: Mapping[str, str],
    settings: Mapping[str, Any] | None = None,
) -> str:
    """Publish a submission and return its id.

    settings: plain values for the code that runs it on another machine. Raises SchemaError for
    wrong columns or metadata, InfrastructureError if it cannot be written.
    """
    check_keys("metadata of a submission", metadata, METADATA)
    if settings is not None:
        metadata = {**metadata, "settings": json.dumps(settings)}
    for row in rows:
        check_keys("submission", row, SUBMISSION.names)
    table = to_table(SUBMISSION, rows)
    results.create()
    submission_id = uuid4().hex
    path = results.submissions / f"{submission_id}.parquet"
    with one_line(f"cannot write {path}", "nothing was submitted"):
        publish_table(path, table, metadata)
    return submission_id


def read_submission(results: Results, submission_id: str) -> Submission:
    """The submission with that id.

    Raises UserError if there is none, InfrastructureError if it is unreadable.
    """
    path = results.submissions / f"{check_name(submission_id)}.parquet"
    missing = _missing(results, submission_id)
    table = required(path, missing, load, SUBMISSION, SUBMISSION.names)
    return Submission(submission_id, table, required(path, missing, load_metadata))


def list_submissions(results: Results, known: Collection[str] = ()) -> dict[str, dict[str, str]]:
    """submission_id -> metadata of every submission except those `known`.

    One that cannot be read is skipped with a warning.
    """
    with one_line(f"cannot read {results.submissions}", "check permissions and the disk"):
        ids = [
            name.removesuffix(".parquet") for name in list_files(results.submissions, ".parquet")
        ]
        loaded = {
            submission_id: metadata
            for submission_id in ids
            if submission_id not in known
            and (metadata := load_metadata(results.submissions / f"{submission_id}.parquet"))
            is not None
        }
    for submission_id, metadata in loaded.items():
        if not _is_submission(submission_id, metadata):
            path = results.submissions / f"{submission_id}.parquet"
            warn_once(str(path), f"skipped {path}: not a submission")
    return {
        submission_id: metadata
        for submission_id, metadata in loaded.items()
        if _is_submission(submission_id, metadata)
    }


def _is_submission(submission_id: str, metadata: Mapping[str, str]) -> bool:
    return is_name(submission_id) and metadata.keys() >= set(METADATA)


def settings_of(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The settings in a submission's metadata; empty if it has none."""
    return json.loads(metadata.get("settings", "{}"))


def write_sent(results: Results, submission_id: str, sent: Sent) -> None:
    """Record which job a submission became. Raises InfrastructureError if it cannot be written."""
    path = results.submissions / f"{check_name(submission_id)}.jobs"
    with one_line(f"cannot write {path}", "the job is queued, and its comment identifies it"):
        publish_bytes(path, json.dumps(sent._asdict()).encode(), replace=True)


def read_sent(results: Results, submission_id: str) -> Sent | None:
    """The job that a submission became.

    None if nobody has recorded it, or if the record is unreadable.
    """
    path = results.submissions / f"{check_name(submission_id)}.jobs"
    try:
        noted = json.loads(read_bytes(path))
        job_id, user = noted["job_id"], noted["user"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        warn_once(str(path), f"skipped {path}: it does not name the job of a submission")
        return None
    return Sent(None if job_id is None else str(job_id), str(user))


def cancel_submission(results: Results, submission_id: str) -> None:
    """Mark a submission as cancelled.

    Its workers see the mark before each trial and at every heartbeat. Cancelling twice is no error.
    Raises UserError if there is no such submission, InfrastructureError if the mark cannot be
    written.
    """
    path = results.submissions / f"{check_name(submission_id)}.cancelled"
    if not path.with_suffix(".parquet").exists():
        raise UserError(_missing(results, submission_id))
    with one_line(f"cannot write {path}", "nothing was cancelled"):
        publish_bytes(path, b"")


def is_cancelled(results: Results, submission_id: str) -> bool:
    """Whether somebody cancelled this submission."""
    return (results.submissions / f"{check_name(submission_id)}.cancelled").exists()


def _missing(results: Results, submission_id: str) -> str:
    return (
        f"no submission {submission_id!r} in {results.submissions}; `odesweep run` makes "
        "submissions"
    )
