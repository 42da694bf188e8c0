"""`odesweep retry`: make failed trials pending again, and withdraw final rows if asked to."""

import shlex
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli import (
    DEFAULT_RESULTS,
    AnyScaleOption,
    DryRunOption,
    ResultsOption,
    existing,
    shell_completion,
)
from sweeps.errors import UserError

if TYPE_CHECKING:
    from sweeps.inspection.status import Watch

TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="STUDY|TRIAL",
        help="A study, or at least the first 4 digits of a trial's id.",
        autocompletion=shell_completion.study_names,
    ),
]
OutcomeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--outcome",
        help=(
            "Only trials with this outcome; may be repeated. Trials with a final outcome "
            "(completed, "
            "diverged, solver_failed) are retried only if it is given here."
        ),
    ),
]


WithoutWeightsOption = Annotated[
    bool,
    typer.Option(
        "--without-weights",
        help=(
            "Only completed trials whose weights were not kept: to evaluate them in a way that was "
            "not planned when they were trained."
        ),
    ),
]


def retry(
    target: TargetArgument,
    outcome: OutcomeOption = None,
    without_weights: WithoutWeightsOption = False,
    scale: AnyScaleOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    dry_run: DryRunOption = False,
) -> None:
    """Make trials pending again, so that the next run trains them.

    Without --outcome these are the trials that crashed, timed out or ran out of memory.
    """
    from sweeps.inspection.status import Watch
    from sweeps.store import FINAL_OUTCOMES, OUTCOMES, write_retraction

    if unknown := [name for name in outcome or () if name not in OUTCOMES]:
        raise UserError(f"unknown outcome {unknown[0]!r}; choose from {', '.join(OUTCOMES)}")
    watch = Watch(existing(results))
    if without_weights and outcome:
        raise UserError("give either --outcome or --without-weights, which takes completed trials")
    failed = [name for name in OUTCOMES if name not in FINAL_OUTCOMES]
    wanted = ["completed"] if without_weights else outcome or failed
    chosen = {
        trial: last
        for trial in _trials(watch, target, scale)
        if (last := _outcome(watch, trial)) in wanted
        and not (without_weights and watch.view.accepted[trial].weights_kept is not False)
    }
    # Every row of such a trial that could be accepted is withdrawn, or a duplicate would be
    # accepted instead.
    attempts = [
        row.attempt_id
        for trial in chosen
        for row in watch.view.attempts[trial]
        if row.outcome in FINAL_OUTCOMES
    ]
    if not chosen:
        more = " without keeping its weights" if without_weights else ""
        print(f"nothing to retry: no trial of {target} ended as {' or '.join(wanted)}{more}")
        return
    words = ", ".join(f"{n} {name}" for name, n in Counter(chosen.values()).items())
    if dry_run:
        print(f"would make {len(chosen)} pending again: {words}")
        return
    command = shlex.join(["odesweep", *sys.argv[1:]])
    write_retraction(
        watch.results,
        attempt_ids=attempts,
        trial_ids=chosen,
        reason=f"retry of {words}",
        command=command,
    )
    print(f"{len(chosen)} pending again: {words}; `odesweep run` trains them")


def _trials(watch: "Watch", target: str, scale: str | None) -> list[str]:
    from sweeps.inspection.status import study_name
    from sweeps.store import read_plan

    if trial := watch.find_trial(target):
        return [trial]
    plans = watch.find_plans(study_name(target), scale)
    return list(
        dict.fromkeys(
            row["trial_id"] for plan in plans for row in read_plan(watch.results, plan).rows()
        )
    )


def _outcome(watch: "Watch", trial: str) -> str | None:
    """The outcome of the accepted row.

    Otherwise of the last row that was not withdrawn or retried since.
    """
    if accepted := watch.view.accepted.get(trial):
        return accepted.outcome
    rows = [
        row
        for row in watch.view.attempts.get(trial, [])
        if row.attempt_id not in watch.view.retractions.attempt_ids
    ]
    if (
        not rows
        or watch.view.retractions.restarted_at.get(trial, 0.0) > rows[-1].finished_at.timestamp()
    ):
        return None
    return rows[-1].outcome
