"""`odesweep cancel`: ask all workers of a study to stop; they keep their progress."""

from typing import TYPE_CHECKING

from sweeps.cli import DEFAULT_RESULTS, DryRunOption, ResultsOption, ScaleOption, StudyArgument
from sweeps.errors import InfrastructureError

if TYPE_CHECKING:
    from sweeps.status import Watch


def cancel(
    study: StudyArgument,
    scale: ScaleOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    dry_run: DryRunOption = False,
) -> None:
    """Cancel the running and queued submissions of a study.

    Their workers save a checkpoint and stop within a minute.
    """
    from sweeps.cli.plan import count
    from sweeps.cli.status import study_name
    from sweeps.status import Watch
    from sweeps.store import Results, cancel_submission, list_submissions
    from sweeps.studies import find

    watch = Watch(Results(results))
    name = study_name(study)
    found = {
        one: about
        for one, about in list_submissions(watch.results).items()
        if about["study"] == name and scale in (None, about["scale"])
    }
    if not found and not any(
        about["study"] == name for about in list_submissions(watch.results).values()
    ):
        find(study)
    live = [one for one in found if not _over(watch, one)]
    jobs: list[str] = []
    for one in live:
        if not dry_run:
            cancel_submission(watch.results, one)
        jobs += _jobs(watch, one) if found[one]["executor"] == "slurm" else []
        about, words = found[one], "would cancel" if dry_run else "cancelled"
        print(
            f"{words} {one[:12]}: {about['study']}@{about['scale']} on {about['executor']} since {about['created_at']}"
        )
    if jobs and not dry_run:
        _scancel(jobs)
    if not live:
        print(
            f"nothing to cancel: {count(len(found), 'submission')} of {name}, none of which is still going on"
        )


def _jobs(watch: "Watch", submission: str) -> list[str]:
    """The array of a submission, as noted or as squeue knows it."""
    from sweeps.store import read_sent

    if sent := read_sent(watch.results, submission):
        return [sent.job_id] if sent.job_id else []
    return sorted(
        {task.job_id for task in watch.sky.queue.look() or () if task.comment == submission}
    )


def _scancel(jobs: list[str]) -> None:
    from sweeps.slurm.commands import NoAnswer, cancel

    try:
        cancel(jobs)
    except NoAnswer as error:
        raise InfrastructureError(
            f"marked as cancelled, but {error}; on a login node: scancel {' '.join(jobs)}"
        ) from None


def _over(watch: "Watch", submission: str) -> bool:
    """Cancelled before, or every task of it had a worker that has ended; a task without a worker may still wait in a queue.

    A worker of SLURM that ended may come back with its task: those are over when they say that they are done, or squeue that they are gone.
    """
    from sweeps.store import is_cancelled, read_submission

    if is_cancelled(watch.results, submission):
        return True
    if slurm := [one for one in watch.sky.sendings() if one.submission_id == submission]:
        if slurm[0] not in watch.sky.open():
            return True
        queued = watch.sky.queue.look()
        return (
            queued is not None
            and slurm[0].job_id is not None
            and not any(task.live for task in queued if task.comment == submission)
        )
    workers = {
        event["worker"]
        for event in watch.events
        if event["event"] == "worker_started" and event.get("submission_id") == submission
    }
    tasks = {row["shard"] for row in read_submission(watch.results, submission).rows()}
    return sum(watch.worker_ended(worker) for worker in workers) >= len(tasks)
