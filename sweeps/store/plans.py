"""Saved plans: which trials, evaluations and probes a study consists of. Analysis joins rows to them and so knows what is missing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from sweeps.store.files import list_folder, one_line, publish_table
from sweeps.store.folders import Results, file_stem
from sweeps.store.parquet import load_required
from sweeps.store.schema import PLAN, check_keys, to_table
from sweeps.store.to_python import rows as rows_of

METADATA = ("study", "scale", "overrides", "title", "question", "scale_label", "created_at")


class Plan(NamedTuple):
    """A saved plan. metadata: study, scale, overrides, title, question, scale_label, created_at."""

    table: pa.Table
    metadata: dict[str, str]

    def rows(self) -> list[dict[str, Any]]:
        """One dict per trial; axes are dicts."""
        return rows_of(self.table)


def plan_path(results: Results, name: str) -> Path:
    """Where the plan `<study>@<scale>[+<hash8>]` lies. Raises UserError for a name that cannot be a file's."""
    return results.plans / f"{file_stem(name)}.parquet"


def write_plan(
    results: Results, name: str, rows: Sequence[Mapping[str, Any]], metadata: Mapping[str, str]
) -> Path:
    """Save a plan under `<study>@<scale>[+<hash8>]`, in place of an earlier one of that name.

    Raises SchemaError for wrong columns or metadata, UserError for a bad name, InfrastructureError if it cannot be written.
    """
    path = plan_path(results, name)
    check_keys("metadata of a plan", metadata, METADATA)
    table = _to_table(rows)
    results.create()
    with one_line(
        f"cannot write {path}", "free or repair that place, or give another with --results"
    ):
        publish_table(path, table, metadata, replace=True)
    return path


def read_plan(results: Results, name: str) -> Plan:
    """The plan of that name. Raises UserError if there is none (listing those there are), InfrastructureError if it is unreadable."""
    names = ", ".join(list_plans(results)) or "none"
    missing = f"no saved plan {name!r} in {results.plans}; there are: {names}; odesweep plan STUDY --save makes one"
    return Plan(*load_required(plan_path(results, name), PLAN, missing))


def list_plans(results: Results) -> list[str]:
    """Names of the saved plans, as `read_plan` takes them."""
    with one_line(f"cannot read {results.plans}", "check permissions and the disk"):
        stems = [
            name.removesuffix(".parquet")
            for name in list_folder(results.plans)
            if name.endswith(".parquet")
        ]
    return [stem.replace("--", "/") for stem in stems]


def _to_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    for row in rows:
        check_keys("plan", row, PLAN.names)
        for name in ("evaluations", "probes"):
            for item in row[name]:
                check_keys(
                    f"plan, {name}",
                    item,
                    [field.name for field in PLAN.field(name).type.value_type],
                )
    return to_table(PLAN, [{name: _plain(value) for name, value in row.items()} for row in rows])


def _plain(value: Any) -> Any:
    """Dicts of axes as the pairs that Arrow's maps are made from."""
    if isinstance(value, Mapping):
        return [(str(key), str(label)) for key, label in value.items()]
    if isinstance(value, list | tuple):
        return [{name: _plain(inner) for name, inner in item.items()} for item in value]
    return value
