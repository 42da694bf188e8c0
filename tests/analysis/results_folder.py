"""A real results folder, written with the store: plans and rows of a few nets."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sweeps import store

Trial = tuple[str, int, int]
START = datetime(2026, 1, 1, tzinfo=UTC)
_NO_AXES = {"grid": [], "solver": None, "factor": [], "steps": None, "tolerance": None}
ACCURACY = {"same": 0.98, "other": 0.55}


def tests_of(solver: str, steps: int) -> list[tuple[str, int]]:
    """A net is tested under its own solver with K and 2K steps, and under midpoint with K."""
    return list(dict.fromkeys([(solver, steps), (solver, 2 * steps), ("midpoint", steps)]))


class Folder:
    """One results folder; rows appear at `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._results = store.Results(path)
        self._writer = store.Writer(self._results, "worker")
        self._seconds = 0

    def plan(self, name: str, trials: Iterable[Trial], probes: bool = False) -> None:
        """Save a plan of these trials with the evaluations of `tests_of`; with probes.

        Trajectories under K and 2K steps, and decision grids.
        """
        study, _, scale = name.partition("@")
        info = store.PlanInfo(
            name=name,
            study=study,
            reference=study,
            scale=scale.partition("+")[0],
            scale_label=f"{scale.capitalize()} scale.",
            title="A study",
            question="Why?",
            created_at=START.isoformat(),
        )
        rows = [self._planned(trial, probes) for trial in trials]
        store.write_plan(self._results, info, rows)

    def _planned(self, trial: Trial, probes: bool) -> dict[str, Any]:
        solver, steps, seed = trial
        label = f"{solver} K={steps}"
        evaluations = [
            {"eval_id": f"{test}-{count}", **_NO_AXES, "solver": test, "steps": count}
            for test, count in tests_of(solver, steps)
        ]
        asked = [
            {"probe_id": f"{name}-{count}", "name": name, **_NO_AXES, "steps": count}
            for name in ("trajectory", "decision_grid")
            for count in (steps, 2 * steps)
        ]
        return {
            "trial_id": f"{solver}-{steps}-{seed}",
            "cell_id": f"{solver}-{steps}",
            "axes": {"training": label},
            "seed": seed,
            "predicted_seconds": 1.0,
            "evaluations": evaluations,
            "probes": asked if probes else [],
        }

    def run(self, solver: str, steps: int, seed: int, **given: Any) -> None:
        """A finished run with its evaluations.

        given: outcome, attempt, accuracy_train; evaluated: eval ids (all if left out); probed.
        """
        self._seconds += 1
        outcome, attempt = given.get("outcome", "completed"), given.get("attempt", "attempt")
        trial = f"{solver}-{steps}-{seed}"
        key: dict[str, Any] = {
            "trial_id": trial,
            "attempt_id": f"{attempt}-{trial}",
            "weights_sha256": f"weights-{attempt}-{trial}",
        }
        key["finished_at"] = START + timedelta(seconds=self._seconds)
        net = {
            "data_name": "spheres",
            "data_dimension": 2,
            "solver_name": solver,
            "solver_steps": steps,
            "seed": seed,
        }
        about = net | {
            "outcome": outcome,
            "accuracy_train": given.get("accuracy_train", 0.99),
            "accuracy_test": 0.98,
            "executor": "inline",
        }
        cell = {"cell_id": f"{solver}-{steps}", "spec": "{}"}
        self._writer.add("runs", [_row("runs", key | cell | about)])
        if outcome != "completed":
            return
        for test, count in tests_of(solver, steps):
            if f"{test}-{count}" in given.get("evaluated", [f"{test}-{count}"]):
                accuracy = ACCURACY[
                    "same" if (test, count) == (solver, steps) or steps >= 64 else "other"
                ]
                tested = {
                    "eval_id": f"{test}-{count}",
                    "test_solver": test,
                    "test_solver_steps": count,
                    "split": "test",
                    "outcome": "completed",
                }
                self._writer.add(
                    "evaluations", [_row("evaluations", key | tested | {"accuracy": accuracy})]
                )
        if given.get("probed"):
            self._probes(key, solver, steps)

    def _probes(self, key: dict[str, Any], solver: str, steps: int) -> None:
        for count in (steps, 2 * steps):
            at = key | {"test_solver": solver, "test_solver_steps": count}
            states = [
                {
                    "probe_id": f"trajectory-{count}",
                    "point": point,
                    "label": point % 2,
                    "step": step,
                    "t": step / count,
                    "x1": 0.1 * point,
                    "x2": step / count,
                }
                for point in range(6)
                for step in range(count + 1)
            ]
            square = [
                {"probe_id": f"decision_grid-{count}", "x1": x1 / 4, "x2": x2 / 4, "p1": x1 / 4}
                for x1 in range(5)
                for x2 in range(5)
            ]
            self._writer.add(
                "probe_trajectory", [_row("probe_trajectory", at | one) for one in states]
            )
            self._writer.add(
                "probe_decision_grid", [_row("probe_decision_grid", at | one) for one in square]
            )

    def close(self) -> None:
        """Publish every row."""
        self._writer.close()


def _row(table: str, given: dict[str, Any]) -> dict[str, Any]:
    names: Sequence[str] = store.SCHEMAS[table].names
    assert given.keys() <= set(names)
    return dict.fromkeys(names) | given
