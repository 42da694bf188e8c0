"""`odesweep top`, `diff` and `show` on rows that were made up, and their one-line errors."""

from pathlib import Path

import pytest
from small_study import study
from store_rows import make

from analysis.rows.stats import t_interval
from sweeps.cli import main
from sweeps.errors import UserError
from sweeps.inspection.compare import differences, side
from sweeps.inspection.status import Watch
from sweeps.inspection.top import rank
from sweeps.planning.cost import Costs
from sweeps.planning.plan import save
from sweeps.store import EventLog, Results
from sweeps.store.write import Writer
from sweeps.study.overrides import select

# Steps -> accuracy by seed; None for a run that diverged, nothing for one that is missing.
ACCURACY = {1: [0.5, 0.6, 0.7, 0.6], 2: [0.9, None, 0.7, 0.8], 4: [0.95, None, None], 8: []}
STUDY = study(
    grid={"solver.steps": tuple(ACCURACY), "model.width": (8,)},
    seeds=range(4),
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    results = Results(tmp_path_factory.mktemp("top") / "results")
    selection = select(STUDY)
    save(results, selection, Costs())
    writer = Writer(results, "w")
    for trial in selection.declared:
        values = ACCURACY[trial.axes["solver.steps"]]
        seed = trial.spec.seed
        if seed >= len(values):
            continue
        row = make(
            "runs",
            trial_id=trial.trial_id,
            cell_id=trial.cell_id,
            spec=trial.spec.model_dump_json(),
            outcome="diverged" if values[seed] is None else "completed",
            accuracy_test=0.1 if values[seed] is None else values[seed],
            train_seconds=10.0 * seed,
            timing_valid=seed != 3,
            attempt_id=trial.trial_id[:8],
            weights_sha256=None,
        )
        writer.add("runs", [row])
    writer.close()
    return results


def test_top_averages_seeds_alone_and_never_failed_runs(results: Results) -> None:
    ranking = rank(results, "small@full")
    shown = [(one.axes["solver.steps"], one.n, one.failed, one.missing) for one in ranking.cells]
    assert shown == [(4, 1, 2, 1), (2, 3, 1, 0), (1, 4, 0, 0)]
    assert ranking.without_value == 1
    alone, three, _ = ranking.cells
    assert (alone.mean, alone.low, alone.high) == (0.95, None, None)
    assert (three.low, three.high) == (pytest.approx(t_interval([0.9, 0.7, 0.8])[0]), 1.0)


def test_top_of_a_study_has_what_was_added_to_it(tmp_path: Path) -> None:
    results = Results(tmp_path)
    for texts in ([], ["+seed=4", "+solver.steps=16"], ["train.batch_size=8"]):
        selection = select(STUDY, None, texts)
        save(results, selection, Costs())
        writer = Writer(results, f"w{len(selection.declared)}-{len(texts)}")
        for trial in selection.declared:
            name = trial.trial_id
            row = make("runs", trial_id=name, attempt_id=name[:8], outcome="completed")
            writer.add("runs", [row | {"accuracy_test": 0.5}])
        writer.close()
    asked = rank(results, "small@full", target="small")
    assert {one.axes["solver.steps"]: one.n for one in asked.cells} == dict.fromkeys(
        (*ACCURACY, 16), 5
    )
    assert (asked.added, asked.left_out) == (
        ("+seed=4", "+solver.steps=16"),
        (selection.plan_name,),
    )
    alone = rank(results, "small@full", target="small@full")
    assert {one.n for one in alone.cells} == {4}


def test_top_of_seconds_is_the_smallest_of_runs_that_were_alone(results: Results) -> None:
    ranking = rank(results, "small@full", "train_seconds")
    assert [(one.axes["solver.steps"], one.n, one.mean) for one in ranking.cells] == [
        (4, 1, 0.0),
        (1, 3, 10.0),
        (2, 2, 10.0),
    ]


def test_a_group_has_its_best_cell(results: Results) -> None:
    (best,) = rank(results, "small@full", group=["width"]).cells
    assert (best.axes["solver.steps"], best.of) == (4, 3)


def test_means_of_a_diff_are_of_completed_runs(results: Results) -> None:
    watch = Watch(results)
    cells = {trial.axes["solver.steps"]: trial.cell_id for trial in select(STUDY).declared}
    found = {
        one.name: one for one in differences(side(watch, cells[1][:12]), side(watch, cells[2][:12]))
    }
    assert (found["accuracy_test"].a, found["accuracy_test"].b) == ("0.6 (n=4)", "0.8 (n=3)")
    assert found["accuracy_test"].change == pytest.approx(0.2)
    assert (found["outcome"].a, found["outcome"].b) == (
        "4 completed",
        "3 completed, 1 diverged",
    )


def test_a_trial_that_never_ran_still_has_its_spec(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweeps.studies.find", lambda _reference: STUDY)
    one, other = (
        t.trial_id
        for t in select(STUDY).declared
        if t.axes["solver.steps"] == 8 and t.spec.seed < 2
    )
    watch = Watch(results)
    (found,) = differences(side(watch, one[:12]), side(watch, other[:12]))
    assert (found.section, found.name, found.a, found.b) == ("spec", "seed", "0", "1")


def test_ids_that_name_nothing_or_several_are_one_line(results: Results) -> None:
    trial = select(STUDY).declared[0].trial_id
    log = EventLog(results, "twin")
    log.append("started", trial_id=trial[:10] + "f" * 22, attempt_id="a", resume_iteration=0)
    log.close()
    watch = Watch(results)
    with pytest.raises(UserError, match=rf"{trial[:8]} begins 2 ids: trial {trial[:10]}"):
        side(watch, trial[:8])
    with pytest.raises(UserError, match="no trial, cell or submission begins with 'ffff'"):
        side(watch, "ffff")
    with pytest.raises(UserError, match="saved plans: small@full"):
        side(watch, "smal")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["show", "ffff"], "no trial begins with 'ffff'"),
        (["top", "small", "--metric", "accuracy"], "no metric 'accuracy' (did you mean accuracy_"),
        (["top", "small", "--group", "depth"], "no axis 'depth' in small@full; axes: solver.steps"),
    ],
)
def test_a_mistake_is_one_line(
    results: Results, capsys: pytest.CaptureFixture[str], typed: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*typed, "--results", str(results.path)])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.count("\n") == 1
    assert said in error


def test_top_prints_n_interval_and_a_warning(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["top", "small", "-n", "2", "--results", str(results.path)])
    out = capsys.readouterr().out
    assert "0.5516 to 1 " in out
    assert "1 more; 1 cell without a value; no interval below 3 seeds" in out
