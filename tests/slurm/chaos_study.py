"""A hundred short trials for the chaos run: 80 that only sleep, and 20 real ones long enough to be cut in the middle."""

from sweeps.study import Scale, Study

_DATA = {"name": "spheres", "train_size": 64, "test_size": 32}

SLEEPING = Study(
    name="chaos-sleeping",
    title="Eighty trials that only sleep",
    question="Does each end as one accepted row?",
    expected="Yes.",
    base={
        "data": _DATA,
        "solver": {"name": "euler", "steps": 1},
        "model": {"name": "idle", "seconds": 0.2},
        "train": {"batch_size": 16, "iterations": 10},
    },
    grid={"data.draw": range(8)},
    seeds=range(10),
    scales={"smoke": Scale("For testing.")},
    testing=True,
)

REAL = Study(
    name="chaos-real",
    title="Twenty trials with checkpoints",
    question="Does a death leave a trace in what is learned?",
    expected="No.",
    base={
        "data": _DATA,
        "model": {"name": "flat_node", "width": 4},
        "train": {"optimizer": {"name": "adam", "lr": 1e-3}, "batch_size": 32, "iterations": 600, "record_every": 200},
    },
    grid={"solver": {"euler": {"solver": {"name": "euler", "steps": 4}}, "dopri5": {"solver": {"name": "dopri5", "tolerance": 1e-3}}}},
    seeds=range(10),
    scales={"smoke": Scale("For testing.")},
    testing=True,
)

STUDIES = (SLEEPING, REAL)
