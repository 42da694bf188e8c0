"""Rows of four studies with a bug of the published code on and off, for `bugs`."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd

from analysis.claims.statistic import at
from analysis.rows.cells import planned_rows
from analysis.rows.data import AXIS, Data

GUSAK, OTT = "gusak2020/recipe", "ott2021/sphere2-fixed"
ENORM = ("enorm2019/report", "enorm2019/controls")
CODE_DROPS, PRINTED_DROPS = "150, 250", "150, 300"
DECAY_METHOD, DECAY_CONTROL = "ENorm + BN", "decay as in the code"


class Pair(NamedTuple):
    """Planned rows (see `planned_rows`, with `value`) of one cell with the bug and without it.

    case: its name in published.toml.
    """

    case: str
    setting: str
    on: pd.DataFrame
    off: pd.DataFrame


def pairs(data: Data, bug: str) -> Iterator[Pair]:
    """The cells in which this bug was studied. None if its study has no plan here."""
    if bug.startswith("gusak"):
        yield from _gusak(data, bug)
    elif bug == "enorm-decay":
        yield from _enorm(data)
    else:
        yield from _ott(data, bug)


def used(data: Data) -> Data:
    """Only the trials that `pairs` reads."""
    trials = data.trials
    rows = trials["study"].isin([GUSAK, ENORM[1]])
    if AXIS + "control" in trials:
        rows &= trials[AXIS + "control"].isin(["", DECAY_CONTROL])
    if AXIS + "method" in trials:
        rows |= (
            (trials["study"] == ENORM[0])
            & (trials[AXIS + "method"] == DECAY_METHOD)
            & trials[AXIS + "model.layers"].isin(_decay_layers(data))
        )
    if len(finest := _finest(data)):
        rows |= trials["trial_id"].isin(finest["trial_id"])
    return replace(data, trials=trials.loc[rows])


def _rows(data: Data, study: str, column: str) -> pd.DataFrame:
    own = data.where({"study": study})
    if not len(own.trials):
        return pd.DataFrame()
    return planned_rows(own, "runs", column).rename(columns={column: "value"})


def _gusak(data: Data, bug: str) -> Iterator[Pair]:
    rows = _rows(data, GUSAK, "accuracy_test_best")
    if not len(rows):
        return
    varied, kept = (
        ("drops", "fidelity.momentum_reset")
        if bug == "gusak-drops"
        else ("fidelity.momentum_reset", "drops")
    )
    on, off = (CODE_DROPS, PRINTED_DROPS) if bug == "gusak-drops" else (True, False)
    for norm in dict.fromkeys(rows[AXIS + "model.ode_norm"]):
        for other in dict.fromkeys(rows[AXIS + kept]):
            cell = at(rows, {"model.ode_norm": norm, kept: other})
            words = (
                f"drops {other}" if kept == "drops" else f"momentum {'reset' if other else 'kept'}"
            )
            yield Pair(str(norm), words, at(cell, {varied: on}), at(cell, {varied: off}))


def _decay_layers(data: Data) -> list[int]:
    trials = data.trials
    return list(
        dict.fromkeys(
            trials.loc[
                trials.get(AXIS + "control", pd.Series("", trials.index)) == DECAY_CONTROL,
                AXIS + "model.layers",
            ]
        )
    )


def _enorm(data: Data) -> Iterator[Pair]:
    report, controls = (_rows(data, study, "accuracy_test") for study in ENORM)
    if not len(report) or not len(controls):
        return
    for layers in _decay_layers(data):
        chosen: Mapping[str, Any] = {"model.layers": layers}
        yield Pair(
            f"p = {layers}",
            "",
            at(controls, {**chosen, "control": DECAY_CONTROL}),
            at(report, {**chosen, "method": DECAY_METHOD}),
        )


def _finest(data: Data) -> pd.DataFrame:
    """Trials of the net that Ott's figures call fine: trained with the most Euler steps."""
    trials = data.trials.loc[data.trials["study"] == OTT]
    if not len(trials):
        return trials
    euler = trials.loc[trials[AXIS + "solver.name"] == "euler"]
    return euler.loc[euler[AXIS + "solver.steps"] == max(euler[AXIS + "solver.steps"])]


def _ott(data: Data, bug: str) -> Iterator[Pair]:
    finest = _finest(data)
    if not len(finest):
        return
    steps = finest[AXIS + "solver.steps"].iloc[0]
    own = replace(
        data, trials=finest, tests=data.tests.loc[data.tests["trial_id"].isin(finest["trial_id"])]
    )
    rows = planned_rows(
        own, "evaluations", "accuracy", "correct", "samples", "run.train_batch_size"
    )
    rows = rows.loc[rows["test.solver"] == "euler"]
    # The same test may be in two grids; it is one evaluation.
    trained, one_step = (
        rows.loc[rows["test.solver_steps"] == wanted].drop_duplicates("trial_id")
        for wanted in (steps, 1)
    )
    if bug == "ott-one-step":
        yield Pair(
            "sphere2",
            f"K = {steps}",
            one_step.assign(value=one_step["accuracy"]),
            trained.assign(value=trained["accuracy"]),
        )
        return
    divisor = batches_times_size(
        trained["samples"].astype(float), trained["run.train_batch_size"].astype(float)
    )
    most = (trained["samples"].astype(float) / divisor).max()
    words = f"K = {steps}" + (f", at most {most:.4f} in the code" if most == most else "")
    exact = trained["correct"].astype(float) / trained["samples"].astype(float)
    yield Pair(
        "sphere2",
        words,
        trained.assign(value=trained["correct"].astype(float) / divisor),
        trained.assign(value=exact),
    )


def batches_times_size(samples: pd.Series, batch_size: pd.Series) -> pd.Series:
    """The number by which the code divides correct answers.

    It is the number of batches times the full batch size, NaN if unknown.
    """
    return pd.Series(
        [
            math.ceil(n / size) * size if n == n and size == size else math.nan
            for n, size in zip(samples, batch_size, strict=True)
        ],
        samples.index,
    )
