"""The controls and the nets of the report that each differs from in one thing."""

from dataclasses import replace

import pandas as pd

from analysis.data import Data

REPORT, CONTROLS = "enorm2019/report", "enorm2019/controls"
METHOD, CONTROL, LAYERS = "axis.method", "axis.control", "axis.model.layers"
# Control -> its counterpart in the report.
COUNTERPARTS = {
    "c = 1, bias": "ENorm, bias",
    "last layer left out": "ENorm",
    "decay as in the code": "ENorm + BN",
    "softmax": "ENorm, bias",
}


def beside(data: Data, *more: str) -> Data:
    """The controls and, at the same depths, their counterparts and `more` methods of the report."""
    # A plan of one study alone lacks the other's axis.
    trials = data.trials.reindex(
        columns=list(dict.fromkeys([*data.trials.columns, METHOD, CONTROL])), fill_value=""
    )
    depths = tuple(dict.fromkeys(trials.loc[trials["study"] == CONTROLS, LAYERS]))
    return replace(data, trials=trials, whole=None).where(
        {"method": ("", *COUNTERPARTS.values(), *more), "model.layers": depths}
    )


def of_study(rows: pd.DataFrame, study: str) -> pd.DataFrame:
    """Rows of one of the two studies."""
    return rows.loc[rows["study"] == study]
