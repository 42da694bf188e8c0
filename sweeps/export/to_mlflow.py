"""A database for MLflow, mlflow.db: an experiment with the plan's name, a run per run."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from sweeps.export.runs import ExportedRun
from sweeps.store import label

# The most that one call takes, by MLflow's documentation of `log_batch`.
_METRICS, _PARAMETERS = 1000, 100


def write(runs: Sequence[ExportedRun], folder: Path) -> None:
    """Write mlflow.db. `mlflow ui --backend-store-uri sqlite:///FOLDER/mlflow.db` shows it."""
    # By name: types are checked without it.
    entities, tracking = import_module("mlflow.entities"), import_module("mlflow.tracking")
    client = tracking.MlflowClient(tracking_uri=f"sqlite:///{folder.absolute() / 'mlflow.db'}")
    artifacts = (folder.absolute() / "artifacts").as_uri()
    experiment = client.create_experiment(folder.name, artifact_location=artifacts)
    for one in runs:
        begin, end = (int(at.timestamp() * 1000) for at in (one.started_at, one.finished_at))
        tags = {name: str(value) for name, value in one.provenance.items()}
        tags |= {"trial_id": one.trial_id, "outcome": one.outcome}
        run = client.create_run(experiment, begin, tags, run_name=one.name).info.run_id
        axes = {f"axis.{axis}": value for axis, value in one.axes.items()}
        parameters = [
            entities.Param(key, label(value)) for key, value in (axes | one.settings).items()
        ]
        for start in range(0, len(parameters), _PARAMETERS):
            client.log_batch(run, params=parameters[start : start + _PARAMETERS])
        last = max((step for step, _ in one.points()), default=0)
        # MLflow's names have no "=".
        points = [*one.points(), (last, {f"final/{k}": v for k, v in one.metrics.items()})]
        metrics = [
            entities.Metric(name.replace("=", ":"), float(value), end, step)
            for step, numbers in points
            for name, value in numbers.items()
        ]
        for start in range(0, len(metrics), _METRICS):
            client.log_batch(run, metrics=metrics[start : start + _METRICS])
        status = "FINISHED" if one.outcome == "completed" else "FAILED"
        client.set_terminated(run, status=status, end_time=end)
