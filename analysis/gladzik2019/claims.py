"""What Gladzik 2019 claims, each with statistic, threshold and least evidence. Accuracy is that on the training images, as in the thesis."""

import pandas as pd

from analysis import effects
from analysis.cells import difference
from analysis.claims import Claim, Estimate, above, below, within
from analysis.data import COMPLETED, KEY, Data
from analysis.gladzik2019 import nets, quantities

PAPER = "gladzik2019"
D = {number: f"gladzik2019/d{number}" for number in range(1, 9)}
ACCURACY = "accuracy_train_images"
NAME_OF = {
    1: nets.by_gradient,
    2: nets.by_gradient,
    3: nets.by_net,
    4: nets.by_gradient,
    5: nets.by_net,
    6: nets.by_tolerance,
    7: nets.by_optimizer,
}
DATA = {1: "MNIST", 2: "QMNIST", 3: "Fashion-MNIST", 5: "CIFAR-10", 7: "CIFAR-100"}
SGD = ", SGD"
# The learning rate last falls at 0.9 of the epochs: what comes after is the limit.
LAST_EPOCHS = 0.9


def _runs(data: Data, experiment: int) -> pd.DataFrame:
    """`quantities.per_run` of one experiment; D7's ODENets under SGD are called as in the other experiments."""
    own = data.where({"study": D[experiment]})
    if not len(own.trials):
        return pd.DataFrame(columns=["study", "seed", "net", "outcome", *quantities.QUANTITIES])
    rows = quantities.per_run(
        own, NAME_OF[experiment], nets.DIRECT + (SGD if experiment == 7 else "")
    )
    return rows.assign(net=rows["net"].str.removesuffix(SGD))


def _of(rows: pd.DataFrame, net: str, value: str) -> pd.DataFrame:
    """Seed, outcome and value of one net; a completed run without the value (seconds of a shared device) counts as missing."""
    own = rows.loc[rows["net"] == net].filter(["seed", "outcome", value])
    return own.assign(
        outcome=own["outcome"].where((own["outcome"] != COMPLETED) | own[value].notna(), "missing")
    )


def _minus(
    first: pd.DataFrame, one: str, second: pd.DataFrame, other: str, value: str, unit: str = ""
) -> Estimate:
    """`value` of net `one` minus that of net `other`, paired by seed."""
    return effects.mean(
        difference(_of(first, one, value), _of(second, other, value), value, apart=["study"]),
        value,
        unit,
    )


def _over(rows: pd.DataFrame, one: str, other: str, value: str) -> Estimate:
    """Ratio of `value` of net `one` to that of net `other`, mean over seeds."""
    both = _of(rows, one, value).merge(_of(rows, other, value), on="seed", suffixes=("", "_other"))
    both = both.loc[(both["outcome"] == COMPLETED) & (both["outcome_other"] == COMPLETED)]
    return effects.mean(
        both.assign(ratio=both[value].astype(float) / both[f"{value}_other"].astype(float)),
        "ratio",
        "times",
    )


def _accuracy(data: Data, experiment: int) -> dict[str, Estimate]:
    rows = _runs(data, experiment)
    return {
        net: effects.mean(_of(rows, net, ACCURACY), ACCURACY) for net in dict.fromkeys(rows["net"])
    }


def _mnist(data: Data) -> dict[str, Estimate]:
    return _accuracy(data, 1)


def _qmnist(data: Data) -> dict[str, Estimate]:
    return _accuracy(data, 2)


def _fashion_mnist(data: Data) -> dict[str, Estimate]:
    return _accuracy(data, 3)


def _gradients_agree(data: Data) -> dict[str, Estimate]:
    found = {}
    for experiment in (1, 2, 3):
        rows = _runs(data, experiment)
        found[DATA[experiment]] = _minus(rows, nets.ADJOINT, rows, nets.DIRECT, ACCURACY)
    return found


def _adjoint_seconds(data: Data) -> dict[str, Estimate]:
    return {
        name: _over(_runs(data, experiment), nets.ADJOINT, nets.DIRECT, "epoch")
        for experiment, name in DATA.items()
    }


def _adjoint_memory(data: Data) -> dict[str, Estimate]:
    return {
        name: _over(_runs(data, experiment), nets.ADJOINT, nets.DIRECT, "memory")
        for experiment, name in DATA.items()
    }


def _two_blocks_seconds(data: Data) -> Estimate:
    return _over(_runs(data, 4), nets.ADJOINT, nets.DIRECT, "epoch")


def _slower_than_resnets(data: Data) -> dict[str, Estimate]:
    rows = _runs(data, 3)
    return {
        f"{net} / {residual}": _over(rows, net, residual, "epoch")
        for net in (nets.DIRECT, nets.ADJOINT)
        for residual in ("ResNet2", "ResNet4")
    }


def _resnet2_best(data: Data) -> dict[str, Estimate]:
    rows = _runs(data, 3)
    others = [net for net in dict.fromkeys(rows["net"]) if net != "ResNet2"]
    return {f"ResNet2 - {net}": _minus(rows, "ResNet2", rows, net, ACCURACY) for net in others}


def _resnets_better(data: Data, experiment: int) -> dict[str, Estimate]:
    rows = _runs(data, experiment)
    pairs = [
        (residual, net)
        for residual in ("ResNet4", "ResNet8")
        for net in (nets.DIRECT, nets.ADJOINT)
    ]
    return {
        f"{residual} - {net}": _minus(rows, residual, rows, net, ACCURACY)
        for residual, net in pairs
    }


def _cifar10(data: Data) -> dict[str, Estimate]:
    return _resnets_better(data, 5)


def _cifar100(data: Data) -> dict[str, Estimate]:
    return _resnets_better(data, 7)


def _limit(data: Data) -> dict[str, Estimate]:
    """Gain of the ODENets' accuracy over the last tenth of the training."""
    found = {}
    for experiment in (5, 7):
        own = data.where({"study": D[experiment]})
        series = own.with_run(
            own.series("accuracy.train_images"), "outcome", "outcome_iteration"
        ).sort_values("iteration")
        before = series.loc[
            series["iteration"] <= LAST_EPOCHS * series["run.outcome_iteration"]
        ].drop_duplicates(KEY, keep="last")
        both = before.merge(
            series.drop_duplicates(KEY, keep="last").filter([*KEY, "value"]),
            on=KEY,
            suffixes=("_before", ""),
        )
        gains = both.merge(nets.planned(own, NAME_OF[experiment]).filter([*KEY, "net"]), on=KEY)
        gains = gains.assign(
            gain=gains["value"] - gains["value_before"],
            outcome=gains["run.outcome"],
            net=gains["net"].str.removesuffix(SGD),
        )
        for net in (nets.DIRECT, nets.ADJOINT):
            found[f"{DATA[experiment]}, {net}"] = effects.mean(
                gains.loc[gains["net"] == net], "gain"
            )
    return found


def _tolerance_evaluations(data: Data) -> dict[str, Estimate]:
    coarse, fine = _runs(data, 5), _runs(data, 6)
    first, second = "tolerance 1e-04", "tolerance 1e-05"
    return {
        "1e-4 - 1e-3": _minus(fine, first, coarse, nets.ADJOINT, "hidden_layers"),
        "1e-5 - 1e-4": _minus(fine, second, fine, first, "hidden_layers"),
    }


def _tolerance_accuracy(data: Data) -> Estimate:
    rows = _runs(data, 6)
    return _minus(rows, "tolerance 1e-05", rows, "tolerance 1e-04", ACCURACY)


def _second_block(data: Data, value: str) -> dict[str, Estimate]:
    one, two = _runs(data, 3), _runs(data, 4)
    return {net: _minus(two, net, one, net, value) for net in (nets.DIRECT, nets.ADJOINT)}


def _second_block_gain(data: Data) -> dict[str, Estimate]:
    return _second_block(data, ACCURACY)


def _second_block_evaluations(data: Data) -> dict[str, Estimate]:
    return _second_block(data, "hidden_layers")


_SERIES = ("runs", "probe_series")
_FIVE = (D[1], D[2], D[3], D[5], D[7])
CLAIMS = (
    Claim(
        PAPER, "mnist", "ODENets reach about 99 % on MNIST's training images.", "text on MNIST",
        D[1], _mnist, above(0.985), "accuracy on training images", needs=_SERIES, epochs=30,
    ),
    Claim(
        PAPER, "qmnist", "ODENets reach about 99.5 % on QMNIST's training images.", "text on QMNIST",
        D[2], _qmnist, above(0.99), "accuracy on training images", needs=_SERIES, epochs=60,
    ),
    Claim(
        PAPER, "fashion-mnist", "All nets reach more than 90 % on Fashion-MNIST's training images.", "text on Fashion-MNIST",
        D[3], _fashion_mnist, above(0.9), "accuracy on training images", needs=_SERIES, epochs=50,
    ),
    Claim(
        PAPER, "gradients-agree", "Gradients by the adjoint and through the solver give comparable accuracy.", "text on MNIST, QMNIST, Fashion-MNIST",
        (D[1], D[2], D[3]), _gradients_agree, within(-0.01, 0.01), "accuracy on training images, adjoint minus direct", needs=_SERIES, epochs=30,
    ),
    Claim(
        PAPER, "adjoint-slower", "The adjoint takes more time per epoch (+24, +31, +30, +15, +27 %).", "tables D1, D2, D3, D5, D7",
        _FIVE, _adjoint_seconds, above(1.0), "seconds per epoch, adjoint over direct", epochs=30,
    ),
    Claim(
        PAPER, "adjoint-memory", "The adjoint takes less memory (5.8 against 7.4 GB).", "text on memory",
        _FIVE, _adjoint_memory, below(1.0), "peak memory of the device, adjoint over direct", epochs=30,
    ),
    Claim(
        PAPER, "two-blocks-reversed", "With two ODE blocks the direct gradient is the slower one (3677 against 2857 s).", "table D4",
        D[4], _two_blocks_seconds, below(1.0), "seconds per epoch, adjoint over direct", epochs=50,
    ),
    Claim(
        PAPER, "slower-than-resnets", "ODENets are 5 to 8 times slower than ResNet2 and ResNet4.", "table D3",
        D[3], _slower_than_resnets, within(5.0, 8.0), "ratio of seconds per epoch", epochs=50,
    ),
    Claim(
        PAPER, "resnet2-best", "ResNet2 outperforms all other nets on Fashion-MNIST.", "Figures 5.3 and 5.5",
        D[3], _resnet2_best, above(0.0), "advantage in accuracy on training images", needs=_SERIES, epochs=50,
    ),
    Claim(
        PAPER, "resnets-better-cifar10", "On CIFAR-10 residual nets are clearly better than ODENets.", "Figure 5.6",
        D[5], _cifar10, above(0.02), "advantage in accuracy on training images", needs=_SERIES, epochs=100,
    ),
    Claim(
        PAPER, "resnets-better-cifar100", "On CIFAR-100 residual nets are clearly better than ODENets.", "Figure 5.8",
        D[7], _cifar100, above(0.02), "advantage in accuracy on training images", needs=_SERIES, epochs=100,
    ),
    Claim(
        PAPER, "odenets-converge", "ODENets converge to a limit on CIFAR-10 and CIFAR-100.", "Figures 5.6 and 5.8",
        (D[5], D[7]), _limit, below(0.01), "gain in accuracy on training images over the last tenth of the epochs", needs=_SERIES, epochs=100,
    ),
    Claim(
        PAPER, "tolerance-evaluations", "A tighter tolerance takes more evaluations (26, 34, 52).", "tables D5, D6",
        (D[5], D[6]), _tolerance_evaluations, above(0.0), "difference of evaluations per ODE block", epochs=25,
    ),
    Claim(
        PAPER, "tolerance-no-gain", "A tighter tolerance brings no gain in accuracy.", "Figure 5.7",
        D[6], _tolerance_accuracy, below(0.01), "accuracy on training images at 1e-5 minus that at 1e-4", needs=_SERIES, epochs=25,
    ),
    Claim(
        PAPER, "second-block-little-gain", "A second ODE block brings little gain in accuracy.", "Figure 5.4",
        (D[3], D[4]), _second_block_gain, below(0.01), "accuracy on training images, two blocks minus one", needs=_SERIES, epochs=50,
    ),
    Claim(
        PAPER, "second-block-evaluations", "With two ODE blocks each takes fewer evaluations (20 instead of 26).", "table D4",
        (D[3], D[4]), _second_block_evaluations, below(0.0), "evaluations per ODE block, two blocks minus one", epochs=50,
    ),
)  # fmt: skip
