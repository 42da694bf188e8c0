"""The grids of Ott, Katiyar, Hennig and Tiemann (2021), ResNet After All, ICLR.

When does a trained neural ODE depend on its solver?
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeps.study import EvaluationGrid, ProbeGrid, Scale, Study

# Factors of the number of training steps at which every net is tested (Ott 2021, Figure 4).
FACTORS = (0.5, 0.75, 1, 1.5, 2)


def sphere2_base(iterations: int, lr: float, record_every: int) -> dict[str, Any]:
    """The flat neural ODE on two-dimensional spheres (Ott 2021, experiments and code)."""
    return {
        "data": {"name": "spheres", "dimension": 2},
        "model": {"name": "flat_node", "width": 32},
        "train": {
            "optimizer": {"name": "adam", "lr": lr},
            "batch_size": 128,
            "iterations": iterations,
            "record_every": record_every,
        },
    }


def figure4(
    factors: tuple[float, ...] = FACTORS,
    euler_tests: tuple[str, ...] = ("euler", "midpoint", "rk4_38"),
) -> tuple[EvaluationGrid, ...]:
    """Figure 4a and b.

    Nets trained with Euler are tested with Euler and with better solvers, nets trained with the 3/8
    rule with the 3/8 rule.
    """
    return (
        EvaluationGrid("figure4", euler_tests, factors=factors, where={"solver.name": "euler"}),
        EvaluationGrid("figure4", ("rk4_38",), factors=factors, where={"solver.name": "rk4_38"}),
    )


def figure1(fine: int, steps: tuple[int, ...]) -> tuple[EvaluationGrid, ...]:
    """Figure 1c and d: nets trained with 2 and `fine` Euler steps, tested with `steps` steps."""
    return (
        EvaluationGrid(
            "figure1",
            ("euler",),
            steps=steps,
            where={"solver.name": "euler", "solver.steps": (2, fine)},
        ),
    )


def figures_1_and_2(fine: int, points: int = 100, resolution: int = 101) -> tuple[ProbeGrid, ...]:
    """Figure 1a and b: trajectories of both nets.

    Figure 2: end points of the net with K = 2, tested with 2 and with 4 steps.
    """
    coarse = {"solver.name": "euler", "solver.steps": 2}
    return (
        ProbeGrid(
            "figure1",
            "trajectory",
            where={"solver.name": "euler", "solver.steps": (2, fine)},
            settings={"points": points},
        ),
        ProbeGrid(
            "figure2", "trajectory", factors=(1, 2), where=coarse, settings={"points": points}
        ),
        ProbeGrid(
            "figure2",
            "decision_grid",
            factors=(1, 2),
            where=coarse,
            settings={"resolution": resolution},
        ),
    )


def limited(points: int, *grids: EvaluationGrid) -> tuple[EvaluationGrid, ...]:
    """The same evaluations on the first `points` test points only."""
    return tuple(replace(grid, settings={**grid.settings, "limit": points}) for grid in grids)


def powers_of_two(last: int) -> tuple[int, ...]:
    """1, 2, 4 and so on up to 2**last."""
    return tuple(2**exponent for exponent in range(last + 1))


FIDELITY = (
    "The paper's text names factors of the step size, while its code and plots use factors of the "
    "number of steps. We use the latter (rounded up, at least 1). The initial values depend on the "
    "seed, which the authors' code sets after it builds the net."
)
OF_POINTS = (
    "Accuracy divides by the number of points. The authors' code divides the last, smaller batch "
    "by the full batch size, which gives at most .9766 here."
)
SPHERE2_FIXED = Study(
    name="ott2021/sphere2-fixed",
    paper="Ott 2021",
    title="Solver dependence on concentric spheres, fixed-step solvers",
    question="With how many training steps does a neural ODE start to keep its accuracy under a "
    "finer or better solver?",
    expected=(
        "Nets trained with few Euler steps lose up to half of their accuracy under any other "
        "solver or step size. Nets trained with many lose nothing. The critical number of Euler "
        "steps lies between 64 and 128 (Ott 2021, Figure 4a and Table 1)."
    ),
    fidelity=f"{FIDELITY} {OF_POINTS} Some values of K are read off the figures.",
    base=sphere2_base(iterations=10_000, lr=1e-4, record_every=500),
    grid={"solver.name": ("euler", "rk4_38"), "solver.steps": powers_of_two(8)},
    seeds=range(5),
    evaluations=(*figure4(), *figure1(256, powers_of_two(12))),
    probes=figures_1_and_2(256),
    scales={
        "paper": Scale("Paper scale: 10,000 iterations at learning rate 1e-4, 5 seeds."),
        "small": Scale(
            "Small scale: 2,000 iterations at learning rate 1e-3, at most 64 steps, 3 seeds.",
            overrides={
                "train.iterations": 2_000,
                "train.record_every": 100,
                "train.optimizer.lr": 1e-3,
            },
            axes={"solver.steps": powers_of_two(6)},
            seeds=range(3),
            evaluations=(*figure4(), *figure1(64, powers_of_two(10))),
            probes=figures_1_and_2(64),
        ),
        "smoke": Scale(
            "Smoke scale: 10 iterations, to see that everything runs; not a result.",
            overrides={"train.iterations": 10, "train.record_every": 5, "train.optimizer.lr": 1e-3},
            axes={"solver.steps": (2, 64)},
            evaluations=limited(16, *figure4((1, 2), ("euler",)), *figure1(64, (1, 2))),
            probes=figures_1_and_2(64, points=16, resolution=11),
            thin=True,
        ),
    },
)

DIMENSIONS = (3, 10, 900)
SMOKE = "Smoke scale: 10 iterations, to see that everything runs; not a result."
FEW_STEPS: dict[str, Any] = {"train.iterations": 10, "train.record_every": 5}
FEW_POINTS = {**FEW_STEPS, "train.batch_size": 16, "data.train_size": 200, "data.test_size": 100}
FEW_IMAGES = {
    **FEW_STEPS,
    "data.train_limit": 64,
    "data.test_limit": 16,
    "train.batch_size": 16,
    "model.width": 8,
}


def points(dimension: int) -> dict[str, Any]:
    """Spheres of any dimension, with the paper's recipe."""
    return {
        **sphere2_base(iterations=10_000, lr=1e-4, record_every=500),
        "data.dimension": dimension,
    }


def images(name: str) -> dict[str, Any]:
    """The flat neural ODE with 128 channels on images in [0, 1].

    It is trained for 40 epochs of 195 batches (Ott 2021, experiments and code).
    """
    return {
        "data": {"name": name},
        "model": {"name": "flat_node", "width": 128},
        "train": {
            "optimizer": {"name": "adam", "lr": 1e-4},
            "batch_size": 256,
            "iterations": 7_800,
            "drop_last": True,
            "record_every": 195,
        },
    }


# Data set -> its base, and the settings that shrink it to smoke scale.
SETS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **{f"sphere{dimension}": (points(dimension), FEW_POINTS) for dimension in (2, *DIMENSIONS)},
    "mnist": (images("mnist"), FEW_IMAGES),
    "cifar10": (images("cifar10"), FEW_IMAGES),
}
LABELS = {"mnist": "MNIST", "cifar10": "CIFAR-10"} | {
    f"sphere{dimension}": f"Sphere{dimension}" for dimension in (2, *DIMENSIONS)
}


def scales(
    name: str,
    small_axes: Mapping[str, Sequence[Any]],
    smoke_axes: Mapping[str, Sequence[Any]],
    tests: Sequence[EvaluationGrid],
) -> dict[str, Scale]:
    """The scales paper, small and smoke of a study on one data set.

    tests: evaluations of the smoke scale.
    """
    base, smoke = SETS[name]
    rate = {"train.record_every": 100, "train.optimizer.lr": 1e-3}
    if name in ("mnist", "cifar10"):
        small = Scale(
            "Small scale: 600 iterations on 5,000 images with 16 channels at learning rate 1e-3, 3 "
            "seeds.",
            overrides={
                **rate,
                "train.iterations": 600,
                "data.train_limit": 5_000,
                "data.test_limit": 1_000,
                "model.width": 16,
            },
            axes=small_axes,
            seeds=range(3),
        )
    else:
        small = Scale(
            "Small scale: 1,000 iterations at learning rate 1e-3, part of the grid, 3 seeds.",
            overrides={**rate, "train.iterations": 1_000},
            axes=small_axes,
            seeds=range(3),
        )
    iterations = base["train"]["iterations"]
    return {
        "paper": Scale(f"Paper scale: {iterations:,} iterations at learning rate 1e-4, 5 seeds."),
        "small": small,
        "smoke": Scale(SMOKE, overrides=smoke, axes=smoke_axes, evaluations=tests, thin=True),
    }


# What the text above does not say of these data sets.
OF_SETS = {
    **{f"sphere{dimension}": OF_POINTS for dimension in DIMENSIONS},
    "mnist": "Batch size, iterations and width on MNIST are taken to be those on CIFAR-10.",
    "cifar10": "Table 1 names 16 and 32 steps.",
}


def fixed(name: str, last: int) -> Study:
    """Solver dependence with fixed steps on one data set (Ott 2021, Figure 4 and supplement).

    last: the finest net has 2**last steps.
    """
    return replace(
        SPHERE2_FIXED,
        name=f"ott2021/{name}-fixed",
        title=f"Solver dependence on {LABELS[name]}, fixed-step solvers",
        expected="Nets trained with few steps lose accuracy under any finer or better solver, nets "
        "trained with many do not (Ott 2021, supplement).",
        fidelity=f"{FIDELITY} {OF_SETS[name]} The values of K are inferred from those on Sphere2.",
        base=SETS[name][0],
        grid={"solver.name": ("euler", "rk4_38"), "solver.steps": powers_of_two(last)},
        evaluations=figure4(),
        probes=(),
        scales=scales(
            name,
            {"solver.steps": (2, 8, 16) if name == "sphere900" else (2, 8, 32)},
            {"solver.steps": (2, 8)},
            limited(16, *figure4((1, 2), ("euler",))),
        ),
    )


STUDIES = (
    SPHERE2_FIXED,
    *(fixed(f"sphere{dimension}", 8) for dimension in DIMENSIONS),
    fixed("mnist", 6),
    fixed("cifar10", 6),
)
