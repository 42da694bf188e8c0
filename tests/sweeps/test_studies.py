"""The studies that are shipped, and the user's own file."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sweeps.errors import UserError
from sweeps.planning.cost import Costs
from sweeps.studies import find, studies
from sweeps.study.overrides import select

SCALES = [(study.name, scale) for study in studies().values() for scale in study.scales]
SMOKE = [(name, scale) for name, scale in SCALES if scale == "smoke" and not find(name).testing]


@pytest.mark.parametrize(("name", "scale"), SCALES)
def test_every_study_expands_and_says_what_it_is(name: str, scale: str) -> None:
    study = find(name)
    trials = select(study, scale).declared
    assert len({trial.trial_id for trial in trials}) == len(trials) > 0
    assert study.question.endswith("?")
    assert study.expected.endswith(".")
    assert study.scales[scale].label.endswith(".")
    assert study.testing or study.paper


@pytest.mark.parametrize(("name", "scale"), SMOKE)
def test_smoke_is_small(name: str, scale: str) -> None:
    trials = select(find(name), scale).declared
    # The most in one variant are the differences between paper and code, one by one.
    in_variant = Counter(trial.axes.get("variant", trial.axes.get("start")) for trial in trials)
    assert max(in_variant.values()) <= (17 if name == "zheng2024/quirks" else 12)
    assert len({trial.spec.seed for trial in trials}) == 1
    for trial in trials:
        assert len(trial.evaluations) <= 5
        assert all(
            one.evaluation.limit is not None and one.evaluation.limit <= 16
            for one in trial.evaluations
        )
        assert all(getattr(one.probe, "points", 0) <= 16 for one in trial.probes)
        large = (
            "unet" in getattr(trial.spec.model, "backbone", "") or trial.spec.data.shape[-1] == 64
        )
        assert Costs().train_seconds(trial.spec, trial.cell_id) <= (35.0 if large else 13.0)


CELLS = {
    "cross/norm_solver_depth": 240,
    "gusak2020/table1": 8,
    "gusak2020/figure1": 40,
    **{
        # Each as printed and as released.
        f"zheng2024/{study}": 2 * cells
        for study, cells in {"main": 25, "depth": 12, "table2": 6, "table4": 8, "table5": 4}.items()
    },
    "zheng2024/quirks": 34,
    "zheng2024/baselines": 14,
    "enorm2019/report": 60,
    "ott2021/adaptation": 18,
    **{
        f"gladzik2019/d{number}": cells
        for number, cells in enumerate((2, 2, 5, 2, 4, 2, 6, 2), start=1)
    },
    **{f"ott2021/sphere{dimension}-fixed": 18 for dimension in (2, 3, 10, 900)},
    **{f"ott2021/{images}-fixed": 14 for images in ("mnist", "cifar10")},
    **{
        f"ott2021/{name}-adaptive": 14
        for name in ("sphere2", "sphere3", "sphere10", "sphere900", "mnist", "cifar10")
    },
}


@pytest.mark.parametrize("name", ["sphere2", "cifar10"])
def test_otts_adaptive_nets_are_there_with_both_ends_of_a_solve(name: str) -> None:
    ours, theirs = (
        select(find(f"ott2021/{name}-{kind}")).declared for kind in ("adaptive", "torchdiffeq")
    )
    assert [trial.axes for trial in ours] == [trial.axes for trial in theirs]
    for trials, backend in ((ours, "odecore"), (theirs, "torchdiffeq")):
        tests = [one.evaluation.solver for trial in trials for one in trial.evaluations]
        solvers = [*(trial.spec.solver for trial in trials), *tests]
        assert {getattr(solver, "backend", None) for solver in solvers} == {backend}


@pytest.mark.parametrize("name", CELLS)
def test_cells_at_paper_scale_are_the_papers(name: str) -> None:
    assert len({trial.cell_id for trial in select(find(name), "paper").declared}) == CELLS[name]


def test_scales_share_no_trial() -> None:
    ids = [
        {trial.trial_id for trial in select(find("ott2021/sphere2-fixed"), scale).declared}
        for scale in ("paper", "small", "smoke")
    ]
    assert sum(map(len, ids)) == len(set.union(*ids))


def test_ott_sphere2_fixed_at_paper_scale_is_the_papers() -> None:
    trials = select(find("ott2021/sphere2-fixed")).declared
    assert len({trial.cell_id for trial in trials}) == 18
    assert len(trials) == 90
    spec = trials[0].spec
    assert (
        spec.train.iterations,
        spec.train.batch_size,
        spec.train.optimizer.lr,
        spec.gradient.name,
    ) == (10_000, 128, 1e-4, "backprop")
    assert {(trial.spec.solver.name, trial.spec.solver.steps) for trial in trials} == {  # type: ignore[union-attr]
        (name, 2**k) for name in ("euler", "rk4_38") for k in range(9)
    }


def _tests(name: str, scale: str, solver: str, steps: int) -> set[tuple[str, int]]:
    trial = next(
        t
        for t in select(find(name), scale).declared
        if t.axes == {"solver.name": solver, "solver.steps": steps}
    )
    return {(one.evaluation.solver.name, one.evaluation.solver.steps) for one in trial.evaluations}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "scale", "fine"),
    [
        ("ott2021/sphere2-fixed", "paper", 256),
        ("ott2021/sphere2-fixed", "small", 64),
        ("demo", "demo", 128),
    ],
)
def test_figure_1_and_4_have_their_evaluations(name: str, scale: str, fine: int) -> None:
    for steps in (2, fine):
        assert {("euler", 2**k) for k in range(11)} <= _tests(name, scale, "euler", steps)
    factors = {fine // 2, fine * 3 // 4, fine, fine * 3 // 2, fine * 2}
    figure4 = {(solver, steps) for solver in ("euler", "midpoint", "rk4_38") for steps in factors}
    assert figure4 <= _tests(name, scale, "euler", fine)
    assert _tests(name, scale, "rk4_38", 8) == {("rk4_38", steps) for steps in (4, 6, 8, 12, 16)}


@pytest.mark.parametrize(
    ("name", "scale", "fine"),
    [
        ("ott2021/sphere2-fixed", "paper", 256),
        ("ott2021/sphere2-fixed", "small", 64),
        ("demo", "demo", 128),
    ],
)
def test_figures_1_and_2_have_their_probes(name: str, scale: str, fine: int) -> None:
    found = {
        (trial.axes["solver.steps"], one.probe.name, one.axes["steps"])
        for trial in select(find(name), scale).declared
        for one in trial.probes
        if trial.axes["solver.name"] == "euler"
    }
    coarse = {(2, probe, steps) for probe in ("trajectory", "decision_grid") for steps in (2, 4)}
    assert found == coarse | {(fine, "trajectory", fine)}


def test_demo_is_four_solvers_and_three_seeds() -> None:
    trials = select(find("demo")).declared
    cells = {(trial.spec.solver.name, trial.spec.solver.steps) for trial in trials}  # type: ignore[union-attr]
    assert cells == {("euler", 2), ("euler", 128), ("rk4_38", 1), ("rk4_38", 8)}
    assert {trial.spec.seed for trial in trials} == {0, 1, 2}
    assert {(trial.spec.train.iterations, trial.spec.train.optimizer.lr) for trial in trials} == {
        (400, 2e-3)
    }


def test_studies_for_testing_come_last() -> None:
    flags = [study.testing for study in studies().values()]
    assert flags == sorted(flags)
    assert {"faults", "idle"} == {study.name for study in studies().values() if study.testing}
    assert len(select(find("idle")).declared) == 40


def test_an_unknown_study_names_the_nearest_and_how_to_list_all() -> None:
    with pytest.raises(UserError) as raised:
        find("ott2021/sphere2")
    assert str(raised.value) == (
        "no study 'ott2021/sphere2' (did you mean ott2021/sphere2-fixed?); "
        "`odesweep studies` lists all studies, and ./my_study.toml or "
        "./my_study.py names a file of your own"
    )


OWN = """
from sweeps.study import Scale, Study
def make(name):
    base = {"data": {"name": "spheres"}, "model": {"name": "flat_node"},
            "solver": {"name": "euler", "steps": 2}, "train": {"iterations": 5}}
    return Study(name, "Mine", "Mine?", "Yes.", base, {"only": Scale("Mine.")})
"""


def test_a_users_own_file(tmp_path: Path) -> None:
    path = tmp_path / "my_study.py"
    path.write_text(OWN + "STUDY = make('mine')\n")
    assert find(str(path)).name == "mine"
    path.write_text(OWN + "STUDIES = (make('mine'), make('yours'))\n")
    assert find(f"{path}:yours").name == "yours"
    with pytest.raises(
        UserError, match=r"several studies; choose one: .*my_study\.py:mine, .*my_study\.py:yours"
    ):
        find(str(path))
    with pytest.raises(UserError, match="'theirs'; choose from mine, yours"):
        find(f"{path}:theirs")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("X = 1\n", "neither STUDY nor STUDIES"),
        ("import nothing_of_this_name\n", "cannot be loaded: ModuleNotFoundError"),
        ("a b\n", "SyntaxError"),
    ],
)
def test_a_file_that_is_no_study(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(UserError, match=says):
        find(str(path))
    with pytest.raises(UserError, match="no study file"):
        find(str(tmp_path / "missing.py"))


@pytest.mark.parametrize(
    "words",
    [
        ("sweeps", "studies", "--json"),
        ("sweeps", "plan", "faults"),
        ("analysis", "plot", "--help"),
    ],
)
def test_a_closed_pipe_is_quiet(words: tuple[str, ...]) -> None:
    package, *arguments = words
    call = f"{sys.executable} -c 'from {package}.cli import main; main()' {' '.join(arguments)}"
    # `true` reads nothing; the command begins to write when it has gone.
    command = f"(sleep 0.2; exec {call}) | true"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.returncode == 0
