"""What a script gives: a study, a results folder and overrides, as the command line has them."""

import os
from collections.abc import Iterable, Mapping
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any

from sweeps.errors import UserError
from sweeps.store import Results
from sweeps.store.folders import default_folder
from sweeps.studies import find
from sweeps.study import Study
from sweeps.study.grammar import word
from sweeps.study.plain_data import listed, plain

StudyLike = str | PathLike[str] | Study
PathLikeOrNone = str | PathLike[str] | None


def study_of(study: StudyLike) -> Study:
    """A study by its name, its file or itself. Raises UserError."""
    if not isinstance(study, str | PathLike | Study):
        raise UserError(f"{study!r} is no study; give its name, its file or a Study")
    return study if isinstance(study, Study) else find(os.fspath(study))


def folder_of(results: PathLikeOrNone) -> Results:
    """The results folder; None: the one in ODESWEEP_RESULTS, or `results`.

    Raises UserError for what is no path, and for "", which would be the current folder.
    """
    if results == "" or not isinstance(results, str | PathLike | None):
        raise UserError(
            f"results={results!r}: give a folder, or None for ODESWEEP_RESULTS or `results`"
        )
    return Results(default_folder() if results is None else Path(results))


def number_of(name: str, value: int | None, least: int = 1) -> int | None:
    """A whole number from `least` on, or None. Raises UserError."""
    if value is None:
        return None
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise UserError(f"{name}={value!r}: give a whole number from {least} on")
    return int(value)


def words_of(texts: Iterable[str], overrides: Mapping[str, Any]) -> list[str]:
    """Overrides as the command line takes them. A list, tuple or range stands for several values.

    Raises UserError for a value that is not plain.
    """
    found = list(texts)
    for one in found:
        if not isinstance(one, str):
            raise UserError(f"{one!r} is no override; give a text such as 'seed=3', or seed=3")
    for key, value in overrides.items():
        several = isinstance(value, list | tuple | range)
        values = listed(value, key) if several else (plain(value, key),)
        found.append(f"{key}={','.join(map(word, values))}")
    return found
