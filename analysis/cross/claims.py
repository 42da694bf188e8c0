"""The hypotheses of the cross grid.

They say what the papers' statements imply when normalization, solver and depth are crossed. Failed
runs are in no mean, and unresolved nets have no gap. A claim about means is therefore about the
nets that have one.
"""

from functools import partial

from analysis.claims.claim import Claim, Evidence, above, below, within
from analysis.claims.statistic import (
    Best,
    Difference,
    Each,
    Quantity,
    Share,
    differences,
    mean,
    of_runs,
    order,
)
from analysis.cross import gaps, grid, smoothness
from analysis.cross.dependence import THRESHOLD
from analysis.cross.grid import STUDY
from analysis.cross.smoothness import MAX_DROP
from analysis.rows.data import COMPLETED

NORMS = ("none", "batch", "mini_batch", "layer", "group", "weight", "spectral", "ta_bn")
# Gusak 2020, Table 1, and its nets "accurate" in Figure 1: all but batch norm.
GUSAK_NORMS = ("layer", "none", "spectral", "weight", "batch")
ACCURATE_NORMS = GUSAK_NORMS[:-1]
SOLVERS = tuple(grid.SOLVERS)
DEPTH = "model.backbone"
DEPTHS = ("cnn4", "cnn6", "cnn8", "cnn10", "cnn12", "unet18")

ACCURACY = of_runs("accuracy_test")
GAP = Quantity(gaps.rows, gaps.GAP, gaps.NEEDS)
GAP_SIZE = Quantity(gaps.rows, gaps.SIZE, gaps.NEEDS)
DROP = Quantity(smoothness.drops, "drop", smoothness.NEEDS)
COARSE_MINUS_FINE = Difference({"solver": "euler2"}, {"solver": "euler32"})
GAIN = "difference of test accuracy, paired by seed"
OVER_DEPTHS = "mean over depths"
FAILED = "share of runs that diverged or whose solver failed"
claim = partial(Claim, "cross", evidence=Evidence(seeds=6, epochs=128))
CLAIMS = (
    claim(
        "ta-bn-gains-with-depth",
        "With TA-BN 18 layers are more accurate than 4 under every training solver.",
        "Zheng 2024, Figure 6 (Dopri5), here for five solvers",
        STUDY,
        ACCURACY,
        Each("solver", Difference({DEPTH: "unet18"}, {DEPTH: "cnn4"}), SOLVERS),
        above(0.0),
        f"18 minus 4 layers: {GAIN}",
        {"norm": "ta_bn", DEPTH: ("cnn4", "unet18")},
    ),
    claim(
        "ta-bn-gains-at-each-depth",
        "With TA-BN and Dopri5 accuracy rises from each depth to the next, up to 18 layers.",
        "Zheng 2024, Figure 6",
        STUDY,
        ACCURACY,
        order(DEPTH, *DEPTHS[::-1]),
        above(0.0),
        f"each depth minus the one before: {GAIN}",
        {"norm": "ta_bn", "solver": "dopri5"},
    ),
    claim(
        "no-norm-fails-deep",
        "Without normalization nets of 12 and 18 layers fail to train with Dopri5.",
        "Zheng 2024, Figure 6",
        STUDY,
        ACCURACY,
        Share(),
        above(0.5),
        FAILED,
        {"norm": "none", "solver": "dopri5", DEPTH: DEPTHS[-2:]},
    ),
    claim(
        "no-norm-trains-shallow",
        "Without normalization nets of up to 10 layers train with Dopri5.",
        "Zheng 2024, Figure 6",
        STUDY,
        ACCURACY,
        Share(),
        below(0.5),
        FAILED,
        {"norm": "none", "solver": "dopri5", DEPTH: DEPTHS[:4]},
    ),
    claim(
        "ta-bn-always-trains",
        "With TA-BN nets train at every depth under every solver.",
        "Zheng 2024, Figure 6 and Table 4, here for all solvers",
        STUDY,
        ACCURACY,
        Share(),
        below(0.1),
        FAILED,
        {"norm": "ta_bn"},
    ),
    claim(
        "order-at-18-layers",
        "At 18 layers with Dopri5 TA-BN is above mini-batch batch norm, "
        "and that above batch norm with one running statistic (Pop-TI).",
        "Zheng 2024, main table, CIFAR-10",
        STUDY,
        ACCURACY,
        order("norm", "ta_bn", "mini_batch", "batch"),
        above(0.0),
        GAIN,
        {"norm": ("ta_bn", "mini_batch", "batch"), "solver": "dopri5", DEPTH: "unet18"},
    ),
    claim(
        "ta-bn-best-under-each-solver",
        "At 8 layers TA-BN is above no normalization, Pop-TI and mini-batch batch norm "
        "under every training solver.",
        "Zheng 2024, Table 4 (Euler and Dopri5), here for five solvers",
        STUDY,
        ACCURACY,
        Each("solver", Best("norm", "ta_bn"), SOLVERS),
        above(0.0),
        GAIN,
        {"norm": ("none", "batch", "mini_batch", "ta_bn"), DEPTH: "cnn8"},
    ),
    claim(
        "pop-ti-below-at-test",
        "At test Pop-TI batch norm is below mini-batch batch norm and TA-BN "
        "under every training solver.",
        "Zheng 2024, main table and Table 4; Gusak 2020, Table 1",
        STUDY,
        ACCURACY,
        Each(
            "solver",
            differences("norm", [("mini_batch", "batch"), ("ta_bn", "batch")]),
            SOLVERS,
        ),
        above(0.0),
        f"{GAIN}, {OVER_DEPTHS}",
        {"norm": ("batch", "mini_batch", "ta_bn")},
    ),
    claim(
        "batch-norm-far-below",
        "With 8 Euler steps batch norm (Pop-TI) is more than .1 below layer, weight, spectral "
        "and no normalization.",
        "Gusak 2020, Table 1 (.762 against .925 to .930)",
        STUDY,
        ACCURACY,
        differences("norm", ((norm, "batch") for norm in ACCURATE_NORMS)),
        above(0.1),
        f"{GAIN}, {OVER_DEPTHS}",
        {"norm": GUSAK_NORMS, "solver": "euler8"},
    ),
    claim(
        "layer-norm-best-of-gusaks",
        "With 8 Euler steps layer norm is above no normalization, weight, spectral and batch norm.",
        "Gusak 2020, Table 1",
        STUDY,
        ACCURACY,
        Best("norm", "layer"),
        above(0.0),
        f"{GAIN}, {OVER_DEPTHS}",
        {"norm": GUSAK_NORMS, "solver": "euler8"},
    ),
    claim(
        "own-accuracy-independent-of-step",
        "Tested with their own solver, nets trained with 2 and with 32 Euler steps are equally "
        "accurate, whatever the normalization.",
        "Ott 2021, Figure 4: no clear dependence on h where test and training solver agree",
        STUDY,
        ACCURACY,
        Each("norm", COARSE_MINUS_FINE, NORMS),
        within(-MAX_DROP, MAX_DROP),
        f"2 minus 32 steps: {GAIN}, {OVER_DEPTHS}",
        {"solver": ("euler2", "euler32")},
    ),
    claim(
        "coarse-nets-depend-on-their-solver",
        "Nets trained with 2 Euler steps lose more than .1 of accuracy under the reference "
        "solution, whatever the normalization.",
        "Ott 2021, Figure 4, for nets without norm; that it holds whatever the norm "
        "is this project's hypothesis (batch norm falls by .02 only in Gusak 2020, Figure 1)",
        STUDY,
        GAP,
        Each("norm", mean, NORMS),
        below(-THRESHOLD),
        f"solver gap, {OVER_DEPTHS}",
        {"solver": "euler2"},
    ),
    claim(
        "fine-nets-do-not",
        "Nets trained with 32 Euler steps change by less than .1 under the reference solution, "
        "whatever the normalization.",
        "Ott 2021, Table 1: on CIFAR-10 the critical number of Euler steps is between 16 and 32",
        STUDY,
        GAP_SIZE,
        Each("norm", mean, NORMS),
        below(THRESHOLD),
        f"size of the solver gap, {OVER_DEPTHS}",
        {"solver": "euler32"},
    ),
    claim(
        "gap-shrinks-with-steps",
        "The solver gap is smaller after training with 32 Euler steps than with 2, "
        "whatever the normalization.",
        "Ott 2021, Figure 4",
        STUDY,
        GAP_SIZE,
        Each("norm", COARSE_MINUS_FINE, NORMS),
        above(0.0),
        f"size of the gap, 2 minus 32 steps, paired by net, {OVER_DEPTHS}",
        {"solver": ("euler2", "euler32")},
    ),
    claim(
        "layer-norm-fine-gap",
        "Layer norm nets trained with 32 Euler steps lose at most .03 under the reference "
        "solution, at every depth.",
        "Gusak 2020, Figure 1: with layer norm nets trained with 16 and 32 Euler steps are smooth",
        STUDY,
        GAP,
        Each(DEPTH, mean, DEPTHS),
        above(-MAX_DROP),
        "solver gap",
        {"norm": "layer", "solver": "euler32"},
    ),
    claim(
        "two-steps-never-smooth",
        "Trained with 2 Euler steps no accurate net (layer, weight, spectral, no normalization) "
        "meets the (S, n)-criterion.",
        "Gusak 2020, Figure 1",
        STUDY,
        DROP,
        Each("norm", mean, ACCURATE_NORMS),
        above(MAX_DROP),
        f"largest loss under n > 2 evaluations, {OVER_DEPTHS}",
        {"norm": ACCURATE_NORMS, "solver": "euler2"},
    ),
    claim(
        "layer-norm-smooth-at-32-steps",
        "Trained with 32 Euler steps layer norm nets meet the (S, n)-criterion.",
        "Gusak 2020, Figure 1",
        STUDY,
        DROP,
        Each("norm", mean, ("layer",)),
        below(MAX_DROP),
        f"largest loss under n > 32 evaluations, {OVER_DEPTHS}",
        {"norm": "layer", "solver": "euler32"},
    ),
    claim(
        "ta-bn-and-group-norm-smooth-at-32-steps",
        "Trained with 32 Euler steps TA-BN and group norm nets meet the (S, n)-criterion "
        "as layer norm nets do.",
        "this project's hypothesis, after Gusak 2020, Figure 1",
        STUDY,
        DROP,
        Each("norm", mean, ("ta_bn", "group")),
        below(MAX_DROP),
        f"largest loss under n > 32 evaluations, {OVER_DEPTHS}",
        {"norm": ("ta_bn", "group"), "solver": "euler32"},
    ),
    claim(
        "dopri5-nets-are-resolved",
        "The reference solution exists within its cap for nets trained with Dopri5, "
        "whatever the normalization.",
        "this project's hypothesis: what an adaptive solver trained, a finer one can solve",
        STUDY,
        GAP,
        Share(gaps.UNRESOLVED, (COMPLETED, gaps.UNRESOLVED), "of trained nets"),
        below(0.1),
        "share of trained nets that are unresolved",
        {"solver": "dopri5"},
    ),
)
