"""A study of one's own, and what became of it."""

from worlds import Cell, Run, World

from sweeps.study import EvaluationGrid, Scale, Study

ACCURACY = (0.70, 0.72, 0.77)
OWN = Study(
    name="my_study",
    title="My own question",
    question="?",
    expected="",
    base={
        "data": {"name": "spheres", "dimension": 2},
        "model": {"name": "flat_node", "width": 16},
        "solver": {"name": "euler", "steps": 2},
        "train": {"optimizer": {"name": "adam", "lr": 0.01}, "batch_size": 128, "iterations": 60},
    },
    grid={
        "width": {"narrow": {"model.width": 8}, "wide": {"model.width": 32}},
        "solver.steps": (1, 4, 16),
        "solver.name": ("euler", "midpoint"),
    },
    seeds=(0, 1, 2),
    evaluations=[EvaluationGrid("finer", solvers=("euler",), factors=(1, 2))],
    scales={"tiny": Scale("Tiny scale.")},
)


class Mine(World):
    """Wide nets at 4 Euler steps have ACCURACY; narrow ones at 16 fail under both solvers."""

    def run(self, cell: Cell) -> Run | None:
        match (cell["width"], cell["solver.steps"], cell["solver.name"]):
            case ("narrow", "16", _):
                return Run(0.1, "diverged")
            case ("wide", "4", "euler"):
                # One run of three shared the machine.
                times = {"train_seconds": 5.0 + cell.seed, "timing_valid": cell.seed != 1}
                return Run(ACCURACY[cell.seed], columns=times)
            case ("wide", "16", "midpoint"):
                return None if cell.seed == 2 else Run(0.5 + 0.1 * cell.seed)
        return Run(0.8 + 0.01 * cell.seed)
