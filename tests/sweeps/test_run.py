"""`odesweep run` from grid to rows, growing grids, and the one line for every mistake."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import study_with_module
from command import LONG, TINY, events, odesweep, runs, science, start, wait_for
from small_disk import fill, mounted

import sweeps
from analysis import open_results
from odecore import data as datasets
from odecore.config import Evaluation
from odecore.config.data import Spheres
from odecore.config.solver import FixedStep
from odecore.training.evaluate import evaluate
from sweeps.cli import main
from sweeps.interface.arguments import words_of
from sweeps.limits import Limits
from sweeps.planning.budget import Budget
from sweeps.store import (
    Results,
    accepted_evaluations,
    accepted_probes,
    accepted_runs,
    list_plans,
    list_submissions,
    write_submission,
)
from sweeps.studies import find
from sweeps.study.grammar import read
from sweeps.study.overrides import select


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("done") / "results"
    code, out, err = odesweep("run", TINY, results=results)
    assert code == 0, err
    assert "4 completed" in out
    # A trial is named by what its study varies, without what all trials share.
    assert re.search(r"completed    ./4 solver.steps=1 seed=0  accuracy_test 0\.", err)
    return results


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    shutil.copytree(done, tmp_path / "results")
    return tmp_path / "results"


def test_the_status_of_all_studies(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["status", "--results", str(done)])
    assert ended.value.code in (None, 0)
    assert "4 of 4 trials done" in capsys.readouterr().out


def test_every_trial_has_one_row_with_its_facts(done: Path) -> None:
    rows = runs(done)
    assert len(rows) == len({row["trial_id"] for row in rows}) == 4
    for row in rows:
        assert row["outcome"] == "completed"
        assert row["nfe_forward"] == 10 * row["solver_steps"]
        assert row["nfe_backward"] == 0
        assert row["attempts"] == 1
        assert row["executor"] == "inline"
        assert row["cpu_threads"] == 1
        assert [epoch["iteration"] for epoch in row["epochs"]] == [5, 10]
        assert (
            Results(done).weights / f"{row['trial_id']}-{row['weights_sha256'][:16]}.safetensors"
        ).is_file()
    # K=1: steps 1, 2 under two solvers; K=2: steps 2, 4.
    assert accepted_evaluations(Results(done)).num_rows == 16
    assert set(accepted_probes(Results(done), "trajectory").column("step").to_pylist()) == {0, 1, 2}


def test_show_has_everything_about_one_trial(
    done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = runs(done)[0]
    page = _printed(capsys, "show", row["trial_id"][:8], "--json", results=done)
    found = json.loads(page)
    assert found["heading"][0] == f"trial {row['trial_id']}"
    sections = found["sections"]
    assert sections["outcome"]["outcome"] == "completed"
    assert sections["metrics"]["accuracy_test"] == row["accuracy_test"]
    assert len(sections["accuracy under"]) == 4
    assert sections["spec"]["solver.steps"] == str(row["solver_steps"])
    assert sections["provenance"]["code_hash"] == row["code_hash"]
    assert len(sections["attempts"]) == 2  # a start and a row
    files = {name.partition(",")[0]: Path(path) for name, path in sections["files"].items()}
    assert {"weights", "log", "submission"} <= files.keys()
    assert all(path.exists() for path in files.values())
    # The command that makes it again selects it and nothing else.
    command = found["heading"][3].split()
    assert command[:2] == ["odesweep", "run"]
    *words, option, folder = command
    assert (option, folder) == ("--results", str(done))
    again = select(find(words[2]), words[4], words[5:]).selected
    assert [trial.trial_id for trial in again] == [row["trial_id"]]
    text = _printed(capsys, "show", row["trial_id"][:8], results=done)
    assert re.search(rf"^  solver.steps +{row['solver_steps']}$", text, re.MULTILINE)


def test_diff_shows_only_what_differs(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {(row["solver_steps"], row["seed"]): row for row in runs(done)}
    one, other = rows[1, 0], rows[1, 1]

    def diff(a: str, b: str) -> dict[tuple[str, str], tuple[str, str]]:
        found = json.loads(_printed(capsys, "diff", a, b, "--json", results=done))
        return {(d["section"], d["name"]): (d["a"], d["b"]) for d in found["differences"]}

    assert diff(one["trial_id"][:10], one["trial_id"]) == {}
    seeds = diff(one["trial_id"][:10], other["trial_id"][:10])
    assert seeds["spec", "seed"] == ("0", "1")
    assert ("metrics", "loss_test") in seeds
    assert not {key for key in seeds if key[0] in ("outcome", "provenance", "axes", "about")}
    cells = diff(one["cell_id"][:10], rows[2, 0]["cell_id"][:10])
    assert cells["spec", "solver.steps"] == ("1", "2")
    assert ("spec", "seed") not in cells
    assert cells["metrics", "nfe_forward"] == ("10 (n=2)", "20 (n=2)")
    (submission,) = list_submissions(done_results := Results(done))
    whole = diff(submission[:10], list_plans(done_results)[0])
    assert not whole


def test_python_has_the_plan_of_the_command_line(done: Path) -> None:
    plan = sweeps.plan(TINY, "+seed=2", "solver.steps=1", results=done, seed=range(3))
    assert repr(plan).endswith(": 2 done, 1 pending>")
    assert 'aria-label="2 done, 1 pending"' in plan._repr_html_()  # pyright: ignore[reportPrivateUsage]
    trials = plan.trials()
    assert list(trials["axis.solver.steps"]) == [1, 1, 1]
    assert list(trials["state"]) == ["done", "done", "pending"]
    # Arrow and Polars take it by this interface.
    assert pa.table(trials).num_rows == 3


@pytest.mark.parametrize(
    ("words", "given", "says"),
    [
        ((3,), {}, "3 is no override; give a text such as 'seed=3'"),
        ((), {"sample": "x"}, "sample='x': give a whole number from 1 on"),
        ((), {"sample": 0}, "sample=0: give a whole number from 1 on"),
        ((), {"sample": 1, "sample_seed": -1}, "sample_seed=-1: give a whole number from 0 on"),
        ((), {"limit": 0}, "limit=0: give a whole number from 1 on"),
        ((), {"threads": 0}, "threads=0: give a whole number from 1 on"),
        ((), {"results": ""}, "results='': give a folder"),
    ],
)
def test_python_refuses_what_the_command_line_refuses(
    words: tuple[Any, ...],
    given: dict[str, Any],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for call in (sweeps.run, *(() if given.keys() & {"limit", "threads"} else (sweeps.plan,))):
        with pytest.raises(sweeps.UserError) as caught:
            call("demo", *words, **given)
        assert str(caught.value).startswith(says)
    assert not list(tmp_path.iterdir())


def test_python_runs_what_is_missing_and_nothing_twice(
    done: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ODESWEEP_DATA", str(tmp_path))
    run = sweeps.run(TINY, results=done, seed=1)
    assert "nothing to do; 2 completed" in capsys.readouterr().out
    assert run.counts() == {"done": 2, "failed": 0, "running": 0, "pending": 0}
    assert run.outcomes() == {"completed": 2}
    assert "2 done" in run._repr_html_()  # pyright: ignore[reportPrivateUsage]
    later = sweeps.run(TINY, results=done, wait=False)
    assert later.wait(60)
    assert not later.running
    assert later.log
    assert "nothing to do; 4 completed" in later.log.read_text()
    study = find(TINY)
    with pytest.raises(sweeps.UserError, match="wait=False needs a study that another process"):
        sweeps.run(study, results=tmp_path, wait=False)
    broken = sweeps.run("enorm2019/report", scale="smoke", results=tmp_path, wait=False)
    assert broken.counts()["pending"] == len(broken.trial_ids)
    with pytest.raises(sweeps.InfrastructureError, match=r"data set cifar10: .*all of it: "):
        broken.wait(60)


@pytest.mark.slow
def test_a_run_in_the_background_stops_and_goes_on(tmp_path: Path) -> None:
    run = sweeps.run(LONG, results=tmp_path / "results", wait=False)
    wait_for(lambda: run.counts()["running"], 120)
    assert not run.wait(0.01)
    run.stop()
    assert run.wait(120)
    assert run.counts() == {"done": 0, "failed": 0, "running": 0, "pending": 2}
    assert run.log
    assert "ended early: SIGINT" in run.log.read_text()


def test_a_trained_net_is_loaded_and_scores_as_in_its_row(copy: Path) -> None:
    row = runs(copy)[0]
    results = open_results(copy)
    model = results.load_model(row["trial_id"][:8])
    assert not model.training
    config = Evaluation(solver=FixedStep(name="euler", steps=row["solver_steps"]))
    data = datasets.load(Spheres(train_size=64, test_size=32), None)
    assert evaluate(model, data, config).accuracy == row["accuracy_test"]
    with pytest.raises(sweeps.UserError, match="no trial begins with 'ffff'"):
        results.load_model("ffff")
    shutil.rmtree(Results(copy).weights)
    with pytest.raises(sweeps.UserError, match=r"weights .* are gone; to train the trial again"):
        results.load_model(row["trial_id"])


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"norm": "batch"}, "norm=batch"),
        ({"seed": range(3)}, "seed=0,1,2"),
        ({"train.optimizer.lr": (1e-3, 0.1)}, "train.optimizer.lr=0.001,0.1"),
        (
            {"model.norm": {"name": "group", "groups": 4}},
            'model.norm={"name": "group", "groups": 4}',
        ),
        ({"x": ["4", "a,b", None, True]}, 'x="4","a,b",null,true'),
        ({"x": [[1, 2], [3]]}, "x=[1, 2],[3]"),
    ],
)
def test_overrides_in_python_are_those_of_the_command_line(
    given: dict[str, object], word: str
) -> None:
    (text,) = words_of([], given)
    assert text == word
    (override,) = read([text])
    ((value,),) = [given.values()]
    several = isinstance(value, list | tuple | range)
    assert list(override.values) == (list(value) if several else [value])


def _printed(
    capsys: pytest.CaptureFixture[str], *arguments: str, results: Path, code: int = 0
) -> str:
    """What a command prints that is called in this process."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--results", str(results)])
    assert ended.value.code == code
    return capsys.readouterr().out


def test_a_study_file_that_imports_what_stands_beside_it(tmp_path: Path) -> None:
    path = str(study_with_module.write(tmp_path / "folder"))
    results = tmp_path / "results"
    code, out, err = odesweep("plan", path, results=results)
    assert (code, "2 trials in 2 cells" in out) == (0, True), err
    code, out, err = odesweep("run", path, results=results)
    assert (code, "mine@only: 2 completed" in out) == (0, True), err
    code, out, err = odesweep("status", path, results=results)
    assert (code, "2 of 2 trials done" in out) == (0, True), err


def test_rows_end_in_one_file_per_table_and_parts_are_empty(done: Path) -> None:
    assert [
        len(list(Results(done).merged(table).iterdir()))
        for table in ("runs", "evaluations", "probe_trajectory")
    ] == [1, 1, 1]
    assert not list(Results(done).parts("runs").iterdir())


def test_a_second_run_trains_and_submits_nothing(copy: Path) -> None:
    before = science(copy)
    code, out, _ = odesweep("run", TINY, results=copy)
    assert code == 0
    assert "nothing to do; 4 completed" in out
    assert len(list_submissions(Results(copy))) == 1
    assert science(copy) == before


def test_a_seed_added_trains_only_the_new_trials(copy: Path) -> None:
    code, out, _ = odesweep("plan", TINY, "+seed=2", "--json", results=copy)
    plan = json.loads(out)
    assert (code, plan["done"], plan["pending"]) == (0, 4, 2)
    old = {row["attempt_id"] for row in runs(copy)}
    assert odesweep("run", TINY, "+seed=2", results=copy)[0] == 0
    new = [row for row in runs(copy) if row["attempt_id"] not in old]
    assert sorted(row["seed"] for row in new) == [2, 2]
    assert len(list_plans(Results(copy))) == 2


def test_a_test_solver_added_trains_nothing_and_adds_only_its_evaluations(copy: Path) -> None:
    before, ids = science(copy), {row["attempt_id"] for row in runs(copy)}
    plan = json.loads(odesweep("plan", TINY, "+evaluations.solver=heun", "--json", results=copy)[1])
    assert (plan["done"], plan["pending"], plan["missing_evaluations"]) == (4, 0, 8)
    code, out, _ = odesweep("run", TINY, "+evaluations.solver=heun", results=copy)
    assert code == 0
    assert "4 evaluated without training" in out
    assert {row["attempt_id"] for row in runs(copy)} == ids
    assert science(copy) == before
    solvers = accepted_evaluations(Results(copy)).column("test_solver").to_pylist()
    assert sorted(solvers) == ["euler"] * 8 + ["heun"] * 8 + ["midpoint"] * 8


def test_evaluate_fills_what_is_missing_and_never_trains(copy: Path) -> None:
    code, out, _ = odesweep("evaluate", TINY, "+evaluations.factor=4", "+seed=7", results=copy)
    assert code == 1
    assert (
        f"2 trials are not trained yet; `odesweep run {TINY} +evaluations.factor=4 +seed=7 "
        f"--results {copy}` trains them"
    ) in out
    assert len(runs(copy)) == 4
    assert accepted_evaluations(Results(copy)).num_rows == 24


def test_evaluate_without_weights_names_retry_and_never_retrains(copy: Path) -> None:
    for path in Results(copy).weights.iterdir():
        path.unlink()
    code, out, _ = odesweep("evaluate", TINY, "+evaluations.factor=4", results=copy)
    assert code == 1
    assert out.count("odesweep retry") == 4
    assert len(runs(copy)) == 4


def test_limit_and_restriction_select_but_the_plan_file_is_the_whole_grid(tmp_path: Path) -> None:
    results = tmp_path / "results"
    assert odesweep("run", TINY, "solver.steps=2", "--limit", "1", results=results)[0] == 0
    assert [row["solver_steps"] for row in runs(results)] == [2]
    [plan] = list_plans(Results(results))
    assert json.loads(odesweep("plan", TINY, "--json", results=results)[1])["pending"] == 3
    assert "tiny@paper" in str(plan)


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    code, out, _ = odesweep("run", TINY, "--dry-run", results=tmp_path / "results")
    assert code == 0
    assert "would submit 4 to train" in out
    assert not (tmp_path / "results").exists()


MISTAKES = {
    "study": (("run", "demmo"), "demmo", "did you mean demo?"),
    "key": (("run", TINY, "trian.lr=1"), "trian", "train"),
    "solver": (("run", TINY, "+solver.name=eulr"), "eulr", "euler"),
    "steps": (("run", TINY, "+solver.steps=0"), "solver.steps = 0", "greater than 0"),
    "seed": (("run", TINY, "+seed=abc"), "seed", "whole numbers"),
    "axis value": (("run", TINY, "solver.steps=64"), "64", "+solver.steps=64"),
    "executor": (("run", TINY, "--executor", "slrum"), "slrum", "inline"),
    "option": (("run", TINY, "--limits", "3"), "--limits", "--help"),
    "limit": (("run", TINY, "--limit", "0"), "--limit", ""),
    "scale": (("run", TINY, "--scale", "huge"), "huge", "paper"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_that_says_what_is_valid(mistake: str, tmp_path: Path) -> None:
    arguments, given, valid = MISTAKES[mistake]
    code, out, err = odesweep(*arguments, results=tmp_path / "results")
    assert code == 2
    assert out == ""
    assert len(err.strip().splitlines()) == 1, err
    assert err.startswith("odesweep: ")
    assert given in err
    assert valid in err
    assert not (tmp_path / "results").exists()


def test_missing_data_is_said_before_anything_is_submitted(tmp_path: Path) -> None:
    for arguments in ((), ("--data-root", str(tmp_path))):
        environment = {"ODESWEEP_DATA": ""} if not arguments else {}
        code, _, err = odesweep(
            "run", "demo-images", *arguments, results=tmp_path / "results", **environment
        )
        assert code == 3
        assert len(err.strip().splitlines()) == 1
        assert (
            "MNIST/raw/train-images-idx3-ubyte"
            if arguments
            else "data set mnist: no data folder is given"
        ) in err
        assert "ODESWEEP_DATA" in err
    assert not list_submissions(Results(tmp_path / "results"))


def test_training_without_torch_is_said_before_anything_is_submitted(tmp_path: Path) -> None:
    code = "from importlib import util; real = util.find_spec\n"
    code += "util.find_spec = "
    code += "lambda name, *rest: None if name == 'torchdiffeq' else real(name, *rest)\n"
    code += "from sweeps.cli import main; "
    code += f"main(['run', {TINY!r}, '--results', {str(tmp_path / 'results')!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert (
        done.stderr.strip()
        == "odesweep: training needs torchdiffeq, not installed here: pip install 'odesweep[train]'"
    )
    assert not list_submissions(Results(tmp_path / "results"))


def test_a_results_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = odesweep("run", TINY, results=tmp_path / "file" / "results")
    assert code == 3
    assert len(err.strip().splitlines()) == 1
    assert "Not a directory" in err


def test_a_read_only_results_folder(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "ro") as disk:
        code, _, err = odesweep("run", TINY, results=disk / "results")
    assert code == 3
    assert len(err.strip().splitlines()) == 1
    assert "Read-only file system" in err


@pytest.mark.parametrize("after", ["worker_started", "finished"])
def test_a_full_disk_keeps_what_was_done_and_the_same_command_goes_on(
    tmp_path: Path, done: Path, after: str
) -> None:
    """Full before the first row, and with finished rows still in memory."""
    with mounted(tmp_path / "disk", "size=16m") as disk:
        driver = start(
            "run",
            TINY,
            results=disk / "results",
            ODESWEEP_PUBLISH_RETRY_SECONDS="2",
            ODESWEEP_PUBLISH_SLICE_SECONDS="1000",
        )
        wait_for(lambda: events(disk / "results", after))
        # The trials are short: none of the driver's own writing may happen before the disk is full.
        driver.send_signal(signal.SIGSTOP)
        fill(disk / "filler")
        driver.send_signal(signal.SIGCONT)
        _, err = driver.communicate(timeout=100)
        assert driver.returncode == 3
        assert "No space left" in err
        assert "Traceback" not in err
        kept = science(disk / "results")
        (disk / "filler").unlink()
        assert odesweep("run", TINY, results=disk / "results")[0] == 0
        assert science(disk / "results") == science(done)
        assert kept.items() <= science(done).items()
        assert len(accepted_runs(Results(disk / "results"))) == 4


def test_results_of_a_newer_version_are_refused_in_one_line(copy: Path) -> None:
    import pyarrow.parquet as pq

    [path] = Results(copy).merged("runs").iterdir()
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"odesweep_schema": b"99"}), path)
    code, _, err = odesweep("run", TINY, results=copy)
    assert code == 3
    assert len(err.strip().splitlines()) == 1
    assert "99" in err
    assert path.name in err


@pytest.mark.parametrize(
    "damage", [b"", b"PAR1half", None], ids=["empty", "corrupt", "half-written"]
)
def test_a_damaged_part_is_named_once_and_its_trials_are_pending(
    copy: Path, damage: bytes | None
) -> None:
    [path] = Results(copy).merged("runs").iterdir()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if damage is None else damage)
    code, out, err = odesweep("plan", TINY, "--json", results=copy)
    assert code == 0
    assert json.loads(out)["pending"] == 4
    assert err.count(path.name) == 1
    assert len(err.strip().splitlines()) == 1


def test_workers_read_what_older_and_newer_versions_submitted(tmp_path: Path) -> None:
    from sweeps.execute.worker import Worker
    from sweeps.notify import Notifier
    from sweeps.worker.report import Watcher

    results, about = Results(tmp_path / "results"), ("study", "scale", "executor", "command")
    metadata = dict.fromkeys(about, "old") | {"created_at": "2026-01-01T00:00:00+00:00"}
    # The first version with submissions, with a key that nobody knows.
    old = {"threads": None, "device": "auto", "exclusive": False, "data_root": None, "new": [1]}
    old |= {"limits": {"stall_seconds": 60.0, "new_seconds": 1.0}, "cpus": 3}
    now = {"budget": {"text": "1coreh", "slot_seconds": 3600.0}, "notify_profile": "/me/a.toml"}
    now |= {"command_id": "c", "checkpoint_dir": "/scratch", "data_root": "/data"}

    def worker(settings: dict[str, object]) -> Worker:
        submission = write_submission(results, [], metadata, settings)
        return Worker(results, submission, Watcher())

    first, last = worker(old).context, worker(old | now)
    assert (first.keep_weights, first.exclusive, first.eager) == ("all", False, False)
    assert (first.limits, first.budget, first.command_id) == (Limits(stall_seconds=60.0), None, "")
    assert last.context.budget == Budget("1coreh", 3600.0)
    assert last.context.checkpoint_dir == Path("/scratch")
    assert last.context.data_root == Path("/data")
    notifier = Notifier.of(results, last.submission)
    assert (notifier.command_id, notifier.profile) == ("c", "/me/a.toml")


def test_eager_reaches_the_training(tmp_path: Path) -> None:
    from sweeps.execute.worker import Worker
    from sweeps.worker.report import Watcher

    results = tmp_path / "results"
    code, _, err = odesweep("run", TINY, "--limit", "1", "--eager", results=results)
    assert code == 0, err
    (submission,) = list_submissions(Results(results))
    assert Worker(Results(results), submission, Watcher()).context.eager
