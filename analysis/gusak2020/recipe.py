"""Gusak 2020: the effect of the recipe's two ambiguities.

These are the second drop of the learning rate and the reset of the optimizer each epoch.
"""

import pandas as pd

from analysis import published
from analysis.drawing.figure import Table
from analysis.drawing.style import NORM_LABELS
from analysis.gusak2020.table1 import best_and_last, last_words
from analysis.rows.cells import STATISTICS, cells, difference, interval, planned_rows
from analysis.rows.data import Data

NORM, DROPS, RESET = "axis.model.ode_norm", "axis.drops", "axis.fidelity.momentum_reset"
BY = [NORM, DROPS, RESET]
# Drops as printed and the optimizer's reset as in the code: the recipe of our Table 1.
DEFAULT = {DROPS: "150, 300", RESET: True}
EFFECT = {name: f"effect_{name}" for name in STATISTICS}
TEXT = (
    "Gusak 2020: recipe variants of Table 1's nets with batch and layer norm in the ODE blocks "
    "(best test accuracy over all epochs, CIFAR-10). The paper prints learning rate drops at "
    "epochs 150 and 300. Its code has 150 and 250 and resets the optimizer each epoch, which "
    "clears its momentum. Effect: minus the recipe of our Table 1 (150 and 300, reset each epoch), "
    "paired by seed. The published value is the same for all recipes. {sources}"
)


def table(data: Data) -> pd.DataFrame:
    """Norm, drops and reset with n, mean, low, high, published, difference.

    last_*: after the last epoch. effect_*: minus the default recipe.
    """
    numbers = best_and_last(data, BY)
    if not len(numbers):
        return numbers
    rows = planned_rows(data, "runs", "accuracy_test_best")
    default = rows.loc[(rows[DROPS] == DEFAULT[DROPS]) & (rows[RESET] == DEFAULT[RESET])]
    effects = []
    for _, own in rows.groupby([DROPS, RESET], sort=False):
        recipe = {name: own[name].iloc[0] for name in (DROPS, RESET)}
        effects.append(
            cells(
                difference(own, default, "accuracy_test_best", [DROPS, RESET]).rename(
                    columns={"accuracy_test_best": "effect"}
                ),
                [NORM],
                "effect",
            ).assign(**recipe)
        )
    effect = pd.concat(effects).filter([*BY, *EFFECT]).rename(columns=EFFECT)
    compared = published.compare(
        numbers, published.values("gusak2020", "recipe"), {NORM: "ode_norm"}
    )
    return compared.merge(effect, on=BY, how="left")


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """One row per norm and recipe."""
    labels = {
        **NORM_LABELS,
        "batch": "BN",
        "layer": "LN",
        "True": "new each epoch",
        "False": "kept",
    }
    shown = published.readable(
        numbers, {NORM: "ODE blocks", DROPS: "drops at epochs", RESET: "optimizer"}, labels=labels
    )
    return shown.assign(
        **{
            "last epoch": last_words(numbers),
            "effect on the best": [_effect(row) for row in numbers.to_dict("records")],
        }
    )


def _effect(row: dict) -> str:
    if row[DROPS] == DEFAULT[DROPS] and row[RESET] == DEFAULT[RESET]:
        return "0 (our Table 1)"
    n = row[EFFECT["n"]]
    return interval(
        {name: row[theirs] for name, theirs in EFFECT.items()}
        | {"failed": 0, "n": n if n == n else 0}
    )


TABLE = Table(
    name="gusak2020/recipe",
    study="gusak2020/recipe",
    axes=("model.ode_norm", "drops", "fidelity.momentum_reset"),
    numbers=table,
    text=TEXT,
    readable=readable,
)
