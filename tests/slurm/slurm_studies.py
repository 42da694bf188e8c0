"""Studies for the tests on SLURM.

Trials that only sleep, one that meets the cap on evaluations, and those of the chaos run.
"""

from typing import Any

from sweeps.study import Scale, Study

DATA = {"name": "spheres", "train_size": 64, "test_size": 16}
NET = {"name": "flat_node", "width": 4}


def _study(
    name: str, title: str, question: str, base: dict[str, Any], seeds: range, **grid: Any
) -> Study:
    scales = {"smoke": Scale("For testing.")}
    return Study(
        name=name,
        title=title,
        question=question,
        expected="Yes.",
        base=base,
        seeds=seeds,
        scales=scales,
        testing=True,
        **grid,
    )


def _sleeping(seconds: float) -> dict[str, Any]:
    """Ten steps of so many seconds."""
    solver = {"name": "euler", "steps": 1}
    return {
        "data": DATA,
        "solver": solver,
        "model": {"name": "idle", "seconds": seconds},
        "train": {"batch_size": 16, "iterations": 10},
    }


CAPPED = {
    "data": DATA,
    "solver": {"name": "dopri5", "tolerance": 1e-5, "max_evaluations": 8},
    "model": NET,
    "train": {"batch_size": 16, "iterations": 10},
}
# Long enough to be cut in the middle.
REAL = {
    "data": DATA | {"test_size": 32},
    "model": NET,
    "train": {
        "optimizer": {"name": "adam", "lr": 1e-3},
        "batch_size": 32,
        "iterations": 600,
        "record_every": 200,
    },
}
SOLVERS = {
    "euler": {"solver": {"name": "euler", "steps": 4}},
    "dopri5": {"solver": {"name": "dopri5", "tolerance": 1e-3}},
}

STUDIES = (
    _study(
        "idle-thousand",
        "A thousand trials of a second",
        "Do all come home?",
        _sleeping(0.1),
        range(10),
        grid={"data.draw": range(100)},
    ),
    _study(
        "idle-sleepers",
        "Two longer trials that only sleep",
        "Is only begun what can end?",
        _sleeping(3.0),
        range(2),
    ),
    _study(
        "capped",
        "One trial that runs into the cap on evaluations",
        "Is that a result, solver_failed?",
        CAPPED,
        range(1),
    ),
    _study(
        "chaos-sleeping",
        "Eighty trials that only sleep",
        "Is each one accepted row?",
        _sleeping(0.2),
        range(10),
        grid={"data.draw": range(8)},
    ),
    _study(
        "chaos-real",
        "Twenty trials with checkpoints",
        "Does no death leave a trace?",
        REAL,
        range(10),
        grid={"solver": SOLVERS},
    ),
)
