"""`odereport` end to end, on a results folder written with the store."""

import subprocess
import sys
from pathlib import Path

import pytest
from results_folder import Folder

from analysis import cli

NETS = [
    (solver, steps, seed)
    for solver, steps in (("euler", 2), ("euler", 64), ("rk4_38", 1))
    for seed in range(3)
]
FILES = [
    f"ott2021_{name}-demo{suffix}"
    for name in ("figure1", "figure2", "figure4")
    for suffix in (".csv", ".pdf", ".png", ".txt")
]


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Folder(tmp_path_factory.mktemp("complete") / "results")
    folder.plan("demo@demo", NETS, probes=True)
    folder.plan("images@smoke", NETS)
    for net in NETS:
        folder.run(*net, probed=True)
    folder.close()
    return folder.path


def report(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["odereport", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0)


def test_figures_of_a_complete_plan(
    complete: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (
        report(
            monkeypatch,
            "figures",
            "ott2021",
            "--plan",
            "demo",
            "--results",
            complete,
            "--out",
            tmp_path,
        )
        == 0
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    assert "ott2021/figure4: " in capsys.readouterr().out
    caption = (tmp_path / "ott2021_figure4-demo.txt").read_text()
    assert (
        "Mean and 95 % Student t interval over seeds, n = 3 per point. Plan demo@demo: Demo scale."
        in caption
    )


def test_table_is_written_and_printed(
    complete: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (
        report(
            monkeypatch,
            "tables",
            "ott2021/critical_step_size",
            "--plan",
            "demo@demo",
            "--results",
            complete,
            "--out",
            tmp_path,
        )
        == 0
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        "ott2021_critical_step_size-demo.csv",
        "ott2021_critical_step_size-demo.md",
    }
    assert (
        "| Euler | 2 | 3 | 0.430 |" in (tmp_path / "ott2021_critical_step_size-demo.md").read_text()
    )
    assert "64 / 128" in capsys.readouterr().out


def test_check_of_a_complete_plan(
    complete: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(monkeypatch, "check", "ott2021", "--plan", "demo", "--results", complete) == 0
    lines = capsys.readouterr().out.splitlines()
    drawn = [
        f"ott2021/{name}: complete, 9 trials."
        for name in ("figure1", "figure2", "figure4", "critical_step_size")
    ]
    assert [line for line in lines if "complete" in line] == drawn
    assert all("left out" in line for line in lines if line not in drawn)


def test_the_folder_that_odesweep_is_told_by_the_environment(
    complete: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ODESWEEP_RESULTS", str(complete))
    assert report(monkeypatch, "check", "ott2021/figure4", "--plan", "demo") == 0
    assert "complete, 9 trials" in capsys.readouterr().out


def test_check_lists_exactly_the_missing_cell_and_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Folder(tmp_path / "results")
    folder.plan("demo@demo", NETS)
    for net in NETS[:-1]:
        folder.run(*net)
    folder.close()
    assert (
        report(monkeypatch, "check", "ott2021/figure4", "--plan", "demo", "--results", folder.path)
        == 1
    )
    assert capsys.readouterr().out.splitlines() == [
        "ott2021/figure4: Missing: 1 of 9 trials.",
        "  trial: training=rk4_38 K=1 seed=2",
        (
            "  fill with: odesweep run demo --scale demo 'training=rk4_38 K=1' seed=2 --results "
            f"{folder.path}"
        ),
    ]
    # What is there is drawn all the same, and the caption says what is not.
    out = tmp_path / "figures"
    assert (
        report(
            monkeypatch,
            "figures",
            "ott2021/figure4",
            "--plan",
            "demo",
            "--results",
            folder.path,
            "--out",
            out,
        )
        == 0
    )
    assert "n = 2 to 3 per point" in (caption := (out / "ott2021_figure4-demo.txt").read_text())
    assert "Missing: 1 of 9 trials." in caption


def test_missing_evaluations_need_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Folder(tmp_path / "results")
    folder.plan("demo@demo", NETS[:2])
    for net in NETS[:2]:
        folder.run(*net, evaluated=["euler-2", "midpoint-2"])
    folder.close()
    assert (
        report(monkeypatch, "check", "ott2021/figure4", "--plan", "demo", "--results", folder.path)
        == 1
    )
    assert capsys.readouterr().out.splitlines() == [
        "ott2021/figure4: Missing: 2 of 6 evaluations.",
        "  evaluations: training=euler K=2 seed=0, solver=euler steps=4",
        "  evaluations: training=euler K=2 seed=1, solver=euler steps=4",
        f"  fill with: odesweep evaluate demo --scale demo --results {folder.path}",
    ]


def test_nothing_to_draw_is_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Folder(tmp_path / "results")
    folder.plan("demo@demo", NETS)
    assert (
        report(
            monkeypatch,
            "figures",
            "ott2021/figure4",
            "--plan",
            "demo",
            "--results",
            folder.path,
            "--out",
            tmp_path / "out",
        )
        == 1
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ott2021/figure4: nothing to show. Missing: 9 of 9 trials."
    assert lines[-1] == f"  fill with: odesweep run demo --scale demo --results {folder.path}"
    assert not (tmp_path / "out").exists()


def test_what_a_plan_never_asks_for_is_left_out(
    complete: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    common = ("--plan", "images", "--results", complete, "--out", tmp_path)
    assert report(monkeypatch, "figures", "ott2021", *common) == 0
    assert {path.stem for path in tmp_path.iterdir()} == {"ott2021_figure4-images-smoke"}
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("ott2021/figure4: ")
    assert report(monkeypatch, "figures", "ott2021/figure2", *common) == 1
    assert (
        "ott2021/figure2: left out, images@smoke does not plan probe_decision_grid, "
        "probe_trajectory" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["figures", "ott2021/figure9"],
            "no figure 'ott2021/figure9' (did you mean ott2021/figure5?); choose from ",
        ),
        (
            ["tables", "gusak"],
            "no table 'gusak' (did you mean gusak2020?); choose from cross, gusak2020, ",
        ),
        (
            ["figures", "ott2021", "--plan", "demo", "--results", "nowhere"],
            "no results folder nowhere",
        ),
        (["figures", "ott2021", "--results", "{complete}"], "no plan of ott2021/sphere2-fixed in"),
        (
            ["check", "ott2021", "--plan", "demo@paper", "--results", "{complete}"],
            "no plan demo@paper in",
        ),
        (
            ["figures", "--plan", "demo", "--results", "{complete}"],
            "plan demo alone is not enough: also name a paper",
        ),
        (
            ["figures", "ott2021", "--plan", "demo@demo", "--scale", "smoke"],
            "--plan demo@demo already contains a scale",
        ),
        (
            ["check", "ott2021/figure4", "--scale", "small", "--results", "{complete}"],
            "no plan of ott2021/sphere2-fixed at scale small in",
        ),
        ([], "Missing command. (odereport --help)"),
        (["draw"], "No such command 'draw'. (odereport --help)"),
        (["figures", "--colour", "red"], "No such option: --colour"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    complete: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert report(monkeypatch, *(text.format(complete=complete) for text in arguments)) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"odereport: {message}")
    assert error.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_exit_code_3(
    complete: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert (
        report(
            monkeypatch,
            "figures",
            "ott2021/figure4",
            "--plan",
            "demo",
            "--results",
            complete,
            "--out",
            blocked,
        )
        == 3
    )
    assert capsys.readouterr().err.count("\n") == 1


def test_a_corrupt_part_is_skipped_with_a_warning(
    complete: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (complete / "parts" / "evaluations" / "torn.parquet").write_bytes(b"PAR1 and then nothing")
    assert (
        report(monkeypatch, "check", "ott2021/figure4", "--plan", "demo", "--results", complete)
        == 0
    )
    assert "torn.parquet" in caplog.text


@pytest.mark.parametrize(
    "code",
    [
        "import analysis",
        "import analysis.cli",
        "import sys; sys.argv = ['odereport', '--help']; import analysis.cli; analysis.cli.main()",
    ],
)
def test_start_up_loads_nothing_heavy(code: str) -> None:
    heavy = {
        "torch",
        "ray",
        "odecore",
        "pydantic",
        "pyarrow",
        "pandas",
        "numpy",
        "scipy",
        "seaborn",
        "matplotlib",
    }
    script = (
        "import atexit, sys\natexit.register(lambda: print('LOADED', "
        f"*sorted({{name.partition('.')[0] for name in sys.modules}})))\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert not heavy & set(done.stdout.rpartition("LOADED")[2].split())


def test_drawing_needs_no_torch() -> None:
    script = (
        "import sys, analysis.make; from analysis.check import select; select(None, 'FIGURES', "
        "'TABLES'); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"pandas", "pyarrow"} <= loaded
    assert not loaded & {"torch", "ray"}
    ours = {name for name in done.stdout.split() if name.startswith("odecore.")}
    # The records of solvers, norms and data sets, which hold labels, colours and markers.
    assert all(name.startswith("odecore.config") for name in ours)
