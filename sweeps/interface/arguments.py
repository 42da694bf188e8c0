"""What a script gives: a study, a results folder and overrides, as the command line has them."""

import os
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from sweeps.store import Results
from sweeps.studies import find
from sweeps.study import Study
from sweeps.study.grammar import word
from sweeps.study.plain_data import listed, plain

StudyLike = str | PathLike[str] | Study
PathLikeOrNone = str | PathLike[str] | None


def study_of(study: StudyLike) -> Study:
    """A study by its name, its file or itself. Raises UserError."""
    return study if isinstance(study, Study) else find(os.fspath(study))


def folder_of(results: PathLikeOrNone) -> Results:
    """The results folder; None: the one in ODESWEEP_RESULTS, or `results`."""
    return Results(
        Path(os.environ.get("ODESWEEP_RESULTS", "results") if results is None else results)
    )


def words_of(texts: Iterable[str], overrides: Mapping[str, Any]) -> list[str]:
    """Overrides as the command line takes them. A list, tuple or range stands for several values.

    Raises UserError for a value that is not plain.
    """
    found = list(texts)
    for key, value in overrides.items():
        several = isinstance(value, list | tuple | range)
        values = listed(value, key) if several else (plain(value, key),)
        found.append(f"{key}={','.join(map(word, values))}")
    return found
