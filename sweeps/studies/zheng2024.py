"""The grids of Zheng, Gao et al. (2024), Temporal Adaptive Batch Normalization.

Does batch normalization that depends on time make deep neural ODEs trainable?
"""

from collections.abc import Mapping
from typing import Any

from sweeps.studies.scales import limited, small_images, smoke_images
from sweeps.studies.zheng2024_released import (
    quirk_axis,
    released,
    released_table2,
    variants,
)
from sweeps.study import EvaluationGrid, Exclude, ProbeGrid, Scale, Study

DATA: dict[str, dict[str, Any]] = {
    "MNIST": {"data": {"name": "mnist", "standardize": "channel"}},
    "CIFAR-10": {"data": {"name": "cifar10", "standardize": "channel", "augment": "crop4_flip"}},
    "SVHN": {"data": {"name": "svhn", "standardize": "channel"}},
    "CIFAR-100": {"data": {"name": "cifar100", "standardize": "channel", "augment": "crop4_flip"}},
    "Tiny-ImageNet": {
        "data": {"name": "tiny-imagenet", "standardize": "channel", "augment": "crop8_flip"}
    },
}
NORMS = ("none", "batch", "mini_batch", "ta_bn")
BACKBONES = ("cnn4", "cnn6", "cnn8", "cnn10", "cnn12", "unet18")
# 1,000 steps of dopri5. A solve that needs more has failed; the paper has no such limit.
MAX_EVALUATIONS = 6_002
DOPRI5 = {"name": "dopri5", "tolerance": 1e-3, "max_evaluations": MAX_EVALUATIONS}
BASE: dict[str, Any] = {
    **DATA["CIFAR-10"],
    "model": {"name": "unmixed_node"},
    "solver": DOPRI5,
    "gradient": {"name": "adjoint"},
    "train": {"optimizer": {"name": "adamw", "lr": 1e-3}, "batch_size": 256, "epochs": 128},
}
FIDELITY = (
    "Left open by the paper and chosen here: constant learning rate, weight decay 0.01 (not on "
    "TA-BN's grid, which has the paper's penalty with "
    "weight 1e-4), channel standardization, crop and flip on CIFAR and Tiny-ImageNet, rtol = atol, "
    "momentum 0.1 of the running statistics, 5 seeds. "
    "Equation (4) of the slides takes mean and variance from the grid; in training they are the "
    "mini-batch's, as the paper says and the code does. A solve that needs more than "
    f"{MAX_EVALUATIONS:,} evaluations has failed, which decides what counts as a failure. "
    "Variant `released` has the net, the TA-BN and the recipe of the authors' code."
)
PAPER = "Paper scale: 128 epochs, 5 seeds."
GENERATED = {"data.source": "generated"}


def _study(name: str, title: str, question: str, expected: str, **rest: Any) -> Study:
    based = {**BASE, **rest.pop("base", {})}
    return Study(
        name=f"zheng2024/{name}",
        paper="Zheng 2024",
        title=title,
        question=question,
        expected=expected,
        fidelity=rest.pop("fidelity", FIDELITY),
        base=based,
        seeds=range(5),
        **rest,
    )


def _smoke(overrides: Mapping[str, Any] | None = None, **rest: Any) -> Scale:
    return smoke_images(
        {"solver.tolerance": 0.1, "train.batch_size": 4, **(overrides or {})}, images=8, **rest
    )


def _not_in_the_table(cell: Mapping[str, Any]) -> bool:
    """TA-BN has a small and a large net, every other norm one (Zheng 2024, main table).

    Backbones are those of the printed sizes; on MNIST the released small net is the MLP.
    """
    on_mnist = "mlp" if cell["variant"] == "released" else "cnn4"
    small = {"MNIST": on_mnist, "CIFAR-10": "cnn4"}.get(cell["data"], "cnn6")
    large = "cnn6" if cell["data"] == "MNIST" else "unet18"
    others = on_mnist if cell["data"] == "MNIST" else "unet18"
    return cell["model.backbone"] not in (
        (small, large) if cell["model.norm"] == "ta_bn" else (others,)
    )


# How the statistics of the first layer change with time (Zheng 2024, Figure 3 right).
STATISTICS_SOLVER = {"name": "dopri5", "tolerance": 1e-3}
MAIN = _study(
    "main",
    "Normalization on five data sets",
    "Is TA-BN better than no batch norm, Pop-TI and mini-batch batch norm, and by how much?",
    "On CIFAR-10, SVHN, CIFAR-100 and Tiny-ImageNet TA-BN is above mini-batch and mini-batch above "
    "Pop-TI. On MNIST TA-BN does not help (Zheng 2024, main table).",
    fidelity=f"{FIDELITY} The printed sizes are names of backbones taken from CIFAR-10: MNIST has "
    "CNN-4 (37k) and CNN-6 (220k).",
    grid={
        "data": DATA,
        "model.norm": NORMS,
        "model.backbone": ("cnn4", "cnn6", "unet18", "mlp"),
        **variants(),
    },
    exclude=(
        Exclude(
            "the table has one net per data set and norm, and for TA-BN a small and a large one",
            when=_not_in_the_table,
        ),
    ),
    scales={
        "paper": Scale(PAPER),
        "small": small_images(10, axes={"data": ("MNIST", "CIFAR-10")}),
        "smoke": _smoke(
            GENERATED,
            axes={
                "data": ("MNIST", "Tiny-ImageNet"),
                "model.norm": NORMS,
                "model.backbone": ("cnn4", "cnn6", "unet18", "mlp"),
            },
        ),
    },
)
DEPTH = _study(
    "depth",
    "Depth with and without TA-BN on CIFAR-10",
    "Up to which depth does a neural ODE train, without normalization and with TA-BN?",
    "Without batch norm nets with up to about 10 layers train, 12 and 18 fail. With TA-BN accuracy "
    "rises with depth up to 18 layers (Zheng 2024, Figure 6).",
    grid={"model.backbone": BACKBONES, "model.norm": ("none", "ta_bn"), **variants()},
    scales={
        "paper": Scale(PAPER),
        "small": small_images(10, axes={"model.backbone": ("cnn4", "cnn6", "cnn8")}),
        "smoke": _smoke(axes={"model.backbone": BACKBONES}),
    },
)
BATCH_OF_2 = ProbeGrid("figure3", "series", where={"norm": "mini_batch"})
CURVES = _study(
    "curves",
    "Test accuracy by epoch of four norms on four data sets",
    "How do the norms behave during training, and how do mini-batch statistics behave in test "
    "batches of two?",
    "Pop-TI's test curve is erratic. Mini-batch batch norm degrades at test batches of 2. TA-BN "
    "rises steadily (Zheng 2024, Figures 3 left and 5).",
    grid={
        "data": {name: DATA[name] for name in ("CIFAR-10", "SVHN", "CIFAR-100", "Tiny-ImageNet")},
        "norm": {
            "none": {"model.norm": "none"},
            "batch": {"model.norm": "batch"},
            # On the first 1,000 images: whole test sets in batches of two would cost more than the
            # training.
            "mini_batch": {
                "model.norm": "mini_batch",
                "train.also_test": [{"label": "batch_of_2", "batch_size": 2, "limit": 1_000}],
            },
            "ta_bn": {"model.norm": "ta_bn"},
        },
        **variants(),
    },
    base={"model.backbone": "unet18"},
    probes=(
        ProbeGrid("figure3", "layer_statistics", solver=STATISTICS_SOLVER, where={"norm": "ta_bn"}),
        BATCH_OF_2,
    ),
    scales={
        "paper": Scale(PAPER),
        "small": small_images(5, {"model.backbone": "cnn6"}, axes={"data": ("CIFAR-10",)}),
        "smoke": _smoke(
            {**GENERATED, "model.backbone": "cnn6"},
            axes={"data": ("CIFAR-10", "Tiny-ImageNet"), "norm": NORMS},
            probes=(
                ProbeGrid(
                    "figure3",
                    "layer_statistics",
                    solver={"name": "dopri5", "tolerance": 0.1},
                    where={"norm": "ta_bn"},
                    settings={"samples": 8},
                ),
                BATCH_OF_2,
            ),
        ),
    },
)
NOISY = [{"label": "noisy", "noise": "one_image"}]
# The released code has its noise in the data themselves, in training too; its level is not known.
NOISE_LEVEL = 50.0
NOISY_CURVES = (ProbeGrid("figure3", "series", where={"variant": "printed"}),)


def _released_noise(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**released(values), "train.also_test": []}


ONE_IMAGE = EvaluationGrid("noise", settings={"noise": "one_image"}, where={"variant": "printed"})
NOISE = _study(
    "noise",
    "One noisy image in every test batch",
    "Does one bad image in a test batch harm the others?",
    "Mini-batch batch norm loses accuracy, TA-BN does not (Zheng 2024, Figure 3 middle).",
    fidelity=f"{FIDELITY} The paper does not say what noise: here one image of each batch becomes "
    "uniform noise of ten times the data's deviation. "
    f"As released, Gaussian noise of deviation {NOISE_LEVEL:.0f} is in the bytes of 10 % of all "
    "images.",
    grid={
        "model.norm": ("mini_batch", "ta_bn"),
        **variants(_released_noise),
        "images": {"clean": {}, "noisy": {"data.noise_level": NOISE_LEVEL}},
    },
    when={"images": {"variant": "released"}},
    base={"model.backbone": "cnn6", "train.also_test": NOISY},
    evaluations=(
        EvaluationGrid(
            "batch_size", settings={"batch_size": 1, "limit": 1_000}, where={"model.norm": "ta_bn"}
        ),
        EvaluationGrid("batch_size", settings={"batch_size": 2, "limit": 1_000}),
        EvaluationGrid("batch_size", settings={"batch_size": 256, "limit": 1_000}),
        ONE_IMAGE,
    ),
    probes=NOISY_CURVES,
    scales={
        "paper": Scale(PAPER),
        "small": small_images(10),
        "smoke": _smoke(
            evaluations=limited(
                8,
                EvaluationGrid("batch_size", settings={"batch_size": 2}),
                ONE_IMAGE,
            ),
            probes=NOISY_CURVES,
        ),
    },
)
TABLE2 = _study(
    "table2",
    "TA-BN inside other families of neural ODEs",
    "Does TA-BN help augmented and second-order neural ODEs?",
    "It helps all three, and SONODE most: .302 without, .853 with (Zheng 2024, Table 2).",
    fidelity=f"{FIDELITY} Augmented by 5 zero channels (not printed); velocities start at zero. As "
    "released, f is the U-Net, "
    "Aug-NODE has 6 channels in all, velocities start at the image, and Adam has no weight decay.",
    grid={
        "family": {
            "Aug-NODE": {"model": {"name": "augmented_node", "backbone": "cnn6", "channels": 5}},
            "HBNODE": {
                "model": {
                    "name": "second_order_node",
                    "backbone": "cnn6",
                    "dynamics": "hbnode",
                    "channels": 3,
                    "start": "zeros",
                }
            },
            "SONODE": {
                "model": {
                    "name": "second_order_node",
                    "backbone": "cnn6",
                    "dynamics": "sonode",
                    "channels": 3,
                    "start": "zeros",
                }
            },
        },
        "model.norm": ("none", "ta_bn"),
        **variants(released_table2),
    },
    scales={
        "paper": Scale(PAPER),
        "small": small_images(10),
        "smoke": _smoke(axes={"family": ("Aug-NODE", "HBNODE", "SONODE")}),
    },
)
TABLE4 = _study(
    "table4",
    "Norms under Euler and dopri5, 8 layers",
    "Is TA-BN best under a fixed-step solver too?",
    "Yes: .872 with Euler and .874 with dopri5 (Zheng 2024, Table 4).",
    fidelity=f"{FIDELITY} The number of Euler steps is not printed; 20 here, and 100 as released.",
    grid={
        "solver": {
            "euler": {"solver": {"name": "euler", "steps": 20}},
            "dopri5": {"solver": DOPRI5},
        },
        "model.norm": NORMS,
        **variants(),
    },
    base={"model.backbone": "cnn8"},
    scales={
        "paper": Scale(PAPER),
        "small": small_images(10),
        "smoke": smoke_images({"train.batch_size": 4}, axes={"model.norm": NORMS}, images=8),
    },
)
TABLE5 = _study(
    "table5",
    "Size of TA-BN's grid of times",
    "How fine must the grid be?",
    "100 intervals are better than 10 and 50; 500 are no better (Zheng 2024, Table 5).",
    grid={"model.norm.grid_size": (10, 50, 100, 500), **variants()},
    base={"model": {"name": "unmixed_node", "backbone": "cnn8", "norm": {"name": "ta_bn"}}},
    scales={
        "paper": Scale(PAPER),
        "small": small_images(10),
        "smoke": _smoke(axes={"model.norm.grid_size": (10, 50, 100, 500)}),
    },
)
INTERPOLATIONS = ("linear", "cubic_spline", "kernel", "gaussian_process")


def _not_interpolated(cell: Mapping[str, Any]) -> bool:
    if cell["data"] == "CIFAR-10":
        return cell["model.backbone"] != "cnn6"
    return cell["model.norm.interpolation"] not in ("linear", "kernel")


INTERPOLATION = _study(
    "interpolation",
    "How TA-BN interpolates between its times",
    "Is a smoother interpolation worth more than the linear one?",
    "All four are equally good on CIFAR-10. On CIFAR-100 linear is as good as kernel, and cheapest "
    "(Zheng 2024, Figures 7 and 10).",
    fidelity=f"{FIDELITY} Six layers on CIFAR-10; the paper does not say.",
    grid={
        "data": {name: DATA[name] for name in ("CIFAR-10", "CIFAR-100")},
        "model.backbone": ("cnn6", "unet18"),
        "model.norm.interpolation": INTERPOLATIONS,
        **variants(),
    },
    exclude=(
        Exclude(
            "the paper compares four interpolations on CIFAR-10, and linear with kernel on "
            "CIFAR-100 with 6 and 18 layers",
            when=_not_interpolated,
        ),
    ),
    base={"model": {"name": "unmixed_node", "norm": {"name": "ta_bn"}}},
    scales={
        "paper": Scale(PAPER),
        "small": small_images(10, axes={"data": ("CIFAR-10",), "model.backbone": ("cnn6",)}),
        "smoke": _smoke(GENERATED, axes={"model.norm.interpolation": INTERPOLATIONS}),
    },
)

QUIRKS = _study(
    "quirks",
    "Each difference between the paper and its released code, alone",
    "Which difference between the printed and the released form decides the accuracy?",
    "Nothing is stated: the paper does not mention the differences.",
    fidelity=f"{FIDELITY} The printed form plus one difference, and the released form minus one.",
    grid={"start": variants()["variant"], "quirk": quirk_axis()},
    base={"model": {"name": "unmixed_node", "backbone": "cnn6", "norm": {"name": "ta_bn"}}},
    scales={
        "paper": Scale(PAPER),
        "small": small_images(10),
        "smoke": _smoke(axes={"quirk": tuple(quirk_axis())}),
    },
)

STUDIES = (MAIN, DEPTH, CURVES, NOISE, TABLE2, TABLE4, TABLE5, INTERPOLATION, QUIRKS)
