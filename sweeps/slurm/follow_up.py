"""The job of `run --then`: it depends on the arrays of a command and has the profile's options."""

import shlex
from collections.abc import Collection

from sweeps.errors import UserError
from sweeps.execute.scheduler import Setup
from sweeps.follow_up import Then
from sweeps.slurm import commands, snapshot
from sweeps.slurm.container import python_command
from sweeps.slurm.gres import asked_gpus
from sweeps.slurm.paths import job_name
from sweeps.slurm.profile import long_options
from sweeps.store import Results, publish_bytes
from sweeps.store.files import one_line

_SCRIPT = """#!/bin/bash
{setup}
export PYTHONPATH={code}${{PYTHONPATH:+:$PYTHONPATH}}
exec {command}
"""
# Of the profile's options: it waits for the arrays and for nothing else.
_LEFT_OUT = ("begin", "dependency", "hold", "signal")


def submit(results: Results, then: Then, jobs: Collection[str], setup: Setup) -> str:
    """Queue it after the end of these jobs, however they end; the id of its job.

    Raises UserError if sbatch refuses, InfrastructureError if its script cannot be written.
    """
    code = snapshot.write(results, snapshot.code(setup.study_file))
    folder = results.state / "then"
    path = folder / f"{then.name}.sh"
    with one_line(f"cannot write {path}", "the trials are queued, --then is not"):
        folder.mkdir(parents=True, exist_ok=True)
        publish_bytes(path, script(results, then, str(code), setup).encode())
    given = {
        key: value for key, value in long_options(setup.profile).items() if key not in _LEFT_OUT
    }
    options = [
        *(f"--{key}" if value is True else f"--{key}={value}" for key, value in given.items()),
        f"--job-name={job_name(then.study, then.name)}",
        f"--comment={then.name}",
        f"--output={results.logs / f'{then.name}.log'}",
        *([f"--dependency=afterany:{':'.join(sorted(jobs))}"] if jobs else []),
    ]
    try:
        return commands.submit(path, options)
    except commands.NoAnswer as error:
        raise UserError(f"sbatch refused the job of --then: {error}") from None


def script(results: Results, then: Then, code: str, setup: Setup) -> str:
    """Its batch script."""
    folders = [results.path, results.state, *filter(None, [setup.data_root])]
    gpus = asked_gpus(long_options(setup.profile)) > 0
    words = python_command(setup.profile, folders, gpus=gpus)
    words += [
        "-P",
        "-m",
        "sweeps.follow_up",
        str(results.path),
        then.study,
        then.name,
        then.command,
    ]
    return _SCRIPT.format(
        setup="\n".join(setup.profile.setup), code=shlex.quote(code), command=shlex.join(words)
    )
