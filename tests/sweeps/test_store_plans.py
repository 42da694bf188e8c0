import json
import logging
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from store_rows import names

from sweeps.errors import InfrastructureError, UserError
from sweeps.store import (
    PlanInfo,
    Results,
    SchemaError,
    cancel_submission,
    is_cancelled,
    list_plans,
    list_submissions,
    read_plan,
    read_retractions,
    read_submission,
    write_plan,
    write_retraction,
    write_submission,
)

SUBMISSION_METADATA = {
    name: f"the {name}" for name in ("study", "scale", "executor", "command", "created_at")
}
NAME = "ott2021/sphere2-fixed@small"
# A name with spaces and a list are one override each; a file may be a study.
INFO = PlanInfo(
    name=NAME,
    study="ott2021/sphere2-fixed",
    reference="my studies.py:fixed",
    scale="small",
    scale_label="Small scale.",
    overrides=("+method=Baseline, bias", "train.schedule.drops=[1, 2]"),
    title="A title",
    question="Why?",
    created_at="2026-01-01T00:00:00+00:00",
)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


def _plan_row(trial: str) -> dict[str, Any]:
    axes: dict[str, Any] = {"solver.name": "euler", "solver.steps": 2, "x": 1e-5, "y": True}
    asked = {"grid": ["a", "b"], "solver": "rk4", "factor": [0.5, 2.0], "steps": 4}
    return {
        "trial_id": trial,
        "cell_id": "c",
        "axes": axes,
        "seed": 3,
        "predicted_seconds": 1.5,
        "evaluations": [{"eval_id": "e1", **asked, "tolerance": None}],
        "probes": [
            {"probe_id": "p1", "name": "trajectory", **dict.fromkeys([*asked, "tolerance"])}
        ],
    }


def _submission_row(trial: str) -> dict[str, Any]:
    work = {"train": True, "evaluations": ['{"split": "test"}'], "probes": [], "axes": ["seed=0"]}
    return {"task": 0, "shard": 1, "trial_id": trial, "spec": "{}", "predicted_seconds": 2.0} | work


def test_plan_round_trip_keeps_types_and_each_override(results: Results) -> None:
    rows = [_plan_row("t2"), _plan_row("t1") | {"evaluations": [], "probes": []}]
    path = write_plan(results, INFO, rows)
    assert path.name == "ott2021--sphere2-fixed@small.parquet"
    plan = read_plan(results, NAME)
    assert plan.rows() == rows
    assert plan.info == INFO
    words = shlex.split(plan.info.command("run", "seed=1"))
    assert words == [
        "odesweep",
        "run",
        INFO.reference,
        "--scale",
        "small",
        *INFO.overrides,
        "seed=1",
    ]


def test_plan_is_replaced_as_a_whole_and_listed_by_its_name(results: Results) -> None:
    assert list_plans(results) == []
    write_plan(results, INFO, [_plan_row("t1")])
    write_plan(results, INFO, [_plan_row("t1"), _plan_row("t2")])
    write_plan(results, replace(INFO, name=f"{NAME}+0a1b2c3d"), [])
    assert list_plans(results) == [f"{NAME}+0a1b2c3d", NAME]
    assert len(read_plan(results, NAME).rows()) == 2
    assert read_plan(results, f"{NAME}+0a1b2c3d").rows() == []
    assert len(names(results.plans)) == 2


def test_wrong_keys_of_plans_and_submissions_are_refused(results: Results) -> None:
    row = _plan_row("t")
    with pytest.raises(SchemaError, match="plan: missing probes; unknown prbes"):
        write_plan(results, INFO, [{"prbes": row.pop("probes"), **row}])
    with pytest.raises(SchemaError, match="plan, evaluations: missing grid, solver"):
        write_plan(results, INFO, [_plan_row("t") | {"evaluations": [{"eval_id": "e"}]}])
    with pytest.raises(SchemaError, match="submission: unknown priority"):
        write_submission(results, [_submission_row("t") | {"priority": 1}], SUBMISSION_METADATA)
    with pytest.raises(SchemaError, match="metadata of a submission: missing scale"):
        write_submission(
            results,
            [],
            {key: value for key, value in SUBMISSION_METADATA.items() if key != "scale"},
        )
    assert not results.path.exists()


def test_missing_plan_lists_those_there_are(results: Results) -> None:
    write_plan(results, replace(INFO, name="demo@demo"), [])
    with pytest.raises(
        UserError,
        match=r"^no saved plan 'dmo@demo' in .*; there are: demo@demo; odesweep plan STUDY --save "
        r"makes one$",
    ):
        read_plan(results, "dmo@demo")


@pytest.mark.parametrize("name", ["../demo", "a/../../b", "/etc/x", ".x", "demo\n", ""])
def test_names_cannot_leave_the_folder(results: Results, name: str) -> None:
    for call in (
        lambda: write_plan(results, replace(INFO, name=name), []),
        lambda: read_plan(results, name),
    ):
        with pytest.raises(UserError, match="is not a valid name"):
            call()
    for call in (read_submission, is_cancelled, cancel_submission):
        with pytest.raises(UserError, match="is not a valid name"):
            call(results, name)
    assert not results.path.exists()


def test_damaged_plan_and_submission_are_one_line(results: Results) -> None:
    write_plan(results, INFO, []).write_bytes(b"PAR1")
    submission = write_submission(results, [], SUBMISSION_METADATA)
    (results.submissions / f"{submission}.parquet").write_bytes(b"")
    for call in (lambda: read_plan(results, NAME), lambda: read_submission(results, submission)):
        with pytest.raises(
            InfrastructureError,
            match=r"^cannot read .*\.parquet: not a readable Parquet file of this store; remove it "
            r"and make it again$",
        ):
            call()


def test_submission_round_trip(results: Results) -> None:
    rows = [_submission_row("t2"), _submission_row("t1")]
    first, second = (
        write_submission(results, rows, SUBMISSION_METADATA),
        write_submission(results, [], SUBMISSION_METADATA),
    )
    submission = read_submission(results, first)
    assert (submission.submission_id, submission.rows(), submission.metadata) == (
        first,
        rows,
        SUBMISSION_METADATA,
    )
    assert list_submissions(results) == {first: SUBMISSION_METADATA, second: SUBMISSION_METADATA}
    with pytest.raises(UserError, match="no submission 'other'"):
        read_submission(results, "other")


def test_damaged_submission_is_left_out_of_the_list_with_a_warning(
    results: Results, caplog: pytest.LogCaptureFixture
) -> None:
    good = write_submission(results, [], SUBMISSION_METADATA)
    (results.submissions / "bad.parquet").write_bytes(b"PAR1")
    with caplog.at_level(logging.WARNING, logger="odesweep"):
        assert list(list_submissions(results)) == [good]
    assert "bad.parquet" in caplog.text


def test_cancelling_marks_one_submission_and_may_be_repeated(results: Results) -> None:
    first, second = (write_submission(results, [], SUBMISSION_METADATA) for _ in range(2))
    assert not is_cancelled(results, first)
    cancel_submission(results, first)
    cancel_submission(results, first)
    assert is_cancelled(results, first)
    assert not is_cancelled(results, second)
    assert set(list_submissions(results)) == {first, second}
    with pytest.raises(UserError, match="no submission 'other'"):
        cancel_submission(results, "other")


def test_retractions_fold_to_attempts_and_the_latest_restart(results: Results) -> None:
    assert read_retractions(results).attempt_ids == frozenset()
    before = time.time()
    write_retraction(
        results,
        attempt_ids=["a"],
        trial_ids=["t1", "t2"],
        reason="why",
        command="odesweep retry t1",
    )
    between = time.time()
    path = write_retraction(
        results, attempt_ids=["b"], trial_ids=["t1"], reason="why", command="odesweep retry t1"
    )
    read = read_retractions(results)
    assert read.attempt_ids == {"a", "b"}
    assert before <= read.restarted_at["t2"] <= between <= read.restarted_at["t1"]
    assert json.loads(path.read_bytes())["reason"] == "why"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"attempt_ids": ["a"]}',
        b'{"attempt_ids": 3, "trial_ids": [], "at": 1}',
        b"\xff",
    ],
)
def test_damaged_retraction_is_skipped_with_a_warning(
    results: Results, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    write_retraction(results, attempt_ids=["good"], trial_ids=[], reason="", command="")
    (results.retractions / "bad.json").write_bytes(content)
    with caplog.at_level(logging.WARNING, logger="odesweep"):
        assert read_retractions(results).attempt_ids == {"good"}
    assert "bad.json" in caplog.text


def test_refusing_disk_is_one_line_for_every_kind_of_file(results: Results) -> None:
    results.create()
    for folder in (results.plans, results.submissions, results.retractions):
        folder.rmdir()
        folder.symlink_to("/proc/self/fdinfo")
    calls = {
        "make room or repair": lambda: write_plan(results, INFO, []),
        "nothing was submitted": lambda: write_submission(results, [], SUBMISSION_METADATA),
        "nothing was withdrawn": lambda: write_retraction(
            results, attempt_ids=[], trial_ids=[], reason="", command=""
        ),
    }
    for consequence, call in calls.items():
        with pytest.raises(
            InfrastructureError, match=rf"^cannot write [^\n]*; {consequence}[^\n]*$"
        ):
            call()
