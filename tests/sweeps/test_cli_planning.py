"""The commands that plan and look: what they print, what they load, and how they fail."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command import TINY
from store_rows import make

from sweeps.cli import COMMANDS, main
from sweeps.cli.status import running_lines, sparkline
from sweeps.inspection.status import Watch
from sweeps.store import (
    EventLog,
    Results,
    StoreView,
    is_cancelled,
    list_plans,
    read_plan,
    write_submission,
)
from sweeps.store.write import Writer


class Cli:
    """Calls `odesweep` in this process, in a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.results, self.capsys = Results(folder / "results"), capsys

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Standard output; with a `code` other than 0 the one line on standard error."""
        with pytest.raises(SystemExit) as ended:
            main(
                [*arguments, "--results", str(self.results.path)]
                if arguments[0] in COMMANDS and arguments[0] != "studies"
                else [*arguments]
            )
        out, err = self.capsys.readouterr()
        assert ended.value.code == code, (out, err)
        if code:
            assert err.startswith("odesweep: ")
            assert err.count("\n") == 1, err
        return err if code else out


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path, capsys)


def _loaded(*arguments: str) -> set[str]:
    """Modules that are loaded after a command ran in a Python of its own."""
    code = f"""
import sys
sys.argv = ["odesweep", *{arguments!r}]
from sweeps.cli import main
try:
    main()
finally:
    print("LOADED", *{{name.partition(".")[0] for name in sys.modules}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("LOADED")[2].split())


def test_help_loads_nothing_heavy() -> None:
    heavy = {
        "torch",
        "ray",
        "submitit",
        "seaborn",
        "matplotlib",
        "pyarrow",
        "pandas",
        "duckdb",
        "pydantic",
        "numpy",
    }
    assert not _loaded("--help") & heavy


@pytest.mark.parametrize("arguments", [("plan", "demo"), ("studies",), ("status",)])
def test_planning_and_looking_load_no_torch(arguments: tuple[str, ...], tmp_path: Path) -> None:
    loaded = _loaded(
        *arguments, *([] if arguments == ("studies",) else ["--results", str(tmp_path)])
    )
    assert "sweeps" in loaded
    assert not loaded & {"torch", "ray", "submitit", "seaborn", "matplotlib", "duckdb"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("plan", "nope"), "no study 'nope'; `odesweep studies` lists all studies"),
        (("plan", "ott2021/sphere-fixed"), "(did you mean ott2021/sphere3-fixed?)"),
        (("plan", "demo", "solver.steps=0"), "solver.steps = 0 is not on the axis (2, 128, 1, 8)"),
        (("plan", "demo", "+solver.steps=0"), "solver.steps = 0: input should be greater than 0"),
        (("plan", "demo", "seed=abc"), "seed = abc: seeds are whole numbers"),
        (("plan", "demo", "seed=3..1"), "seed = 3..1: 3 is above 1; write 1..3"),
        (("plan", "demo", "+solver.name=eulr"), "did you mean euler?"),
        (("plan", "demo", "trian.iterations=3"), "unknown key 'trian'; valid here: data, "),
        (("plan", "demo", "--scale", "huge"), "no scale 'huge'; choose from demo, smoke"),
        (("plan", "demo", "--sclae", "demo"), "No such option: --sclae"),
        (("plan",), "Missing argument 'STUDY'"),
        (("status", "nope"), "no saved plan of study nope"),
        (("logs", "abcd"), "no trial begins with 'abcd'"),
        (("retry", "demo"), "no saved plan of study demo"),
        (
            ("retry", "demo", "--outcome", "crahsed"),
            "unknown outcome 'crahsed'; choose from completed, ",
        ),
        (("export", "demo", "--to", "xls"), "Invalid value for '--to': 'xls' is not one of"),
        (("run", "demo", "--resubmit"), "--resubmit is for executor slurm, not inline"),
        (
            ("plan", "demo@smoke"),
            "is the name of a plan; give its study and scale: demo --scale smoke",
        ),
        (("cancel", "nope"), "no study 'nope'; `odesweep studies` lists all studies"),
        (("show", "ea8"), "'ea8' is too short: give at least 4 digits of an id"),
        (("diff", "0a0", "6fe"), "'0a0' is too short: give at least 4 digits of an id"),
        (("pln",), "No such command 'pln'"),
        (("run", "demo", "--results", ""), "--results has an empty value; give one, or leave"),
        (("top", "demo", "--results="), "--results has an empty value"),
        (("run", "demo", "--then", "", "--dry-run"), "--then has an empty value"),
        (("plan", "demo", "--profile", "mine"), "/mine.toml; in ~/.config/odesweep/profiles: "),
        (("plan", "demo", "--profile", ""), "--profile has an empty value"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    cli.results.path.mkdir()
    assert says in cli(*arguments, code=2)


def test_a_study_file_of_this_folder_is_suggested(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").touch()
    assert "no study 'mine' (did you mean ./mine.toml?)" in cli("plan", "mine", code=2)
    assert "no study file mien.toml (did you mean mine.toml?)" in cli("plan", "./mien.toml", code=2)


@pytest.mark.parametrize(
    "command",
    [
        *("evaluate", "cancel", "hold", "release", "top", "export", "status", "show", "diff"),
        *("logs", "retry", "compact", "gc", "query"),
    ],
)
def test_a_missing_results_folder_is_one_line_and_is_not_made(cli: Cli, command: str) -> None:
    given = {"export": ("demo", "--to", "csv"), "diff": ("abcd", "abce"), "show": ("abcd",)}
    given |= {"compact": (), "gc": (), "query": ("FROM runs",), "logs": ("abcd",)}
    said = cli(command, *given.get(command, ("demo",)), code=2)
    assert said == (
        f"odesweep: no results folder {cli.results.path}; give the one that `odesweep run` wrote "
        "to with --results\n"
    )
    assert not cli.results.path.exists()


@pytest.mark.parametrize(
    ("study", "words", "why"),
    [
        ("demo", ("seed=0",), "differ in more than seed"),
        ("demo-images", ("--scale", "smoke"), "only flat nets on points with fixed-step solvers"),
        ("demo", ("solver.name=euler", "solver.steps=2"), None),
    ],
)
def test_a_stack_of_nothing_is_said(
    cli: Cli, study: str, words: tuple[str, ...], why: str | None
) -> None:
    with pytest.raises(SystemExit):
        main(["run", study, *words, "--stack", "3", "--dry-run", "--results", "none"])
    _, err = cli.capsys.readouterr()
    assert ("--stack 3: stacked 0 of" in err) == (why in err if why else False) == bool(why), err
    said = cli("plan", study, *words)
    assert ("3 trials can train 3 at a time" in said) == (why is None)


def test_every_command_is_in_the_help(cli: Cli) -> None:
    shown = cli("--help")
    assert all(command in shown for command in COMMANDS)


def test_studies(cli: Cli) -> None:
    listed = json.loads(cli("studies", "--json"))
    (paper,) = [
        one for one in listed if (one["study"], one["scale"]) == ("ott2021/sphere2-fixed", "paper")
    ]
    assert (paper["cells"], paper["trials"], paper["paper"]) == (18, 90, "Ott 2021")
    assert paper["predicted_core_hours"] > 1
    shown = cli("studies")
    assert "ott2021/sphere2-fixed" in shown
    assert "for testing" in shown


def test_plan_shows_the_grid_and_writes_only_when_asked(cli: Cli) -> None:
    shown = cli("plan", "demo", "solver.name=rk4_38")
    assert "6 trials of the 12 declared in 2 cells: 0 done, 0 running, 6 pending, 0 stale" in shown
    assert "`run` would submit 6 trials to train: about" in shown
    assert not cli.results.path.exists()
    cli("plan", "demo", "solver.name=rk4_38", "--save")
    assert list_plans(cli.results) == ["demo@demo"]
    assert len(read_plan(cli.results, "demo@demo").rows()) == 12


def test_a_plan_says_what_was_swept_and_samples(cli: Cli) -> None:
    shown = cli("plan", "demo", "train.iterations=3,4", "--sample", "5", "--sample-seed", "1")
    assert "overridden: train.iterations=3,4\n" in shown
    assert "5 trials of the 24 declared" in shown
    numbers = json.loads(cli("plan", "demo", "--sample", "5", "--json"))
    assert (numbers["trials"], numbers["declared_trials"], numbers["plan"]) == (5, 12, "demo@demo")
    again = json.loads(cli("plan", "demo", "--sample", "5", "--sample-seed", "0", "--json"))
    assert again == numbers


def test_a_plan_of_a_users_file_names_the_file_in_its_commands(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from dataclasses import replace\nfrom sweeps.studies.demo import DEMO\nSTUDY = "
        "replace(DEMO, name='mine', seeds=(5,))\n",
        encoding="utf-8",
    )
    cli("plan", str(path), "--save", "--scale", "smoke")
    info = read_plan(cli.results, "mine@smoke").info
    assert info.command("run") == f"odesweep run {path} --scale smoke"
    assert "mine@smoke" in cli("status", str(path))


def _entries(cli: Cli) -> list[dict[str, Any]]:
    return json.loads(cli("plan", "demo", "--scale", "smoke", "--save", "--json"))["entries"]


def _publish(cli: Cli, entry: dict[str, Any], outcome: str, attempt: str, **given: Any) -> None:
    writer = Writer(cli.results, f"writer-{attempt}")
    facts = {
        "trial_id": entry["trial_id"],
        "cell_id": entry["cell_id"],
        "attempt_id": attempt,
        "outcome": outcome,
    }
    writer.add("runs", [make("runs", **facts | {"spec": "{}"} | given)])
    writer.close()


def test_plan_after_rows(cli: Cli) -> None:
    from sweeps.studies import find
    from sweeps.study.overrides import select

    trials = select(find("demo"), "smoke").declared
    for entry, trial, outcome in zip(
        _entries(cli), trials, ["completed", "diverged", "crashed"], strict=False
    ):
        weights = "weights" if outcome == "completed" else None
        spec = trial.spec.model_dump_json()
        _publish(cli, entry, outcome, outcome, spec=spec, weights_sha256=weights)
    after = json.loads(cli("plan", "demo", "--scale", "smoke", "--json"))
    assert (after["done"], after["pending"], after["evaluate_only"]) == (2, 2, 1)
    assert [entry["outcome"] for entry in after["entries"]] == ["completed", "diverged", None, None]
    assert "2 done, 0 running, 2 pending" in cli("plan", "demo", "--scale", "smoke")


def test_status_of_all_of_one_study_and_of_one_trial(cli: Cli) -> None:
    assert "no saved plans" in cli("status")
    entries = _entries(cli)
    _publish(cli, entries[0], "completed", "first")
    _publish(cli, entries[1], "crashed", "second", outcome_detail="planted")
    assert "demo@smoke  1 of 4 trials done, 1 failed (1 crashed), 2 pending" in cli("status")
    shown = cli("status", "demo")
    assert "crashed" in shown
    assert "solver.steps" in shown
    (numbers,) = json.loads(cli("status", "demo", "--json"))
    assert (
        numbers["done"],
        numbers["failed"],
        numbers["pending"],
        numbers["outcomes"]["failed"],
    ) == (1, 1, 2, {"crashed": 1})
    assert "failed: crashed: planted" in cli("status", entries[1]["trial_id"][:8])
    assert json.loads(cli("status", entries[0]["trial_id"][:8], "--json"))["state"] == "done"


def test_watching_ends_when_nothing_is_left(cli: Cli) -> None:
    for number, entry in enumerate(_entries(cli)):
        _publish(cli, entry, "completed", f"attempt-{number}")
    assert "4 of 4 trials done" in cli("status", "demo", "--watch")


def test_watching_draws_the_loss_of_running_trials(cli: Cli) -> None:
    first, second, *_ = _entries(cli)
    log, other = EventLog(cli.results, "w1"), EventLog(cli.results, "w2")
    log.append("started", trial_id=first["trial_id"], attempt_id="a", resume_iteration=0)
    for iteration, loss in enumerate([0.7, 0.35, float("nan"), 0.0]):
        beat = {"iteration": iteration, "iterations": 10, "loss": loss}
        log.append("heartbeat", trial_id=first["trial_id"], **beat)
    other.append("started", trial_id=second["trial_id"], attempt_id="b", resume_iteration=0)

    state = Watch(cli.results)
    shown, started = running_lines(state.study("demo@smoke"), state.beats)
    assert "iteration 3/10, loss 0  \u2588\u2585?\u2581" in shown
    assert started.endswith("  started")
    assert sparkline([float(number) for number in range(100)]).count("\u2581") < 5
    assert sparkline([1.0, 1.0]) == "\u2581\u2581"
    assert sparkline([None]) == "?"


def test_retry_takes_failed_trials_by_default_and_final_ones_by_name(cli: Cli) -> None:
    entries = _entries(cli)
    for number, outcome in enumerate(["completed", "diverged", "crashed", "timed_out"]):
        _publish(cli, entries[number], outcome, f"attempt-{number}")
    _publish(cli, entries[1], "diverged", "duplicate")
    assert "would make 2 pending again: 1 crashed, 1 timed_out" in cli("retry", "demo", "--dry-run")
    assert not StoreView(cli.results).retractions.restarted_at
    assert "2 pending again: 1 crashed, 1 timed_out" in cli("retry", "demo")
    view = StoreView(cli.results)
    assert set(view.retractions.restarted_at) == {entry["trial_id"] for entry in entries[2:]}
    assert not view.retractions.attempt_ids
    assert "nothing to retry" in cli("retry", "demo")
    assert "1 pending again: 1 diverged" in cli("retry", "demo", "--outcome", "diverged")
    view = StoreView(cli.results)
    assert view.retractions.attempt_ids == {"attempt-1", "duplicate"}
    assert set(view.accepted) == {entries[0]["trial_id"]}
    assert "1 pending again: 1 completed" in cli(
        "retry", entries[0]["trial_id"][:10], "--outcome", "completed"
    )


def _submit(cli: Cli, entry: dict[str, Any], study: str = "demo") -> str:
    row = {
        "task": 0,
        "shard": 0,
        "trial_id": entry["trial_id"],
        "spec": "{}",
        "train": True,
        "evaluations": [],
        "probes": [],
        "predicted_seconds": 1.0,
        "axes": None,
    }
    metadata = {
        "study": study,
        "scale": "smoke",
        "executor": "inline",
        "command": "",
        "created_at": "2026-01-01T00:00:00+00:00",
    }
    return write_submission(cli.results, [row], metadata)


def test_cancel_marks_what_still_goes_on(cli: Cli) -> None:
    entry = _entries(cli)[0]
    ended, going, other = (
        _submit(cli, entry),
        _submit(cli, entry),
        _submit(cli, entry, study="idle"),
    )
    for worker, submission in (("w1", ended), ("w2", going)):
        EventLog(cli.results, worker).append(
            "worker_started", submission_id=submission, executor="inline"
        )
    EventLog(cli.results, "w1").append("worker_ended", reason="done")
    assert f"would cancel {going[:12]}: demo@smoke on inline" in cli("cancel", "demo", "--dry-run")
    assert not is_cancelled(cli.results, going)
    assert cli("cancel", "demo").startswith(f"cancelled {going[:12]}")
    assert [is_cancelled(cli.results, one) for one in (ended, going, other)] == [False, True, False]
    assert "nothing to cancel: 2 submissions of demo" in cli("cancel", "demo")


def test_logs_shows_the_trials_own_part_of_its_workers_log(cli: Cli) -> None:
    first, second, third, _ = [entry["trial_id"] for entry in _entries(cli)]
    (cli.results.logs / "w1.log").write_bytes(b"one\ntwo\nthree")
    log = EventLog(cli.results, "w1")
    for trial, offset, attempt in ((first, 0, "a"), (second, 4, "b"), (first, 8, "c")):
        log.append(
            "started",
            trial_id=trial,
            attempt_id=attempt,
            resume_iteration=0,
            log="w1.log",
            log_offset=offset,
        )
    log.close()
    shown = cli("logs", first[:8])
    assert [line for line in shown.splitlines() if not line.startswith("==")] == ["one", "three"]
    assert [line[:12] for line in shown.splitlines() if line.startswith("==")] == [
        "== attempt 1",
        "== attempt 2",
    ]
    assert "two" in cli("logs", second[:8])
    assert "it was never started" in cli("logs", third[:8], code=2)


def test_a_log_outside_the_folder_is_not_shown(cli: Cli, tmp_path: Path) -> None:
    trial = _entries(cli)[0]["trial_id"]
    (tmp_path / "secret").write_text("secret words")
    EventLog(cli.results, "w1").append(
        "started",
        trial_id=trial,
        attempt_id="a",
        resume_iteration=0,
        log="../../secret",
        log_offset=0,
    )
    assert "secret words" not in cli("logs", trial[:8])


def test_interruption_exits_130(monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sweeps.studies.studies", interrupted)
    assert "interrupted" in cli("studies", code=130)


def test_plan_counts_the_hours_of_the_profiles_device(cli: Cli) -> None:
    assert "core-minutes\npredicted for " in cli("plan", "demo")
    shown = cli("plan", "demo", "--profile", "h200")
    assert "GPU-seconds\npredicted for H200: 12 from a count of operations\na count is" in shown
    assert (
        f"`odesweep probe demo --profile h200 --results {cli.results.path}` measures 20 steps"
        in shown
    )
    assert "left, 1 GPU" in shown
    given = json.loads(cli("plan", "demo", "--profile", "a100", "--json"))
    assert given["cost"]["from"] == {"roofline": 12}
    assert given["cost"]["GPU_hours"] == pytest.approx(given["predicted_seconds"] / 4 / 3600)


def test_a_probe_measures_and_leaves_no_result(cli: Cli) -> None:
    assert "2 to train" in cli("probe", TINY, "--dry-run")
    assert "2 completed" in cli("probe", TINY, "--pdb")
    assert "nothing to do; 2 completed" in cli("probe", TINY, "--pdb")
    shown = cli("plan", TINY)
    assert "4 trials in 2 cells: 0 done, 0 running, 4 pending" in shown
    assert ": 4 from `odesweep probe`\n" in shown
    assert "measures 20 steps" not in shown
    (folder,) = cli.results.timed()
    assert len(list(folder.merged("runs").iterdir())) == 1
    assert not list(folder.weights.iterdir())
