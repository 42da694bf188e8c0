"""The claims of Gladzik 2019, each with statistic, threshold and least evidence.

Accuracy is that on the training images, as in the thesis.
"""

from collections.abc import Mapping
from functools import partial
from itertools import product
from typing import Any

import pandas as pd

from analysis.claims.claim import Claim, Evidence, above, below, within
from analysis.claims.statistic import (
    VALUE,
    At,
    Best,
    Difference,
    Each,
    Quantity,
    Ratio,
    Statistic,
    differences,
    mean,
    runs_with,
)
from analysis.gladzik2019 import nets, quantities
from analysis.gladzik2019.nets import ADJOINT, DIRECT
from analysis.rows.data import COMPLETED, KEY, Data
from analysis.rows.stats import DIFFERENCE, SHARE

D1, D2, D3, D4, D5, D6, D7, D8 = STUDIES = tuple(f"gladzik2019/d{n}" for n in range(1, 9))
NAMES = dict(
    zip(
        STUDIES,
        (
            nets.by_gradient,
            nets.by_gradient,
            nets.by_net,
            nets.by_gradient,
            nets.by_net,
            nets.by_tolerance,
            nets.by_optimizer,
            nets.by_optimizer,
        ),
        strict=True,
    )
)
EPOCHS = dict(zip(STUDIES, (30, 60, 50, 50, 100, 25, 100, 200), strict=True))
DATA = {D1: "MNIST", D2: "QMNIST", D3: "Fashion-MNIST", D5: "CIFAR-10", D7: "CIFAR-100"}
TWO_BLOCKS = {D4: "Fashion-MNIST, two blocks"}
TOLERANCE_4, TOLERANCE_5 = "tolerance 1e-04", "tolerance 1e-05"
# The last drop of the learning rate is at 0.9 of the epochs. The accuracy after it is the limit.
LAST_EPOCHS = 0.9


def _by_study(data: Data, rows_of: Any) -> pd.DataFrame:
    """Rows of each study; D7's ODENets under SGD are called as in the other experiments."""
    parts = [
        rows_of(data.where({"study": study}), NAMES[study])
        for study in dict.fromkeys(data.trials["study"])
    ]
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(net=rows["net"].str.removesuffix(", SGD"))


def _known(column: str, data: Data) -> pd.DataFrame:
    """Study, seed, net, outcome and a number.

    A completed run without it (seconds of a shared device) counts as missing.
    """
    rows = _by_study(data, partial(quantities.per_run, reference=DIRECT))
    lacking = (rows["outcome"] == COMPLETED) & rows[column].isna()
    rows = rows.assign(outcome=rows["outcome"].mask(lacking, "missing"))
    return rows.filter(["study", "seed", "net", "outcome", column])


def _last_gain(data: Data) -> pd.DataFrame:
    """Gain of each run's accuracy over the last tenth of the training."""
    series = data.with_run(data.series("accuracy.train_images"), "outcome_iteration")
    early = series["iteration"] <= LAST_EPOCHS * series["run.outcome_iteration"]
    series = series.assign(early=series["value"].where(early)).sort_values("iteration")
    ends = series.groupby(KEY, as_index=False).agg(end=("value", "last"), start=("early", "last"))
    return _named(runs_with(data, ends.assign(**{VALUE: ends["end"] - ends["start"]})), data)


def _named(rows: pd.DataFrame, data: Data) -> pd.DataFrame:
    names = _by_study(data, nets.planned).filter([*KEY, "net"])
    return rows.merge(names, on=KEY).filter(["study", "seed", "net", "outcome", VALUE])


def _at_first(data: Data) -> pd.DataFrame:
    """Mean of each run's accuracy over the first half of the training."""
    series = data.with_run(data.series("accuracy.train_images"), "outcome_iteration")
    first = series.loc[series["iteration"] <= 0.5 * series["run.outcome_iteration"]]
    means = runs_with(data, first.groupby(KEY, as_index=False).agg(value=("value", "mean")))
    return _named(means, data)


def _number(column: str, *needs: str) -> Quantity:
    return Quantity(partial(_known, column), column, ("runs", *needs))


def _each(studies: Mapping[str, str], statistic: Statistic) -> dict[str, At]:
    return {name: At({"study": study}, statistic) for study, name in studies.items()}


def claim(
    key: str,
    statement: str,
    source: str,
    study: str | tuple[str, ...],
    *rest: Any,
    at_any_scale: bool = True,
) -> Claim:
    """A claim whose nets are trained as long as the thesis did."""
    epochs = min(EPOCHS[one] for one in ((study,) if isinstance(study, str) else study))
    evidence = Evidence(seeds=6, epochs=epochs)
    about = {"evidence": evidence, "at_any_scale": at_any_scale}
    return Claim("gladzik2019", key, statement, source, study, *rest, **about)


def _nets(*names: str) -> dict[str, tuple[str, ...]]:
    """The trials of these nets where a study has the axis `net`."""
    return {"net": ("", *names)}


# D7 names the optimizer as well.
ODENETS, ODENETS_SGD = _nets(DIRECT, ADJOINT), _nets(f"{DIRECT}, SGD", f"{ADJOINT}, SGD")
ALL_ODENETS = _nets(DIRECT, ADJOINT, f"{DIRECT}, SGD", f"{ADJOINT}, SGD")
ACCURACY = _number("accuracy_train_images", "probe_series")
SECONDS, TRAINING, MEMORY, NFE, PARAMETERS = map(
    _number, ("epoch", "training", "memory", "hidden_layers", "parameters")
)
ADJOINT_DIRECT = {"net": ADJOINT}, {"net": DIRECT}
RESNETS_ABOVE = differences("net", product(("ResNet4", "ResNet8"), (DIRECT, ADJOINT)))
SECOND_BLOCK = {
    net: Difference({"study": D4, "net": net}, {"study": D3, "net": net})
    for net in (DIRECT, ADJOINT)
}
CLAIMS = (
    claim(
        "mnist",
        "ODENets reach about 99 % on MNIST's training images.",
        "Gladzik 2019, section 5.3.1",
        D1,
        ACCURACY,
        Each("net", mean),
        above(0.985),
        "accuracy on training images",
        at_any_scale=False,
    ),
    claim(
        "qmnist",
        "ODENets reach about 99.5 % on QMNIST's training images.",
        "Gladzik 2019, section 5.3.2",
        D2,
        ACCURACY,
        Each("net", mean),
        above(0.99),
        "accuracy on training images",
        at_any_scale=False,
    ),
    claim(
        "fashion-mnist",
        "All nets reach more than 90 % on Fashion-MNIST's training images.",
        "Gladzik 2019, section 5.3.3",
        D3,
        ACCURACY,
        Each("net", mean),
        above(0.9),
        "accuracy on training images",
        at_any_scale=False,
    ),
    claim(
        "gradients-agree",
        "Gradients by the adjoint and through the solver give comparable accuracy.",
        "Gladzik 2019, sections 5.3.1 and 5.3.2, conclusion",
        (D1, D2, D3, D4, D5, D7),
        ACCURACY,
        _each(DATA | TWO_BLOCKS, Difference(*ADJOINT_DIRECT)),
        within(-0.01, 0.01),
        "accuracy on training images, adjoint minus direct",
        ALL_ODENETS,
    ),
    claim(
        "adjoint-slower",
        "The adjoint takes more time per epoch (+24, +31, +30, +15, +27 %).",
        "Gladzik 2019, tables of sections 5.3.1 to 5.3.5",
        tuple(DATA),
        SECONDS,
        _each(DATA, Ratio(*ADJOINT_DIRECT)),
        above(1.0),
        "seconds per epoch, adjoint over direct",
        ALL_ODENETS,
    ),
    claim(
        "adjoint-memory",
        "The adjoint takes less memory (5.8 against 7.4 GB).",
        "Gladzik 2019, conclusion",
        tuple(DATA),
        MEMORY,
        _each(DATA, Ratio(*ADJOINT_DIRECT)),
        below(1.0),
        "peak memory of the device, adjoint over direct",
        ALL_ODENETS,
    ),
    claim(
        "two-blocks-reversed",
        "With two ODE blocks the direct gradient is the slower one (3677 against 2857 s).",
        "Gladzik 2019, section 5.3.3, second table",
        D4,
        SECONDS,
        Ratio(*ADJOINT_DIRECT),
        below(1.0),
        "seconds per epoch, adjoint over direct",
    ),
    claim(
        "slower-than-resnets",
        "ODENets take substantially more time per epoch than residual nets (read as: at least "
        "twice as much; the table has 3.7 to 7.7 times).",
        "Gladzik 2019, section 5.3.3",
        D3,
        SECONDS,
        {
            f"{net} / {residual}": Ratio({"net": net}, {"net": residual})
            for net, residual in product((DIRECT, ADJOINT), ("ResNet2", "ResNet4", "ResNet8"))
        },
        above(2.0),
        "ratio of seconds per epoch",
    ),
    claim(
        "smaller-than-resnets",
        "An ODENet's model is smaller than that of ResNet8 (864 kB against 2.9 MB).",
        "Gladzik 2019, conclusion",
        D7,
        PARAMETERS,
        {net: Ratio({"net": net}, {"net": "ResNet8"}) for net in (DIRECT, ADJOINT)},
        below(0.5),
        "ratio of the numbers of parameters",
        {"net": (f"{DIRECT}, SGD", f"{ADJOINT}, SGD", "ResNet8")},
    ),
    claim(
        "resnet2-best",
        "ResNet2 outperforms all other nets on Fashion-MNIST.",
        "Gladzik 2019, section 5.3.3, Figures 5.3 and 5.5",
        D3,
        ACCURACY,
        Best("net", "ResNet2"),
        above(0.0),
        "advantage in accuracy on training images",
    ),
    claim(
        "resnets-better-cifar10",
        "On CIFAR-10 residual nets are clearly better than ODENets.",
        "Gladzik 2019, section 5.3.4, Figure 5.6",
        D5,
        ACCURACY,
        RESNETS_ABOVE,
        above(0.02),
        "advantage in accuracy on training images",
    ),
    claim(
        "resnets-better-cifar100",
        "On CIFAR-100 residual nets are clearly better than ODENets.",
        "Gladzik 2019, section 5.3.5, Figure 5.8",
        D7,
        ACCURACY,
        RESNETS_ABOVE,
        above(0.02),
        "advantage in accuracy on training images",
    ),
    claim(
        "odenets-converge",
        "ODENets converge to a limit on CIFAR-10 and CIFAR-100.",
        "Gladzik 2019, section 5.3.5, Figures 5.6 and 5.8",
        (D5, D7),
        Quantity(_last_gain, needs=("runs", "probe_series"), within=DIFFERENCE),
        {
            f"{DATA[study]}, {net}": At({"study": study, "net": net}, mean)
            for study, net in product((D5, D7), (DIRECT, ADJOINT))
        },
        below(0.01),
        "gain in accuracy on training images over the last tenth of the epochs",
        ALL_ODENETS,
        at_any_scale=False,
    ),
    claim(
        "tolerance-evaluations",
        "A tighter tolerance takes more evaluations (26, 34, 52).",
        "Gladzik 2019, tables of section 5.3.4",
        (D5, D6),
        NFE,
        {
            "1e-4 - 1e-3": Difference(
                {"study": D6, "net": TOLERANCE_4}, {"study": D5, "net": ADJOINT}
            ),
            "1e-5 - 1e-4": Difference({"net": TOLERANCE_5}, {"net": TOLERANCE_4}),
        },
        above(0.0),
        "difference of evaluations per ODE block",
        _nets(ADJOINT),
    ),
    claim(
        "larger-tolerance-better-at-first",
        "The larger tolerance seems to perform better at first (the thesis draws no conclusion).",
        "Gladzik 2019, section 5.3.4, Figure 5.7",
        D6,
        Quantity(_at_first, needs=("runs", "probe_series"), within=SHARE),
        Difference({"net": TOLERANCE_4}, {"net": TOLERANCE_5}),
        above(0.0),
        "accuracy on training images over the first half of the epochs, 1e-4 minus 1e-5",
    ),
    claim(
        "no-better-than-first-nets-cifar10",
        "With Adam and a tighter tolerance ODENets do not outperform those trained initially.",
        "Gladzik 2019, section 5.3.4",
        (D5, D6),
        ACCURACY,
        {
            net: Difference({"study": D6, "net": net}, {"study": D5, "net": ADJOINT})
            for net in (TOLERANCE_4, TOLERANCE_5)
        },
        below(0.01),
        "accuracy on training images minus that of the first ODENet with adjoint",
        _nets(ADJOINT),
    ),
    claim(
        "no-better-than-first-nets-cifar100",
        "Two more ODENets, trained for 200 epochs, do not outperform those trained initially.",
        "Gladzik 2019, section 5.3.5, Figure 5.9 (a reading: they converge to a limit again)",
        (D7, D8),
        ACCURACY,
        {
            net: Difference({"study": D8, "net": f"{net}, Adam"}, {"study": D7, "net": net})
            for net in (DIRECT, ADJOINT)
        },
        below(0.01),
        "accuracy on training images, Adam for 200 epochs minus SGD for 100",
        ODENETS_SGD,
    ),
    claim(
        "second-block-little-gain",
        "A second ODE block brings little gain in accuracy.",
        "Gladzik 2019, section 5.3.3, Figure 5.4",
        (D3, D4),
        ACCURACY,
        SECOND_BLOCK,
        below(0.01),
        "accuracy on training images, two blocks minus one",
        ODENETS,
    ),
    claim(
        "two-blocks-above-90-percent",
        "With two ODE blocks nets reach more than 90 % on Fashion-MNIST's training images.",
        "Gladzik 2019, section 5.3.3",
        D4,
        ACCURACY,
        Each("net", mean),
        above(0.9),
        "accuracy on training images",
        at_any_scale=False,
    ),
    claim(
        "second-block-slower",
        "A second ODE block increases the learning time enormously, without the adjoint (1346 to "
        "2731 s; read as: by more than half).",
        "Gladzik 2019, section 5.3.3, second table",
        (D3, D4),
        TRAINING,
        Ratio({"study": D4, "net": DIRECT}, {"study": D3, "net": DIRECT}),
        above(1.5),
        "seconds of training per epoch, two blocks over one",
        _nets(DIRECT) | {"gradient": ("", "without adjoint")},
    ),
    claim(
        "second-block-evaluations",
        "With two ODE blocks each takes fewer evaluations (20 instead of 26).",
        "Gladzik 2019, section 5.3.3, second table",
        (D3, D4),
        NFE,
        SECOND_BLOCK,
        below(0.0),
        "evaluations per ODE block, two blocks minus one",
        ODENETS,
    ),
)
