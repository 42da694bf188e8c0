"""Numbers of each figure and table, from rows small enough to compute by hand."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from conftest import Frames, net, trajectories

from analysis import published
from analysis.check import find
from analysis.drawing.style import SOLVER_MARKERS
from analysis.errors import ReportError
from analysis.ott2021 import critical_step_size, dependence, solver_panels, two_nets
from analysis.rows.data import Data
from analysis.rows.stats import t_interval

Make = Callable[..., Data]
figure1, figure2, figure4 = (find(f"ott2021/{name}") for name in ("figure1", "figure2", "figure4"))


def row(numbers: pd.DataFrame, **wanted: Any) -> dict[Any, Any]:
    for column, value in wanted.items():
        numbers = numbers.loc[numbers[column] == value]
    assert len(numbers) == 1
    return numbers.to_dict("records")[0]


def test_figure4_averages_successful_seeds_and_keeps_all_in_the_numbers(make: Make) -> None:
    data = make(
        [
            net("euler", 2, seed, {("euler", 2): accuracy, ("midpoint", 2): 0.5})
            for seed, accuracy in enumerate([0.90, 0.95, 1.00])
        ]
        + [net("euler", 2, 3, {("euler", 2): 0.40}, accuracy_train=0.6)]
    )
    numbers = figure4.table(data)
    own = row(numbers, test_solver="euler", seeds="successful")
    assert (own["n"], own["mean"], own["panel"], own["data"]) == (
        3,
        pytest.approx(0.95),
        "a",
        "Sphere2",
    )
    low, _ = t_interval([0.90, 0.95, 1.00])
    assert (own["low"], own["high"]) == pytest.approx((low, 1.0))
    everyone = row(numbers, test_solver="euler", seeds="all")
    assert (everyone["n"], everyone["mean"]) == (4, pytest.approx(3.25 / 4))
    assert row(numbers, test_solver="midpoint", seeds="all")["n"] == 3
    assert set(numbers.loc[numbers["own"], "test_solver"]) == {"euler"}


def test_figure4_never_averages_failed_or_missing_runs(make: Make) -> None:
    data = make(
        [
            net("euler", 2, 0, {("euler", 2): 0.9}),
            net("euler", 2, 1, {("euler", 2): 0.0}, outcome="diverged", accuracy_train=0.0),
            net("euler", 2, 2, {("euler", 2): 0.0}, missing=True),
            net("rk4_38", 2, 0, {("rk4_38", 2): 0.8}, outcome="solver_failed"),
        ]
    )
    numbers = figure4.table(data)
    assert numbers["n"].to_list() == [1, 1]
    assert numbers["mean"].to_list() == [0.9, 0.9]
    text = figure4.caption(data, numbers)
    assert "Not averaged: 1 diverged, 1 solver_failed." in text
    assert "Missing: 1 of 4 trials." in text


def test_figure4_shows_the_papers_factors_only(make: Make) -> None:
    tests: dict[tuple[str, int], float] = {
        ("euler", steps): 0.9 for steps in (1, 2, 3, 4, 6, 8, 16, 4096)
    }
    numbers = figure4.table(make([net("euler", 4, 0, tests)]))
    assert sorted(set(numbers["test_solver_steps"])) == [2, 3, 4, 6, 8]


def test_figure4_of_short_training_shows_all_seeds_and_says_so(make: Make) -> None:
    data = make([net("euler", 2, seed, {("euler", 2): 0.5}, accuracy_train=0.5) for seed in (0, 1)])
    numbers = figure4.table(data)
    assert set(dependence.drawn(numbers)["seeds"]) == {"all"}
    text = figure4.caption(data, numbers)
    assert (
        "None of 2 nets trained successfully (final train accuracy > 0.9), so all are shown."
        in text
    )
    assert "n = 2 per point: single seeds are shown, no interval." in text


def test_threshold_of_success_depends_on_the_data(make: Make) -> None:
    nets = [net("euler", 2, 0, {("euler", 2): 0.5}, accuracy_train=0.5)]
    assert dependence.accuracies(make(nets, data_name="cifar10", dimension=None))[
        "successful"
    ].to_list() == [True]
    assert dependence.accuracies(make(nets))["successful"].to_list() == [False]


def test_two_trials_of_one_cell_are_refused(make: Make) -> None:
    data = make([net("euler", 2, 0, {("euler", 2): 0.5})])
    frames = {name: getattr(data, name) for name in ("trials", "tests")}
    twice = {
        name: pd.concat([rows, rows.assign(trial_id="another")], ignore_index=True)
        for name, rows in frames.items()
    }
    run, evaluation = data.source.runs(), data.source.evaluations()
    rows = Frames(
        pd.concat([run, run.assign(trial_id="another")]),
        pd.concat([evaluation, evaluation.assign(trial_id="another")]),
        {},
    )
    doubled = replace(data, **twice, source=rows)
    with pytest.raises(ReportError, match="several trials with solver euler, 2 steps, seed 0"):
        figure4.table(doubled)


def test_no_rows_at_all_make_an_empty_table(make: Make) -> None:
    data = make([net("euler", 2, 0, {("euler", 2): 0.5}, missing=True)])
    assert figure4.table(data).empty
    assert figure1.table(data).empty
    assert figure2.table(data).empty
    assert critical_step_size.table(data).empty


def test_every_second_of_many_training_steps_is_drawn(paper_like: Data) -> None:
    numbers = figure4.table(paper_like)
    assert solver_panels.steps_drawn(numbers) == [1, 4, 16, 64, 256]
    assert sorted(set(numbers["solver_steps"])) == [2**k for k in range(9)]
    assert "Every second K is drawn" in figure4.caption(paper_like, numbers)


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        ("euler", "euler", "o"),
        ("rk4_38", "rk4_38", "o"),
        ("euler", "midpoint", "x"),
        ("euler", "rk4", "^"),
        ("rk4_38", "euler", "s"),
    ],
)
def test_markers_say_which_solver(train: str, test: str, expected: str) -> None:
    assert solver_panels.marker(train, test) == expected


def gaps(make: Make, gap_of: dict[int, float]) -> pd.DataFrame:
    nets = [
        net("euler", steps, seed, {("euler", steps): 0.95, ("midpoint", steps): 0.95 - gap})
        for steps, gap in gap_of.items()
        for seed in range(3)
    ]
    return critical_step_size.table(make(nets))


def test_critical_step_size_brackets_the_first_failure_from_the_finest(make: Make) -> None:
    numbers = gaps(make, {1: 0.0, 16: 0.4, 32: 0.05, 64: 0.2, 128: 0.02, 256: 0.0})
    assert numbers.loc[numbers["seeds"] == "all", "dependent"].to_list() == [
        False,
        True,
        False,
        True,
        False,
        False,
    ]
    assert set(numbers["first_failing"]) == {64}
    assert set(numbers["first_passing"]) == {128}
    assert set(numbers["published_failing"]) == {64}
    assert set(numbers["published_passing"]) == {128}


def test_critical_step_size_without_failure_or_without_success(make: Make) -> None:
    passing = gaps(make, {16: 0.05, 32: 0.0}).iloc[0]
    assert math.isnan(passing["first_failing"])
    assert passing["first_passing"] == 16
    failing = gaps(make, {16: 0.3, 32: 0.2}).iloc[0]
    assert failing["first_failing"] == 32
    assert math.isnan(failing["first_passing"])


def test_gap_is_the_mean_of_absolute_differences_and_the_signed_one_is_paired(make: Make) -> None:
    others = [0.85, 1.0, 0.95]
    numbers = critical_step_size.table(
        make(
            [
                net("euler", 8, seed, {("euler", 8): 0.95, ("midpoint", 8): other})
                for seed, other in enumerate(others)
            ]
        )
    )
    found = row(numbers, seeds="successful")
    assert found["gap"] == pytest.approx((0.10 + 0.05 + 0.0) / 3)
    assert found["difference"] == pytest.approx((0.10 - 0.05 + 0.0) / 3)
    assert (found["difference_low"], found["difference_high"]) == pytest.approx(
        t_interval([0.10, -0.05, 0.0])
    )
    assert not found["dependent"]


def test_rk4_is_compared_with_twice_its_steps(make: Make) -> None:
    tests = {("rk4_38", 2): 0.9, ("rk4_38", 4): 0.7, ("rk4_38", 3): 0.1, ("midpoint", 2): 0.0}
    found = row(critical_step_size.table(make([net("rk4_38", 2, 0, tests)])), seeds="all")
    assert found["gap"] == pytest.approx(0.2)
    assert found["dependent"]
    assert math.isnan(found["published_failing"])


def test_readable_table_shows_single_values_below_three_seeds(make: Make) -> None:
    nets = [
        net("euler", 8, seed, {("euler", 8): 0.9, ("midpoint", 8): other})
        for seed, other in enumerate([0.5, 0.6])
    ]
    shown = critical_step_size.TABLE.readable(critical_step_size.table(make(nets)))
    assert shown["95 % interval"].to_list() == ["single: 0.300, 0.400"]
    assert shown["critical K, ours"].to_list() == ["8 / none"]
    assert shown["published"].to_list() == ["64 / 128"]


def test_figure1_takes_the_finest_and_the_papers_coarse_net(paper_like: Data) -> None:
    assert two_nets.solver_steps(paper_like) == {"fine": 256, "coarse": 2}
    numbers = figure1.table(paper_like)
    lengths = (
        numbers.loc[numbers["panel"].isin(["a", "b"])].groupby(["panel", "point"])["step"].max()
    )
    assert set(lengths["a"]) == {256}
    assert set(lengths["b"]) == {2}
    curve = numbers.loc[(numbers["panel"] == "d") & (numbers["seeds"] == "all")]
    assert sorted(curve["test_solver_steps"]) == [1, 2, 3, 4, *(2**k for k in range(3, 13))]
    # Long trajectories are thinned, and what is kept is exact.
    states = (
        two_nets.probe(paper_like, "trajectory")
        .query("solver_steps == 256 and point == 0 and step % 4 == 0")
        .sort_values("step")
    )
    drawn = numbers.loc[(numbers["panel"] == "a") & (numbers["point"] == 0)].sort_values("step")
    assert drawn["x1"].to_list() == states["x1"].to_list()


def test_one_net_is_the_smallest_successful_seed() -> None:
    import numpy as np

    rows = trajectories(np.random.default_rng(0), 2, 8, points=2).assign(
        solver_name="euler", train_accuracy=0.995
    )
    rows = rows.assign(solver_steps=rows["trial_id"].str.split("-").str[1].astype(int))
    seeds = pd.concat(
        [rows.assign(seed=0, train_accuracy=0.6), rows.assign(seed=3), rows.assign(seed=1)]
    )
    assert set(two_nets.one_seed(seeds, 2)["seed"]) == {1}
    failed = seeds.assign(train_accuracy=0.6)
    assert set(two_nets.one_seed(failed, 2)["seed"]) == {0}


def test_figure2_takes_end_points_and_grids_of_both_tests(paper_like: Data) -> None:
    numbers = figure2.table(paper_like)
    states = two_nets.probe(paper_like, "trajectory").query("solver_steps == 2")
    for panel, steps in (("a", 2), ("b", 4)):
        points = numbers.loc[(numbers["panel"] == panel) & (numbers["kind"] == "point")]
        ends = states.loc[
            (states["test_solver_steps"] == steps) & (states["step"] == steps)
        ].sort_values("point")
        assert points["x1"].to_list() == ends["x1"].to_list()
        assert len(numbers.loc[(numbers["panel"] == panel) & (numbers["kind"] == "grid")]) == 41**2


def test_every_published_number_has_a_source() -> None:
    for name in ("figure1", "critical_step_size"):
        for entry in published.load("ott2021", name).values():
            assert entry["source"]
    fine = published.load("ott2021", "figure1")["fine"]
    assert len(fine["test_solver_steps"]) == len(fine["accuracy"])
    # 1000 points in batches of 128, each divided by 128.
    assert published.load("ott2021", "figure1")["bias"]["maximum_attainable"] == pytest.approx(
        (7 + (1000 - 7 * 128) / 128) / 8
    )


@pytest.mark.parametrize("train", SOLVER_MARKERS)
def test_other_solvers_are_set_aside_so_that_they_do_not_cover_the_training_solver(
    train: str,
) -> None:
    covered = {test for test in SOLVER_MARKERS if solver_panels.aside(train, test) == 1}
    assert covered == {train}


def test_the_legend_begins_with_the_training_solver_and_names_every_other() -> None:
    tests = ("rk4_38", "midpoint", "euler")
    shown = pd.DataFrame([{"solver_name": "euler", "test_solver": test} for test in tests])
    entries = solver_panels.handles(shown, {}, "steps")
    labels = [str(entry.get_label()) for entry in entries]
    assert labels == ["as in training", "midpoint", "RK4 (3/8 rule)"]
