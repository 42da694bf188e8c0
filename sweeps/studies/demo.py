"""The studies of `make demo`.

One is the smallest that shows the effect of Ott 2021, the other uses real images.
"""

from sweeps.studies.ott2021 import (
    figure1,
    figure4,
    figures_1_and_2,
    limited,
    powers_of_two,
    sphere2_base,
)
from sweeps.study import Scale, Study

# Euler steps of the finely trained net: above the paper's critical value, which lies between 64 and
# 128. With 64, nets of some seeds still depend on their solver.
FINE = 128

DEMO = Study(
    name="demo",
    paper="Ott 2021",
    title="Solver dependence on concentric spheres, in minutes",
    question="Does a neural ODE keep its accuracy when it is tested with a finer solver than it "
    "was trained with?",
    expected="Nets trained with 2 Euler steps lose up to half of their accuracy under finer "
    "solvers; nets trained with 128 lose nothing.",
    fidelity="Few iterations at a higher learning rate than the paper's, so that it takes minutes. "
    "128 Euler steps are just above the paper's critical value. One of the three nets with 8 steps "
    "of the 3/8 rule does not train in so few iterations.",
    base=sphere2_base(iterations=400, lr=2e-3, record_every=20),
    grid={"solver.name": ("euler",), "solver.steps": (2, FINE)},
    include=(
        {"solver.name": "rk4_38", "solver.steps": 1},
        {"solver.name": "rk4_38", "solver.steps": 8},
    ),
    seeds=range(3),
    evaluations=(*figure4(), *figure1(FINE, powers_of_two(12))),
    probes=figures_1_and_2(FINE),
    scales={
        "demo": Scale("Demo scale: 400 iterations at learning rate 2e-3, 3 seeds."),
        "smoke": Scale(
            "Smoke scale: 10 iterations, to see that everything runs; not a result.",
            overrides={"train.iterations": 10, "train.record_every": 5},
            evaluations=limited(16, *figure4((1, 2), ("euler",)), *figure1(FINE, (1, 2))),
            probes=figures_1_and_2(FINE, points=16, resolution=11),
            thin=True,
        ),
    },
)

DEMO_IMAGES = Study(
    name="demo-images",
    paper="Ott 2021",
    title="Solver dependence on MNIST images, in seconds",
    question="Is the effect the same on images?",
    expected="After so few iterations a net trained with 2 Euler steps does not depend on them "
    "yet. The study only shows that images work.",
    base={
        "data": {"name": "mnist", "train_limit": 2_000, "test_limit": 500},
        "model": {"name": "flat_node", "width": 16},
        "train": {"optimizer": {"name": "adam", "lr": 1e-3}, "batch_size": 64, "epochs": 3},
    },
    grid={"solver.name": ("euler", "rk4_38"), "solver.steps": (2,)},
    evaluations=figure4(),
    scales={
        "demo": Scale("Demo scale: 2,000 training images, 3 epochs, width 16."),
        "smoke": Scale(
            "Smoke scale: 10 iterations on generated images, to see that everything runs; not a "
            "result.",
            overrides={"data.source": "generated", "train.epochs": None, "train.iterations": 10},
            evaluations=limited(16, *figure4((1, 2), ("euler",))),
            thin=True,
        ),
    },
)

STUDIES = (DEMO, DEMO_IMAGES)
