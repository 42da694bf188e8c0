"""The claims of Gusak 2020, each with its threshold and least evidence."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

from analysis.claims import Claim, Evidence, above, within
from analysis.data import Data
from analysis.gusak2020.smoothness import NEEDS, STUDY, TOLERANCE, per_net, tested
from analysis.statistic import (
    VALUE,
    At,
    Best,
    Difference,
    Margin,
    Quantity,
    at,
    differences,
    mean,
    of_runs,
    order,
)

TABLE1 = "gusak2020/table1"
ODE_NORMS = ("LN", "NF", "SN", "WN", "BN")
# Training steps -> whether the paper calls the net smooth.
LAYER = {"layer": {2: False, 16: True, 32: True}}
WEIGHT = {"weight": {2: False, 16: False, 32: True}}
TWO_STEPS = {norm: {2: False} for norm in ("layer", "none", "spectral", "weight")}
# Accuracies closer than this are called equal: what the four accurate norms of Table 1 differ by.
EQUAL = 0.005


def _nets(data: Data) -> pd.DataFrame:
    return per_net(tested(data))


def _excess_drop(data: Data) -> pd.DataFrame:
    """What weight norm drops more than layer norm, minus what their accuracies differ by, by seed."""
    nets = _nets(data)
    weight, layer = (at(nets, {"model.ode_norm": norm}) for norm in ("weight", "layer"))
    both = weight.merge(layer, on="seed", suffixes=("", "_layer"))
    excess = both["drop"] - both["drop_layer"] - (both["accuracy"] - both["accuracy_layer"]).abs()
    outcome = both["outcome"].where(both["outcome"] != "completed", both["outcome_layer"])
    return both.assign(**{VALUE: excess, "outcome": outcome})


def _margins(stated: Mapping[str, Mapping[int, bool]], tolerance: float) -> dict[str, At]:
    """By how much each criterion comes out as stated: tolerance - drop for a smooth net, drop - tolerance for another."""
    return {
        f"{norm}, {steps} steps, {'smooth' if smooth else 'not smooth'}": At(
            {"model.ode_norm": norm, "solver.steps": steps},
            Margin(tolerance, -1 if smooth else 1, mean),
        )
        for norm, verdicts in stated.items()
        for steps, smooth in verdicts.items()
    }


def _figure1(norms: Any, steps: Any) -> dict[str, Any]:
    stem = {"model.stem_norm": "batch"}
    return {**stem, "model.ode_norm": tuple(norms), "solver.steps": tuple(steps)}


BEST = of_runs("accuracy_test_best")
DROP = Quantity(_nets, "drop", NEEDS)
MARGIN = f"margin of the drop to {TOLERANCE:g}, on the paper's side"
LITERAL = (
    "margin of the drop to 0, on the paper's side: every more powerful solver gives a higher "
    "accuracy, or one a lower"
)
claim = partial(Claim, "gusak2020", evidence=Evidence(epochs=350))
CLAIMS = (
    claim(
        "layer-best",
        "Layer norm is the best normalization of the ODE blocks.",
        "Gusak 2020, Table 1",
        TABLE1,
        BEST,
        Best("net", "LN"),
        above(0.0),
        "best accuracy with layer norm minus that with each other one",
        {"net": ODE_NORMS},
    ),
    claim(
        "layer-like-resnet10",
        "ODENet10 with layer norm in its ODE blocks is as accurate as ResNet10.",
        "Gusak 2020, Table 1",
        TABLE1,
        BEST,
        Difference({"net": "LN"}, {"net": "ResNet10"}),
        within(-EQUAL, EQUAL),
        "difference of best accuracy",
        {"net": ("LN", "ResNet10")},
    ),
    claim(
        "batch-far-worst",
        "Batch norm in the ODE blocks is far worse than every other one and than none.",
        "Gusak 2020, Table 1",
        TABLE1,
        BEST,
        differences("net", ((net, "BN") for net in ODE_NORMS[:-1])),
        above(0.1),
        "best accuracy minus that with batch norm",
        {"net": ODE_NORMS},
    ),
    claim(
        "order",
        "In the ODE blocks layer norm is better than none, none than spectral, "
        "spectral than weight norm, and weight than batch norm.",
        "Gusak 2020, Table 1",
        TABLE1,
        BEST,
        order("net", *ODE_NORMS),
        above(0.0),
        "difference of best accuracy between neighbours",
        {"net": ODE_NORMS},
    ),
    claim(
        "without-batch-outside",
        "Without batch norm outside the ODE blocks accuracy falls below that with it "
        "and below that without any normalization.",
        "Gusak 2020, section 3.1",
        TABLE1,
        BEST,
        differences("net", ((net, "LN, NF outside") for net in ("LN", "NF everywhere"))),
        above(0.0),
        "difference of best accuracy",
        {"net": ("LN", "LN, NF outside", "NF everywhere")},
    ),
    claim(
        "layer-smooth-from-16",
        "With layer norm nets trained with 16 and 32 Euler steps are smooth, with 2 not.",
        "Gusak 2020, caption of Figure 1",
        STUDY,
        DROP,
        _margins(LAYER, TOLERANCE),
        above(0.0),
        MARGIN,
        _figure1(LAYER, (2, 16, 32)),
    ),
    claim(
        "weight-smooth-from-32",
        "With weight norm nets trained with 32 Euler steps are smooth, with 2 and 16 not.",
        "Gusak 2020, caption of Figure 1",
        STUDY,
        DROP,
        _margins(WEIGHT, TOLERANCE),
        above(0.0),
        MARGIN,
        _figure1(WEIGHT, (2, 16, 32)),
    ),
    claim(
        "two-steps-not-smooth",
        "Trained with 2 Euler steps none of the accurate nets is smooth.",
        "Gusak 2020, Figure 1",
        STUDY,
        DROP,
        _margins(TWO_STEPS, TOLERANCE),
        above(0.0),
        MARGIN,
        _figure1(TWO_STEPS, (2,)),
    ),
    claim(
        "layer-smooth-literally",
        "By the literal criterion, higher accuracy under more powerful solvers, "
        "layer norm is smooth from 16 Euler steps on, not with 2.",
        "Gusak 2020, section 3.2",
        STUDY,
        DROP,
        _margins(LAYER, 0.0),
        above(0.0),
        LITERAL,
        _figure1(LAYER, (2, 16, 32)),
    ),
    claim(
        "weight-smooth-literally",
        "By the literal criterion, higher accuracy under more powerful solvers, "
        "weight norm is smooth with 32 Euler steps, not with fewer.",
        "Gusak 2020, section 3.2",
        STUDY,
        DROP,
        _margins(WEIGHT, 0.0),
        above(0.0),
        LITERAL,
        _figure1(WEIGHT, (2, 16, 32)),
    ),
    claim(
        "accuracy-says-little",
        "Nets close in accuracy differ in smoothness: trained with 16 Euler steps weight norm "
        "drops far more than layer norm.",
        "Gusak 2020, Discussion and Figure 1",
        STUDY,
        Quantity(_excess_drop, needs=NEEDS),
        mean,
        above(TOLERANCE),
        "drop with weight norm minus drop with layer norm, less their difference of accuracy",
        _figure1(("layer", "weight"), (16,)),
    ),
)
