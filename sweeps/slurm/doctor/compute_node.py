"""The tiny job: it tries on a compute node what a sweep's tasks will do there, and is removed.

It has the options of the profile. The job and this process exchange files in a hidden folder beside
the results, which shows whether each sees the files of the other.
"""

import contextlib
import io
import shlex
import shutil
import signal
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from uuid import uuid4

from sweeps.doctor import probe
from sweeps.doctor.finding import Finding, Situation, fail, good, warn
from sweeps.execute.signals import handled
from sweeps.profiles import Profile
from sweeps.slurm import commands
from sweeps.slurm.commands import NoAnswer
from sweeps.slurm.container import image, python_command
from sweeps.slurm.doctor import node_report, partition
from sweeps.slurm.doctor.tiny_job import TinyJob
from sweeps.slurm.gres import asked_gpus
from sweeps.slurm.profile import limit_seconds, long_options

# Longest wait for the job to start, then for its work, mostly importing torch from a cold disk.
QUEUE_SECONDS, RUN_SECONDS = 120.0, 300.0
ASK_SECONDS, LOOK_SECONDS = 5.0, 0.2
LIMIT_MINUTES = 10
# Reasons for waiting that do not pass soon.
HOPELESS = (
    "BeginTime",
    "Partition",
    "JobHeld",
    "Dependency",
    "BadConstraints",
    "Reservation",
    "ReqNodeNotAvail",
    "Invalid",
)
_WAITING = ("PENDING", "CONFIGURING", "")

# The node may see the folder only after the job has started. If it never does, the exit code says
# so.
_SCRIPT = """#!/bin/bash
probe={probe}
for ((second = 0; second < {lag}; second++)); do
    ls "$probe" > /dev/null 2>&1 && [ -r "$probe/asked.json" ] && break
    sleep 1
done
[ -r "$probe/asked.json" ] || exit {unseen}
touch "$probe/log" 2> /dev/null || exit {unwritable}
exec >> "$probe/log" 2>&1
{setup}
{there}
export PYTHONPATH="$probe/code.zip${{PYTHONPATH:+:$PYTHONPATH}}"
exec srun --ntasks=1 --export=ALL{cpus} {command} -P "$probe/probe.py" "$probe"
"""


def sees(situation: Situation, profile: Profile) -> Iterator[Finding]:
    """Submit it, wait for its report, judge the report."""
    minutes = int(QUEUE_SECONDS // 60)
    yield good(
        "tiny job",
        f"submitting one with this profile's options; it may wait {minutes} minutes in the queue",
    )
    yield from try_there(situation, profile)


def try_there(situation: Situation, profile: Profile) -> list[Finding]:
    """All findings. However this ends, neither the job nor its files are left behind."""
    name = f"odesweep-doctor-{uuid4().hex[:8]}"
    folder = situation.existing / f".{name}"
    left: list[Finding] = []
    # A closed terminal, or SIGTERM.
    with handled(_exit, signal.SIGTERM, signal.SIGHUP):
        try:
            _lay_out(folder, situation, profile)
            job = _follow(commands.submit(folder / "job.sh", _arguments(name, profile)), folder)
        except NoAnswer as error:
            return [
                fail(
                    "tiny job",
                    f"not sent: {error}",
                    "change the profile's options, or run doctor again if SLURM is busy",
                )
            ]
        except OSError as error:
            remedy = "make room or repair it, or give another folder with --results"
            return [
                fail(
                    "tiny job",
                    f"cannot write in {situation.existing}: {error.strerror}",
                    remedy,
                )
            ]
        finally:
            left += _clean(name, folder)
    return [*node_report.judge(job, situation, profile), *left]


def _lay_out(folder: Path, situation: Situation, profile: Profile) -> None:
    from sweeps.slurm import snapshot

    folder.mkdir()
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        for name, content in snapshot.code().items():
            archive.writestr(name, content)
    (folder / "code.zip").write_bytes(code.getvalue())
    (folder / "probe.py").write_bytes(Path(probe.__file__).read_bytes())
    folders = [folder, *filter(None, [situation.data_root])]
    (folder / "job.sh").write_text(script(folder, profile, folders))
    data = situation.data_root and situation.data_root.absolute()
    names = sorted(path.name for path in data.iterdir()) if data and data.is_dir() else []
    # The last file, for which the job waits.
    probe.publish(
        folder,
        "asked.json",
        {
            "module": "sweeps.slurm.submit",
            "command": ["scontrol", "-o", "show", "job", "$SLURM_JOB_ID"],
            "data": data and {"folder": str(data), "names": names},
        },
    )


def script(folder: Path, profile: Profile, folders: Sequence[Path]) -> str:
    """The batch script: the profile's setup, then Python in a step, as in a sweep's tasks.

    folders: what a container has to see.
    """
    given = long_options(profile)
    cpus = given.get("cpus-per-task")
    command = python_command(profile, folders, gpus=asked_gpus(given) > 0)
    if profile.container is None:
        there = f'[ -x "$(command -v {shlex.quote(command[-1])})" ] || exit {{no_python}}'
    else:
        there = "command -v apptainer > /dev/null || exit {no_apptainer}"
        if "://" not in profile.container:
            there += f"\n[ -r {shlex.quote(image(profile.container))} ] || exit {{no_image}}"
    return _SCRIPT.format(
        probe=shlex.quote(str(folder.absolute())),
        lag=int(probe.LAG_SECONDS),
        setup="\n".join(profile.setup),
        there=there.format(**node_report.EXITS),
        command=shlex.join(command),
        cpus=f" --cpus-per-task={cpus}" if cpus else "",
        **node_report.EXITS,
    )


def _arguments(name: str, profile: Profile) -> list[str]:
    # Of the options, only a shorter time, so that it can start earlier in a gap.
    limit = limit_seconds(profile)
    minutes = LIMIT_MINUTES if limit is None else max(1, min(LIMIT_MINUTES, int(limit // 60)))
    given = {
        key: value
        for key, value in long_options(profile).items()
        if key not in ("time", "time-min")
    }
    ours = {
        "job-name": name,
        "time": minutes,
        # As in a sweep: doctor looks whether SLURM takes it.
        "requeue": True,
        "output": "/dev/null",
        "error": "/dev/null",
    }
    return partition.arguments(given | ours)


def _follow(job_id: str, folder: Path) -> TinyJob:
    """Wait until it has reported, has ended without a report, or is not worth waiting for."""
    job, asked_at, start, over_at = TinyJob(job_id), -1e9, time.monotonic(), None
    answered = False
    while True:
        now = time.monotonic()
        if not answered and probe.published(folder, "began.json"):
            probe.publish(folder, "answer.json", {"at": time.time()})
            answered = True
        job.report = probe.published(folder, "report.json")
        if job.report:
            break
        if now - asked_at >= ASK_SECONDS:
            asked_at = now
            with contextlib.suppress(NoAnswer):
                job.fields = commands.show_job(job_id)
        if job.state in _WAITING and not answered:
            job.waited = now - start
            if job.waited >= QUEUE_SECONDS or job.fields.get("Reason", "").startswith(HOPELESS):
                break
        elif now - start - job.waited >= RUN_SECONDS:
            break
        if job.over:
            over_at = over_at or now
            if job.fields.get("ExitCode") != "0:0" or now - over_at >= probe.LAG_SECONDS:
                break
        time.sleep(LOOK_SECONDS)
    job.took = time.monotonic() - start - job.waited
    with contextlib.suppress(OSError, NoAnswer):
        job.fields = commands.show_job(job_id)
        job.log = (folder / "log").read_text(errors="replace")
    return job


def _clean(name: str, folder: Path) -> Iterator[Finding]:
    """End the job by its name, since its id may not have come back, and remove the folder."""
    try:
        commands.ask("scancel", f"--name={name}", f"--user={commands.user()}")
    except NoAnswer as error:
        yield warn("tiny job", f"may still be queued: {error}", f"scancel --name={name}")
    # A job that is just ending may still write.
    deadline = time.monotonic() + 10.0
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
        if time.monotonic() >= deadline:
            yield warn("tiny job", f"cannot remove {folder}", f"rm -r {folder}")
            break
        time.sleep(LOOK_SECONDS)


def _exit(number: int, _frame: FrameType | None) -> None:
    """End this process by an exception, as Ctrl-C does, so that it still cleans up."""
    raise SystemExit(128 + number)
