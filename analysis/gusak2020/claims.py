"""The claims of Gusak 2020, each with its threshold and least evidence."""

from collections.abc import Callable, Mapping
from typing import Any

from analysis import effects
from analysis.cells import planned_rows
from analysis.claims import Claim, Estimate, above, within
from analysis.data import Data
from analysis.gusak2020.smoothness import NEEDS, TOLERANCE, per_net, tested

BEST = "accuracy_test_best"
ODE_NORMS = ("LN", "NF", "SN", "WN", "BN")
ACCURATE = ("layer", "none", "spectral", "weight")
# Training steps -> whether the paper calls the net smooth.
LAYER = {2: False, 16: True, 32: True}
WEIGHT = {2: False, 16: False, 32: True}
# Accuracies closer than this are called equal: what the four accurate norms of Table 1 differ by.
EQUAL = 0.005


def _order(data: Data) -> dict[str, Estimate]:
    return effects.order(planned_rows(data, "runs", BEST), BEST, "net", ODE_NORMS)


def _best(data: Data) -> dict[str, Estimate]:
    return effects.best(planned_rows(data, "runs", BEST), BEST, "net", "LN")


def _minus(first: str, second: str, data: Data) -> Estimate:
    rows = planned_rows(data, "runs", BEST)
    return effects.paired(
        effects.at(rows, {"net": first}), effects.at(rows, {"net": second}), BEST, ["net"]
    )


def _above_batch(data: Data) -> dict[str, Estimate]:
    return {f"{net} - BN": _minus(net, "BN", data) for net in ODE_NORMS[:-1]}


def _without_outside(data: Data) -> dict[str, Estimate]:
    return {
        f"{net} - LN, NF outside": _minus(net, "LN, NF outside", data)
        for net in ("LN", "NF everywhere")
    }


def _margins(
    stated: Mapping[str, Mapping[int, bool]], tolerance: float
) -> Callable[[Data], dict[str, Estimate]]:
    """By how much each criterion comes out as stated: tolerance - drop for a smooth net, drop - tolerance for another."""

    def statistic(data: Data) -> dict[str, Estimate]:
        nets = per_net(tested(data))
        parts = {}
        for norm, verdicts in stated.items():
            for steps, smooth in verdicts.items():
                own = effects.at(nets, {"model.ode_norm": norm, "solver.steps": steps})
                margin = (tolerance - own["drop"]) * (1 if smooth else -1)
                parts[f"{norm}, {steps} steps, {'smooth' if smooth else 'not smooth'}"] = (
                    effects.mean(own.assign(margin=margin), "margin")
                )
        return parts

    return statistic


def _accuracy_says_little(data: Data) -> Estimate:
    """What weight norm drops more than layer norm, minus what their accuracies differ by, by seed."""
    nets = per_net(tested(data))
    weight, layer = (effects.at(nets, {"model.ode_norm": norm}) for norm in ("weight", "layer"))
    both = weight.merge(layer, on="seed", suffixes=("", "_layer"))
    excess = both["drop"] - both["drop_layer"] - (both["accuracy"] - both["accuracy_layer"]).abs()
    outcome = both["outcome"].where(both["outcome"] != "completed", both["outcome_layer"])
    return effects.mean(both.assign(excess=excess, outcome=outcome), "excess")


def _table1(**given: Any) -> Claim:
    return Claim(paper="gusak2020", study="gusak2020/table1", epochs=350, **given)


def _figure1(norms: tuple[str, ...], steps: tuple[int, ...], **given: Any) -> Claim:
    where = {"model.stem_norm": "batch", "model.ode_norm": norms, "solver.steps": steps}
    return Claim(
        paper="gusak2020", study="gusak2020/figure1", needs=NEEDS, epochs=350, where=where, **given
    )


_MARGIN = f"margin of the drop to {TOLERANCE:g}, on the paper's side"
_LITERAL = "margin of the drop to 0, on the paper's side: every more powerful solver gives a higher accuracy, or one a lower"

CLAIMS = (
    _table1(
        key="layer-best",
        statement="Layer norm is the best normalization of the ODE blocks.",
        source="Gusak 2020, Table 1",
        statistic=_best,
        holds=above(0.0),
        measure="best accuracy with layer norm minus that with each other one",
        where={"net": ODE_NORMS},
    ),
    _table1(
        key="layer-like-resnet10",
        statement="ODENet10 with layer norm in its ODE blocks is as accurate as ResNet10.",
        source="Gusak 2020, Table 1",
        statistic=lambda data: _minus("LN", "ResNet10", data),
        holds=within(-EQUAL, EQUAL),
        measure="difference of best accuracy",
        where={"net": ("LN", "ResNet10")},
    ),
    _table1(
        key="batch-far-worst",
        statement="Batch norm in the ODE blocks is far worse than every other one and than none.",
        source="Gusak 2020, Table 1",
        statistic=_above_batch,
        holds=above(0.1),
        measure="best accuracy minus that with batch norm",
        where={"net": ODE_NORMS},
    ),
    _table1(
        key="order",
        statement="In the ODE blocks layer norm is better than none, none than spectral, spectral than weight norm, and weight than batch norm.",
        source="Gusak 2020, Table 1",
        statistic=_order,
        holds=above(0.0),
        measure="difference of best accuracy between neighbours",
        where={"net": ODE_NORMS},
    ),
    _table1(
        key="without-batch-outside",
        statement="Without batch norm outside the ODE blocks accuracy falls below that with it and below that without any normalization.",
        source="Gusak 2020, section 3.1",
        statistic=_without_outside,
        holds=above(0.0),
        measure="difference of best accuracy",
        where={"net": ("LN", "LN, NF outside", "NF everywhere")},
    ),
    _figure1(
        ("layer",),
        tuple(LAYER),
        key="layer-smooth-from-16",
        statement="With layer norm nets trained with 16 and 32 Euler steps are smooth, with 2 not.",
        source="Gusak 2020, caption of Figure 1",
        statistic=_margins({"layer": LAYER}, TOLERANCE),
        holds=above(0.0),
        measure=_MARGIN,
    ),
    _figure1(
        ("weight",),
        tuple(WEIGHT),
        key="weight-smooth-from-32",
        statement="With weight norm nets trained with 32 Euler steps are smooth, with 2 and 16 not.",
        source="Gusak 2020, caption of Figure 1",
        statistic=_margins({"weight": WEIGHT}, TOLERANCE),
        holds=above(0.0),
        measure=_MARGIN,
    ),
    _figure1(
        ACCURATE,
        (2,),
        key="two-steps-not-smooth",
        statement="Trained with 2 Euler steps none of the accurate nets is smooth.",
        source="Gusak 2020, Figure 1",
        statistic=_margins({norm: {2: False} for norm in ACCURATE}, TOLERANCE),
        holds=above(0.0),
        measure=_MARGIN,
    ),
    _figure1(
        ("layer",),
        tuple(LAYER),
        key="layer-smooth-literally",
        statement="By the literal criterion, higher accuracy under more powerful solvers, layer norm is smooth from 16 Euler steps on, not with 2.",
        source="Gusak 2020, section 3.2",
        statistic=_margins({"layer": LAYER}, 0.0),
        holds=above(0.0),
        measure=_LITERAL,
    ),
    _figure1(
        ("weight",),
        tuple(WEIGHT),
        key="weight-smooth-literally",
        statement="By the literal criterion, higher accuracy under more powerful solvers, weight norm is smooth with 32 Euler steps, not with fewer.",
        source="Gusak 2020, section 3.2",
        statistic=_margins({"weight": WEIGHT}, 0.0),
        holds=above(0.0),
        measure=_LITERAL,
    ),
    _figure1(
        ("layer", "weight"),
        (16,),
        key="accuracy-says-little",
        statement="Nets close in accuracy differ in smoothness: trained with 16 Euler steps weight norm drops far more than layer norm.",
        source="Gusak 2020, Discussion and Figure 1",
        statistic=_accuracy_says_little,
        holds=above(TOLERANCE),
        measure="drop with weight norm minus drop with layer norm, less their difference of accuracy",
    ),
)
