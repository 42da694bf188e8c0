"""A store written at schema version 1 is read, extended and compacted.

A generation and loose files of it, with new rows.
"""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command import odesweep
from store_rows import evaluation, run
from tiny import TINY

from analysis.rows.read import load
from sweeps.store import (
    SCHEMAS,
    Results,
    StoreView,
    Writer,
    accepted_evaluations,
    accepted_runs,
    list_plans,
    read_plan,
    read_table,
)
from sweeps.store.compact import compact
from sweeps.store.query import query
from sweeps.store.renamed import OLD_PLAN, RENAMED, current_name, current_plan
from sweeps.store.schema import VERSION, to_table
from sweeps.store.to_python import rows as rows_of
from sweeps.study.overrides import select
from sweeps.worker.tasks import Task, labelled

OLDER = Path(__file__).parents[1] / "data" / "store_baedb78"
IN_GENERATION, IN_MERGED = "7825112558bf8b176507acb9b93c949a", "3819944eb41075badf0d1af41d941897"
NFE_FORWARD = {IN_GENERATION: 6400, IN_MERGED: 3700, "new": 123}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    folder = tmp_path / "results"
    shutil.copytree(OLDER, folder)
    results = Results(folder)
    writer = Writer(results, "newer")
    writer.add("runs", [run("new", "a", nfe_forward=123)])
    writer.add("evaluations", [evaluation("new", "a", "e", nfe_per_batch=4.5)])
    writer.close()
    return results


def test_every_old_name_has_a_column_of_the_newest_schema() -> None:
    columns = {name for schema in SCHEMAS.values() for name in schema.names}
    for version, names in RENAMED.items():
        assert version < VERSION
        assert set(names.values()) <= columns


def test_a_name_that_a_table_still_has_is_not_renamed() -> None:
    names = [current_name("solver_steps", 1, SCHEMAS[table]) for table in ("runs", "evaluations")]
    assert names == ["solver_steps", "test_solver_steps"]


def _check(results: Results) -> None:
    runs = accepted_runs(results)
    assert dict(
        zip(*runs.select(["trial_id", "nfe_forward"]).to_pydict().values(), strict=True)
    ) == (NFE_FORWARD)
    last_epoch = {row["trial_id"]: row["epochs"][-1] for row in runs.to_pylist()}
    assert last_epoch[IN_GENERATION]["nfe_forward"] == 640
    assert last_epoch[IN_GENERATION]["loss_train"] == 1.6397682046890258
    assert last_epoch[IN_MERGED]["nfe_forward"] == 400
    evaluations = accepted_evaluations(results).to_pylist()
    assert len(evaluations) == 14 + 6 + 1
    assert all(row["nfe_per_batch"] is not None for row in evaluations)
    tested = {row["test_solver"] for row in evaluations if row["trial_id"] == IN_GENERATION}
    assert {"euler", "rk4"} & tested
    assert all(row["test_solver_steps"] for row in evaluations)
    steps = {row["trial_id"]: row["solver_steps"] for row in runs.to_pylist()}
    assert steps[IN_GENERATION] == 16
    view = StoreView(results)
    assert view.accepted.keys() == NFE_FORWARD.keys()
    assert len(view.done_evaluations) == 21


def test_older_and_newer_rows_are_one_table(results: Results) -> None:
    _check(results)


def test_compaction_writes_all_rows_in_the_newest_version(results: Results) -> None:
    before = {table: read_table(results, table) for table in ("runs", "evaluations")}
    manifest = compact(results).manifest
    for table, rows in before.items():
        (path,) = manifest.paths(results, table)
        assert pq.read_schema(path).metadata[b"odesweep_schema"] == str(VERSION).encode()
        assert read_table(results, table).equals(rows)
    _check(results)


@pytest.mark.parametrize("prepare", [Results.create, compact])
def test_queries_see_older_rows_by_the_new_names(
    results: Results, prepare: Callable[[Results], object]
) -> None:
    pytest.importorskip("duckdb")
    prepare(results)
    rows = query(results, "SELECT trial_id, nfe_forward FROM runs").to_pylist()
    assert {row["trial_id"]: row["nfe_forward"] for row in rows} == NFE_FORWARD
    epochs = query(
        results,
        f"SELECT sum(nfe_forward) AS total FROM epochs WHERE trial_id = '{IN_GENERATION}'",
    )
    assert epochs.to_pylist() == [{"total": 6400}]
    count = query(results, "SELECT count(nfe_per_batch) AS n FROM evaluations").to_pylist()
    assert count == [{"n": 21}]


def test_plans_status_and_analysis_read_it(results: Results) -> None:
    (name,) = list_plans(results)
    assert IN_GENERATION in read_plan(results, name).table["trial_id"].to_pylist()
    code, output, error = odesweep("status", IN_GENERATION, results=results.path)
    assert code == 0, error
    assert "completed" in output
    data = load(results.path, "gusak2020/figure1")
    assert data.runs["nfe_forward"].tolist() == [6400]
    assert sum(data.epochs["nfe_forward"]) == 6400
    assert len(data.evaluations["nfe_per_batch"].dropna()) == 14


def test_an_older_plan_gives_fields_and_numbers_from_its_commands(results: Results) -> None:
    (name,) = list_plans(results)
    plan = read_plan(results, name)
    assert (plan.info.reference, plan.info.overrides) == ("gusak2020/figure1", ())
    (row,) = (row for row in plan.rows() if row["trial_id"] == IN_GENERATION)
    assert row["axes"] == {
        "model.stem_norm": "batch",
        "model.ode_norm": "batch",
        "solver.steps": 16,
    }
    assert {item["steps"] for item in row["evaluations"]} == {1, 2, 4, 8, 16, 32, 64}


def test_an_older_command_gives_its_overrides_one_by_one() -> None:
    axes = [("method", "Baseline, bias"), ("solver.tolerance", "1e-05")]
    test = [("grid", "a,b"), ("solver", "euler"), ("factor", "0.5,1"), ("steps", "4")]
    overrides = ["+method=ENorm, bias", "train.schedule.drops=[1, 2]"]
    chosen = [f"{axis}={value}" for axis, value in axes] + ["seed=3"]
    row = {
        "trial_id": "t",
        "cell_id": "c",
        "axes": axes,
        "seed": 3,
        "predicted_seconds": 1.0,
        "command": shlex.join(
            ["odesweep", "run", "my studies.py", "--scale", "small", *overrides, *chosen]
        ),
        "evaluations": [{"eval_id": "e", "axes": test}],
        "probes": [{"probe_id": "p", "name": "series", "axes": [("grid", "a")]}],
    }
    old = to_table(OLD_PLAN, [row])
    table, about = current_plan(old, {"study": "mine", "overrides": " ".join(overrides)})
    assert about["reference"] == "my studies.py"
    assert json.loads(about["overrides"]) == overrides
    (row,) = rows_of(table)
    assert row["axes"] == {"method": '"Baseline, bias"', "solver.tolerance": "1e-05"}
    none = {"solver": None, "factor": [], "steps": None, "tolerance": None}
    asked = {"grid": ["a", "b"], "solver": "euler", "factor": [0.5, 1], "steps": 4}
    assert row["evaluations"] == [{"eval_id": "e", **asked, "tolerance": None}]
    assert row["probes"] == [{"probe_id": "p", "name": "series", **none, "grid": ["a"]}]


def test_a_task_of_an_older_submission_is_named_by_the_values_that_tell_it_apart() -> None:
    chosen = select(TINY, "paper").declared[:2]
    tasks = [Task(one.trial_id, one.spec, True, (), (), 1.0) for one in chosen]
    (*_, name), (*_, other) = (task.label.split(" ") for task in labelled(tasks))
    assert name != other
    assert name.partition("=")[0] == other.partition("=")[0]
    assert "=" in name
