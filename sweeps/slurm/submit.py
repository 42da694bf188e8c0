"""Sends a submission as one job array, with submitit. The only file that imports submitit.

Submitit writes the batch script and one pickle per task, and starts Python in the task. A pickle
names a function of the code copy, a path and a number. Results are never unpickled. Signals are
handled by `sweeps.slurm.task`, not by submitit.
"""

import contextlib
import io
import re
import shlex
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

import submitit
from submitit.core.utils import DelayedSubmission, FailedJobError, FailedSubmissionError, JobPaths

from sweeps.errors import InfrastructureError, UserError
from sweeps.execute.scheduler import Setup
from sweeps.slurm import commands, environment, snapshot
from sweeps.slurm.arrays import Layout
from sweeps.slurm.bad_nodes import bad_nodes, tell_excluded
from sweeps.slurm.container import python_command
from sweeps.slurm.gres import asked_gpus
from sweeps.slurm.paths import job_folder, job_name, task_name
from sweeps.slurm.profile import long_options, sbatch_options, signal_seconds
from sweeps.slurm.task import run_task
from sweeps.store import EventReader, Results, Sent, Submission, read_submission, write_sent
from sweeps.store.clock import shared_time
from sweeps.worker.report import Watcher

# How often to look for a job whose reply was lost before sending again, and how often to send.
LOOKS, LOOK_SECONDS, SENDS = 4, 3.0, 3
# With these words of sbatch the job may or may not be queued; any other error is a refusal.
_LOST = re.compile(
    r"timed out|unable to contact|connect|zero bytes|transmi|temporarily unable|standby|not "
    r"responding",
    re.IGNORECASE,
)
# SLURM signals every process of a task. Python must survive until its handlers are set.
_IGNORE_SIGNALS = """bash -c 'trap "" TERM USR2; exec "$@"' odesweep"""


class ArrayExecutor(submitit.SlurmExecutor):
    """Submitit's executor, which can also show its batch script if there is no SLURM."""

    @classmethod
    def affinity(cls) -> int:
        """Always available; `send` looks for sbatch itself."""
        return 2

    def script(self, tasks: int) -> str:
        """The whole batch script for this many tasks."""
        own = dict(self.parameters)
        try:
            if tasks > 1:
                self.parameters["map_count"] = tasks
            return self._make_submission_file_text(self._submitit_command_str, "")
        finally:
            # Submitit refuses this one when it sends.
            self.parameters = own


def send(results: Results, submission_id: str, setup: Setup, watcher: Watcher) -> None:
    """Queue the submission as one array.

    Raises UserError if sbatch refuses, InfrastructureError if SLURM does not answer.
    """
    if missing := [name for name in ("sbatch", "srun") if not shutil.which(name)]:
        raise InfrastructureError(
            f"executor slurm: no {' and no '.join(missing)} on this machine; "
            "run it on a login node of the cluster"
        )
    submission = read_submission(results, submission_id)
    study, tasks = submission.metadata["study"], _layout(submission).tasks
    code = snapshot.write(results, snapshot.code(setup.study_file))
    nodes = bad_nodes(EventReader(results).poll(), _queued_tasks(), shared_time(results.events))
    if nodes:
        watcher.note(f"excluding {', '.join(nodes)}: everything failed there in the last 24 h")
        tell_excluded(results, submission, nodes)
    executor = array_executor(results, submission_id, study, setup, tasks, code, nodes)
    path = str(results.submissions / f"{submission_id}.parquet")
    found = environment.look(environment.options_of(executor.script(tasks)))
    if found.note:
        watcher.note(found.note)

    def call_sbatch() -> str:
        with environment.without(found.unwanted):
            jobs = executor.map_array(run_task, [path] * tasks, range(tasks))
        return jobs[0].job_id.partition("_")[0]

    try:
        job_id = _send(call_sbatch, submission_id, job_name(study, submission_id))
    except UserError as error:
        if not isinstance(error, InfrastructureError):
            write_sent(results, submission_id, Sent(None, commands.user()))
        raise
    adopt(results, submission_id, job_id)


def _layout(submission: Submission) -> Layout:
    return Layout.of(submission.settings())


def _queued_tasks() -> list[commands.ArrayTask]:
    with contextlib.suppress(commands.NoAnswer):
        return commands.squeue()
    return []


def _send(send: Callable[[], str], submission_id: str, name: str) -> str:
    """The array's job id. If the reply is lost, look for the job before sending again."""
    said = ""
    for _ in range(SENDS):
        try:
            # Submitit prints sbatch's complaint and also raises it.
            with contextlib.redirect_stderr(io.StringIO()):
                return send()
        except (FailedJobError, FailedSubmissionError) as error:
            said = " ".join(str(error).split())
        if said and not _LOST.search(said):
            raise UserError(f"sbatch refused: {said.replace('sbatch: error: ', '')}")
        if found := _look(submission_id, name):
            return found
    raise InfrastructureError(
        f"SLURM does not answer ({said or 'sbatch died'}); squeue shows no such job; rerun to retry"
    )


def _look(submission_id: str, name: str) -> str | None:
    """The job whose reply was lost; None if squeue shows none.

    Raises InfrastructureError when squeue does not answer either.
    """
    problem = None
    for _ in range(LOOKS):
        time.sleep(LOOK_SECONDS)
        try:
            if found := find(submission_id, name):
                return found
            problem = None
        except commands.NoAnswer as error:
            problem = error
    if problem:
        raise InfrastructureError(
            f"sbatch's reply was lost and squeue does not answer ({problem}); "
            "run it again in a few minutes"
        )
    return None


def find(submission_id: str, name: str) -> str | None:
    """The job of a submission, by its comment in squeue or its name in accounting; None if none.

    Raises NoAnswer if squeue does not answer.
    """
    shown = [task.job_id for task in commands.squeue() if task.comment == submission_id]
    if not shown:
        with contextlib.suppress(commands.NoAnswer):
            shown = [task.job_id for task in commands.sacct_named(name)]
    return shown[0] if shown else None


def adopt(results: Results, submission_id: str, job_id: str) -> None:
    """Note the job of a submission, and write the pickles that its tasks lack."""
    write_sent(results, submission_id, Sent(job_id, commands.user()))
    tasks = _layout(read_submission(results, submission_id)).tasks
    for index in range(tasks):
        path = JobPaths(
            job_folder(results, submission_id), task_name(job_id, index, tasks)
        ).submitted_pickle
        if not path.exists():
            beside = path.with_name(f".{uuid4().hex}.tmp")
            DelayedSubmission(
                run_task, str(results.submissions / f"{submission_id}.parquet"), index
            ).dump(beside)
            beside.rename(path)


def script(results: Results, submission_id: str, study: str, setup: Setup, tasks: int) -> str:
    """The batch script that `send` would pass to sbatch."""
    code = snapshot.folder(results, snapshot.code(setup.study_file))
    return array_executor(results, submission_id, study, setup, tasks, code).script(tasks)


def array_executor(
    results: Results,
    submission_id: str,
    study: str,
    setup: Setup,
    tasks: int,
    code: Path,
    exclude: Sequence[str] = (),
) -> ArrayExecutor:
    """Submitit's executor for one array.

    code: the copy of the code, first on PYTHONPATH. exclude: nodes, besides the profile's. A
    container sees the results, with that copy, and the data.
    """
    profile = setup.profile
    folders = [results.path, results.state, *filter(None, [setup.data_root])]
    gpus = asked_gpus(long_options(profile)) > 0
    python = shlex.join(python_command(profile, folders, gpus=gpus))
    options = sbatch_options(profile)
    if exclude:
        options["exclude"] = ",".join(
            [*([str(options["exclude"])] if "exclude" in options else []), *exclude]
        )
    # -P keeps the current folder, perhaps the checkout, off the import path.
    made = ArrayExecutor(
        job_folder(results, submission_id),
        python=f"{_IGNORE_SIGNALS} {python} -P",
    )
    made.update_parameters(
        job_name=job_name(study, submission_id),
        comment=submission_id,
        time=None,
        wckey=None,
        signal_delay_s=signal_seconds(profile),
        array_parallelism=profile.throttle or tasks,
        stderr_to_stdout=True,
        setup=[
            *profile.setup,
            f"export PYTHONPATH={shlex.quote(str(code))}${{PYTHONPATH:+:$PYTHONPATH}}",
        ],
        # From Slurm 22.05 on srun does not inherit the CPUs that sbatch gave; after
        # `export = "NONE"` it does not inherit the variables set above either.
        srun_args=[
            "--ntasks=1",
            "--export=ALL",
            *(
                [f"--cpus-per-task={options['cpus_per_task']}"]
                if "cpus_per_task" in options
                else []
            ),
        ],
        additional_parameters={"ntasks": 1, "requeue": True, **options},
    )
    return made
