"""`odesweep cancel`: ask all workers of a study to stop; they keep their progress."""

from typing import TYPE_CHECKING

from sweeps.cli import (
    DEFAULT_RESULTS,
    AnyScaleOption,
    DryRunOption,
    ResultsOption,
    StudyArgument,
    existing,
)
from sweeps.cli.output import count

if TYPE_CHECKING:
    from sweeps.inspection.status import Watch


def cancel(
    study: StudyArgument,
    scale: AnyScaleOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    dry_run: DryRunOption = False,
) -> None:
    """Cancel the running and queued submissions of a study.

    Their workers save a checkpoint and stop within a minute.
    """
    from sweeps.inspection.status import Watch, study_name
    from sweeps.store import cancel_submission, list_submissions
    from sweeps.studies import find

    watch = Watch(existing(results))
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
    live = [one for one in found if not _over(watch, one, found[one]["executor"])]
    for one in live:
        if not dry_run:
            cancel_submission(watch.results, one)
        about, words = found[one], "would cancel" if dry_run else "cancelled"
        print(
            f"{words} {one[:12]}: {about['study']}@{about['scale']} on {about['executor']} "
            f"since {about['created_at']}"
        )
    if not dry_run:
        for executor, scheduler in watch.queues.schedulers.items():
            scheduler.cancel([one for one in live if found[one]["executor"] == executor])
    if not live:
        print(
            f"nothing to cancel: {count(len(found), 'submission')} of {name}, all of which have "
            "ended"
        )


def _over(watch: "Watch", submission: str, executor: str) -> bool:
    """Whether it was cancelled before, or no worker of it goes on.

    A job in a queue may come back after its worker has ended, so its scheduler decides. In other
    executors, a shard without a worker has not begun.
    """
    from sweeps.store import is_cancelled, read_submission

    if is_cancelled(watch.results, submission):
        return True
    if executor in watch.queues.schedulers:
        return watch.queues.schedulers[executor].over(submission)
    workers = {
        event["worker"]
        for event in watch.events
        if event["event"] == "worker_started" and event.get("submission_id") == submission
    }
    shards = {row["shard"] for row in read_submission(watch.results, submission).rows()}
    return sum(watch.worker_ended(worker) for worker in workers) >= len(shards)
