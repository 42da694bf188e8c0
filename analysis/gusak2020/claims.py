"""The claims of Gusak 2020, each with its threshold and least evidence."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

from analysis.claims.claim import Claim, Evidence, above, within
from analysis.claims.statistic import (
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
from analysis.gusak2020.smoothness import NEEDS, STUDY, TOLERANCE, per_net, tested
from analysis.rows.data import Data

TABLE1 = "gusak2020/table1"
NORM, STEPS = "model.ode_norm", "solver.steps"
ODE_NORMS = ("LN", "NF", "SN", "WN", "BN")
# Training steps -> whether the paper calls the net smooth.
LAYER = {"layer": {2: False, 16: True, 32: True}}
WEIGHT = {"weight": {2: False, 16: False, 32: True}}
TWO_STEPS = {norm: {2: False} for norm in ("layer", "none", "spectral", "weight")}
# Accuracies closer than this are called equal: the four accurate norms of Table 1 differ by this.
EQUAL = 0.005


def _nets(data: Data) -> pd.DataFrame:
    return per_net(tested(data))


def _excess_drop(data: Data) -> pd.DataFrame:
    """How much more weight norm drops than layer norm, minus their difference in accuracy.

    Paired by seed.
    """
    nets = _nets(data)
    weight, layer = (at(nets, {NORM: norm}) for norm in ("weight", "layer"))
    both = weight.merge(layer, on="seed", suffixes=("", "_layer"))
    excess = both["drop"] - both["drop_layer"] - (both["accuracy"] - both["accuracy_layer"]).abs()
    outcome = both["outcome"].where(both["outcome"] != "completed", both["outcome_layer"])
    return both.assign(**{VALUE: excess, "outcome": outcome})


def _margins(
    stated: Mapping[str, Mapping[int, bool]], threshold: float, sign: int = -1
) -> dict[str, At]:
    """By how much each criterion comes out as stated.

    sign: on which side of the threshold a smooth net lies.
    """
    return {
        f"{norm}, {steps} steps, {'smooth' if smooth else 'not smooth'}": At(
            {NORM: norm, STEPS: steps},
            Margin(threshold, sign if smooth else -sign, mean),
        )
        for norm, verdicts in stated.items()
        for steps, smooth in verdicts.items()
    }


def _figure1(norms: Any, steps: Any) -> dict[str, Any]:
    stem = {"model.stem_norm": "batch"}
    return {**stem, NORM: tuple(norms), STEPS: tuple(steps)}


BEST = of_runs("accuracy_test_best")
DROP, GAIN = (Quantity(_nets, column, NEEDS) for column in ("drop", "gain"))
MARGIN = f"margin of the drop to {TOLERANCE:g}, on the paper's side"
claim = partial(Claim, "gusak2020", evidence=Evidence(seeds=6, epochs=350))
# Shorter training leaves nets near 30 % of accuracy: whether those are smooth says nothing about
# accurate nets, which the criterion of section 3.2 is about.
smoothness = partial(claim, at_any_scale=False)
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
        "layer-reaches-93-percent",
        "A neural ODE reaches 93 % on CIFAR-10.",
        "Gusak 2020, abstract and section 3.1",
        TABLE1,
        BEST,
        mean,
        above(0.925),
        "best accuracy with layer norm in the ODE blocks, 93 % after rounding",
        {"net": "LN"},
        at_any_scale=False,
    ),
    claim(
        "layer-like-resnet10",
        "ODENet10 with layer norm in its ODE blocks is as accurate as ResNet10.",
        "Gusak 2020, Table 1 (a reading of .930 against .931; the text does not say it)",
        TABLE1,
        BEST,
        Difference({"net": "LN"}, {"net": "ResNet10"}),
        within(-EQUAL, EQUAL),
        "difference of best accuracy",
        {"net": ("LN", "ResNet10")},
        at_any_scale=False,
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
    smoothness(
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
    smoothness(
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
    smoothness(
        "two-steps-not-smooth",
        "No accurate net trained with 2 Euler steps is smooth.",
        "Gusak 2020, Figure 1 (a reading; the caption says it of layer norm)",
        STUDY,
        DROP,
        _margins(TWO_STEPS, TOLERANCE),
        above(0.0),
        MARGIN,
        _figure1(TWO_STEPS, (2,)),
    ),
    *(
        smoothness(
            f"{norm}-smooth-without-tolerance",
            f"Accuracy does not drop at all under more powerful solvers: so {norm} norm is smooth "
            f"from {smooth} Euler steps on, not with fewer.",
            "Gusak 2020, caption of Figure 1, literally",
            STUDY,
            DROP,
            _margins(stated, 0.0),
            above(0.0),
            "margin of the drop to 0, on the paper's side",
            _figure1(stated, (2, 16, 32)),
        )
        for norm, smooth, stated in (("layer", 16, LAYER), ("weight", 32, WEIGHT))
    ),
    *(
        smoothness(
            f"{norm}-smooth-by-gain",
            f"A more powerful solver yields a higher accuracy: so {norm} norm is smooth from "
            f"{smooth} Euler steps on, not with fewer.",
            "Gusak 2020, example of section 3.2 with the verdicts of Figure 1's caption",
            STUDY,
            GAIN,
            _margins(stated, 0.0, 1),
            above(0.0),
            "gain under the best more powerful solver, above 0 for smooth nets, below for others",
            _figure1(stated, (2, 16, 32)),
        )
        for norm, smooth, stated in (("layer", 16, LAYER), ("weight", 32, WEIGHT))
    ),
    smoothness(
        "norm-and-solver-matter",
        "Both normalization and training solver decide how much a net loses under more powerful "
        "solvers.",
        "Gusak 2020, section 4 and Figure 1",
        STUDY,
        DROP,
        {
            "training solver: 2 - 32 steps": At(
                {NORM: "layer"}, Difference({STEPS: 2}, {STEPS: 32})
            ),
            "norm: weight - layer": At({STEPS: 16}, Difference({NORM: "weight"}, {NORM: "layer"})),
        },
        above(TOLERANCE),
        "difference of the drops, of layer norm and with 16 steps",
        _figure1(("layer", "weight"), (2, 16, 32)),
    ),
    smoothness(
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
