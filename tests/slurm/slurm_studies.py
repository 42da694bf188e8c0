"""Trials that only sleep, a thousand of a second and two of 30, and one whose solver would need more evaluations than it may have."""

from sweeps.study import Scale, Study

BASE = {
    "data": {"name": "spheres", "train_size": 64, "test_size": 16},
    "solver": {"name": "euler", "steps": 1},
    "model": {"name": "idle", "seconds": 0.1},
    "train": {"batch_size": 16, "iterations": 10},
}

THOUSAND = Study(
    name="idle-thousand",
    title="A thousand trials that only sleep",
    question="Are none lost?",
    expected="None.",
    base=BASE,
    grid={"data.draw": range(100)},
    seeds=range(10),
    scales={"smoke": Scale("For testing.")},
    testing=True,
)

SLEEPERS = Study(
    name="idle-sleepers",
    title="Two longer trials that only sleep",
    question="Is none begun that cannot end?",
    expected="None is cut.",
    base=BASE | {"model": {"name": "idle", "seconds": 3.0}},
    seeds=range(2),
    scales={"smoke": Scale("For testing.")},
    testing=True,
)

CAPPED = Study(
    name="capped",
    title="One trial that runs into the cap on evaluations",
    question="Is a solver that does not get on a result?",
    expected="Yes: solver_failed.",
    base={
        "data": {"name": "spheres", "train_size": 64, "test_size": 16},
        "solver": {"name": "dopri5", "tolerance": 1e-5, "max_evaluations": 8},
        "model": {"name": "flat_node", "width": 4},
        "train": {"batch_size": 16, "iterations": 10},
    },
    seeds=range(1),
    scales={"smoke": Scale("For testing.")},
    testing=True,
)

STUDIES = (THOUSAND, SLEEPERS, CAPPED)
