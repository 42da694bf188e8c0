"""Reading a real results folder: which plan, which rows count, what is missing."""

from pathlib import Path

import pytest
from results_folder import Folder

from analysis.errors import ReportError
from analysis.rows.read import load


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "results")


def test_rows_are_joined_to_the_plan(folder: Folder) -> None:
    folder.plan("demo@demo", [("euler", 2, 0), ("euler", 64, 0), ("euler", 64, 1)])
    folder.run("euler", 2, 0)
    folder.run("euler", 64, 0, outcome="diverged")
    folder.run("midpoint", 9, 0)  # of another study
    folder.close()
    data = load(folder.path, "ott2021/sphere2-fixed", "demo")
    assert sorted(data.runs["trial_id"]) == ["euler-2-0", "euler-64-0"]
    assert data.runs["axes"].to_list() == ["training=euler K=2", "training=euler K=64"]
    evaluation = data.evaluations.loc[data.evaluations["eval_id"] == "midpoint-2"].to_dict(
        "records"
    )[0]
    assert [
        evaluation[name]
        for name in ("run.solver_name", "run.solver_steps", "seed", "run.accuracy_train")
    ] == ["euler", 2, 0, 0.99]
    assert evaluation["axes"] == "solver=midpoint steps=2"
    missing = data.missing(("evaluations",)).to_dict("records")
    assert [(cell["kind"], cell["axes"], cell["seed"]) for cell in missing] == [
        ("trial", "training=euler K=64", 1)
    ]
    assert data.failures(("evaluations",)) == {"diverged": 1}
    assert data.plans[0].scale_label == "Demo scale."


def test_only_evaluations_of_the_accepted_weights_count(folder: Folder) -> None:
    folder.plan("demo@demo", [("euler", 2, 0)])
    folder.run("euler", 2, 0, evaluated=["euler-2", "euler-4"])
    folder.run("euler", 2, 0, attempt="later", evaluated=["midpoint-2"])
    folder.close()
    data = load(folder.path, "demo")
    assert data.evaluations["eval_id"].to_list() == ["euler-2", "euler-4"]
    assert [
        (cell["kind"], cell["what"]) for cell in data.missing(("evaluations",)).to_dict("records")
    ] == [("evaluations", "solver=midpoint steps=2")]


def test_probe_rows_and_missing_probes(folder: Folder) -> None:
    folder.plan("demo@demo", [("euler", 2, 0), ("euler", 2, 1)], probes=True)
    folder.run("euler", 2, 0, probed=True)
    folder.run("euler", 2, 1)
    folder.close()
    data = load(folder.path, "demo")
    rows = data.probe("trajectory")
    assert set(rows["seed"]) == {0}
    rows = data.with_run(rows, "solver_name", "solver_steps")
    assert rows[["run.solver_name", "run.solver_steps"]].drop_duplicates().to_numpy().tolist() == [
        ["euler", 2]
    ]
    missing = data.missing(("probe_trajectory",))
    assert missing["trial_id"].to_list() == ["euler-2-1"] * 2
    assert data.planned_trials(("probe_trajectory",))["seed"].to_list() == [0, 1]


@pytest.mark.parametrize(
    ("there", "wanted", "expected"),
    [
        (["s/t@smoke", "s/t@small", "s/t@paper"], None, "s/t@paper"),
        (["s/t@smoke", "s/t@small"], None, "s/t@small"),
        (["s/t@smoke", "s/t@other"], None, "s/t@other"),
        (["s/t@other"], None, "s/t@other"),
        (["s/t@paper", "s/t@paper+0123abcd"], None, "s/t@paper"),
        (["s/t@paper", "s/t@paper+0123abcd"], "s/t@paper+0123abcd", "s/t@paper+0123abcd"),
        (["s/t@paper", "demo@demo"], "demo", "demo@demo"),
        (["s/t@paper", "demo@demo"], "demo@demo", "demo@demo"),
        (["s/t@paper", "s/t@smoke"], "s/t@smoke", "s/t@smoke"),
    ],
)
def test_which_plan_is_read(
    folder: Folder, there: list[str], wanted: str | None, expected: str
) -> None:
    for name in there:
        folder.plan(name, [("euler", 2, 0)])
    assert load(folder.path, "s/t", wanted).names == expected


def test_without_a_plan_the_error_names_the_command_and_the_plans_there(folder: Folder) -> None:
    folder.plan("demo@demo", [("euler", 2, 0)])
    with pytest.raises(ReportError) as raised:
        load(folder.path, "ott2021/sphere2-fixed")
    text = str(raised.value)
    assert f"odesweep plan ott2021/sphere2-fixed --save --results {folder.path}" in text
    assert "demo@demo" in text
    assert "\n" not in text


def test_several_scales_without_an_order_have_to_be_named(folder: Folder) -> None:
    for name in ("s/t@one", "s/t@two"):
        folder.plan(name, [("euler", 2, 0)])
    with pytest.raises(ReportError, match="name one with --plan: s/t@one, s/t@two"):
        load(folder.path, "s/t")


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"no results folder .*nowhere"):
        load(tmp_path / "nowhere", "demo")
