"""The claims of the ENorm report (2019), each with its threshold and least evidence."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import pandas as pd

from analysis.claims.claim import Claim, Evidence, above, below, within
from analysis.claims.statistic import (
    At,
    Difference,
    Each,
    InOrder,
    Quantity,
    Ratio,
    Share,
    costs,
    mean,
    of_runs,
)
from analysis.enorm2019.controls import CONTROLS, REPORT
from analysis.enorm2019.depths import with_failed
from analysis.rows.cells import planned_rows
from analysis.rows.data import COMPLETED, Data

DEPTH, RATE = "model.layers", "train.optimizer.lr"
ALL_DEPTHS = tuple(range(1, 20, 2))
SHALLOW, DEEP = ALL_DEPTHS[:5], ALL_DEPTHS[5:]
# Of ten depths: more than half are most of them, more than eight are almost all.
MOST, ALMOST_ALL = 0.5, 0.8
NAN = Share("diverged")  # the loss is checked at every step
ENORM_BN, ENORM, BN, BASELINE = ORDER = ("ENorm + BN", "ENorm", "BN", "Baseline")


def _with_nan_at_chance(data: Data) -> pd.DataFrame:
    return with_failed(planned_rows(data, "runs", "accuracy_test"))


def _first_epochs(data: Data) -> pd.DataFrame:
    """Planned runs, those that failed after their first epoch with the outcome "later"."""
    rows = planned_rows(data, "runs", "outcome_epoch")
    # Epochs are counted from 0.
    later = (rows["outcome"] == NAN.outcome) & (rows["outcome_epoch"].astype(float) > 0)
    return rows.assign(outcome=rows["outcome"].mask(later, "later"))


def _minus(first: str, second: str) -> Difference:
    # Learning rates belong to the methods, so they differ between the two.
    return Difference({"method": first}, {"method": second}, apart=(RATE,))


def _ordered(pairs: Sequence[tuple[str, str]]) -> InOrder:
    return InOrder(DEPTH, "method", tuple(pairs))


def _at(methods: Sequence[str], depths: Sequence[int] = ()) -> dict[str, Any]:
    return {"method": tuple(methods)} | ({DEPTH: tuple(depths)} if depths else {})


ACCURACY = of_runs("accuracy_test")
SECONDS, MEMORY = (Quantity(costs, column) for column in ("train_seconds", "peak_memory_bytes"))
FEWER_THAN_BN = Ratio({"method": ENORM}, {"method": BN}, apart=(RATE,))
AT_CHANCE = Quantity(_with_nan_at_chance, "accuracy_test")
FIRST_EPOCHS = Quantity(_first_epochs, "outcome_epoch")
LEFT_OUT = "runs that ended in NaN left out as in the report"
claim = partial(Claim, "enorm2019", evidence=Evidence(seeds=5, epochs=60))
CLAIMS = (
    claim(
        "enorm-above-baseline",
        "ENorm is above the baseline for almost all depths.",
        "ENorm 2019, section 3 and Figure 2",
        REPORT,
        ACCURACY,
        _ordered([(ENORM, BASELINE)]),
        above(ALMOST_ALL),
        f"share of depths at which ENorm is more accurate, {LEFT_OUT}",
        _at([ENORM, BASELINE]),
    ),
    claim(
        "enorm-above-baseline-all-runs",
        "ENorm is above the baseline for almost all depths, even if runs that ended in NaN are "
        "counted at chance level.",
        "ENorm 2019, Figure 2, without restarts",
        REPORT,
        AT_CHANCE,
        _ordered([(ENORM, BASELINE)]),
        above(ALMOST_ALL),
        "share of depths at which ENorm is more accurate, runs that ended in NaN at accuracy 0.1",
        _at([ENORM, BASELINE]),
    ),
    claim(
        "enorm-bn-best",
        "ENorm + BN is the best for most depths.",
        "ENorm 2019, section 3 and Figure 2",
        REPORT,
        ACCURACY,
        _ordered([(ENORM_BN, other) for other in ORDER[1:]]),
        above(MOST),
        f"share of depths at which ENorm + BN is the most accurate, {LEFT_OUT}",
        _at(ORDER),
    ),
    claim(
        "enorm-bn-above-bn",
        "ENorm + BN is above BN at every depth.",
        "ENorm 2019, section 3 and Figure 2",
        REPORT,
        ACCURACY,
        Each(DEPTH, _minus(ENORM_BN, BN), name="p = {}"),
        above(0.0),
        f"difference of accuracy at each depth, {LEFT_OUT}",
        _at([ENORM_BN, BN]),
    ),
    claim(
        "order",
        "For most depths ENorm + BN is above ENorm, ENorm above BN, BN above the baseline.",
        "ENorm 2019, section 4.1",
        REPORT,
        ACCURACY,
        _ordered(list(pairwise(ORDER))),
        above(MOST),
        f"share of depths with the whole order, {LEFT_OUT}",
        _at(ORDER),
    ),
    claim(
        "enorm-bn-low-at-19",
        "ENorm + BN is relatively low at 19 layers (read as: below its accuracy at 17).",
        "ENorm 2019, sections 3, 4.1 and 5",
        REPORT,
        ACCURACY,
        Difference({DEPTH: 19}, {DEPTH: 17}, apart=(RATE,)),
        below(0.0),
        "accuracy at p = 19 minus that at p = 17",
        _at([ENORM_BN], (17, 19)),
    ),
    claim(
        "enorm-bn-best-at-19-on-average",
        "Averaged over several trainings ENorm + BN is the best at 19 layers too.",
        "ENorm 2019, section 4.1 (a conjecture)",
        REPORT,
        ACCURACY,
        {f"{ENORM_BN} - {other}": _minus(ENORM_BN, other) for other in ORDER[1:]},
        above(0.0),
        f"difference of accuracy at p = 19, {LEFT_OUT}",
        _at(ORDER, (19,)),
        # Some of five seeds may end in NaN here.
        evidence=Evidence(seeds=3, epochs=60),
    ),
    claim(
        "all-above-baseline",
        "All normalizations outperform the baseline.",
        "ENorm 2019, sections 4.1 and 5",
        REPORT,
        ACCURACY,
        {scheme: _ordered([(scheme, BASELINE)]) for scheme in ORDER[:3]},
        above(MOST),
        f"share of depths at which each is more accurate than the baseline, {LEFT_OUT}",
        _at(ORDER),
    ),
    claim(
        "enorm-above-bn",
        "ENorm generalizes better than BN.",
        "ENorm 2019, section 1",
        REPORT,
        ACCURACY,
        _ordered([(ENORM, BN)]),
        above(MOST),
        f"share of depths at which ENorm is more accurate, {LEFT_OUT}",
        _at([ENORM, BN]),
    ),
    claim(
        "enorm-faster-than-bn",
        "Training takes less time with ENorm than with BN.",
        "ENorm 2019, abstract and section 1",
        REPORT,
        SECONDS,
        FEWER_THAN_BN,
        below(1.0),
        "seconds of training, ENorm over BN, of runs alone on their machine",
        _at([ENORM, BN]),
    ),
    claim(
        "enorm-less-memory-than-bn",
        "Training takes less memory with ENorm than with BN.",
        "ENorm 2019, abstract",
        REPORT,
        MEMORY,
        FEWER_THAN_BN,
        below(1.0),
        "peak memory of the device, ENorm over BN",
        _at([ENORM, BN]),
    ),
    claim(
        "bias-nan-above-9",
        "With bias ENorm ends in NaN for p > 9, and trains for p up to 9.",
        "ENorm 2019, section 3 and Figure 3",
        REPORT,
        ACCURACY,
        {
            "p > 9: ended in NaN": At({DEPTH: DEEP}, NAN),
            "p <= 9: completed": At({DEPTH: SHALLOW}, Share(COMPLETED)),
        },
        above(0.8),
        "share of runs that ended as in the report",
        _at(["ENorm, bias"]),
    ),
    claim(
        "bias-nan-in-first-epoch",
        "With bias and p > 9 ENorm's loss is NaN within the first epoch.",
        "ENorm 2019, section 3",
        REPORT,
        FIRST_EPOCHS,
        NAN,
        above(0.8),
        "share of runs that ended in NaN in their first epoch",
        _at(["ENorm, bias"], DEEP),
        # An epoch of fewer images has fewer steps.
        at_any_scale=False,
    ),
    claim(
        "baseline-better-with-bias",
        "The baseline is generally slightly better with bias.",
        "ENorm 2019, section 3 and Figure 3",
        REPORT,
        ACCURACY,
        _minus("Baseline, bias", BASELINE),
        above(0.0),
        "difference of accuracy, mean over depths",
        _at(["Baseline, bias", BASELINE]),
    ),
    claim(
        "enorm-better-with-bias",
        "ENorm with bias is better than without where it runs, for p up to 9.",
        "ENorm 2019, section 3 and Figure 3",
        REPORT,
        ACCURACY,
        _minus("ENorm, bias", ENORM),
        above(0.0),
        "difference of accuracy, mean over depths",
        _at(["ENorm, bias", ENORM], SHALLOW),
    ),
    claim(
        "enorm-above-baseline-with-bias",
        "With bias ENorm is above the baseline where it runs, for p up to 9.",
        "ENorm 2019, section 3 and Figure 3",
        REPORT,
        ACCURACY,
        _minus("ENorm, bias", "Baseline, bias"),
        above(0.0),
        "difference of accuracy, mean over depths",
        _at(["ENorm, bias", "Baseline, bias"], SHALLOW),
    ),
    claim(
        "enorm-sometimes-nan",
        "Without bias ENorm occasionally ends in NaN at high p: some of the runs above 9 layers, "
        "less than half.",
        "ENorm 2019, section 4.1",
        REPORT,
        ACCURACY,
        NAN,
        within(0.01, 0.5),
        "share of runs that ended in NaN",
        _at([ENORM], DEEP),
    ),
    claim(
        "softmax-avoids-nan",
        "With a softmax on the final layer ENorm does not end in NaN.",
        "ENorm 2019, section 4.1",
        CONTROLS,
        ACCURACY,
        NAN,
        below(0.2),
        "share of runs that ended in NaN",
        {"control": "softmax", DEPTH: (5, 9, 11, 15, 19)},
    ),
    claim(
        "softmax-does-not-learn",
        "With a softmax on the final layer gradients vanish and the net does not learn.",
        "ENorm 2019, section 4.1",
        CONTROLS,
        ACCURACY,
        Each(DEPTH, mean, name="p = {}"),
        below(0.15),
        "accuracy; chance is 0.1",
        {"control": "softmax", DEPTH: (5, 9, 11, 15, 19)},
    ),
)
