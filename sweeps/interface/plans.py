"""`sweeps.plan`: the grid of a study, and what is done of it."""

from typing import Any

from sweeps.inspection.status import in_flight
from sweeps.interface.arguments import (
    PathLikeOrNone,
    StudyLike,
    folder_of,
    number_of,
    study_of,
    words_of,
)
from sweeps.planning.plan import Plan, current_plan


def plan(
    study: StudyLike,
    *words: str,
    scale: str | None = None,
    results: PathLikeOrNone = None,
    sample: int | None = None,
    sample_seed: int | None = None,
    **overrides: Any,
) -> Plan:
    """The grid of a study and its state, as `odesweep plan` shows it. Nothing is written.

    study: a name, the path of a file, or a `Study`. words: overrides as on the command line, such
    as "solver.steps=2,4" or "+seed=9". overrides: the same as keywords, such as norm="batch"; a
    list stands for several values. scale: None for the study's first. results: the folder; None
    for ODESWEEP_RESULTS or `results`. sample, sample_seed: a random part. Raises UserError in one
    line for what does not fit.
    """
    from sweeps.study.overrides import select
    from sweeps.study.sample import draw

    sample, sample_seed = number_of("sample", sample), number_of("sample_seed", sample_seed, 0)
    folder = folder_of(results)
    selection = select(study_of(study), scale, words_of(words, overrides))
    current, _ = current_plan(folder, draw(selection, sample, sample_seed), in_flight(folder))
    return current
