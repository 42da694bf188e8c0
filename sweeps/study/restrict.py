"""Overrides that restrict: which of the declared trials and evaluations they keep."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeps.errors import UserError, did_you_mean
from sweeps.store.plans import label
from sweeps.study import Study
from sweeps.study.derived import PlannedEvaluation
from sweeps.study.grammar import Override
from sweeps.study.grid import PlannedTrial
from sweeps.study.registered import registry

# A message lists at most this many values.
_LISTED = 30


def restrict(
    study: Study, declared: list[PlannedTrial], overrides: Sequence[Override]
) -> list[PlannedTrial]:
    """The trials that all overrides keep, with the evaluations that they keep.

    Raises UserError for a value that no trial has, and if no trial is left.
    """
    selected = declared
    for override in overrides:
        section, _, axis = override.key.partition(".")
        if override.key == "seed":
            _check_seeds(override)
            _wanted(override, map(label, study.seeds), "among the seeds")
            selected = [trial for trial in selected if trial.spec.seed in override.values]
        elif section == "evaluations":
            labels = [
                name
                for trial in declared
                for evaluation in trial.evaluations
                for name in _labels(evaluation, axis)
            ]
            named = {} if axis == "grid" else None
            wanted = _wanted(override, labels, "among the evaluations", named)
            selected = [
                replace(trial, evaluations=_matching(trial.evaluations, axis, wanted))
                for trial in selected
            ]
        else:
            labels = [
                label(trial.axes[override.key]) for trial in declared if override.key in trial.axes
            ]
            wanted = _wanted(override, labels, "on the axis", study.grid.get(override.key))
            selected = [
                trial
                for trial in selected
                if override.key in trial.axes and label(trial.axes[override.key]) in wanted
            ]
    if not selected:
        raise UserError(f"no trial of {study.name} has {' and '.join(map(str, overrides))} at once")
    return selected


def _wanted(override: Override, labels: Iterable[str], place: str, axis: Any = None) -> set[str]:
    """The labels that the override names.

    A label is typed as it is, also with commas, such as `Baseline, bias`; or as an equal value.
    axis: if its values are names, only registered ones can be added.
    """
    valid = dict.fromkeys(labels)
    whole = override.text.partition("=")[2].strip()
    if whole in valid:
        return {whole}
    most = 1 + max((name.count(",") for name in valid), default=0)
    wanted, at = set[str](), 0
    while at < len(override.typed):
        pieces = override.typed[at : at + most]
        joined = [(n, ",".join(pieces[:n]).strip()) for n in range(len(pieces), 0, -1)]
        length, name = next(
            ((n, text) for n, text in joined if text in valid), (1, label(override.values[at]))
        )
        if name not in valid:
            shown = pieces[0].strip()
            if isinstance(axis, Mapping):
                names = dict.fromkeys([*valid, *registry(axis).names])
                hint = did_you_mean(shown, names)
            else:
                absent = [text.strip() for text in override.typed if text.strip() not in valid]
                them = "it" if len(absent) == 1 else "them"
                hint = did_you_mean(shown, valid, 0.75) if not _is_number(shown) else ""
                hint = hint or f"; to add {them}: +{override.key}={','.join(absent)}"
            raise UserError(f"{override.key} = {shown} is not {place} ({_listing(valid)}){hint}")
        wanted.add(name)
        at += length
    return wanted


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _listing(labels: Iterable[str]) -> str:
    shown = list(labels)
    more = f", and {len(shown) - _LISTED:,} more" if len(shown) > _LISTED else ""
    return ", ".join(shown[:_LISTED]) + more


def _matching(
    evaluations: Iterable[PlannedEvaluation], axis: str, wanted: set[str]
) -> tuple[PlannedEvaluation, ...]:
    return tuple(
        evaluation for evaluation in evaluations if wanted.intersection(_labels(evaluation, axis))
    )


def _labels(evaluation: PlannedEvaluation, axis: str) -> list[str]:
    """The values of an evaluation on one of its axes, as people type them."""
    value = evaluation.axes[axis]
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [label(value) for value in values]


def _check_seeds(override: Override) -> None:
    for value, typed in zip(override.values, override.typed, strict=True):
        if not isinstance(value, int) or isinstance(value, bool):
            raise UserError(
                f"seed = {typed.strip()}: seeds are whole numbers, such as seed=3 or seed=0..4"
            )
