"""The rows of one trial as a world would have it.

What the world does not say is made up smoothly.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from worlds import Cell, Run, World

from sweeps import store
from sweeps.planning.operation_count import iterations
from sweeps.spec import flatten
from sweeps.study.derived import PlannedEvaluation, PlannedProbe
from sweeps.study.grid import PlannedTrial
from sweeps.worker.rows import evaluation_column

START = datetime(2026, 1, 1, tzinfo=UTC)
MAX_RECORDED = 12


def write_trial(
    writer: store.Writer, cell: Cell, trial: PlannedTrial, world: World, number: int
) -> None:
    """Hand the trial's rows to the writer. number: of the trial, from which its time follows."""
    run = world.run(cell)
    if run is None:
        return
    key = {
        "trial_id": trial.trial_id,
        "attempt_id": f"a-{trial.trial_id}",
        "finished_at": START + timedelta(seconds=number),
    }
    completed = run.outcome == "completed"
    key["weights_sha256"] = f"w-{trial.trial_id}"
    series = world.series(cell, run)
    writer.add(
        "runs", [_run_row(cell, trial, run, key | ({} if completed else {"weights_sha256": None}))]
    )
    for probe in trial.probes:
        if probe.probe.name == "series":
            _add_probe(
                writer,
                probe,
                {} if completed else {"weights_sha256": ""},
                key,
                _series(series, trial),
            )
        elif completed:
            _add_probe(writer, probe, _solver(probe), key, _probe_columns(cell, probe))
    if completed:
        rows = [_evaluation_row(cell, run, one, world, key) for one in trial.evaluations]
        writer.add("evaluations", [row for row in rows if row is not None])


def _run_row(cell: Cell, trial: PlannedTrial, run: Run, key: Mapping[str, Any]) -> dict[str, Any]:
    epochs = _epochs(trial, run)
    last = epochs[-1] if epochs else {}
    numbers = {
        "accuracy_test": run.accuracy,
        "accuracy_test_best": run.accuracy,
        "accuracy_train": min(1.0, run.accuracy + 0.02),
        "loss_test": 1 - run.accuracy,
    }
    about = {
        "cell_id": trial.cell_id,
        "spec": trial.spec.model_dump_json(),
        "outcome": run.outcome,
        "outcome_epoch": last.get("epoch", 0),
        "outcome_iteration": last.get("iteration", 0),
        "parameters": 1000,
        "depth_layers": int(cell.spec.get("model_layers") or 4),
        "n_blocks": 1,
        "train_seconds": 10.0,
        "evaluate_seconds": 2.0,
        "nfe_forward": 1000,
        "nfe_backward": 0,
        "peak_memory_bytes": 10**9,
        "samples_per_second": 100.0,
        "timing_valid": True,
        "attempts": 1,
        "numerics": "eager",
        "code_hash": "0" * 12,
        "device": "cpu: synthetic",
        "cpu_threads": 1,
        "executor": "inline",
        "started_at": START,
        "epochs": epochs,
    }  # fmt: skip
    return _full("runs", {**cell.spec, **key, **about, **numbers, **run.columns})


def _epochs(trial: PlannedTrial, run: Run) -> list[dict[str, Any]]:
    total, train = iterations(trial.spec), trial.spec.train
    count = train.epochs or (max(1, total // train.record_every) if train.record_every else 1)
    if run.curve is None:
        count = min(count, MAX_RECORDED)
        # Rises to the final value; a run that failed stops half-way.
        curve = [
            run.accuracy * (1 - 0.6 * 0.5 ** (8 * (k + 1) / count)) for k in range(count - 1)
        ] + [run.accuracy]
        curve = curve if run.outcome == "completed" else curve[: count // 2]
    else:
        curve = list(run.curve)
    last = train.epochs or 1
    names = [one.name for one in store.SCHEMAS["runs"].field("epochs").type.value_type]
    numbers = {
        "nfe_forward": 100,
        "nfe_backward": 0,
        "train_seconds": 1.0,
        "evaluate_seconds": 0.2,
        "peak_memory_bytes": 10**9,
    }
    return [
        {
            **dict.fromkeys(names),
            **numbers,
            "iteration": round(total * (k + 1) / max(count, len(curve))),
            "epoch": max(1, round(last * (k + 1) / max(count, len(curve)))),
            "accuracy_test": value,
            "accuracy_train": min(1.0, value + 0.02),
            "loss_test": 1.2 - value,
            "loss_train": 1.1 - value,
            "learning_rate": 0.1 / (k + 1),
            "gradient_norm_max": 1.0,
            "bias_gradient_norm_max": 0.5 + k,
        }
        for k, value in enumerate(curve)
    ]


def _evaluation_row(
    cell: Cell, run: Run, planned: PlannedEvaluation, world: World, key: Mapping[str, Any]
) -> dict[str, Any] | None:
    columns = {
        evaluation_column(name): value for name, value in flatten(planned.evaluation).items()
    }
    axes = {
        axis: ",".join(map(store.label, value)) if isinstance(value, list) else store.label(value)
        for axis, value in planned.axes.items()
        if value not in (None, [])
    }
    found = world.test(cell, run, axes, columns)
    if found is None:
        return None
    numbers: dict[str, Any] = {
        "samples": 1000,
        "nfe_per_batch": 20.0,
        "seconds": 0.1,
        "device": "cpu: synthetic",
        "cpu_threads": 1,
    }
    if isinstance(found, str):
        numbers |= {"outcome": found}
    else:
        numbers |= {
            "outcome": "completed",
            "accuracy": found,
            "correct": round(found * 1000),
            "loss": 1 - found,
        }
    return _full("evaluations", {**key, "eval_id": planned.eval_id, **columns, **numbers})


def _solver(probe: PlannedProbe) -> dict[str, Any]:
    return {
        evaluation_column(f"solver_{name}"): getattr(
            getattr(probe.probe, "solver", None), name, None
        )
        for name in ("name", "steps", "tolerance")
    }


def _series(series: Mapping[str, Sequence[float]], trial: PlannedTrial) -> dict[str, list[Any]]:
    total = iterations(trial.spec)
    rows = [
        (round(total * k / max(1, len(values) - 1)), name, value)
        for name, values in series.items()
        for k, value in enumerate(values)
    ]
    return {
        name: [row[index] for row in rows]
        for index, name in enumerate(("iteration", "name", "value"))
    }


def _probe_columns(cell: Cell, planned: PlannedProbe) -> dict[str, list[Any]]:
    """A rotation for trajectories, a line between classes, statistics that swing with time."""
    probe: Any = planned.probe
    steps = getattr(getattr(probe, "solver", None), "steps", None) or 8
    if probe.name == "decision_grid":
        x1, x2 = (part.ravel() for part in np.meshgrid(*[np.linspace(-1, 1, probe.resolution)] * 2))
        return {"x1": list(x1), "x2": list(x2), "p1": list(1 / (1 + np.exp(-4 * (x1 + x2))))}
    if probe.name == "layer_statistics":
        layers, channels = min(int(cell.spec.get("model_layers") or 4), 6), 3
        rows = [
            (layer, channel, k / steps)
            for layer in range(layers)
            for channel in range(channels)
            for k in range(steps + 1)
        ]
        mean, var = (
            [0.1 * np.sin(6 * t + channel) for _, channel, t in rows],
            [0.2 + 0.1 * np.cos(6 * t + layer) for layer, _, t in rows],
        )
        return {
            name: [row[index] for row in rows]
            for index, name in enumerate(("layer", "channel", "t"))
        } | {"mean": mean, "var": var}
    points = min(probe.points, 4 if cell.spec["data_name"] in ("fan", "line") else 20)
    rows = [(point, step) for point in range(points) for step in range(steps + 1)]
    angle = [0.6 * point + 1.5 * step / steps for point, step in rows]
    x1 = [
        (0.3 + 0.01 * point) * float(np.cos(a)) for (point, _), a in zip(rows, angle, strict=True)
    ]
    x2 = [
        (0.3 + 0.01 * point) * float(np.sin(a)) for (point, _), a in zip(rows, angle, strict=True)
    ]
    places = {
        "point": [point for point, _ in rows],
        "label": [point % 2 for point, _ in rows],
        "step": [step for _, step in rows],
    }
    return places | {"t": [step / steps for _, step in rows], "x1": x1, "x2": x2}


def _add_probe(
    writer: store.Writer,
    planned: PlannedProbe,
    more: Mapping[str, Any],
    key: Mapping[str, Any],
    columns: Mapping[str, list[Any]],
) -> None:
    table = f"probe_{planned.probe.name}"
    shared = {**key, "probe_id": planned.probe_id, **more}
    rows = [
        _full(table, {**shared, **dict(zip(columns, row, strict=True))})
        for row in zip(*columns.values(), strict=True)
    ]
    writer.add(table, rows)


def _full(table: str, given: Mapping[str, Any]) -> dict[str, Any]:
    names = store.SCHEMAS[table].names
    unknown = set(given) - set(names)
    assert not unknown, f"no columns {sorted(unknown)} in {table}"
    return {name: given.get(name) for name in names}
