"""Hand-made plans and rows.

Small enough to compute every number by hand, and realistic ones to draw.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.rows.data import Data
from sweeps.store import PlanInfo

Net = dict[str, Any]
STUDY = "ott2021/sphere2-fixed"
RUN_COLUMNS = [
    "trial_id",
    "seed",
    "data_name",
    "data_dimension",
    "solver_name",
    "solver_steps",
    "outcome",
    "accuracy_train",
    "accuracy_test",
]
EVALUATION_COLUMNS = [
    "trial_id",
    "eval_id",
    "test_solver",
    "test_solver_steps",
    "split",
    "outcome",
    "accuracy",
]
PROBE_COLUMNS = ["trial_id", "probe_id", "test_solver", "test_solver_steps"]
TEST_COLUMNS = [
    f"test.{axis}" for axis in ("grid", "solver", "factor", "solver_steps", "solver_tolerance")
]


@dataclass(frozen=True)
class Frames:
    """Accepted rows, given."""

    run_rows: pd.DataFrame
    evaluation_rows: pd.DataFrame
    probe_rows: Mapping[str, pd.DataFrame]

    def generation(self) -> int:
        return 0

    def runs(self) -> pd.DataFrame:
        return self.run_rows

    def attempts(self) -> pd.DataFrame:
        return self.run_rows.assign(attempt_id="only", finished_at=0)

    def epochs(self) -> pd.DataFrame:
        return pd.DataFrame(columns=["trial_id", "epoch"])

    def evaluations(self) -> pd.DataFrame:
        return self.evaluation_rows

    def probe(self, name: str) -> pd.DataFrame:
        return self.probe_rows.get(name, pd.DataFrame(columns=PROBE_COLUMNS))


def net(
    solver: str, steps: int, seed: int, tests: Mapping[tuple[str, int], float | None], **other: Any
) -> Net:
    """A trained net and its test accuracies; an accuracy of None is planned but missing.

    other: outcome, accuracy_train, missing.
    """
    return {"solver": solver, "steps": steps, "seed": seed, "tests": tests} | other


def build(
    nets: Iterable[Net],
    *,
    data_name: str = "spheres",
    dimension: float | None = 2,
    probes: dict[str, pd.DataFrame] | None = None,
    overrides: tuple[str, ...] = (),
) -> Data:
    """Data of these nets; a net with missing=True is planned without a row."""
    trials, runs, planned, evaluations = [], [], [], []
    for one in nets:
        trial = f"{one['solver']}-{one['steps']}-{one['seed']}"
        axes = f"solver.name={one['solver']} solver.steps={one['steps']}"
        text = {
            "study": STUDY,
            "trial_id": trial,
            "cell_id": axes,
            "seed": one["seed"],
            "axes": axes,
            "predicted_seconds": 1.0,
            "added": False,
        }
        trials.append(text | {"axis.solver.name": one["solver"], "axis.solver.steps": one["steps"]})
        outcome = one.get("outcome", "completed")
        if not one.get("missing"):
            about = {
                "seed": one["seed"],
                "data_name": data_name,
                "data_dimension": dimension,
                "solver_name": one["solver"],
                "solver_steps": one["steps"],
            }
            runs.append(
                {
                    "trial_id": trial,
                    "outcome": outcome,
                    "accuracy_train": one.get("accuracy_train", 0.99),
                    "accuracy_test": 0.9,
                }
                | about
            )
        for (solver, steps), accuracy in one["tests"].items():
            key = {"trial_id": trial, "eval_id": f"{solver}-{steps}"}
            named = {
                "axes": f"solver.name={solver} solver.steps={steps}",
                "test.grid": ("figure4",),
                "test.solver": solver,
                "test.solver_steps": steps,
            }
            planned.append(
                {"study": STUDY, "test.factor": (), "test.solver_tolerance": ""} | key | named
            )
            if accuracy is None or one.get("missing") or outcome != "completed":
                continue
            test = {
                "test_solver": solver,
                "test_solver_steps": steps,
                "split": "test",
                "outcome": "completed",
                "accuracy": accuracy,
            }
            evaluations.append(key | test)
    tables = probes or {}
    asked = [
        rows[["trial_id", "probe_id"]].drop_duplicates().assign(name=name)
        for name, rows in tables.items()
    ]
    columns = ["study", "trial_id", "probe_id", "name", "axes", *TEST_COLUMNS]
    asked_probes = (
        pd.concat(asked).assign(study=STUDY).reindex(columns=columns, fill_value="")
        if asked
        else pd.DataFrame(columns=columns)
    )
    trial_columns = [
        "study",
        "trial_id",
        "cell_id",
        "seed",
        "axes",
        "predicted_seconds",
        "added",
        "axis.solver.name",
        "axis.solver.steps",
    ]
    return Data(
        plans=(
            PlanInfo(
                f"{STUDY}@paper",
                STUDY,
                STUDY,
                "paper",
                "Paper scale: the paper's own setting.",
                overrides,
            ),
        ),
        results="results",
        trials=pd.DataFrame(trials, columns=trial_columns),
        tests=pd.DataFrame(
            planned, columns=["study", "trial_id", "eval_id", "axes", *TEST_COLUMNS]
        ),
        probes=asked_probes,
        source=Frames(
            pd.DataFrame(runs, columns=RUN_COLUMNS),
            pd.DataFrame(evaluations, columns=EVALUATION_COLUMNS),
            tables,
        ),
    )


FACTORS = (0.5, 0.75, 1, 1.5, 2)


def realistic(
    steps: Iterable[int] = tuple(2**k for k in range(9)), seeds: int = 5, **kwargs: Any
) -> Data:
    """Numbers shaped like the paper's: coarse nets drop under other solvers, fine ones hold.

    The two nets of Figure 1 have trajectories.
    """
    rng = np.random.default_rng(0)
    steps = sorted(steps)
    nets = []
    for train_solver, critical in (("euler", 100.0), ("rk4_38", 6.0)):
        for count in steps:
            tested = {max(1, int(np.ceil(count * factor))) for factor in FACTORS}
            if train_solver == "euler" and count in (2, steps[-1]):
                tested |= {2**k for k in range(13)}
            solvers = ("euler", "midpoint", "rk4_38") if train_solver == "euler" else ("rk4_38",)
            for seed in range(seeds):
                tests = {
                    (solver, test): _accuracy(rng, train_solver, count, solver, test, critical)
                    for solver in solvers
                    for test in sorted(tested)
                }
                nets.append(
                    net(
                        train_solver,
                        count,
                        seed,
                        tests,
                        accuracy_train=0.995 if rng.random() < 0.92 else 0.75,
                    )
                )
    return build(
        nets,
        probes={"trajectory": trajectories(rng, 2, steps[-1]), "decision_grid": grids(2)},
        **kwargs,
    )


def _accuracy(
    rng: np.random.Generator, train_solver: str, train: int, solver: str, test: int, critical: float
) -> float:
    own = train_solver == solver and train == test
    mismatch = (
        0.0
        if own
        else float(np.exp(-train / critical * 3))
        * min(1.0, abs(np.log2(test / train)) + (solver != train_solver))
    )
    return float(np.clip(0.985 - 0.5 * mismatch + rng.normal(0, 0.01 + 0.06 * mismatch), 0, 1))


def trajectories(
    rng: np.random.Generator, coarse: int, fine: int, points: int = 120
) -> pd.DataFrame:
    """Trajectories of both nets, of the coarse one also with twice the steps.

    Rotation with growth that depends on the radius.
    """
    label = rng.integers(0, 2, points)
    radius = np.where(
        label == 1,
        rng.uniform(0.25, 0.3, points),
        np.where(
            rng.random(points) < 0.5, rng.uniform(0.1, 0.15, points), rng.uniform(0.4, 0.45, points)
        ),
    )
    angle = rng.uniform(0, 2 * np.pi, points)
    parts = []
    for train, steps in ((coarse, coarse), (coarse, 2 * coarse), (fine, fine)):
        state = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
        for step in range(steps + 1):
            parts.append(
                pd.DataFrame(
                    {
                        "point": np.arange(points),
                        "label": label,
                        "step": step,
                        "t": step / steps,
                        "x1": state[:, 0],
                        "x2": state[:, 1],
                    }
                ).assign(steps=steps, train=train)
            )
            r = np.linalg.norm(state, axis=1, keepdims=True)
            state = (
                state
                + np.concatenate(
                    [np.sin(9 * r) + state[:, 1:], 0.3 - 2 * state[:, :1] * r + np.cos(7 * r)], 1
                )
                / steps
            )
    rows = pd.concat(parts, ignore_index=True)
    return _about(rows)


def grids(coarse: int, resolution: int = 41) -> pd.DataFrame:
    """Decision grids of the coarse net tested with its own and with twice the steps.

    A line between the classes.
    """
    axis = np.linspace(-1, 2.5, resolution)
    x1, x2 = (part.ravel() for part in np.meshgrid(axis, axis))
    p1 = 1 / (1 + np.exp(-6 * (x1 + 0.4 * x2 - 1.1)))
    parts = [
        pd.DataFrame({"x1": x1, "x2": x2, "p1": p1, "steps": steps, "train": coarse})
        for steps in (coarse, 2 * coarse)
    ]
    return _about(pd.concat(parts, ignore_index=True))


def _about(rows: pd.DataFrame) -> pd.DataFrame:
    trained = rows["train"].astype(str)
    about = {
        "trial_id": "euler-" + trained + "-0",
        "probe_id": "euler-" + rows["steps"].astype(str),
        "test_solver": "euler",
    }
    return rows.assign(**about, test_solver_steps=rows["steps"]).drop(columns=["steps", "train"])


@pytest.fixture
def make() -> Callable[..., Data]:
    return build


@pytest.fixture(scope="session")
def paper_like() -> Data:
    return realistic()
