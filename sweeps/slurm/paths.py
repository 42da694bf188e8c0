"""Where submitit keeps the files of an array, and the names that it and SLURM use."""

import re
from pathlib import Path

from sweeps.store import Results


def job_folder(results: Results, submission_id: str) -> Path:
    """Submitit's files of one array."""
    return results.state / "submitit" / submission_id


def task_name(job_id: str | None, index: int, tasks: int) -> str:
    """The name of a task in submitit and squeue.

    Submitit makes no array of a single task.
    """
    return f"{job_id}_{index}" if tasks > 1 else f"{job_id}"


def task_log(results: Results, submission_id: str, name: str) -> Path:
    """The file with what a task of that name printed."""
    return job_folder(results, submission_id) / f"{name}_0_log.out"


def job_name(study: str, submission_id: str) -> str:
    """The job's name, which squeue shows and accounting keeps."""
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', study)}-{submission_id[:8]}"
