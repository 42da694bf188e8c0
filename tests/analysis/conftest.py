"""Hand-made plans and rows: small enough to compute every number by hand, and realistic ones to draw."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.data import Data, Plan

Net = dict[str, Any]
RUN_COLUMNS = ["trial_id", "seed", "axes", "data_name", "data_dimension", "solver_name", "solver_steps", "outcome", "accuracy_train", "accuracy_test"]
EVALUATION_COLUMNS = [
    *("trial_id", "eval_id", "axes", "solver_name", "solver_steps", "split", "outcome", "accuracy"),
    *("train_solver", "train_steps", "seed", "train_accuracy", "data_name", "data_dimension"),
]
PROBE_COLUMNS = ["trial_id", "probe_id", "axes", "solver_name", "solver_steps", "train_solver", "train_steps", "seed", "train_accuracy"]


def net(solver: str, steps: int, seed: int, tests: Mapping[tuple[str, int], float | None], **other: Any) -> Net:
    """A trained net and its test accuracies; an accuracy of None is planned but missing. other: outcome, accuracy_train, missing."""
    return {"solver": solver, "steps": steps, "seed": seed, "tests": tests} | other


def build(
    nets: Iterable[Net], *, data_name: str = "spheres", dimension: float | None = 2, probes: dict[str, pd.DataFrame] | None = None, **plan: Any
) -> Data:
    """Data of these nets; a net with missing=True is planned without a row."""
    trials, runs, planned, evaluations = [], [], [], []
    for one in nets:
        trial = f"{one['solver']}-{one['steps']}-{one['seed']}"
        axes = f"solver.name={one['solver']} solver.steps={one['steps']}"
        command = f"odesweep run ott2021/sphere2-fixed --scale paper {axes} seed={one['seed']}"
        trials.append({"trial_id": trial, "seed": one["seed"], "axes": axes, "command": command})
        outcome = one.get("outcome", "completed")
        about = {"seed": one["seed"], "data_name": data_name, "data_dimension": dimension}
        accuracy_train = one.get("accuracy_train", 0.99)
        if not one.get("missing"):
            trained = {"solver_name": one["solver"], "solver_steps": one["steps"], "accuracy_train": accuracy_train, "accuracy_test": 0.9}
            runs.append({"trial_id": trial, "axes": axes, "outcome": outcome} | about | trained)
        for (solver, steps), accuracy in one["tests"].items():
            key = {"trial_id": trial, "eval_id": f"{solver}-{steps}", "axes": f"solver.name={solver} solver.steps={steps}"}
            planned.append(key)
            if accuracy is None or one.get("missing") or outcome != "completed":
                continue
            test = {"solver_name": solver, "solver_steps": steps, "split": "test", "outcome": "completed", "accuracy": accuracy}
            evaluations.append(key | test | about | {"train_solver": one["solver"], "train_steps": one["steps"], "train_accuracy": accuracy_train})
    tables = probes or {}
    asked = [rows[["trial_id", "probe_id", "axes"]].drop_duplicates().assign(name=name) for name, rows in tables.items()]
    details: dict[str, str] = {
        "name": "ott2021/sphere2-fixed@paper",
        "study": "ott2021/sphere2-fixed",
        "scale": "paper",
        "scale_label": "Paper scale: the paper's own setting.",
        "overrides": "",
    }
    return Data(
        plan=Plan(
            **details | plan,
            trials=pd.DataFrame(trials, columns=["trial_id", "seed", "axes", "command"]),
            evaluations=pd.DataFrame(planned, columns=["trial_id", "eval_id", "axes"]),
            probes=pd.concat(asked) if asked else pd.DataFrame(columns=["trial_id", "probe_id", "name", "axes"]),
        ),
        results="results",
        runs=pd.DataFrame(runs, columns=RUN_COLUMNS),
        evaluations=pd.DataFrame(evaluations, columns=EVALUATION_COLUMNS),
        load_probe=lambda name: tables.get(name, pd.DataFrame(columns=PROBE_COLUMNS)),
    )


FACTORS = (0.5, 0.75, 1, 1.5, 2)


def realistic(steps: Iterable[int] = tuple(2**k for k in range(9)), seeds: int = 5, **kwargs: Any) -> Data:
    """Numbers shaped like the paper's: coarse nets drop under other solvers, fine ones hold; the two nets of Figure 1 have trajectories."""
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
                tests = {(solver, test): _accuracy(rng, train_solver, count, solver, test, critical) for solver in solvers for test in sorted(tested)}
                nets.append(net(train_solver, count, seed, tests, accuracy_train=0.995 if rng.random() < 0.92 else 0.75))
    return build(nets, probes={"trajectory": trajectories(rng, 2, steps[-1]), "decision_grid": grids(2)}, **kwargs)


def _accuracy(rng: np.random.Generator, train_solver: str, train: int, solver: str, test: int, critical: float) -> float:
    own = train_solver == solver and train == test
    mismatch = 0.0 if own else float(np.exp(-train / critical * 3)) * min(1.0, abs(np.log2(test / train)) + (solver != train_solver))
    return float(np.clip(0.985 - 0.5 * mismatch + rng.normal(0, 0.01 + 0.06 * mismatch), 0, 1))


def trajectories(rng: np.random.Generator, coarse: int, fine: int, points: int = 120) -> pd.DataFrame:
    """Trajectories of both nets, of the coarse one also with twice the steps; rotation with growth that depends on the radius."""
    label = rng.integers(0, 2, points)
    radius = np.where(
        label == 1, rng.uniform(0.25, 0.3, points), np.where(rng.random(points) < 0.5, rng.uniform(0.1, 0.15, points), rng.uniform(0.4, 0.45, points))
    )
    angle = rng.uniform(0, 2 * np.pi, points)
    parts = []
    for train, steps in ((coarse, coarse), (coarse, 2 * coarse), (fine, fine)):
        state = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
        for step in range(steps + 1):
            parts.append(
                pd.DataFrame(
                    {"point": np.arange(points), "label": label, "step": step, "t": step / steps, "x1": state[:, 0], "x2": state[:, 1]}
                ).assign(steps=steps, train=train)
            )
            r = np.linalg.norm(state, axis=1, keepdims=True)
            state = state + np.concatenate([np.sin(9 * r) + state[:, 1:], 0.3 - 2 * state[:, :1] * r + np.cos(7 * r)], 1) / steps
    rows = pd.concat(parts, ignore_index=True)
    return _about(rows)


def grids(coarse: int, resolution: int = 41) -> pd.DataFrame:
    """Decision grids of the coarse net tested with its own and with twice the steps: a line between the classes."""
    axis = np.linspace(-1, 2.5, resolution)
    x1, x2 = (part.ravel() for part in np.meshgrid(axis, axis))
    p1 = 1 / (1 + np.exp(-6 * (x1 + 0.4 * x2 - 1.1)))
    parts = [pd.DataFrame({"x1": x1, "x2": x2, "p1": p1, "steps": steps, "train": coarse}) for steps in (coarse, 2 * coarse)]
    return _about(pd.concat(parts, ignore_index=True))


def _about(rows: pd.DataFrame) -> pd.DataFrame:
    trained = rows["train"].astype(str)
    about = {"trial_id": "euler-" + trained + "-0", "probe_id": "euler-" + rows["steps"].astype(str), "solver_name": "euler", "train_solver": "euler"}
    axes = "solver.steps=" + rows["steps"].astype(str)
    return rows.assign(**about, axes=axes, solver_steps=rows["steps"], train_steps=rows["train"], seed=0, train_accuracy=0.995).drop(
        columns=["steps", "train"]
    )


@pytest.fixture
def make() -> Callable[..., Data]:
    return build


@pytest.fixture(scope="session")
def paper_like() -> Data:
    return realistic()
