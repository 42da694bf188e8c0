"""Ott 2021 with adaptive solvers.

The studies with a tolerance, with adjoint gradients, with step sizes and tolerances that are
adapted in training, and Lady Windermere's fan, which needs no training.
"""

from dataclasses import replace

from sweeps.studies.ott2021 import LABELS, SETS, SPHERE2_FIXED, figure4, limited, points, scales
from sweeps.study import EvaluationGrid, ProbeGrid, Scale, Study

# Some tolerances are read off figures.
TOLERANCES = tuple(10.0**-exponent for exponent in range(1, 8))


def adaptive_tests(factors: tuple[float, ...] = (0.1, 1, 10)) -> tuple[EvaluationGrid, ...]:
    """Figure 4c and d.

    Nets trained with Fehlberg 2(1) are tested with both solvers, nets trained with Dormand-Prince
    with Dormand-Prince.
    """
    return (
        EvaluationGrid(
            "figure4", ("fehlberg2", "dopri5"), factors=factors, where={"solver.name": "fehlberg2"}
        ),
        EvaluationGrid("figure4", ("dopri5",), factors=factors, where={"solver.name": "dopri5"}),
    )


def adaptive(name: str) -> Study:
    """Solver dependence with a tolerance on one data set (Ott 2021, Figure 4c and d)."""
    return Study(
        name=f"ott2021/{name}-adaptive",
        paper="Ott 2021",
        title=f"Solver dependence on {LABELS[name]}, adaptive solvers",
        question="Does a fixed tolerance make a net independent of its solver?",
        expected="No. With large tolerances, accuracy changes under smaller ones. There is a "
        "critical tolerance (Ott 2021, Figure 4c and d).",
        fidelity=(
            "Some tolerances are read off figures. Our solver ends on t = 1. The paper's "
            "torchdiffeq steps past it and interpolates. At coarse tolerances this matters: with "
            "Fehlberg 2(1) at 1e-3 on Sphere2, logits of up to 8.3 differ by up to .70, and ours "
            "are nearer to the exact solution. ott2021/sphere2-torchdiffeq and "
            "ott2021/cifar10-torchdiffeq solve the paper's way. In other studies "
            "solver.backend=torchdiffeq does."
        ),
        base=SETS[name][0],
        grid={"solver.name": ("fehlberg2", "dopri5"), "solver.tolerance": TOLERANCES},
        seeds=range(5),
        evaluations=adaptive_tests(),
        scales=scales(
            name,
            {"solver.tolerance": (1e-1, 1e-3, 1e-5)},
            {"solver.tolerance": (1e-1, 1e-3)},
            limited(16, *adaptive_tests((1, 0.1))),
        ),
    )


def interpolated(name: str) -> Study:
    """The same solved by torchdiffeq, as in the paper.

    Its last step passes t = 1, and it interpolates.
    """
    study = adaptive(name)
    return replace(
        study,
        name=f"ott2021/{name}-torchdiffeq",
        title=f"{study.title}, solved by torchdiffeq",
        fidelity=(
            "Which tolerances were used is partly read off figures. torchdiffeq steps past t = 1 "
            "and interpolates, as in the paper; "
            f"ott2021/{name}-adaptive has the same cells with solves that end on t = 1."
        ),
        base={**study.base, "solver": {"backend": "torchdiffeq"}},
    )


ADJOINT = replace(
    SPHERE2_FIXED,
    name="ott2021/sphere2-adjoint",
    title="Solver dependence on Sphere2 with adjoint gradients",
    question="Do nets trained by the adjoint depend on their solver in the same way?",
    expected="Yes (Ott 2021, supplement).",
    base={**SETS["sphere2"][0], "gradient": {"name": "adjoint"}},
    evaluations=figure4(),
    probes=(),
    scales=scales(
        "sphere2",
        {"solver.steps": (2, 8, 32)},
        {"solver.steps": (2, 64)},
        limited(16, *figure4((1, 2), ("euler",))),
    ),
)
ADAPTED_SERIES = (ProbeGrid("figure5", "series"),)
# Does an adapted net depend on its solver? The same images in the same precision.
REFERENCE = (
    EvaluationGrid(
        "reference",
        ("dopri5",),
        tolerances=(1e-7,),
        max_evaluations=5_000,
        settings={"precision": "float64", "limit": 2_000},
    ),
    EvaluationGrid("as_trained", settings={"precision": "float64", "limit": 2_000}),
)
ADAPTATION = Study(
    name="ott2021/adaptation",
    paper="Ott 2021",
    title="Step size adaptation in training",
    question="Does adapting the step size in training give the accuracy of a grid search over step "
    "sizes, without the search?",
    expected="Sphere2: 98.9 % at an NFE of 100.5; CIFAR-10: 55.0 % at 21.9. The number of steps "
    "oscillates (Ott 2021, Table 1 and Figure 5).",
    fidelity="At most 500 steps. NFE counts all calls of f in training per iteration, including "
    "those of the checks.",
    base={"train": {"record_every": 50}},
    grid={
        "set": {name: dict(base) for name, (base, _) in SETS.items()},
        "pair": {
            "Euler, midpoint": {"solver": {"name": "adapted_euler", "test": "midpoint"}},
            "Euler, RK4": {"solver": {"name": "adapted_euler", "test": "rk4_38"}},
            "midpoint, RK4": {"solver": {"name": "adapted_midpoint", "test": "rk4_38"}},
        },
    },
    seeds=range(5),
    evaluations=REFERENCE,
    probes=ADAPTED_SERIES,
    scales={
        "paper": Scale(
            "Paper scale: 10,000 iterations on spheres, 7,800 on images, learning rate 1e-4, 5 "
            "seeds."
        ),
        "small": Scale(
            "Small scale: 2,000 iterations at learning rate 1e-3 on Sphere2, 3 seeds.",
            overrides={"train.iterations": 2_000, "train.optimizer.lr": 1e-3},
            axes={"set": ("sphere2",)},
            seeds=range(3),
        ),
        "smoke": Scale(
            "Smoke scale: 60 iterations, one check of the step size; not a result.",
            overrides={"train.iterations": 60, "train.record_every": 30, "train.batch_size": 16},
            axes={
                "set": ("sphere2", "sphere10"),
                "pair": ("Euler, midpoint", "Euler, RK4", "midpoint, RK4"),
            },
            thin=True,
            evaluations=limited(16, *REFERENCE),
        ),
    },
)
TOLERANCE_ADAPTATION = Study(
    name="ott2021/tolerance-adaptation",
    paper="Ott 2021",
    title="Tolerance adaptation in training",
    question="Does adapting the tolerance make nets trained with adaptive solvers independent of "
    "them?",
    expected="Accuracy as with the best fixed tolerance (Ott 2021, supplement).",
    fidelity="The NFE of the current iteration decides. The authors' code reads it from an "
    "uninitialized array. The tolerance is at least 1e-12.",
    base=points(2),
    grid={
        "solver": {
            name: {"solver": {"name": f"adapted_{name}", "tolerance": 1e-6}}
            for name in ("fehlberg2", "dopri5")
        }
    },
    seeds=range(5),
    evaluations=REFERENCE,
    probes=ADAPTED_SERIES,
    scales={
        "paper": Scale("Paper scale: 10,000 iterations at learning rate 1e-4, 5 seeds."),
        "small": Scale(
            "Small scale: 1,000 iterations at learning rate 1e-3, 3 seeds.",
            overrides={
                "train.iterations": 1_000,
                "train.record_every": 50,
                "train.optimizer.lr": 1e-3,
            },
            seeds=range(3),
        ),
        "smoke": Scale(
            "Smoke scale: 60 iterations, one check of the tolerance; not a result.",
            overrides={
                "train.iterations": 60,
                "train.record_every": 30,
                "train.batch_size": 16,
                "solver.tolerance": 1e-3,
            },
            thin=True,
            evaluations=limited(16, *REFERENCE),
        ),
    },
)
FAN = Study(
    name="ott2021/fan",
    paper="Ott 2021",
    title="Lady Windermere's fan",
    question="Can the end points of a fixed field be separable with a coarse step and not with a "
    "fine one?",
    expected="Separable with h = 10^-2.5, not with 10^-3.5 (Ott 2021, Figure 3a and b).",
    fidelity="The paper does not print the constants of the field. We searched for constants that "
    "show what the paper states.",
    base={"data": {"name": "fan"}, "model": {"name": "windermere_fan"}, "train": {"iterations": 0}},
    grid={
        "solver": {
            "h = 10^-2.5": {"solver": {"name": "euler", "steps": 316}},
            "h = 10^-3.5": {"solver": {"name": "euler", "steps": 3162}},
        }
    },
    probes=(ProbeGrid("figure3", "trajectory", settings={"points": 4}),),
    scales={
        name: Scale("Nothing is trained: four points, two step sizes.")
        for name in ("paper", "small", "smoke")
    },
)

STUDIES = (
    *(adaptive(name) for name in SETS),
    *(interpolated(name) for name in ("sphere2", "cifar10")),
    ADJOINT,
    ADAPTATION,
    TOLERANCE_ADAPTATION,
    FAN,
)
