"""From chosen trials to submissions, and from there to an executor."""

import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sweeps.cli.follow import follow
from sweeps.cli.progress import RunDisplay
from sweeps.errors import InfrastructureError, UserError
from sweeps.execute import EXECUTORS
from sweeps.execute.base import Job
from sweeps.limits import Limits
from sweeps.shards import balance, shard_count
from sweeps.slurm.arrays import Room, divide, settings
from sweeps.slurm.commands import max_array_size, max_submit
from sweeps.slurm.inflight import Sky
from sweeps.store import write_submission
from sweeps.worker.report import ShardReport
from sweeps.worker.tasks import Task, labelled

if TYPE_CHECKING:
    from sweeps.cli.options import Options
    from sweeps.plan import Entry, Plan
    from sweeps.profiles import Profile
    from sweeps.store import Results

Shards = list[list[Task]]


@dataclass(frozen=True)
class Submitted:
    """report: what came of it, None if nobody waited. words: what was queued. left_out: trials for which there was no room."""

    report: ShardReport | None
    words: str = ""
    left_out: int = 0


def submit(
    current: "Plan",
    chosen: list["Entry"],
    flying: list["Entry"],
    results: "Results",
    options: "Options",
    profile: "Profile",
) -> Submitted:
    """Write submissions and start them. flying: trials in flight already that are waited for as well."""
    tasks = [Task.from_entry(entry) for entry in chosen]
    execute = _executor(options.executor)
    if options.executor == "slurm":
        return _queue(
            current, tasks, [Task.from_entry(entry) for entry in flying], results, options, profile
        )
    limits = Limits.from_environment()
    slots = (
        import_module("sweeps.execute.ray_tune").cluster_slots(options.address, profile)
        if options.address
        else None
    )
    shards = balance(tasks, shard_count(len(tasks), options.executor, profile, slots))
    submission = write_submission(results, _rows(shards), _metadata(current, options))
    with RunDisplay(len(tasks), follow=options.verbose, bars=not options.pdb) as display:
        job = Job(
            results,
            submission,
            options.executor,
            display,
            limits,
            options.data_root,
            options.threads,
            debug=options.pdb,
            profile=profile,
            address=options.address,
        )
        try:
            return Submitted(execute(job))
        except (UserError, KeyboardInterrupt):
            raise
        except Exception:
            if options.pdb:
                import pdb  # noqa: T100 - this is what --pdb asks for
                import traceback

                traceback.print_exc()
                pdb.post_mortem()
            raise


def _queue(
    current: "Plan",
    tasks: list[Task],
    flying: list[Task],
    results: "Results",
    options: "Options",
    profile: "Profile",
) -> Submitted:
    """To SLURM: one submission for each array, as many as the cluster takes."""
    arrays, _ = divide(tasks, profile, _room(results, profile)) if tasks else ([], [])
    if tasks and not arrays:
        raise InfrastructureError(
            "SLURM takes no more jobs of yours now (MaxSubmitJobs); run it again when some have ended"
        )
    sent: list[str] = []
    problem = None
    with RunDisplay(len(tasks) + len(flying), follow=options.verbose) as display:
        for shards in arrays:
            given = _settings(shards, options, profile)
            submission = write_submission(
                results, _rows(shards), _metadata(current, options), given
            )
            job = Job(
                results,
                submission,
                "slurm",
                display,
                Limits.from_environment(),
                profile=profile,
                study_file=_study_file(options.study),
            )
            try:
                slurm().execute(job)
            except UserError as error:
                if not sent:
                    raise
                problem = error
                break
            sent.append(submission)
        queued = [task for shards in arrays[: len(sent)] for shard in shards for task in shard]
        words = f"{len(queued)} of {len(tasks)} trials queued as {len(sent)} array{'' if len(sent) == 1 else 's'}"
        if len(queued) < len(tasks):
            words += f"; the rest when there is room: run it again ({problem or 'MaxSubmitJobs'})"
        left = len(tasks) - len(queued)
        if not options.wait:
            return Submitted(None, words, left)
        display.note(words)
        return Submitted(follow(results, labelled([*queued, *flying]), sent, display), words, left)


def show_scripts(
    current: "Plan",
    chosen: list["Entry"],
    results: "Results",
    options: "Options",
    profile: "Profile",
) -> None:
    """Print the batch script of the first array, and how many more there would be."""
    tasks = [Task.from_entry(entry) for entry in chosen]
    if not tasks:
        return
    arrays, left_out = divide(tasks, profile, _room(results, profile))
    sizes = [-(-len(shards) // profile.slots_per_task) for shards in arrays]
    more = f", {len(left_out)} trials left for later (MaxSubmitJobs)" if left_out else ""
    print(
        f"{len(arrays)} calls of sbatch, tasks: {', '.join(map(str, sizes))}{more}; the script of the first:\n"
    )
    if sizes:
        # The submission's id is drawn when it is written.
        print(
            slurm().script(
                results,
                "0" * 32,
                current.selection.study.name,
                profile,
                sizes[0],
                _study_file(options.study),
            )
        )


def _room(results: "Results", profile: "Profile") -> Room:
    account, qos = (
        str(profile.sbatch[key]) if key in profile.sbatch else None for key in ("account", "qos")
    )
    limit = max_submit(account, qos)
    if limit is None:
        return Room(max_array_size())
    queued = Sky(results).queue.look() or ()
    return Room(max_array_size(), max(0, limit - sum(task.live for task in queued)))


def _settings(shards: Shards, options: "Options", profile: "Profile") -> dict[str, Any]:
    from sweeps.worker import provenance

    collected = provenance.collect()
    code = {name: collected[name] for name in ("code_commit", "code_dirty")}
    return settings(
        profile, len(shards), Limits.from_environment(), options.data_root, options.threads, code
    )


def slurm() -> ModuleType:
    """The executor's module. Raises UserError where submitit is not installed."""
    _executor("slurm")
    return import_module("sweeps.slurm.submit")


def _executor(name: str) -> Any:
    module, _, function = EXECUTORS[name].partition(":")
    try:
        return getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        raise UserError(
            f"executor {name} needs {error.name}, which is not installed: pip install 'odesweep[{name}]'"
        ) from None


def _metadata(current: "Plan", options: "Options") -> dict[str, str]:
    return {
        "study": current.selection.study.name,
        "scale": current.selection.scale,
        "executor": options.executor,
        "command": shlex.join(["odesweep", *sys.argv[1:]]),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _rows(shards: Shards) -> list[dict[str, Any]]:
    return [
        task.to_row(shard, index)
        for shard, members in enumerate(shards)
        for index, task in enumerate(members)
    ]


def _study_file(reference: str) -> Path | None:
    """The user's own file, if the study was given as one."""
    path, _, _ = reference.partition(".py")
    return Path(f"{path}.py") if ".py" in reference else None
