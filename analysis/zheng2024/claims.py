"""Zheng 2024's claims: depth, order of the norms, test batches, statistics over time, solvers, grid of times, interpolations."""

from functools import partial

from analysis import effects
from analysis.claims import Claim, above, below, within
from analysis.data import Data
from analysis.effects import at, paired
from analysis.zheng2024 import statistics
from analysis.zheng2024.statistics import ACCURACY, runs

PAPER, EPOCHS = "zheng2024", 128
DEEP = ("cnn12", "unet18")
_ORDER = {
    "CIFAR-10": "cifar10",
    "SVHN": "svhn",
    "CIFAR-100": "cifar100",
    "Tiny-ImageNet": "tiny-imagenet",
}


def _failed(data: Data) -> effects.Estimate:
    return effects.failed_share(runs(data))


def _failed_by_depth(data: Data) -> dict[str, effects.Estimate]:
    """In two groups: a single depth's five runs could not show a share below one half."""
    groups = {"4 and 6 layers": ("cnn4", "cnn6"), "8 and 10 layers": ("cnn8", "cnn10")}
    return {
        name: effects.failed_share(at(runs(data), {"model.backbone": nets}))
        for name, nets in groups.items()
    }


def _deeper_is_better(data: Data) -> dict[str, effects.Estimate]:
    return effects.order(
        runs(data), ACCURACY, "model.backbone", ["unet18", "cnn12", "cnn10", "cnn8", "cnn6", "cnn4"]
    )


def _norms(data: Data) -> dict[str, effects.Estimate]:
    return effects.order(runs(data), ACCURACY, "model.norm", ["ta_bn", "mini_batch", "batch"])


def _over_none(data: Data) -> dict[str, effects.Estimate]:
    rows = runs(data)
    pairs = {
        norm: (at(rows, {"model.norm": norm}), at(rows, {"model.norm": "none"}))
        for norm in ("batch", "mini_batch", "ta_bn")
    }
    return {
        f"{norm} - none": paired(*pair, ACCURACY, ["model.norm"]) for norm, pair in pairs.items()
    }


def _none_over_all(data: Data) -> dict[str, effects.Estimate]:
    return effects.best(runs(data), ACCURACY, "model.norm", "none")


def _gains(data: Data) -> dict[str, effects.Estimate]:
    rows = statistics.gains(data)
    return {
        family: effects.mean(at(rows, {"family": family}), ACCURACY)
        for family in ("Aug-NODE", "HBNODE", "SONODE")
    }


def _sonode_gains_most(data: Data) -> dict[str, effects.Estimate]:
    rows = statistics.gains(data)
    sonode = at(rows, {"family": "SONODE"})
    return {
        f"SONODE - {other}": paired(sonode, at(rows, {"family": other}), ACCURACY, ["family"])
        for other in ("Aug-NODE", "HBNODE")
    }


def _best_under_each_solver(data: Data) -> dict[str, effects.Estimate]:
    found = {
        solver: effects.best(at(runs(data), {"solver": solver}), ACCURACY, "model.norm", "ta_bn")
        for solver in ("euler", "dopri5")
    }
    return {
        f"{solver}: {name}": one for solver, parts in found.items() for name, one in parts.items()
    }


def _grid_sizes(data: Data, first: int, seconds: tuple[int, ...]) -> dict[str, effects.Estimate]:
    rows, axis = runs(data), "model.norm.grid_size"
    return {
        f"M = {first} - M = {second}": paired(
            at(rows, {axis: first}), at(rows, {axis: second}), ACCURACY, [axis]
        )
        for second in seconds
    }


def _linear_minus(
    data: Data, others: tuple[str, ...], apart_by: str = ""
) -> dict[str, effects.Estimate]:
    """Linear minus each other interpolation; apart_by: an axis each of whose values is a part of its own."""
    rows, axis, found = runs(data), "model.norm.interpolation", {}
    for value in data.order(apart_by) if apart_by else [""]:
        own = at(rows, {apart_by: value}) if apart_by else rows
        for other in others:
            name = f"{value}: linear - {other}" if value else f"linear - {other}"
            found[name] = paired(
                at(own, {axis: "linear"}), at(own, {axis: other}), ACCURACY, [axis]
            )
    return found


CLAIMS = (
    Claim(
        paper=PAPER, key="deep-nets-without-norm-fail", statement="Without batch norm, nets of 12 and 18 layers fail to train.",
        source="Zheng 2024, Figures 1 and 6", study="zheng2024/depth", statistic=_failed, holds=above(0.5),
        measure="share of the runs with 12 or 18 layers that fail", where={"model.backbone": DEEP, "model.norm": "none"}, epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="shallow-nets-without-norm-train", statement="Without batch norm, nets of up to about 10 layers train.",
        source="Zheng 2024, Figures 1 and 6", study="zheng2024/depth", statistic=_failed_by_depth, holds=below(0.5),
        measure="share of runs that fail", where={"model.backbone": ("cnn4", "cnn6", "cnn8", "cnn10"), "model.norm": "none"}, epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="deep-nets-with-ta-bn-train", statement="With TA-BN, nets of 12 and 18 layers train.",
        source="Zheng 2024, Figures 1 and 6", study="zheng2024/depth", statistic=_failed, holds=below(0.5),
        measure="share of the runs with 12 or 18 layers that fail", where={"model.backbone": DEEP, "model.norm": "ta_bn"}, epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="deeper-is-better-with-ta-bn", statement="With TA-BN accuracy rises with every step of depth up to 18 layers.",
        source="Zheng 2024, Figure 6", study="zheng2024/depth", statistic=_deeper_is_better, holds=above(0.0),
        measure="difference of accuracy between neighbouring depths", where={"model.norm": "ta_bn"}, epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="ta-bn-reaches-91-percent", statement="TA-BN with 18 layers reaches .910 on CIFAR-10 (± .010 as printed; abstract: 91.1 %).",
        source="Zheng 2024, Table 1 and abstract", study="zheng2024/main",
        statistic=lambda data: effects.mean(runs(data), ACCURACY), holds=above(0.900), measure="test accuracy after the last epoch",
        where={"data": "CIFAR-10", "model.norm": "ta_bn", "model.backbone": "unet18"}, epochs=EPOCHS,
    ),
    *(
        Claim(
            paper=PAPER, key=f"order-of-norms-{key}", statement=f"On {data} TA-BN is better than mini-batch, and that than Pop-TI batch norm.",
            source="Zheng 2024, Table 1", study="zheng2024/main", statistic=_norms, holds=above(0.0),
            measure="difference of accuracy between neighbours", where={"data": data, "model.backbone": "unet18"}, epochs=EPOCHS,
        )
        for data, key in _ORDER.items()
    ),
    Claim(
        paper=PAPER, key="norms-do-not-help-on-mnist", statement="On MNIST no normalization helps: none gains .002, twice the printed deviation.",
        source="Zheng 2024, Table 1", study="zheng2024/main", statistic=_over_none, holds=below(0.002),
        measure="accuracy minus that without norm", where={"data": "MNIST", "model.backbone": "cnn4"}, epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="no-norm-is-best-on-mnist", statement="On MNIST the net without normalization is best (the table taken literally).",
        source="Zheng 2024, Table 1", study="zheng2024/main", statistic=_none_over_all, holds=above(0.0),
        measure="accuracy without norm minus that of each norm", where={"data": "MNIST", "model.backbone": "cnn4"}, epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="ta-bn-above-other-families", statement="On CIFAR-10 TA-BN with 18 layers is better than the six other families.",
        source="Zheng 2024, Table 1 and Figure 4", study=("zheng2024/main", "zheng2024/baselines"), statistic=statistics.above_families,
        holds=above(0.0), measure="difference of accuracy after the last epoch",
    ),
    Claim(
        paper=PAPER, key="pop-ti-is-erratic", statement="Pop-TI batch norm's test accuracy is erratic from epoch to epoch, unlike the others'.",
        source="Zheng 2024, Figure 3 (left)", study="zheng2024/curves", holds=above(0.01), needs=("runs", "epochs"), epochs=EPOCHS,
        statistic=lambda data: statistics.rougher_than(data, "batch", ("mini_batch", "ta_bn")),
        measure="mean absolute change of accuracy per epoch in the second half, minus that of the others",
        where={"data": "CIFAR-10", "norm": ("batch", "mini_batch", "ta_bn")},
    ),
    Claim(
        paper=PAPER, key="mini-batch-degrades-in-curves", statement="Mini-batch statistics lose accuracy in test batches of 2 (18 layers).",
        source="Zheng 2024, Figure 3 (left)", study="zheng2024/curves", statistic=statistics.loss_in_batches_of_2, holds=above(0.02),
        measure="accuracy in test batches of 256 minus that of the first 1,000 images in batches of 2", needs=("runs", "probe_series:figure3"),
        where={"data": "CIFAR-10", "norm": "mini_batch"}, epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="mini-batch-degrades-in-batches-of-2", statement="Mini-batch statistics lose accuracy in test batches of 2 (6 layers).",
        source="Zheng 2024, section on normalizations, as in Figure 3 (left)", study="zheng2024/noise", holds=below(-0.02),
        statistic=lambda data: statistics.batch_sizes(data, (2,), 256), measure="accuracy in test batches of 2 minus that in batches of 256",
        needs=("runs", "evaluations:batch_size"), where={"model.norm": "mini_batch"}, epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="ta-bn-independent-of-test-batch", statement="TA-BN's accuracy does not depend on the size of the test batch.",
        source="Zheng 2024, Figure 3 (left)", study="zheng2024/noise", holds=within(-0.005, 0.005),
        statistic=lambda data: statistics.batch_sizes(data, (1, 2), 256),
        measure="accuracy in test batches of 1 and 2 minus that in batches of 256 (dopri5 still takes its steps from the whole batch's error)",
        needs=("runs", "evaluations:batch_size"), where={"model.norm": "ta_bn"}, epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="noise-harms-mini-batch", statement="One noisy image in each test batch harms mini-batch statistics.",
        source="Zheng 2024, Figure 3 (middle)", study="zheng2024/noise", statistic=statistics.loss_by_noise, holds=above(0.02),
        measure="accuracy on clean images minus that with noise (the noisy images alone cost up to 1/256)",
        needs=("runs", "evaluations:noise"), where={"model.norm": "mini_batch"}, epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="noise-spares-ta-bn", statement="One noisy image in each test batch does not harm TA-BN.",
        source="Zheng 2024, Figure 3 (middle)", study="zheng2024/noise", statistic=statistics.loss_by_noise, holds=below(0.01),
        measure="accuracy on clean images minus that with noise (the noisy images alone cost up to 1/256)",
        needs=("runs", "evaluations:noise"), where={"model.norm": "ta_bn"}, epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="statistics-vary-with-time", statement="The statistics of a layer's output change with t.",
        source="Zheng 2024, Figure 3 (right)", study="zheng2024/curves", statistic=statistics.swing_in_time, holds=above(0.1),
        measure="largest minus smallest over t, of the mean in standard deviations, of the variance relative to its mean, first layer",
        needs=("runs", "probe_layer_statistics:figure3"), where={"data": "CIFAR-10", "norm": "ta_bn"}, epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="ta-bn-helps-other-families", statement="TA-BN improves augmented and second-order neural ODEs.",
        source="Zheng 2024, Table 2", study="zheng2024/table2", statistic=_gains, holds=above(0.0),
        measure="accuracy with TA-BN minus without", epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="ta-bn-helps-sonode-most", statement="Of the three families SONODE gains by far the most (.302 to .853).",
        source="Zheng 2024, Table 2", study="zheng2024/table2", statistic=_sonode_gains_most, holds=above(0.1),
        measure="SONODE's gain by TA-BN minus that of each other family", epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="ta-bn-best-under-each-solver", statement="TA-BN is the best of the four under Euler and under dopri5.",
        source="Zheng 2024, Table 4", study="zheng2024/table4", statistic=_best_under_each_solver, holds=above(0.0),
        measure="accuracy of TA-BN minus that of each other norm", epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="grid-of-100-beats-coarser", statement="A grid of 100 intervals is better than one of 10 or 50.",
        source="Zheng 2024, Table 5", study="zheng2024/table5", statistic=partial(_grid_sizes, first=100, seconds=(10, 50)), holds=above(0.0),
        measure="difference of accuracy", where={"model.norm.grid_size": (10, 50, 100)}, epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="grid-of-500-no-better", statement="A grid of 500 intervals is no better than one of 100.",
        source="Zheng 2024, Table 5", study="zheng2024/table5", statistic=partial(_grid_sizes, first=500, seconds=(100,)), holds=below(0.005),
        measure="difference of accuracy", where={"model.norm.grid_size": (100, 500)}, epochs=EPOCHS,
    ),
    Claim(
        paper=PAPER, key="interpolations-alike", statement="All four interpolations are alike on CIFAR-10.",
        source="Zheng 2024, Figure 7", study="zheng2024/interpolation", holds=within(-0.02, 0.02), epochs=EPOCHS,
        statistic=partial(_linear_minus, others=("cubic_spline", "kernel", "gaussian_process")),
        measure="accuracy of linear minus that of each other", where={"data": "CIFAR-10"},
    ),
    Claim(
        paper=PAPER, key="linear-as-good-as-kernel", statement="On CIFAR-100 linear is as good as kernel interpolation, with 6 and with 18 layers.",
        source="Zheng 2024, Figure 10 (a) to (c)", study="zheng2024/interpolation", holds=above(-0.02), epochs=EPOCHS,
        statistic=partial(_linear_minus, others=("kernel",), apart_by="model.backbone"), measure="accuracy of linear minus that of kernel",
        where={"data": "CIFAR-100"},
    ),
    Claim(
        paper=PAPER, key="linear-is-cheapest", statement="Linear interpolation takes the least time per training step.",
        source="Zheng 2024, Figure 10 (d)", study="zheng2024/interpolation", statistic=statistics.slower, holds=above(0.0),
        measure="time per step relative to linear's, minus 1, of runs alone on their machine", where={"data": "CIFAR-10"}, epochs=EPOCHS,
    ),
)  # fmt: skip
