"""`odesweep hold` and `odesweep release`: waiting jobs of a study stay in the queue for a while."""

from pathlib import Path

from sweeps.cli import DEFAULT_RESULTS, AnyScaleOption, ResultsOption, StudyArgument, existing
from sweeps.cli.output import count


def hold(
    study: StudyArgument, scale: AnyScaleOption = None, results: ResultsOption = DEFAULT_RESULTS
) -> int:
    """Hold the waiting jobs of a study: they keep their place and do not start.

    Running trials go on. `odesweep release` lets the jobs start again.
    """
    return _set(study, scale, results, held=True)


def release(
    study: StudyArgument, scale: AnyScaleOption = None, results: ResultsOption = DEFAULT_RESULTS
) -> int:
    """Release the jobs of a study that `odesweep hold` holds."""
    return _set(study, scale, results, held=False)


def _set(study: str, scale: str | None, folder: Path, *, held: bool) -> int:
    from sweeps.execute.queues import Queues
    from sweeps.inspection.status import study_name
    from sweeps.store import EventReader, list_submissions
    from sweeps.studies import find

    results, name = existing(folder), study_name(study)
    submissions = list_submissions(results)
    found = [
        one
        for one, about in submissions.items()
        if about["study"] == name and scale in (None, about["scale"])
    ]
    if not found:
        find(study)
    queues = Queues(results)
    queues.add(EventReader(results).poll())
    jobs = 0
    for executor in {submissions[one]["executor"] for one in found}:
        mine = [one for one in found if submissions[one]["executor"] == executor]
        if executor not in queues.schedulers:
            print(f"{executor}: trials do not wait in a queue; `odesweep cancel {study}` ends them")
        elif (changed := queues.schedulers[executor].hold(mine, held=held)) is None:
            print(f"{executor}: this scheduler cannot hold jobs")
        else:
            jobs += changed
    verb = "held" if held else "released"
    print(f"{verb} {count(jobs, 'waiting task')} of {name}")
    return 0
