"""Which nets keep their weights, what their rows say, and that no evaluation of a plan is lost."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import TINY, odesweep, runs
from one_attempt import DENSE, PLANNED, train
from tiny import BOTH

from odecore.training import checkpointing
from sweeps.errors import UserError
from sweeps.keep_weights import effective
from sweeps.planning.missing import reachable
from sweeps.profiles import parse
from sweeps.store import (
    Results,
    Writer,
    accepted_evaluations,
    accepted_runs,
    publish_table,
    read_table,
)
from sweeps.study.overrides import select
from sweeps.worker import run_one as worker
from sweeps.worker.messages import Content, Rows

FILE, MORE = TINY.replace(":tiny", ":both"), TINY.replace(":tiny", ":more")


def weights_of(results: Path) -> set[str]:
    """The trials of which there are weights."""
    return {path.name.partition("-")[0] for path in Results(results).weights.iterdir()}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("done") / "results"
    code, out, err = odesweep("run", FILE, results=results)
    assert code == 0, err
    assert "2 completed" in out
    return results


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    shutil.copytree(done, tmp_path / "results")
    return tmp_path / "results"


def test_a_net_without_ode_keeps_no_weights_and_its_row_says_so(done: Path) -> None:
    rows = {row["trial_id"]: row for row in runs(done)}
    assert {name: rows[one.trial_id]["weights_kept"] for name, one in PLANNED.items()} == {
        "dense": False,
        "ode": True,
    }
    assert all(row["outcome"] == "completed" and row["weights_sha256"] for row in rows.values())
    assert weights_of(done) == {PLANNED["ode"].trial_id}
    assert accepted_evaluations(Results(done)).num_rows == 4
    code, out, _ = odesweep("run", FILE, results=done)
    assert (code, "nothing to do; 2 completed" in out) == (0, True)


def test_a_test_added_later_is_computed_from_kept_weights_and_else_named(copy: Path) -> None:
    plan = json.loads(odesweep("plan", MORE, "--json", results=copy)[1])
    assert (plan["pending"], plan["missing_evaluations"], plan["out_of_reach"]) == (0, 1, 1)
    code, out, err = odesweep("run", MORE, results=copy)
    assert code == 1
    assert "1 evaluated without training" in out
    assert f"odesweep retry {MORE} --without-weights" in err
    said = odesweep("status", MORE, results=copy)[1]
    assert "2 of 2 trials done, 1 out of reach, as weights were not kept" in said
    assert len(runs(copy)) == 2
    odesweep("retry", MORE, "--without-weights", results=copy)
    code, out, err = odesweep("run", MORE, "--keep-weights", "all", results=copy)
    assert (code, err.count("to train")) == (0, 1), err
    assert len(runs(copy)) == 3
    assert weights_of(copy) == {one.trial_id for one in PLANNED.values()}
    assert accepted_evaluations(Results(copy)).num_rows == 6


def tables(sent: list[Rows]) -> list[str]:
    return [one.table for one in sent]


def test_the_row_comes_after_the_evaluations_if_nobody_can_compute_them_later(
    tmp_path: Path,
) -> None:
    assert tables(train(tmp_path / "none")) == ["evaluations", "evaluations", "runs"]
    kept = train(tmp_path / "all", keep_weights="all")
    assert tables(kept) == ["runs", "evaluations", "evaluations"]
    assert kept[0].rows[0]["weights_kept"] is True


def evaluated(said: list[Content]) -> bool:
    return any(isinstance(one, Rows) and one.table == "evaluations" for one in said)


def test_weights_that_an_evaluation_of_the_plan_still_needs_are_kept(tmp_path: Path) -> None:
    first, row = train(tmp_path, should_stop=evaluated)
    assert (first.table, row.table) == ("evaluations", "runs")
    assert row.rows[0]["weights_kept"] is True
    assert weights_of(tmp_path) == {DENSE.trial_id}


def test_a_crash_of_an_evaluation_does_not_cost_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(model: Any, *_: Any) -> None:
        # Whatever it did to the model before, the weights are those of the training.
        next(model.parameters()).data.zero_()
        raise ValueError("planted")

    monkeypatch.setattr(worker, "evaluate", crash)
    row, crashed = train(tmp_path)
    assert (row.rows[0]["outcome"], crashed.rows[0]["outcome"]) == ("completed", "crashed")
    assert row.rows[0]["weights_kept"] is True
    [path] = Results(tmp_path).weights.iterdir()
    assert path.stem == f"{DENSE.trial_id}-{row.rows[0]['weights_sha256'][:16]}"


def test_an_attempt_that_dies_before_its_row_goes_on_after_its_training(tmp_path: Path) -> None:
    """Its evaluations were published, its row was not."""
    results = Results(tmp_path / "results")
    died = train(results.path)
    writer = Writer(results, "died")
    writer.add("evaluations", died[0].rows)
    writer.publish()
    folder = results.checkpoints / DENSE.trial_id / "first"
    before = checkpointing.furthest(folder.parent)
    assert before
    assert "finished" in before
    again = train(results.path, attempt="second")
    writer = Writer(results, "again")
    for sent in again:
        writer.add(sent.table, sent.rows)
    writer.close()
    [row] = accepted_runs(results).to_pylist()
    assert (row["attempt_id"], row["weights_kept"]) == ("first", False)
    assert row["weights_sha256"] == died[2].rows[0]["weights_sha256"]
    assert read_table(results, "evaluations").num_rows == 3
    assert accepted_evaluations(results).num_rows == 2


def test_a_row_reaches_the_disk_after_what_was_computed_from_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def publish(path: Path, *rest: Any) -> None:
        order.append(path.parent.name)
        publish_table(path, *rest)

    sent = train(tmp_path)
    writer = Writer(Results(tmp_path), "w")
    for one in reversed(sent):
        writer.add(one.table, one.rows)
    monkeypatch.setattr("sweeps.store.write.publish_table", publish)
    writer.publish()
    assert order == ["evaluations", "runs"]


@pytest.mark.parametrize(("kept", "there"), [(None, True), (True, True), (False, False)])
def test_older_rows_that_do_not_say_it_kept_their_weights(kept: bool | None, there: bool) -> None:
    assert reachable("sha", kept) == there
    assert not reachable(None, kept)


def test_command_line_over_profile_over_study() -> None:
    assert effective("ode") == "ode"
    assert effective("ode", parse({"keep_weights": "all"}).keep_weights) == "all"
    assert effective("ode", "all", "none") == "none"
    with pytest.raises(UserError, match=r"--keep-weights = 'al' \(did you mean all\?\)"):
        effective("ode", None, "al")
    with pytest.raises(UserError, match=r"study both: keep_weights = 'some'; choose from ode, all"):
        replace(BOTH, keep_weights="some")


def test_profile_and_command_line_decide_what_a_run_keeps(tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text('keep_weights = "all"\n')
    ids = {one.trial_id for one in select(replace(BOTH, keep_weights="none")).declared}
    assert ids == {one.trial_id for one in PLANNED.values()}
    results = tmp_path / "results"
    arguments = ("run", FILE, "--executor", "ray", "--profile", str(profile))
    assert (
        json.loads(odesweep("plan", FILE, "--profile", str(profile), "--json", results=results)[1])[
            "disk"
        ]["keep_weights"]
        == "all"
    )
    code, _, err = odesweep(*arguments, "--keep-weights", "none", results=results)
    assert code == 0, err
    assert not weights_of(results)
    assert [row["weights_kept"] for row in runs(results)] == [False, False]
    assert accepted_evaluations(Results(results)).num_rows == 4
