"""Small studies for tests of the worker; also a user's own study file."""

from dataclasses import replace

from sweeps.study import EvaluationGrid, ProbeGrid, Scale, Study

BASE = {
    "data": {"name": "spheres", "train_size": 64, "test_size": 32},
    "model": {"name": "flat_node", "width": 4},
    "train": {
        "optimizer": {"name": "adam", "lr": 1e-2},
        "batch_size": 32,
        "iterations": 10,
        "record_every": 5,
    },
}
FIXED_AND_ADAPTIVE = {
    "euler": {"solver": {"name": "euler", "steps": 3}},
    "dopri5": {"solver": {"name": "dopri5", "tolerance": 1e-3}},
}

TINY = Study(
    name="tiny",
    title="Four short trials",
    question="Does everything run?",
    expected="All complete.",
    base=BASE,
    grid={"solver.name": ("euler",), "solver.steps": (1, 2)},
    seeds=(0, 1),
    evaluations=(EvaluationGrid("all", ("euler", "midpoint"), factors=(1, 2)),),
    probes=(ProbeGrid("path", "trajectory", settings={"points": 3}),),
    scales={"paper": Scale("Test scale.")},
)

LONG = Study(
    name="long",
    title="Two trials long enough to be cut",
    question="Does a cut leave a trace?",
    expected="None.",
    base=BASE
    | {
        "train": {
            "optimizer": {"name": "adam", "lr": 1e-3},
            "batch_size": 32,
            "iterations": 900,
            "record_every": 300,
        }
    },
    grid={"solver": FIXED_AND_ADAPTIVE},
    seeds=(0,),
    scales={"paper": Scale("Test scale.")},
)

BOTH = Study(
    name="both",
    title="A net without and a net with an ODE",
    question="Which weights stay?",
    expected="Those of the ODE.",
    base=BASE
    | {
        "data": {"name": "mnist", "source": "generated", "train_limit": 16, "test_limit": 8},
        "train": BASE["train"] | {"batch_size": 8, "iterations": 2},
    },
    grid={
        "net": {
            "dense": {"model": {"name": "dense", "layers": 1, "width": 8}, "solver": None},
            "ode": {
                "model": {"name": "flat_node", "width": 2},
                "solver": {"name": "euler", "steps": 1},
            },
        }
    },
    evaluations=(EvaluationGrid("own"), EvaluationGrid("half", settings={"limit": 4})),
    scales={"paper": Scale("Test scale.")},
)

# The same trials, with an evaluation that nobody thought of before.
MORE = replace(
    BOTH,
    name="more",
    evaluations=(*BOTH.evaluations, EvaluationGrid("double", settings={"precision": "float64"})),
)

# As many trials as a large sweep has.
WIDE = replace(
    TINY,
    name="wide",
    grid={"solver.name": ("euler",), "solver.steps": tuple(range(1, 11))},
    seeds=range(100),
)

STUDIES = (TINY, LONG, BOTH, MORE, WIDE)
