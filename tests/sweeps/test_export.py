"""`odesweep export`: the recorded rows of docs/results, written for other tools and read back."""

import csv
import json
import math
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sweeps.cli import main
from sweeps.store import Results, accepted_runs, list_plans, read_plan

FOLDER = Path(__file__).parents[2] / "docs" / "results"
STUDY, PLAN = "enorm2019/report", "enorm2019/report@small"


def export(to: str, out: Path, study: str = STUDY) -> Path:
    with pytest.raises(SystemExit) as ended:
        main(["export", study, "--to", to, "--results", str(FOLDER), "--out", str(out)])
    assert ended.value.code == 0
    (folder,) = out.iterdir()
    return folder


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, Any]]:
    """The accepted rows of the plan, and of what was added to it, by trial."""
    plans = [name for name in list_plans(Results(FOLDER)) if name.partition("+")[0] == PLAN]
    planned = {row["trial_id"] for name in plans for row in read_plan(Results(FOLDER), name).rows()}
    found = accepted_runs(Results(FOLDER)).to_pylist()
    return {row["trial_id"]: row for row in found if row["trial_id"] in planned}


def test_csv_has_a_line_per_run_and_per_point(
    rows: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    folder = export("csv", tmp_path)
    with (folder / "runs.csv").open() as file:
        runs = {row["trial_id"]: row for row in csv.DictReader(file)}
    with (folder / "curves.csv").open() as file:
        curves = list(csv.DictReader(file))
    assert runs.keys() == rows.keys()
    assert len(curves) == sum(len(row["epochs"]) for row in rows.values())
    for trial, row in rows.items():
        assert runs[trial]["outcome"] == row["outcome"]
        assert runs[trial]["accuracy_test"] == (
            "" if row["accuracy_test"] is None else str(row["accuracy_test"])
        )
        assert runs[trial]["spec.model.layers"] == str(row["model_layers"])
        assert int(runs[trial]["axis.seed"]) == row["seed"]


def test_json_is_valid_and_has_everything(rows: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    text = (export("json", tmp_path) / "runs.json").read_text()
    runs = {run["trial_id"]: run for run in json.loads(text, parse_constant=no_constant)}
    assert runs.keys() == rows.keys()
    failed = next(row for row in rows.values() if row["outcome"] == "diverged")
    assert runs[failed["trial_id"]]["detail"] == failed["outcome_detail"]
    done = next(row for row in rows.values() if row["outcome"] == "completed")
    assert [point["loss_train"] for point in runs[done["trial_id"]]["curve"]] == [
        point["loss_train"] for point in done["epochs"]
    ]
    assert runs[done["trial_id"]]["settings"]["model.layers"] == done["model_layers"]


def test_tensorboard_has_curves_and_final_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    protos = pytest.importorskip("tensorboardX.proto.event_pb2")

    run = min(export("tensorboard", tmp_path, "gusak2020/figure1").iterdir())
    (events,) = run.iterdir()
    data, scalars, tags = events.read_bytes(), {}, set()
    while data:
        # A record: its length, a checksum, the event, a checksum.
        (length,) = struct.unpack("<Q", data[:8])
        for value in protos.Event.FromString(data[12 : 12 + length]).summary.value:
            tags.add(value.tag)
            if value.HasField("simple_value"):
                scalars.setdefault(value.tag, []).append(value.simple_value)
        data = data[16 + length :]
    (row,) = (
        row
        for row in accepted_runs(Results(FOLDER)).to_pylist()
        if row["trial_id"].startswith(run.name[-8:])
    )
    assert scalars["accuracy_test"] == pytest.approx(
        [point["accuracy_test"] for point in row["epochs"]]
    )
    assert scalars["final/accuracy_test"] == pytest.approx([row["accuracy_test"]])
    assert len([tag for tag in scalars if tag.startswith("final/accuracy_under_")]) == 14
    assert "_hparams_/session_start_info" in tags


def test_mlflow_has_parameters_curves_and_outcomes(
    rows: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    tracking = pytest.importorskip("mlflow.tracking", reason="mlflow is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = export("mlflow", tmp_path)
        client = tracking.MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
        (experiment,) = client.search_experiments(filter_string="name != 'Default'")
        found = client.search_runs([experiment.experiment_id], max_results=1000)
        runs = {run.data.tags["trial_id"]: run for run in found}
        assert runs.keys() == rows.keys()
        for trial, row in rows.items():
            status = "FINISHED" if row["outcome"] == "completed" else "FAILED"
            assert runs[trial].info.status == status
            assert runs[trial].data.params["model.layers"] == str(row["model_layers"])
        trial, row = next(item for item in rows.items() if item[1]["outcome"] == "completed")
        curve = client.get_metric_history(runs[trial].info.run_id, "accuracy_test")
        assert [point.value for point in curve] == [p["accuracy_test"] for p in row["epochs"]]


def wandb_records(data: bytes) -> Iterator[bytes]:
    """The records of a file .wandb: a header of 7 bytes, then LevelDB's log format."""
    place, record = 7, b""
    while place + 7 <= len(data):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        record += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or its last part
            yield record
            record = b""


def test_wandb_has_an_offline_run(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = export("wandb-offline", tmp_path, "gusak2020/figure1")
        records = pytest.importorskip("wandb.proto.wandb_internal_pb2")
        (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
        history, config = [], {}
        for data in wandb_records(path.read_bytes()):
            record = records.Record.FromString(data)
            if record.HasField("history"):
                items = record.history.item
                history.append({".".join(one.nested_key): one.value_json for one in items})
            for one in record.run.config.update:
                config[one.key] = json.loads(one.value_json)
    (row,) = (
        row
        for row in accepted_runs(Results(FOLDER)).to_pylist()
        if path.stem == f"run-{row['trial_id']}"
    )
    logged = [float(json.loads(point["accuracy_test"])) for point in history]
    assert logged == pytest.approx([point["accuracy_test"] for point in row["epochs"]])
    assert config["model.ode_norm.name"] == row["model_ode_norm_name"]
    assert all(math.isfinite(value) for value in logged)


@pytest.mark.parametrize(
    ("to", "extra", "package"),
    [
        ("tensorboard", "tensorboard", "tensorboardX"),
        ("mlflow", "mlflow", "mlflow"),
        ("wandb-offline", "wandb", "wandb"),
    ],
)
def test_a_missing_package_is_one_line_with_the_command(
    to: str,
    extra: str,
    package: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sweeps.cli.export.find_spec", lambda _name: None)
    assert f"needs {package}, which is not installed: pip install 'odesweep[{extra}]'" in refused(
        capsys, STUDY, "--to", to, "--out", str(tmp_path)
    )
    assert not list(tmp_path.iterdir())


def test_what_is_already_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = export("csv", tmp_path, "gusak2020/figure1")
    capsys.readouterr()
    before = (folder / "runs.csv").read_bytes()
    assert "is already there; remove it, or give another folder with --out" in refused(
        capsys, "gusak2020/figure1", "--to", "csv", "--out", str(tmp_path)
    )
    assert (folder / "runs.csv").read_bytes() == before
    assert "no saved plan of study nothing" in refused(capsys, "nothing", "--to", "csv")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["export", *arguments, "--results", str(FOLDER)])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.count("\n") == 1
    return error
