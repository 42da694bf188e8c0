import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_rows import EPOCH, evaluation, make, run

from odecore.config import TrialSpec
from sweeps.spec import flatten
from sweeps.store import (
    FINAL_OUTCOMES,
    OUTCOMES,
    SCHEMAS,
    TABLES,
    SchemaError,
    check_rows,
    spec_columns,
)
from sweeps.store.schema import KEYS, to_table


@pytest.mark.parametrize("table", TABLES)
def test_full_row_passes_and_every_single_missing_key_is_named(table: str) -> None:
    row = make(table)
    check_rows(table, [row])
    for name in row:
        with pytest.raises(SchemaError, match=rf"missing {name}$"):
            check_rows(table, [{key: value for key, value in row.items() if key != name}])


@given(st.text(min_size=1, max_size=20).filter(lambda name: name not in SCHEMAS["runs"].names))
def test_any_extra_key_is_refused(name: str) -> None:
    with pytest.raises(SchemaError, match="unknown"):
        check_rows("runs", [make("runs") | {name: 1}])


def test_misspelt_key_names_the_right_one() -> None:
    row = run("t", "a")
    row["acuracy_test"] = row.pop("accuracy_test")
    with pytest.raises(
        SchemaError,
        match=r"missing accuracy_test; unknown acuracy_test \(did you mean accuracy_test\?\)",
    ):
        check_rows("runs", [row])


def test_misspelt_key_within_epochs_is_refused() -> None:
    row = run("t", "a")
    row["epochs"] = [
        {
            ("los_train" if name == "loss_train" else name): value
            for name, value in row["epochs"][0].items()
        }
    ]
    with pytest.raises(SchemaError, match=r"epochs: missing loss_train; unknown los_train"):
        check_rows("runs", [row])


def test_empty_keys_unknown_outcomes_naive_times_and_unknown_tables_are_refused() -> None:
    for name in (*KEYS["evaluations"], "finished_at"):
        with pytest.raises(SchemaError, match=f"{name} is empty"):
            check_rows("evaluations", [evaluation("t", "a", "e") | {name: None}])
    with pytest.raises(
        SchemaError,
        match="unknown outcome 'done'; there are: completed, diverged, solver_failed, crashed",
    ):
        check_rows("runs", [run("t", "a", outcome="done")])
    with pytest.raises(SchemaError, match="started_at has no time zone"):
        check_rows("runs", [run("t", "a", started_at=EPOCH.replace(tzinfo=None))])
    with pytest.raises(SchemaError, match="unknown table 'run'; there are: runs, evaluations"):
        check_rows("run", [])


def test_value_of_the_wrong_type_names_its_column() -> None:
    with pytest.raises(SchemaError, match=r"column parameters \(int64\)"):
        to_table(SCHEMAS["runs"], [run("t", "a", parameters="many")])


def test_final_outcomes_are_the_scientific_ones() -> None:
    assert FINAL_OUTCOMES == ("completed", "diverged", "solver_failed")
    assert set(OUTCOMES) - set(FINAL_OUTCOMES) == {"crashed", "out_of_memory", "timed_out"}


def test_columns_of_the_spec_have_the_types_of_its_fields_in_their_recorded_order() -> None:
    types = {
        "data_name": pa.string(),
        "model_layers": pa.int64(),
        "model_bias": pa.bool_(),
        "model_ode_norm_penalty": pa.float64(),
        "solver_steps": pa.int64(),
        "solver_tolerance": pa.float64(),
        "train_schedule_drops": pa.string(),
        "train_gradient_clip": pa.float64(),
        "seed": pa.int64(),
    }
    columns = [name for name in SCHEMAS["runs"].names if name in types]
    assert {name: SCHEMAS["runs"].field(name).type for name in columns} == types
    assert columns == list(types)
    assert list(spec_columns({})).index("seed") >= 90


@pytest.mark.parametrize("optimizer", [{"name": "adam"}, {"name": "sgd"}])
def test_flattened_spec_fills_its_columns_and_leaves_the_rest_null(
    optimizer: dict[str, str],
) -> None:
    spec = TrialSpec.model_validate(
        {
            "data": {"name": "spheres"},
            "model": {"name": "flat_node"},
            "solver": {"name": "euler", "steps": 4},
            "train": {"optimizer": optimizer, "iterations": 5},
        }
    )
    columns = spec_columns(flatten(spec))
    assert columns["solver_steps"] == 4
    assert columns["solver_tolerance"] is None
    assert columns["train_optimizer_momentum"] == (0.0 if optimizer["name"] == "sgd" else None)
    assert [name for name in SCHEMAS["runs"].names if name in columns] == list(columns)
    check_rows("runs", [run("t", "a", **columns)])


def test_a_value_that_no_section_has_is_refused() -> None:
    with pytest.raises(SchemaError, match="no section of a spec has model_depth"):
        spec_columns({"model_depth": 3})


def test_units_are_in_the_field_metadata() -> None:
    runs = SCHEMAS["runs"]
    units = {
        name: (runs.field(name).metadata or {}).get(b"unit")
        for name in ("train_seconds", "peak_memory_bytes", "samples_per_second", "seed")
    }
    assert units == {
        "train_seconds": b"s",
        "peak_memory_bytes": b"B",
        "samples_per_second": b"1/s",
        "seed": None,
    }
    assert runs.field("nfe_forward").metadata == {b"unit": b"evaluations of the right-hand side"}
    assert SCHEMAS["evaluations"].field("seconds").metadata == {b"unit": b"s"}
    assert pa.types.is_list(runs.field("epochs").type)
