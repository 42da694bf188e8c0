"""The results store.

Many workers write Parquet and JSONL files, and anyone reads them, without locks or a server.
"""

from sweeps.store.accept import accepted_evaluations, accepted_probes, accepted_runs
from sweeps.store.events import EventLog, EventReader
from sweeps.store.files import list_folder, publish_bytes, publish_table
from sweeps.store.folders import Results
from sweeps.store.generations import read_newest
from sweeps.store.plans import (
    PlanInfo,
    SavedPlan,
    axis_words,
    label,
    list_plans,
    plan_path,
    read_plan,
    with_added,
    write_plan,
)
from sweeps.store.read import read_table
from sweeps.store.retractions import Retractions, read_retractions, write_retraction
from sweeps.store.schema import (
    FINAL_OUTCOMES,
    OUTCOMES,
    SCHEMAS,
    TABLES,
    SchemaError,
    check_rows,
    spec_columns,
)
from sweeps.store.submissions import (
    Sent,
    Submission,
    cancel_submission,
    is_cancelled,
    list_submissions,
    read_sent,
    read_submission,
    settings_of,
    write_sent,
    write_submission,
)
from sweeps.store.to_python import uncollected
from sweeps.store.view import Attempt, StoreView
from sweeps.store.write import Writer

__all__ = [
    "FINAL_OUTCOMES",
    "OUTCOMES",
    "SCHEMAS",
    "TABLES",
    "Attempt",
    "EventLog",
    "EventReader",
    "PlanInfo",
    "Results",
    "Retractions",
    "SavedPlan",
    "SchemaError",
    "Sent",
    "StoreView",
    "Submission",
    "Writer",
    "accepted_evaluations",
    "accepted_probes",
    "accepted_runs",
    "axis_words",
    "cancel_submission",
    "check_rows",
    "is_cancelled",
    "label",
    "list_folder",
    "list_plans",
    "list_submissions",
    "plan_path",
    "publish_bytes",
    "publish_table",
    "read_newest",
    "read_plan",
    "read_retractions",
    "read_sent",
    "read_submission",
    "read_table",
    "settings_of",
    "spec_columns",
    "uncollected",
    "with_added",
    "write_plan",
    "write_retraction",
    "write_sent",
    "write_submission",
]
