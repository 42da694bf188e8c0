"""ENorm 2019, controls: accuracy beside that of the report's nets.

With c = 1, without balancing the last layer, with the code's decay, with softmax.
"""

from dataclasses import replace
from typing import Any

import pandas as pd

from analysis.drawing.figure import Table, by_row
from analysis.rows.cells import STATISTICS, cells, difference, interval, or_nothing, planned_rows
from analysis.rows.data import Data

REPORT, CONTROLS = "enorm2019/report", "enorm2019/controls"
METHOD, CONTROL, LAYERS = "axis.method", "axis.control", "axis.model.layers"
# Control -> its counterpart in the report.
COUNTERPARTS = {
    "c = 1, bias": "ENorm, bias",
    "last layer left out": "ENorm",
    "decay as in the code": "ENorm + BN",
    "softmax": "ENorm",
}
BY = [CONTROL, LAYERS]
TEXT = (
    "ENorm 2019, controls (no table of the report): test accuracy on CIFAR-10 after the last "
    "epoch. Each control differs in one thing from its counterpart, a net of Figures 2 and 3: c = "
    "1 instead of 1.2; the last layer not balanced, as in the code of the method's authors; a "
    "learning rate that falls by 0.1 over the training from every initial value, as in the "
    "report's code (0.1/60 per epoch), so that from 0.05 it is negative in the second half; a "
    "softmax before the loss. Difference: control minus counterpart, over seeds for which both "
    "completed. Largest bias gradient: of one layer, over all epochs that runs finished, including "
    "failed runs. The epoch in which a run failed is not recorded."
)


def beside(data: Data, *more: str) -> Data:
    """The controls and, at the same depths, their counterparts and `more` methods of the report."""
    # A plan of only one study lacks the other's axis.
    trials = data.trials.reindex(
        columns=list(dict.fromkeys([*data.trials.columns, METHOD, CONTROL])), fill_value=""
    )
    depths = tuple(dict.fromkeys(trials.loc[trials["study"] == CONTROLS, LAYERS]))
    return replace(data, trials=trials, whole=None).where(
        {"method": ("", *COUNTERPARTS.values(), *more), "model.layers": depths}
    )


def table(data: Data) -> pd.DataFrame:
    """axis.control, p with n, mean, ..., bias_gradient.

    Counterpart, counterpart_*, counterpart_bias_gradient; difference_*.
    """
    rows = planned_rows(data, "runs", "accuracy_test")
    controls, report = (rows.loc[rows["study"] == study] for study in (CONTROLS, REPORT))
    numbers = or_nothing(cells(controls, BY, "accuracy_test"))
    if not len(numbers):
        return numbers
    gradients = pd.DataFrame(
        data.epochs.groupby([CONTROL, METHOD, LAYERS])["bias_gradient_norm_max"].max()
    ).reset_index()
    gradients = gradients.rename(columns={"bias_gradient_norm_max": "bias_gradient"})
    numbers = numbers.merge(gradients.drop(columns=METHOD), on=BY, how="left").assign(
        counterpart=[COUNTERPARTS[control] for control in numbers[CONTROL]]
    )
    known = cells(report, [METHOD, LAYERS], "accuracy_test").merge(
        gradients.drop(columns=CONTROL), on=[METHOD, LAYERS], how="left"
    )
    columns = [METHOD, LAYERS, "failed", *STATISTICS, "bias_gradient"]
    numbers = numbers.merge(
        _renamed(known.filter(columns), "counterpart"),
        left_on=["counterpart", LAYERS],
        right_on=[METHOD, LAYERS],
        how="left",
    )
    pairs = [
        difference(
            controls.loc[controls[CONTROL] == control],
            report.loc[report[METHOD] == method],
            "accuracy_test",
            ["study", METHOD, CONTROL],
        )
        .rename(columns={"accuracy_test": "difference"})
        .filter([LAYERS, "seed", "outcome", "difference"])
        .assign(**{CONTROL: control})
        for control, method in COUNTERPARTS.items()
    ]
    apart = cells(pd.concat(pairs, ignore_index=True), BY, "difference").filter([*BY, *STATISTICS])
    return numbers.drop(columns=METHOD).merge(_renamed(apart, "difference"), on=BY, how="left")


def _renamed(rows: pd.DataFrame, prefix: str) -> pd.DataFrame:
    return rows.rename(
        columns={name: f"{prefix}_{name}" for name in rows.columns if not name.startswith("axis.")}
    )


def _words(row: dict[Any, Any]) -> dict[str, str]:
    return {
        "control": row[CONTROL],
        "p": str(row[LAYERS]),
        "accuracy (n)": interval(row),
        "counterpart": row["counterpart"],
        "its accuracy (n)": interval(_part(row, "counterpart")),
        "difference (n)": interval(_part(row, "difference")),
        "largest bias gradient": _gradient(row["bias_gradient"]),
        "its largest": _gradient(row["counterpart_bias_gradient"]),
    }


def _part(row: dict[Any, Any], prefix: str) -> dict[str, Any]:
    names = {name: row.get(f"{prefix}_{name}", float("nan")) for name in ("failed", *STATISTICS)}
    return names | {name: 0 for name in ("n", "failed") if names[name] != names[name]}


def _gradient(value: float) -> str:
    return "-" if value != value else f"{value:.3g}"


TABLE = Table(
    name="enorm2019/controls",
    study=(CONTROLS, REPORT),
    needs=("runs", "epochs"),
    used=beside,
    numbers=table,
    text=TEXT,
    readable=by_row(_words),
)
