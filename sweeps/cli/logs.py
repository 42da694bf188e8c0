"""`odesweep logs`: what the process of a trial printed, for every attempt."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.cli import DEFAULT_RESULTS, ResultsOption, existing
from sweeps.errors import UserError

if TYPE_CHECKING:
    from sweeps.inspection.status import Watch
    from sweeps.store import Results

TrialArgument = Annotated[
    str,
    typer.Argument(
        metavar="TRIAL",
        help="At least the first 4 digits of a trial's id; `odesweep plan STUDY --json` lists ids.",
    ),
]


def logs(trial: TrialArgument, results: ResultsOption = DEFAULT_RESULTS) -> None:
    """Print what a trial's process printed, for every attempt."""
    from sweeps.inspection.status import Watch

    watch = Watch(existing(results))
    trial_id = watch.named_trial(trial)
    starts = [event for event in watch.events if event["event"] == "started" and event.get("log")]
    mine = [event for event in starts if event["trial_id"] == trial_id]
    if not mine and not _show_jobs(watch, trial_id):
        raise UserError(
            f"trial {trial_id[:12]} has no log in {watch.results.logs}: it was never started"
        )
    for number, event in enumerate(mine, 1):
        at = datetime.fromtimestamp(event["at"], UTC).isoformat(timespec="seconds")
        print(f"== attempt {number}, {at}, {event['host']}, {event['log']}")
        print(_section(watch.results, event, starts), end="")


def _show_jobs(watch: "Watch", trial_id: str) -> bool:
    """Print what the jobs of a trial that never started printed; returns whether there is one."""
    shown = False
    for scheduler in watch.queues.schedulers.values():
        for title, text in scheduler.logs(trial_id):
            print(f"== {title}")
            print(text)
            shown = True
    return shown


def _section(results: "Results", event: dict[str, Any], starts: list[dict[str, Any]]) -> str:
    """The part of the log between this start and the next one; the first has what is before it."""
    others = [other for other in starts if other["log"] == event["log"] and other is not event]
    later = [other["log_offset"] for other in others if other["at"] > event["at"]]
    begin = event["log_offset"] if len(others) > len(later) else 0
    # A name from a file that anybody can write must not lead out of the folder.
    path = results.logs / event["log"].rpartition("/")[2]
    if not path.is_file():
        return f"(the file {path} is gone)\n"
    with path.open("rb") as file:
        file.seek(begin)
        text = file.read(min(later) - begin if later else -1).decode(errors="replace")
    return text if text.endswith("\n") or not text else text + "\n"
