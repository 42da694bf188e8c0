"""The cross grid's hypotheses: what the papers' statements imply when normalization, solver and depth are crossed.

Failed runs are in no mean, and unresolved nets have no gap: a claim about means speaks of the nets that have one.
"""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from analysis import effects
from analysis.cells import planned_rows
from analysis.claims import Claim, Estimate, Region, Statistic, above, below, within
from analysis.cross import gaps, grid, smoothness
from analysis.cross.dependence import THRESHOLD
from analysis.cross.smoothness import MAX_DROP
from analysis.data import COMPLETED, Data

NORMS = ("none", "batch", "mini_batch", "layer", "group", "weight", "spectral", "ta_bn")
ZHENG_NORMS = ("none", "batch", "mini_batch", "ta_bn")
# Gusak 2020, Table 1, and its nets "accurate" in Figure 1: all but batch norm.
GUSAK_NORMS = ("layer", "none", "spectral", "weight", "batch")
ACCURATE_NORMS = GUSAK_NORMS[:-1]
DEPTHS = ("cnn4", "cnn6", "cnn8", "cnn10", "cnn12", "unet18")
SOLVERS = tuple(grid.SOLVERS)
EPOCHS = 128


def _accuracy(data: Data) -> pd.DataFrame:
    return planned_rows(data, "runs", "accuracy_test")


def _per(
    axis: str,
    labels: Sequence[str],
    rows: Callable[[Data], pd.DataFrame],
    one: Callable[[pd.DataFrame], Estimate],
) -> Statistic:
    """`one` of the rows at each of these labels of an axis; a label that has none has no value."""

    def statistic(data: Data) -> dict[str, Estimate]:
        found = rows(data)
        return {name: one(effects.at(found, {axis: name})) for name in labels}

    return statistic


def _change(rows: pd.DataFrame, value: str, axis: str, first: str, second: str) -> Estimate:
    """Mean of `value` at one label of an axis minus that at another, all other axes and the seed alike."""
    return effects.paired(
        effects.at(rows, {axis: first}), effects.at(rows, {axis: second}), value, [axis]
    )


def _deeper(rows: pd.DataFrame) -> Estimate:
    return _change(rows, "accuracy_test", "model.backbone", "unet18", "cnn4")


def _own_accuracy(rows: pd.DataFrame) -> Estimate:
    return _change(rows, "accuracy_test", "solver", "euler2", "euler32")


def _gap_shrinks(nets: pd.DataFrame) -> Estimate:
    return _change(nets, gaps.SIZE, "solver", "euler2", "euler32")


def _gap(nets: pd.DataFrame) -> Estimate:
    return effects.mean(nets, gaps.GAP)


def _gap_size(nets: pd.DataFrame) -> Estimate:
    return effects.mean(nets, gaps.SIZE)


def _drop(nets: pd.DataFrame) -> Estimate:
    return effects.mean(nets, "drop")


def _failed(data: Data) -> Estimate:
    return effects.failed_share(planned_rows(data, "runs"))


def _unresolved(data: Data) -> Estimate:
    trained = gaps.rows(data).loc[lambda nets: nets["outcome"].isin([COMPLETED, gaps.UNRESOLVED])]
    return effects.share(
        int((trained["outcome"] == gaps.UNRESOLVED).sum()), len(trained), "of trained nets"
    )


def _order(axis: str, *labels: str) -> Statistic:
    return lambda data: effects.order(_accuracy(data), "accuracy_test", axis, labels)


def _layer_norm_best(data: Data) -> dict[str, Estimate]:
    return effects.best(_accuracy(data), "accuracy_test", "norm", "layer")


def _ta_bn_best(data: Data) -> dict[str, Estimate]:
    """The advantage of TA-BN over each other norm, under each training solver."""
    rows = _accuracy(data)
    by_solver = {
        solver: effects.best(effects.at(rows, {"solver": solver}), "accuracy_test", "norm", "ta_bn")
        for solver in SOLVERS
    }
    return {
        f"{solver}: {name}": one
        for solver, parts in by_solver.items()
        for name, one in parts.items()
    }


def _above_pop_ti(data: Data) -> dict[str, Estimate]:
    """The advantage over Pop-TI batch norm, under each training solver."""
    rows = _accuracy(data)
    return {
        f"{solver}: {better} - batch": _change(
            effects.at(rows, {"solver": solver}), "accuracy_test", "norm", better, "batch"
        )
        for solver in SOLVERS
        for better in ("mini_batch", "ta_bn")
    }


def _above_batch_norm(data: Data) -> dict[str, Estimate]:
    rows = _accuracy(data)
    return {
        f"{name} - batch": _change(rows, "accuracy_test", "norm", name, "batch")
        for name in ACCURATE_NORMS
    }


def _claim(
    key: str,
    statement: str,
    source: str,
    statistic: Statistic,
    holds: Region,
    measure: str,
    where: Mapping[str, object],
    *needs: str,
) -> Claim:
    return Claim(
        paper="cross", key=key, statement=statement, source=source, study=grid.STUDY, statistic=statistic, holds=holds, measure=measure,
        where=where, needs=needs or ("runs",), seeds=3, epochs=EPOCHS,
    )  # fmt: skip


GAIN = "difference of test accuracy, paired by seed"
OVER_DEPTHS = "mean over depths"
FAILED = "share of runs that diverged or whose solver failed"
CLAIMS: tuple[Claim, ...] = (
    _claim(
        "ta-bn-gains-with-depth",
        "With TA-BN 18 layers are more accurate than 4 under every training solver.",
        "Zheng 2024, Figure 6 (Dopri5), here for five solvers",
        _per("solver", SOLVERS, _accuracy, _deeper), above(0.0), f"18 minus 4 layers: {GAIN}",
        {"norm": "ta_bn", "model.backbone": ("cnn4", "unet18")},
    ),
    _claim(
        "ta-bn-gains-at-each-depth",
        "With TA-BN and Dopri5 accuracy rises from each depth to the next, up to 18 layers.",
        "Zheng 2024, Figure 6",
        _order("model.backbone", *DEPTHS[::-1]),
        above(0.0), f"each depth minus the one before: {GAIN}", {"norm": "ta_bn", "solver": "dopri5"},
    ),
    _claim(
        "no-norm-fails-deep",
        "Without normalization nets of 12 and 18 layers fail to train with Dopri5.",
        "Zheng 2024, Figure 6",
        _failed, above(0.5), FAILED, {"norm": "none", "solver": "dopri5", "model.backbone": DEPTHS[-2:]},
    ),
    _claim(
        "no-norm-trains-shallow",
        "Without normalization nets of up to 10 layers train with Dopri5.",
        "Zheng 2024, Figure 6",
        _failed, below(0.5), FAILED, {"norm": "none", "solver": "dopri5", "model.backbone": DEPTHS[:4]},
    ),
    _claim(
        "ta-bn-always-trains",
        "With TA-BN nets train at every depth under every solver.",
        "Zheng 2024, Figure 6 and Table 4, here for all solvers",
        _failed, below(0.1), FAILED, {"norm": "ta_bn"},
    ),
    _claim(
        "order-at-18-layers",
        "At 18 layers with Dopri5 TA-BN is above mini-batch batch norm, and that above batch norm with one running statistic (Pop-TI).",
        "Zheng 2024, main table, CIFAR-10",
        _order("norm", "ta_bn", "mini_batch", "batch"), above(0.0), GAIN,
        {"norm": ("ta_bn", "mini_batch", "batch"), "solver": "dopri5", "model.backbone": "unet18"},
    ),
    _claim(
        "ta-bn-best-under-each-solver",
        "At 8 layers TA-BN is above no normalization, Pop-TI and mini-batch batch norm under every training solver.",
        "Zheng 2024, Table 4 (Euler and Dopri5), here for five solvers",
        _ta_bn_best, above(0.0), GAIN, {"norm": ZHENG_NORMS, "model.backbone": "cnn8"},
    ),
    _claim(
        "pop-ti-below-at-test",
        "At test Pop-TI batch norm is below mini-batch batch norm and TA-BN under every training solver.",
        "Zheng 2024, main table and Table 4; Gusak 2020, Table 1",
        _above_pop_ti, above(0.0), f"{GAIN}, {OVER_DEPTHS}", {"norm": ("batch", "mini_batch", "ta_bn")},
    ),
    _claim(
        "batch-norm-far-below",
        "With 8 Euler steps batch norm (Pop-TI) is more than .1 below layer, weight, spectral and no normalization.",
        "Gusak 2020, Table 1 (.762 against .925 to .930)",
        _above_batch_norm,
        above(0.1), f"{GAIN}, {OVER_DEPTHS}", {"norm": GUSAK_NORMS, "solver": "euler8"},
    ),
    _claim(
        "layer-norm-best-of-gusaks",
        "With 8 Euler steps layer norm is above no normalization, weight, spectral and batch norm.",
        "Gusak 2020, Table 1",
        _layer_norm_best, above(0.0), f"{GAIN}, {OVER_DEPTHS}", {"norm": GUSAK_NORMS, "solver": "euler8"},
    ),
    _claim(
        "own-accuracy-independent-of-step",
        "Tested with their own solver, nets trained with 2 and with 32 Euler steps are equally accurate, whatever the normalization.",
        "Ott 2021, Figure 4: no clear dependence on h where test and training solver agree",
        _per("norm", NORMS, _accuracy, _own_accuracy), within(-MAX_DROP, MAX_DROP), f"2 minus 32 steps: {GAIN}, {OVER_DEPTHS}",
        {"solver": ("euler2", "euler32")},
    ),
    _claim(
        "coarse-nets-depend-on-their-solver",
        "Nets trained with 2 Euler steps lose more than .1 of accuracy under the reference solution, whatever the normalization.",
        "Ott 2021, Figure 4 and section 7; Gusak 2020, Figure 1",
        _per("norm", NORMS, gaps.rows, _gap), below(-THRESHOLD), f"solver gap, {OVER_DEPTHS}", {"solver": "euler2"}, *gaps.NEEDS,
    ),
    _claim(
        "fine-nets-do-not",
        "Nets trained with 32 Euler steps change by less than .1 under the reference solution, whatever the normalization.",
        "Ott 2021, Table 1: on CIFAR-10 the critical number of Euler steps is between 16 and 32",
        _per("norm", NORMS, gaps.rows, _gap_size), below(THRESHOLD), f"size of the solver gap, {OVER_DEPTHS}", {"solver": "euler32"}, *gaps.NEEDS,
    ),
    _claim(
        "gap-shrinks-with-steps",
        "The solver gap is smaller after training with 32 Euler steps than with 2, whatever the normalization.",
        "Ott 2021, Figure 4",
        _per("norm", NORMS, gaps.rows, _gap_shrinks), above(0.0), f"size of the gap, 2 minus 32 steps, paired by net, {OVER_DEPTHS}",
        {"solver": ("euler2", "euler32")}, *gaps.NEEDS,
    ),
    _claim(
        "layer-norm-fine-gap",
        "Layer norm nets trained with 32 Euler steps lose at most .03 under the reference solution, at every depth.",
        "Gusak 2020, Figure 1: with layer norm nets trained with 16 and 32 Euler steps are smooth",
        _per("model.backbone", DEPTHS, gaps.rows, _gap), above(-MAX_DROP), "solver gap", {"norm": "layer", "solver": "euler32"}, *gaps.NEEDS,
    ),
    _claim(
        "two-steps-never-smooth",
        "Trained with 2 Euler steps no accurate net (layer, weight, spectral, no normalization) meets the (S, n)-criterion.",
        "Gusak 2020, Figure 1",
        _per("norm", ACCURATE_NORMS, smoothness.drops, _drop), above(MAX_DROP), f"largest loss under n > 2 evaluations, {OVER_DEPTHS}",
        {"norm": ACCURATE_NORMS, "solver": "euler2"}, *smoothness.NEEDS,
    ),
    _claim(
        "layer-norm-smooth-at-32-steps",
        "Trained with 32 Euler steps layer norm nets meet the (S, n)-criterion.",
        "Gusak 2020, Figure 1",
        _per("norm", ("layer",), smoothness.drops, _drop), below(MAX_DROP), f"largest loss under n > 32 evaluations, {OVER_DEPTHS}",
        {"norm": "layer", "solver": "euler32"}, *smoothness.NEEDS,
    ),
    _claim(
        "ta-bn-and-group-norm-smooth-at-32-steps",
        "Trained with 32 Euler steps TA-BN and group norm nets meet the (S, n)-criterion as layer norm nets do.",
        "this project's hypothesis, after Gusak 2020, Figure 1",
        _per("norm", ("ta_bn", "group"), smoothness.drops, _drop), below(MAX_DROP), f"largest loss under n > 32 evaluations, {OVER_DEPTHS}",
        {"norm": ("ta_bn", "group"), "solver": "euler32"}, *smoothness.NEEDS,
    ),
    _claim(
        "dopri5-nets-are-resolved",
        "The reference solution exists within its cap for nets trained with Dopri5, whatever the normalization.",
        "this project's hypothesis: what an adaptive solver trained, a finer one can solve",
        _unresolved, below(0.1), "share of trained nets that are unresolved", {"solver": "dopri5"}, *gaps.NEEDS,
    ),
)  # fmt: skip
