"""The claims of Zheng 2024.

Depth, order of the norms, test batches, statistics over time, solvers, grid of times,
interpolations.
"""

from functools import partial

from analysis.claims.claim import Claim, Evidence, above, below, within
from analysis.claims.statistic import (
    At,
    Best,
    Difference,
    Each,
    Excess,
    Quantity,
    Share,
    differences,
    mean,
    order,
)
from analysis.rows.stats import DIFFERENCE, SHARE
from analysis.zheng2024 import interpolations, quantities
from analysis.zheng2024.quantities import RUNS
from analysis.zheng2024.table1 import FAMILIES

claim = partial(Claim, "zheng2024", evidence=Evidence(seeds=5, epochs=128))
NORM, BACKBONE, GRID_SIZE = "model.norm", "model.backbone", "model.norm.grid_size"
INTERPOLATION = "model.norm.interpolation"
DEEP = ("cnn12", "unet18")
SHALLOW = {"4 and 6 layers": ("cnn4", "cnn6"), "8 and 10 layers": ("cnn8", "cnn10")}
FOUR_SETS = ("CIFAR-10", "SVHN", "CIFAR-100", "Tiny-ImageNet")
ON_MNIST = {"data": "MNIST", BACKBONE: "cnn4"}
BATCH_SIZES = Quantity(quantities.by_batch_size, "accuracy", ("runs", "evaluations:batch_size"))
NOISE = Quantity(quantities.loss_by_noise, needs=("runs", "evaluations:noise"), within=DIFFERENCE)
LAST = Quantity(quantities.last_accuracy, needs=("runs", "epochs"), within=SHARE)
GAINS = Quantity(quantities.gains, within=DIFFERENCE)
SECONDS = Quantity(interpolations.timed, "seconds_per_step")
CLAIMS = (
    claim(
        "deep-nets-without-norm-fail",
        "Without batch norm, nets of 12 and 18 layers fail to train: "
        "stacking layers is not enough.",
        "Zheng 2024, Figures 1 and 6, introduction",
        "zheng2024/depth",
        RUNS,
        Share(),
        above(0.5),
        "share of the runs with 12 or 18 layers that fail",
        {BACKBONE: DEEP, NORM: "none"},
    ),
    claim(
        "shallow-nets-without-norm-train",
        "Without batch norm, nets of up to about 10 layers train.",
        "Zheng 2024, Figures 1 and 6",
        "zheng2024/depth",
        RUNS,
        # In two groups: a single depth's five runs could not show a share below one half.
        {name: At({BACKBONE: nets}, Share()) for name, nets in SHALLOW.items()},
        below(0.5),
        "share of runs that fail",
        {BACKBONE: ("cnn4", "cnn6", "cnn8", "cnn10"), NORM: "none"},
    ),
    claim(
        "deep-nets-with-ta-bn-train",
        "With TA-BN, nets of 12 and 18 layers train.",
        "Zheng 2024, Figures 1 and 6",
        "zheng2024/depth",
        RUNS,
        Share(),
        below(0.5),
        "share of the runs with 12 or 18 layers that fail",
        {BACKBONE: DEEP, NORM: "ta_bn"},
    ),
    claim(
        "deeper-is-better-with-ta-bn",
        "With TA-BN accuracy rises with every step of depth up to 18 layers.",
        "Zheng 2024, Figure 6",
        "zheng2024/depth",
        RUNS,
        order(BACKBONE, "unet18", "cnn12", "cnn10", "cnn8", "cnn6", "cnn4"),
        above(0.0),
        "difference of accuracy between neighbouring depths",
        {NORM: "ta_bn"},
    ),
    claim(
        "ta-bn-reaches-91-percent",
        "TA-BN with 18 layers reaches .910 on CIFAR-10 (± .010 as printed; abstract: 91.1 %).",
        "Zheng 2024, Table 1 and abstract",
        "zheng2024/main",
        RUNS,
        mean,
        above(0.900),
        "test accuracy after the last epoch",
        {"data": "CIFAR-10", NORM: "ta_bn", BACKBONE: "unet18"},
        at_any_scale=False,
    ),
    *(
        claim(
            f"order-of-norms-{data.lower().replace('cifar-', 'cifar')}",
            f"On {data} TA-BN is better than mini-batch, and that than Pop-TI batch norm.",
            "Zheng 2024, Table 1",
            "zheng2024/main",
            RUNS,
            order(NORM, "ta_bn", "mini_batch", "batch"),
            above(0.0),
            "difference of accuracy between neighbours",
            {"data": data, NORM: ("ta_bn", "mini_batch", "batch"), BACKBONE: "unet18"},
        )
        for data in FOUR_SETS
    ),
    claim(
        "ta-bn-above-no-norm",
        "With 18 layers TA-BN is better than no normalization on CIFAR-10, SVHN and CIFAR-100.",
        "Zheng 2024, Table 1",
        "zheng2024/main",
        LAST,
        Each("data", differences(NORM, [("ta_bn", "none")]), FOUR_SETS[:3]),
        above(0.0),
        "difference of accuracy after the last epoch that was finished",
        {"data": FOUR_SETS[:3], NORM: ("none", "ta_bn"), BACKBONE: "unet18"},
    ),
    claim(
        "no-norm-fails-on-tiny-imagenet",
        "Without normalization the net of 18 layers fails to train on Tiny-ImageNet.",
        "Zheng 2024, Table 1",
        "zheng2024/main",
        RUNS,
        # All of five give 0.48 to 1, none of five 0 to 0.52: only more seeds could contradict it.
        Share(),
        above(0.4),
        "share of runs that fail",
        {"data": "Tiny-ImageNet", NORM: "none", BACKBONE: "unet18"},
    ),
    claim(
        "norms-do-not-help-on-mnist",
        "On MNIST no normalization helps: none gains .002, twice the printed deviation.",
        "Zheng 2024, Table 1",
        "zheng2024/main",
        RUNS,
        differences(NORM, ((norm, "none") for norm in ("batch", "mini_batch", "ta_bn"))),
        below(0.002),
        "accuracy minus that without norm",
        ON_MNIST,
        # Norms train faster, so shorter training favours them: here and in the next claim.
        at_any_scale=False,
    ),
    claim(
        "no-norm-is-best-on-mnist",
        "On MNIST the net without normalization is the best of the four norms (the table taken "
        "literally; two other families stand above it).",
        "Zheng 2024, Table 1",
        "zheng2024/main",
        RUNS,
        Best(NORM, "none"),
        above(0.0),
        "accuracy without norm minus that of each norm",
        ON_MNIST,
        at_any_scale=False,
    ),
    *(
        claim(
            f"ta-bn-above-other-families{suffix}",
            f"On {data} TA-BN {net} is better than the other families of neural ODEs{printed}.",
            "Zheng 2024, Table 1 and Figure 4",
            ("zheng2024/main", "zheng2024/baselines"),
            Quantity(partial(quantities.families, data, backbone), within=SHARE),
            Best("family", "TA-BN", "{1}"),
            above(0.0),
            "difference of accuracy after the last epoch",
            # Each study lacks the axes of the other.
            {
                "data": ("", data),
                NORM: ("", "ta_bn"),
                BACKBONE: ("", backbone),
                "baseline": ("", *(f"{family}, {data}" for family in families)),
            },
            evidence=Evidence(seeds=5),
        )
        for suffix, data, backbone, families, net, printed in (
            ("", "CIFAR-10", "unet18", FAMILIES, "with 18 layers", ""),
            (
                "-small",
                "CIFAR-10",
                "cnn4",
                FAMILIES,
                "with 4 layers",
                ", with fewer parameters than four of them",
            ),
            ("-svhn", "SVHN", "cnn6", FAMILIES[-2:], "with 6 layers", " (.953 against .835, .841)"),
            (
                "-mnist",
                "MNIST",
                "cnn6",
                FAMILIES,
                "with 6 layers",
                " (the table has .988, but .992 of 2nd-Ord)",
            ),
        )
    ),
    claim(
        "pop-ti-is-erratic",
        "Pop-TI batch norm's test accuracy is erratic from epoch to epoch, unlike the others'.",
        "Zheng 2024, Figure 3 (left)",
        "zheng2024/curves",
        Quantity(quantities.roughness, needs=("runs", "epochs"), within=SHARE),
        differences("norm", (("batch", other) for other in ("mini_batch", "ta_bn"))),
        above(0.01),
        "mean absolute change of accuracy per epoch in the second half, minus that of the others",
        {"data": "CIFAR-10", "norm": ("batch", "mini_batch", "ta_bn")},
    ),
    claim(
        "mini-batch-degrades-in-curves",
        "Mini-batch statistics lose accuracy in test batches of 2 (18 layers).",
        "Zheng 2024, Figure 3 (left)",
        "zheng2024/curves",
        Quantity(
            quantities.loss_in_batches_of_2,
            needs=("runs", "probe_series:figure3"),
            within=DIFFERENCE,
        ),
        mean,
        above(0.02),
        "accuracy in test batches of 256 minus that of the first 1,000 images in batches of 2",
        {"data": "CIFAR-10", "norm": "mini_batch"},
    ),
    claim(
        "mini-batch-degrades-in-batches-of-2",
        "Mini-batch statistics lose accuracy in test batches of 2 (6 layers).",
        "Zheng 2024, Figure 3 (left), there with 18 layers",
        "zheng2024/noise",
        BATCH_SIZES,
        differences("batch_size", [(2, 256)]),
        below(-0.02),
        "accuracy in test batches of 2 minus that in batches of 256",
        {NORM: "mini_batch"},
    ),
    claim(
        "ta-bn-independent-of-test-batch",
        "TA-BN's accuracy does not depend on the size of the test batch.",
        "Zheng 2024, Figure 3 (left)",
        "zheng2024/noise",
        BATCH_SIZES,
        differences("batch_size", [(1, 256), (2, 256)]),
        within(-0.005, 0.005),
        "accuracy in test batches of 1 and 2 minus that in batches of 256 "
        "(dopri5 still takes its steps from the whole batch's error)",
        {NORM: "ta_bn"},
    ),
    claim(
        "noise-harms-mini-batch",
        "One noisy image in each test batch harms mini-batch statistics.",
        "Zheng 2024, Figure 3 (middle)",
        "zheng2024/noise",
        NOISE,
        mean,
        above(0.02),
        "accuracy on clean images minus that with noise (the noisy images alone cost up to 1/256)",
        {NORM: "mini_batch"},
    ),
    claim(
        "noise-spares-ta-bn",
        "One noisy image in each test batch does not harm TA-BN.",
        "Zheng 2024, Figure 3 (middle)",
        "zheng2024/noise",
        NOISE,
        mean,
        below(0.01),
        "accuracy on clean images minus that with noise (the noisy images alone cost up to 1/256)",
        {NORM: "ta_bn"},
    ),
    claim(
        "statistics-vary-with-time",
        "The statistics of a layer's output change with t.",
        "Zheng 2024, Figure 3 (right)",
        "zheng2024/curves",
        Quantity(quantities.swing_in_time, needs=("runs", "probe_layer_statistics:figure3")),
        Each("statistic", mean, ("mean", "variance")),
        above(0.1),
        "largest minus smallest over t, of the mean in standard deviations, "
        "of the variance relative to its mean, first layer",
        {"data": "CIFAR-10", "norm": "ta_bn"},
    ),
    claim(
        "ta-bn-helps-other-families",
        "TA-BN improves augmented and second-order neural ODEs.",
        "Zheng 2024, Table 2",
        "zheng2024/table2",
        GAINS,
        Each("family", mean, ("Aug-NODE", "HBNODE", "SONODE")),
        above(0.0),
        "accuracy with TA-BN minus without",
    ),
    claim(
        "ta-bn-helps-sonode-most",
        "Of the three families SONODE gains by far the most (.302 to .853).",
        "Zheng 2024, Table 2",
        "zheng2024/table2",
        GAINS,
        differences("family", (("SONODE", other) for other in ("Aug-NODE", "HBNODE"))),
        above(0.1),
        "SONODE's gain by TA-BN minus that of each other family",
    ),
    claim(
        "ta-bn-best-under-each-solver",
        "TA-BN is the best of the four under Euler and under dopri5.",
        "Zheng 2024, Table 4",
        "zheng2024/table4",
        RUNS,
        Each("solver", Best(NORM, "ta_bn"), ("euler", "dopri5")),
        above(0.0),
        "accuracy of TA-BN minus that of each other norm",
    ),
    claim(
        "grid-of-100-beats-coarser",
        "A grid of 100 intervals is better than one of 10 or 50.",
        "Zheng 2024, Table 5",
        "zheng2024/table5",
        RUNS,
        differences(GRID_SIZE, [(100, 10), (100, 50)], "M = {} - M = {}"),
        above(0.0),
        "difference of accuracy",
        {GRID_SIZE: (10, 50, 100)},
    ),
    claim(
        "grid-of-500-no-better",
        "A grid of 500 intervals is no better than one of 100.",
        "Zheng 2024, Table 5",
        "zheng2024/table5",
        RUNS,
        differences(GRID_SIZE, [(500, 100)], "M = {} - M = {}"),
        below(0.005),
        "difference of accuracy",
        {GRID_SIZE: (100, 500)},
    ),
    claim(
        "interpolations-alike",
        "All four interpolations are alike on CIFAR-10.",
        "Zheng 2024, Figure 7",
        "zheng2024/interpolation",
        RUNS,
        differences(
            INTERPOLATION,
            (("linear", other) for other in ("cubic_spline", "kernel", "gaussian_process")),
        ),
        within(-0.02, 0.02),
        "accuracy of linear minus that of each other",
        {"data": "CIFAR-10"},
    ),
    claim(
        "linear-as-good-as-kernel",
        "On CIFAR-100 linear is as good as kernel interpolation, with 6 and with 18 layers.",
        "Zheng 2024, Figure 10 (a) to (c)",
        "zheng2024/interpolation",
        RUNS,
        Each(BACKBONE, differences(INTERPOLATION, [("linear", "kernel")])),
        above(-0.02),
        "accuracy of linear minus that of kernel",
        {"data": "CIFAR-100"},
    ),
    claim(
        "linear-is-cheapest",
        "Linear interpolation takes the least time per training step.",
        "Zheng 2024, Figure 10 (d)",
        "zheng2024/interpolation",
        SECONDS,
        {
            other: Excess({INTERPOLATION: other}, {INTERPOLATION: "linear"})
            for other in ("cubic_spline", "kernel", "gaussian_process")
        },
        above(0.0),
        "time per step relative to linear's, minus 1, of runs alone on their machine",
        {"data": "CIFAR-10"},
    ),
    claim(
        "mirroring-changes-little",
        "Mirroring TA-BN's interpolation, as the code does, changes accuracy by less than a point.",
        "Zheng 2024, code",
        "zheng2024/quirks",
        RUNS,
        Each("start", differences("quirk", [("mirrored", "none")])),
        within(-0.01, 0.01),
        "change of accuracy by adding it to the printed form, and by taking it from the released",
        {"quirk": ("none", "mirrored")},
    ),
    claim(
        "last-relu-costs-accuracy",
        "The ReLU after the last layer, by which the state only grows, costs accuracy.",
        "Zheng 2024, code",
        "zheng2024/quirks",
        RUNS,
        {
            "printed": Difference(
                {"start": "printed", "quirk": "none"}, {"start": "printed", "quirk": "last_relu"}
            ),
            "released": Difference(
                {"start": "released", "quirk": "last_relu"}, {"start": "released", "quirk": "none"}
            ),
        },
        above(0.0),
        "accuracy without it minus that with it",
        {"quirk": ("none", "last_relu")},
    ),
    claim(
        "fallback-decides-failures",
        "The Euler fallback decides which deep nets without norm count as failures.",
        "Zheng 2024, code",
        "zheng2024/depth",
        Quantity(quantities.saved_by_euler, within=SHARE),
        mean,
        above(0.5),
        "share of released runs with 12 or 18 layers that completed with repeated solves only",
        {"variant": "released", BACKBONE: DEEP, NORM: "none"},
    ),
)
