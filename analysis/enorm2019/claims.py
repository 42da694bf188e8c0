"""The claims of the ENorm report (2019), each with its threshold and least evidence."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

from analysis import effects
from analysis.cells import MISSING, planned_rows
from analysis.claims import Claim, Estimate, above, below, within
from analysis.data import COMPLETED, Data
from analysis.enorm2019.depths import LAYERS, METHOD, with_failed

ACCURACY = "accuracy_test"
ALL_DEPTHS = tuple(range(1, 20, 2))
SHALLOW, DEEP = ALL_DEPTHS[:5], ALL_DEPTHS[5:]
# Of ten depths: more than half are most of them, more than eight are almost all.
MOST, ALMOST_ALL = 0.5, 0.8
NAN = "diverged"  # the loss is checked at every step

Better = Callable[[pd.DataFrame], pd.Series]


def _runs(data: Data) -> pd.DataFrame:
    return planned_rows(data, "runs", ACCURACY, "outcome_epoch")


def _share_of_depths(rows: pd.DataFrame, better: Better) -> Estimate:
    """Mean over seeds of the share of depths at which `better` holds of the methods' accuracies, of those depths at which all completed.

    better: of a frame with one column per method. A seed that lacks a row is left out.
    """
    lacking = list(rows.loc[rows["outcome"] == MISSING, "seed"])
    known = rows.loc[(rows["outcome"] == COMPLETED) & ~rows["seed"].isin(lacking)].astype(
        {ACCURACY: float}
    )
    methods = list(dict.fromkeys(rows[METHOD]))
    table = (
        known.pivot_table(index=["seed", LAYERS], columns=METHOD, values=ACCURACY)
        .reindex(columns=methods)
        .dropna()
    )
    return effects.mean(
        table.assign(holds=better(table), outcome=COMPLETED).reset_index(), "holds", "of depths"
    )


def _ordered(*best_first: str) -> Better:
    def better(table: pd.DataFrame) -> pd.Series:
        holds = pd.Series(data=True, index=table.index)
        for first, second in pairwise(best_first):
            holds &= table[first] > table[second]
        return holds

    return better


def _above_all(winner: str) -> Better:
    return lambda table: pd.Series(table[winner] > table.drop(columns=winner).max(axis=1))


def _pairs_by_depth(first: str, second: str, data: Data) -> dict[str, Estimate]:
    rows = _runs(data)
    depths = data.order("model.layers")
    return {
        f"p = {depth}": _difference(effects.at(rows, {"model.layers": depth}), first, second)
        for depth in depths
    }


def _difference(rows: pd.DataFrame, first: str, second: str) -> Estimate:
    # Learning rates belong to the methods, so that they differ between the two.
    return effects.paired(
        effects.at(rows, {"method": first}),
        effects.at(rows, {"method": second}),
        ACCURACY,
        ["method", "train.optimizer.lr"],
    )


def _fall_at_19(data: Data) -> Estimate:
    rows = _runs(data)
    last, before = (effects.at(rows, {"model.layers": depth}) for depth in (19, 17))
    return effects.paired(last, before, ACCURACY, ["model.layers", "train.optimizer.lr"])


def _share_of_runs(rows: pd.DataFrame, outcome: str) -> Estimate:
    known = rows.loc[rows["outcome"] != MISSING]
    return effects.share(len(known.loc[known["outcome"] == outcome]), len(known), "of runs")


def _share_of_nan(data: Data) -> Estimate:
    return _share_of_runs(_runs(data), NAN)


def _as_reported_with_bias(data: Data) -> dict[str, Estimate]:
    rows = _runs(data)
    shallow, deep = (effects.at(rows, {"model.layers": depths}) for depths in (SHALLOW, DEEP))
    return {
        "p > 9: ended in NaN": _share_of_runs(deep, NAN),
        "p <= 9: completed": _share_of_runs(shallow, COMPLETED),
    }


def _share_of_nan_in_first_epoch(data: Data) -> Estimate:
    rows = _runs(data)
    # Epochs are counted from 0; what was NaN later is another outcome here.
    later = (rows["outcome"] == NAN) & (rows["outcome_epoch"].astype(float) > 0)
    return _share_of_runs(rows.assign(outcome=rows["outcome"].mask(later, "later")), NAN)


def _softmax_accuracy(data: Data) -> dict[str, Estimate]:
    rows = _runs(data)
    return {
        f"p = {depth}": effects.mean(effects.at(rows, {"model.layers": depth}), ACCURACY)
        for depth in data.order("model.layers")
    }


def _report(methods: Sequence[str], depths: Sequence[int] = ALL_DEPTHS, **given: Any) -> Claim:
    where = {"method": tuple(methods)} | (
        {} if depths == ALL_DEPTHS else {"model.layers": tuple(depths)}
    )
    return Claim(
        paper="enorm2019", study="enorm2019/report", seeds=5, epochs=60, where=where, **given
    )


def _controls(depths: Sequence[int], **given: Any) -> Claim:
    where = {"control": "softmax", "model.layers": tuple(depths)}
    return Claim(
        paper="enorm2019", study="enorm2019/controls", seeds=5, epochs=60, where=where, **given
    )


_COMPLETED = "runs that ended in NaN left out as in the report"

CLAIMS = (
    _report(
        ["ENorm", "Baseline"],
        key="enorm-above-baseline",
        statement="ENorm is above the baseline for almost all depths.",
        source="ENorm 2019, section 3 and Figure 2",
        statistic=lambda data: _share_of_depths(_runs(data), _ordered("ENorm", "Baseline")),
        holds=above(ALMOST_ALL),
        measure=f"share of depths at which ENorm is more accurate, {_COMPLETED}",
    ),
    _report(
        ["ENorm", "Baseline"],
        key="enorm-above-baseline-all-runs",
        statement="ENorm is above the baseline for almost all depths even if runs that ended in NaN are counted, at chance.",
        source="ENorm 2019, Figure 2, without restarts",
        statistic=lambda data: _share_of_depths(
            with_failed(_runs(data)), _ordered("ENorm", "Baseline")
        ),
        holds=above(ALMOST_ALL),
        measure="share of depths at which ENorm is more accurate, runs that ended in NaN at accuracy 0.1",
    ),
    _report(
        ["ENorm + BN", "ENorm", "BN", "Baseline"],
        key="enorm-bn-best",
        statement="ENorm + BN is the best for most depths.",
        source="ENorm 2019, section 3 and Figure 2",
        statistic=lambda data: _share_of_depths(_runs(data), _above_all("ENorm + BN")),
        holds=above(MOST),
        measure=f"share of depths at which ENorm + BN is the most accurate, {_COMPLETED}",
    ),
    _report(
        ["ENorm + BN", "BN"],
        key="enorm-bn-above-bn",
        statement="ENorm + BN is above BN at every depth.",
        source="ENorm 2019, section 3 and Figure 2",
        statistic=lambda data: _pairs_by_depth("ENorm + BN", "BN", data),
        holds=above(0.0),
        measure=f"difference of accuracy at each depth, {_COMPLETED}",
    ),
    _report(
        ["ENorm + BN", "ENorm", "BN", "Baseline"],
        key="order",
        statement="For most depths ENorm + BN is above ENorm, ENorm above BN, BN above the baseline.",
        source="ENorm 2019, section 4.1",
        statistic=lambda data: _share_of_depths(
            _runs(data), _ordered("ENorm + BN", "ENorm", "BN", "Baseline")
        ),
        holds=above(MOST),
        measure=f"share of depths with the whole order, {_COMPLETED}",
    ),
    _report(
        ["ENorm + BN"],
        (17, 19),
        key="enorm-bn-low-at-19",
        statement="ENorm + BN is relatively low at 19 layers: more than a point below 17.",
        source="ENorm 2019, sections 3 and 4.1",
        statistic=_fall_at_19,
        holds=below(-0.01),
        measure="accuracy at p = 19 minus that at p = 17",
    ),
    _report(
        ["ENorm, bias"],
        key="bias-nan-above-9",
        statement="With bias ENorm ends in NaN for p > 9, and trains for p up to 9.",
        source="ENorm 2019, section 3 and Figure 3",
        statistic=_as_reported_with_bias,
        holds=above(0.8),
        measure="share of runs that ended as in the report",
    ),
    _report(
        ["ENorm, bias"],
        DEEP,
        key="bias-nan-in-first-epoch",
        statement="With bias and p > 9 ENorm's loss is NaN within the first epoch.",
        source="ENorm 2019, section 3",
        statistic=_share_of_nan_in_first_epoch,
        holds=above(0.8),
        measure="share of runs that ended in NaN in their first epoch",
    ),
    _report(
        ["Baseline, bias", "Baseline"],
        key="baseline-better-with-bias",
        statement="The baseline is generally slightly better with bias.",
        source="ENorm 2019, section 3 and Figure 3",
        statistic=lambda data: _difference(_runs(data), "Baseline, bias", "Baseline"),
        holds=above(0.0),
        measure="difference of accuracy, mean over depths",
    ),
    _report(
        ["ENorm, bias", "ENorm"],
        SHALLOW,
        key="enorm-better-with-bias",
        statement="ENorm with bias is better than without where it runs, for p up to 9.",
        source="ENorm 2019, section 3 and Figure 3",
        statistic=lambda data: _difference(_runs(data), "ENorm, bias", "ENorm"),
        holds=above(0.0),
        measure="difference of accuracy, mean over depths",
    ),
    _report(
        ["ENorm, bias", "Baseline, bias"],
        SHALLOW,
        key="enorm-above-baseline-with-bias",
        statement="With bias ENorm is above the baseline where it runs, for p up to 9.",
        source="ENorm 2019, section 3 and Figure 3",
        statistic=lambda data: _difference(_runs(data), "ENorm, bias", "Baseline, bias"),
        holds=above(0.0),
        measure="difference of accuracy, mean over depths",
    ),
    _report(
        ["ENorm"],
        DEEP,
        key="enorm-sometimes-nan",
        statement="Without bias ENorm occasionally ends in NaN at high p: some of the runs above 9 layers, less than half.",
        source="ENorm 2019, section 4.1",
        statistic=_share_of_nan,
        holds=within(0.01, 0.5),
        measure="share of runs that ended in NaN",
    ),
    _controls(
        (5, 9, 11, 15, 19),
        key="softmax-avoids-nan",
        statement="With a softmax before the loss ENorm does not end in NaN.",
        source="ENorm 2019, section 4.1",
        statistic=_share_of_nan,
        holds=below(0.2),
        measure="share of runs that ended in NaN",
    ),
    _controls(
        (11, 15, 19),
        key="softmax-does-not-learn",
        statement="With a softmax before the loss gradients vanish and deep nets do not learn.",
        source="ENorm 2019, section 4.1",
        statistic=_softmax_accuracy,
        holds=below(0.15),
        measure="accuracy; chance is 0.1",
    ),
)
