"""Studies that test odesweep: trials that sleep, and trials that die in every possible way."""

from sweeps.study import Scale, Study

_BASE = {
    "data": {"name": "spheres", "train_size": 64, "test_size": 16},
    "solver": {"name": "euler", "steps": 1},
}

FAULTS = Study(
    name="faults",
    title="Trials that die in every possible way",
    question="Does every fault end with its own outcome, while all other trials complete?",
    expected="Raise and allocate get their outcome at once. Segfault and kill_self are given up "
    "after two deaths. The time limit ends hang. None completes.",
    base=_BASE
    | {"model": {"name": "idle", "at_step": 3}, "train": {"batch_size": 16, "iterations": 5}},
    grid={"model.fault": ("none", "raise", "segfault", "kill_self", "hang", "allocate")},
    seeds=range(2),
    scales={"smoke": Scale("For testing.")},
    testing=True,
)

IDLE = Study(
    name="idle",
    title="Forty trials that only sleep",
    question="What does a trial cost besides its training?",
    expected="Every trial completes, once.",
    base=_BASE
    | {"model": {"name": "idle", "seconds": 0.02}, "train": {"batch_size": 16, "iterations": 10}},
    grid={"data.draw": range(4)},
    seeds=range(10),
    scales={"smoke": Scale("For testing.")},
    testing=True,
)

STUDIES = (FAULTS, IDLE)
