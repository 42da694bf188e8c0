"""Executor `slurm`: one submission becomes one array, by submitit. The only file that imports submitit.

Submitit writes the batch script, a pickle per task (a function of the code snapshot, a path and a number) and starts Python in the task.
Its pickles lie beside that snapshot, which the tasks run in any case; nothing that comes back is ever unpickled. What its handlers would
do about signals, `slurm_task` does in another way.
"""

import contextlib
import getpass
import io
import math
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import submitit
from submitit.core.utils import DelayedSubmission, FailedJobError, FailedSubmissionError, JobPaths

from sweeps.errors import InfrastructureError, UserError
from sweeps.execute.base import Job
from sweeps.profiles import Profile
from sweeps.slurm import commands, snapshot
from sweeps.slurm.bad_nodes import bad_nodes
from sweeps.slurm.inflight import SENDING_SECONDS, Sky
from sweeps.slurm.task import run_task
from sweeps.store import EventReader, Results, Sent, read_submission, write_sent
from sweeps.worker.report import ShardReport

# An answer that was lost is asked for this often before the array is sent again, and it is sent this often.
LOOKS, LOOK_SECONDS, SENDS = 4, 3.0, 3
# What sbatch says when nobody knows whether the controller got its message; everything else is a refusal.
_LOST = re.compile(
    r"timed out|unable to contact|connect|zero bytes|transmi|temporarily unable|standby|not responding",
    re.IGNORECASE,
)
# SLURM signals every process of a task; until Python has its own handlers it had better not die of them.
_DEAF = """bash -c 'trap "" TERM USR2; exec "$@"' odesweep"""


class ArrayExecutor(submitit.SlurmExecutor):
    """Submitit's executor that can also show its batch script where there is no SLURM."""

    @classmethod
    def affinity(cls) -> int:
        """Always usable; `execute` looks for sbatch itself."""
        return 2

    def script(self, tasks: int) -> str:
        """The whole batch script for so many tasks."""
        if tasks > 1:
            self.parameters["map_count"] = tasks
        return self._make_submission_file_text(self._submitit_command_str, "")


def execute(job: Job) -> ShardReport:
    """Queue the submission as one array and return at once. Raises UserError when sbatch refuses, InfrastructureError when SLURM is silent."""
    if missing := [name for name in ("sbatch", "srun") if not shutil.which(name)]:
        raise InfrastructureError(
            f"executor slurm: no {' and no '.join(missing)} on this machine; run it on a login node of the cluster"
        )
    sent = read_submission(job.results, job.submission_id)
    tasks = task_count(sent.settings())
    code = snapshot.write(job.results, snapshot.code(job.study_file))
    nodes = bad_nodes(EventReader(job.results).poll(), _shown(), time.time())
    if nodes:
        job.watcher.note(f"excluding {', '.join(nodes)}: everything failed there in the last 24 h")
    made = executor(
        job.results, job.submission_id, sent.metadata["study"], job.profile, tasks, code, nodes
    )
    path = str(job.results.submissions / f"{job.submission_id}.parquet")
    name = job_name(sent.metadata["study"], job.submission_id)
    try:
        job_id = _send(
            lambda: made.map_array(run_task, [path] * tasks, range(tasks))[0].job_id.partition("_")[
                0
            ],
            job.submission_id,
            name,
        )
    except UserError as error:
        if not isinstance(error, InfrastructureError):
            write_sent(job.results, job.submission_id, Sent(None, getpass.getuser()))
        raise
    adopt(job.results, job.submission_id, job_id)
    return ShardReport()


def _shown() -> list[commands.ArrayTask]:
    with contextlib.suppress(commands.NoAnswer):
        return commands.squeue()
    return []


def _send(send: Callable[[], str], submission_id: str, name: str) -> str:
    """The array's job id. A reply that is lost is looked for by the submission's id before anything is sent again."""
    said = ""
    for _ in range(SENDS):
        try:
            # Submitit prints sbatch's complaint besides raising it.
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
    """The job that a lost reply was about; None if squeue says that there is none. Raises InfrastructureError when squeue is silent as well."""
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
            f"sbatch's reply was lost and squeue does not answer ({problem}); run it again in some minutes"
        )
    return None


def find(submission_id: str, name: str) -> str | None:
    """The job whose comment is this submission, or in accounting whose name is; None if there is none. Raises NoAnswer if squeue does not."""
    shown = [task.job_id for task in commands.squeue() if task.comment == submission_id]
    if not shown:
        with contextlib.suppress(commands.NoAnswer):
            shown = [task.job_id for task in commands.sacct_named(name)]
    return shown[0] if shown else None


def adopt(results: Results, submission_id: str, job_id: str) -> None:
    """Note the job of a submission, and give its tasks the pickles that submitit had no chance to name after it."""
    write_sent(results, submission_id, Sent(job_id, getpass.getuser()))
    tasks = task_count(read_submission(results, submission_id).settings())
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


def adopt_lost(results: Results, sky: Sky) -> None:
    """Note the jobs of submissions whose sender died before it could, and write off those that SLURM never got."""
    for one in sky.sendings():
        if one.job_id is None and (queued := sky.queue.look()) is not None:
            shown = [task.job_id for task in queued if task.comment == one.submission_id]
            if shown:
                adopt(results, one.submission_id, shown[0])
            elif (
                time.time() - one.created_at >= SENDING_SECONDS
                and one.submission_id not in sky.told.starts
            ):
                write_sent(results, one.submission_id, Sent(None, getpass.getuser()))


def task_count(settings: dict[str, Any]) -> int:
    """Tasks of a submission's array."""
    return math.ceil(settings["shards"] / settings["slots"])


def task_name(job_id: str, index: int, tasks: int) -> str:
    """As submitit names a task's files: it makes no array of a single task."""
    return job_id if tasks == 1 else f"{job_id}_{index}"


def job_folder(results: Results, submission_id: str) -> Path:
    """Submitit's files of one array."""
    return results.state / "submitit" / submission_id


def job_name(study: str, submission_id: str) -> str:
    """What squeue shows and accounting keeps."""
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', study)}-{submission_id[:8]}"


def script(
    results: Results,
    submission_id: str,
    study: str,
    profile: Profile,
    tasks: int,
    study_file: Path | None = None,
) -> str:
    """The batch script that `execute` would hand to sbatch."""
    code = snapshot.folder(results, snapshot.code(study_file))
    return executor(results, submission_id, study, profile, tasks, code).script(tasks)


def executor(
    results: Results,
    submission_id: str,
    study: str,
    profile: Profile,
    tasks: int,
    code: Path,
    exclude: Sequence[str] = (),
) -> ArrayExecutor:
    """Submitit's executor for one array. code: the snapshot, first on PYTHONPATH. exclude: nodes to leave out, besides the profile's."""
    options = sbatch_options(profile)
    if exclude:
        options["exclude"] = ",".join(
            [*([str(options["exclude"])] if "exclude" in options else []), *exclude]
        )
    # -P keeps the folder in which sbatch was called, perhaps the checkout itself, off the import path.
    made = ArrayExecutor(
        job_folder(results, submission_id), python=f"{_DEAF} {shlex.quote(sys.executable)} -P"
    )
    made.update_parameters(
        job_name=job_name(study, submission_id),
        comment=submission_id,
        time=None,
        wckey=None,
        signal_delay_s=profile.signal_seconds,
        array_parallelism=profile.throttle or tasks,
        stderr_to_stdout=True,
        setup=[
            *profile.setup,
            f"export PYTHONPATH={shlex.quote(str(code))}${{PYTHONPATH:+:$PYTHONPATH}}",
        ],
        # Srun passes on neither the CPUs that sbatch gave (from Slurm 22.05 on) nor, after `export = "NONE"`, the variables set above.
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


def sbatch_options(profile: Profile) -> dict[str, Any]:
    """The profile's options of sbatch, by submitit's names, with CPUs and GPUs for all slots of a task where it does not say."""
    options = {
        key.replace("-", "_"): value for key, value in profile.sbatch.items() if key != "signal"
    }
    if "cpus_per_gpu" not in options:
        options.setdefault("cpus_per_task", profile.cpus * profile.slots_per_task)
    if (
        profile.gpus
        and not {"gres", "gpus_per_node", "gpus_per_task", "gpus_per_socket"} & options.keys()
    ):
        options["gpus_per_node"] = math.ceil(profile.gpus * profile.slots_per_task)
    return options
