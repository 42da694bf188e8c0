"""How many more seeds a claim asks for: by hand, by simulation, and as a command that runs."""

import json
import math
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from synthetic import Cell, Run, World, write
from test_claims import STUDY, Means, Uneven, claim, report
from worlds import Draws

from analysis.claims import claim as claims
from analysis.claims.claim import Evidence, above, select, within
from analysis.claims.decide import MOST_SEEDS, expected, request, seeds_needed
from analysis.claims.statistic import Estimate, Estimates, mean, of_runs
from analysis.claims.verdict import CONTRADICTED, INCONCLUSIVE, NOT_ENOUGH, REPRODUCED, weigh
from analysis.make import Reader
from analysis.rows.stats import clopper_pearson, t_interval
from sweeps.study import EvaluationGrid

D4 = "gladzik2019/d4"
THREE_SEEDS = replace(STUDY, seeds=range(3))
THREE = claim(holds=above(0.0), evidence=Evidence(seeds=3))


def of_sample(*sample: float) -> Estimate:
    middle = sum(sample) / len(sample)
    return Estimate(middle, *t_interval(sample), len(sample), sample=sample)


def test_expected_keeps_mean_spread_and_frequency_of_failures() -> None:
    # Four of five seeds completed, so eight of ten are expected to.
    ten = expected(of_sample(1.0, 2.0, 3.0, 4.0), 5, 10, 0.0)
    spread = math.sqrt(5 / 3)
    assert (ten.n, ten.value) == (8, pytest.approx(2.5))
    half = 2.364624 * spread / math.sqrt(8)  # t quantile .975 with 7 degrees of freedom, any table
    assert (ten.low, ten.high) == pytest.approx((2.5 - half, 2.5 + half), abs=1e-5)
    moved = expected(of_sample(1.0, 2.0, 3.0, 4.0), 5, 10, -2.0)
    assert moved.value == pytest.approx(2.5 - 2 * spread / math.sqrt(8))
    assert moved.high - moved.low == pytest.approx(2 * half, abs=1e-5)


def test_expected_of_a_share_and_of_a_mapped_mean() -> None:
    share = Estimate(0.5, *clopper_pearson(3, 6), 6, successes=3)
    twelve = expected(share, 3, 6, 0.0)
    assert (twelve.n, twelve.successes) == (12, 6)
    assert (twelve.low, twelve.high) == pytest.approx(clopper_pearson(6, 12))
    mapped = of_sample(1.0, 2.0, 3.0).mapped(lambda value: -value)
    assert expected(mapped, 3, 6, 1.0).value == pytest.approx(-2 - 1 / math.sqrt(6))


def parts(middle: float, spread: float) -> Estimates:
    return {"": of_sample(middle - spread, middle, middle + spread)}


@pytest.mark.parametrize(
    ("middle", "spread", "holds", "needed"),
    [
        # With z = .8416: t_(n-1) + z < sqrt(n) * effect / spread for the first time.
        (1.0, 1.0, above(0.0), 10),  # 2.262 + .842 < 3.162; for 9: 2.306 + .842 > 3
        (-1.0, 1.0, above(0.0), 10),
        (1.0, 0.5, above(0.0), 5),
        (0.0, 1.0, within(-1.0, 1.0), 12),  # two ends, z = 1.250: 2.201 + 1.250 < 3.464
        (0.01, 1.0, above(0.0), None),
        (1.0, 1.0, above(1.0), None),  # at the threshold no number of seeds decides
    ],
)
def test_seeds_needed_by_hand(middle: float, spread: float, holds: Any, needed: int | None) -> None:
    one = claim(holds=holds, evidence=Evidence(seeds=3))
    assert seeds_needed(one, parts(middle, spread), 3, 3) == needed


def test_each_of_several_parts_has_to_hold_but_one_can_contradict() -> None:
    one, two = parts(1.0, 1.0)[""], parts(5.0, 1.0)[""]
    alone = seeds_needed(THREE, {"a": one}, 3, 3)
    both = seeds_needed(THREE, {"a": one, "b": two}, 3, 3)
    assert alone is not None
    assert both is not None
    assert both > alone
    against = parts(-1.0, 1.0)[""]
    assert seeds_needed(THREE, {"a": one, "b": against}, 3, 3) is not None


def test_most_draws_are_decided_with_the_seeds_they_asked_for(tmp_path: Path) -> None:
    """The truth lies 1.5 standard deviations of a paired difference beyond the threshold."""
    spread = 0.01
    means = {"none": 0.5, "batch": 0.8, "layer": 0.8 + 1.5 * spread * math.sqrt(2)}
    verdicts = []
    for number in range(16):
        world, results = Draws("norm", means, spread, number), tmp_path / str(number)
        write(results, THREE_SEEDS, world, "paper")
        before = weigh(THREE, Reader(results))
        asked = request(before)
        assert (before.full.verdict == INCONCLUSIVE) == (asked is not None)
        if asked is None or asked.more is None:
            continue
        write(results, THREE_SEEDS, world, "paper", (f"+seed=3..{2 + asked.more}",))
        # The rows of added seeds count, without a word on the command line.
        after = weigh(THREE, Reader(results))
        assert after.full.n == 3 + asked.more
        verdicts.append(after.full.verdict)
    assert len(verdicts) >= 8
    assert verdicts.count(REPRODUCED) >= 0.75 * len(verdicts)
    assert CONTRADICTED not in verdicts


class Close(World):
    """Accuracies so close that the claims below stay inconclusive.

    One net of each study is noisy. ENorm with bias ends in NaN for odd seeds.
    """

    NOISE: ClassVar[tuple[float, ...]] = (1.0, -1.0, 1.2, -1.2, 0.5, -0.5)

    def run(self, cell: Cell) -> Run | None:
        noisy = cell["net"] == "LN" or cell["model.norm"] == "none" or cell.study == D4
        scale = 0.006 if cell["net"] else 0.01
        accuracy = 0.5 + 0.01 * (cell["model.norm"] == "none")
        accuracy += scale * self.NOISE[cell.seed] if noisy else 0.0
        failed = cell["method"] == "ENorm, bias" and cell.seed % 2
        return Run(
            accuracy,
            outcome="diverged" if failed else "completed",
            columns={"accuracy_test_best": accuracy, "train_seconds": 100.0},
        )


@pytest.mark.parametrize(
    ("name", "scale", "axes"),
    [
        ("gusak2020/layer-like-resnet10", "paper", {"net": {"LN", "ResNet10"}}),
        (
            "zheng2024/norms-do-not-help-on-mnist",
            "paper",
            {"data": {"MNIST"}, "model.backbone": {"cnn4"}, "variant": {"printed"}},
        ),
        ("enorm2019/bias-nan-above-9", "small", {"method": {"ENorm, bias"}}),
        (
            "gladzik2019/second-block-little-gain",
            "paper",
            {"net": {"ODENet without adjoint", "ODENet adjoint"}},
        ),
    ],
)
def test_the_command_plans_the_claims_cells_with_the_new_seeds(
    name: str, scale: str, axes: dict[str, set[str]], tmp_path: Path
) -> None:
    results = tmp_path / "r"
    (one,) = select(name)
    for study in one.studies:
        write(results, study, Close(), scale)
    asked = request(weigh(one, Reader(results)))
    assert asked is not None
    assert asked.more is not None
    assert len(asked.commands) == len(one.studies)
    seconds = 0.0
    for line in asked.commands:
        words = shlex.split(line)
        assert words[:2] == ["odesweep", "run"]
        plan = json.loads(odesweep("plan", *words[2:], "--json"))
        new = [entry for entry in plan["entries"] if entry["state"] == "pending"]
        for axis, values in axes.items():
            there = {entry["axes"].get(axis) for entry in plan["entries"]}
            # The other study of the claim may lack the axis.
            assert there in (values, {None})
        # As many new trials in each of the cells, all with seeds that no row has.
        assert {entry["seed"] for entry in new} == {
            asked.seeds + more for more in range(asked.more)
        }
        assert len(new) == plan["cells"] * asked.more
        assert plan["done"] == plan["cells"] * asked.seeds
        # A row took 100 s of training and 2 s of evaluation, and each evaluation 0.1 s.
        tests = sum(len(entry["missing_evaluations"]) for entry in new)
        seconds += 102.0 * len(new) + 0.1 * tests
    assert asked.measured == 1.0
    assert asked.seconds == pytest.approx(seconds)


def odesweep(*arguments: str) -> str:
    program = "from sweeps.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_seeds_that_are_planned_and_lack_rows_come_first(tmp_path: Path) -> None:
    class Four(Uneven):
        def run(self, cell: Cell) -> Run | None:
            return super().run(cell) if cell.seed < 4 else None

    six = replace(STUDY, seeds=range(6))
    write(tmp_path, six, Four(0.01, none=0.5, batch=0.8, layer=0.83), "paper")
    near = claim(holds=above(0.0), where={"norm": ("batch", "layer")})
    asked = request(weigh(near, Reader(tmp_path)))
    assert asked is not None
    needed = seeds_needed(near, {"": of_sample(0.04, 0.01, 0.06, -0.01)}, 4, 4)
    assert needed is not None
    assert needed > 6
    assert asked.more == needed - 4
    assert asked.commands[0] == (
        f"odesweep run paper/claims --scale paper +seed=6..{needed - 1} norm=batch,layer "
        f"--results {tmp_path}"
    )


def test_seeds_that_failed_are_made_up_for(tmp_path: Path) -> None:
    class OneFails(Means):
        def run(self, cell: Cell) -> Run | None:
            return Run(outcome="diverged") if cell.seed == 3 else super().run(cell)

    write(tmp_path, STUDY, OneFails(0.001, none=0.5, batch=0.7, layer=0.9), "paper")
    found = weigh(claim(), Reader(tmp_path))
    assert found.full.verdict == NOT_ENOUGH
    asked = request(found)
    assert asked is not None
    # Three of four completed, so four of six are expected to.
    assert asked.more == 2


def test_what_added_seeds_lack_is_asked_for_with_their_seeds(tmp_path: Path) -> None:
    class Untested(Means):
        def test(self, cell: Cell, run: Run, test: Any, evaluation: Any) -> float | None:
            return None if cell.seed == 5 else run.accuracy

    study = replace(STUDY, evaluations=(EvaluationGrid("own"),))
    world = Untested(0.001, none=0.5, batch=0.7, layer=0.9)
    write(tmp_path, study, world, "paper")
    write(tmp_path, study, world, "paper", ("+seed=4,5",))
    needs = ("runs", "evaluations:own")
    found = weigh(claim(quantity=of_runs("accuracy_test")._replace(needs=needs)), Reader(tmp_path))
    assert found.full.parts[""].n == 6
    assert found.commands == [
        f"odesweep evaluate paper/claims --scale paper +seed=5 seed=5 --results {tmp_path}"
    ]
    # The figures' reader knows only the seeds of the plan.
    assert set(Reader(tmp_path)(study.name).trials["seed"]) == set(range(4))


def test_a_second_request_adds_to_a_named_plan(tmp_path: Path) -> None:
    world = Uneven(0.01, none=0.5, batch=0.8, layer=0.83)
    plan = write(tmp_path, STUDY, world, "paper", ("+seed=4",))
    near = claim(holds=above(0.0))
    asked = request(weigh(near, Reader(tmp_path, plan=plan)))
    assert asked is not None
    assert asked.more is not None
    assert f" +seed=4,5..{4 + asked.more} " in asked.commands[0]
    assert asked.commands[0].count("+seed=") == 1


def test_the_command_line_lists_the_cheapest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    near = claim(holds=above(0.0), where={"norm": ("batch", "layer")})
    at_threshold = claim(key="at-threshold", holds=above(0.02))
    cheap = claim(key="cheap", holds=above(0.78), where={"norm": "layer"}, statistic=mean)
    decided = claim(key="decided", holds=above(-1.0))
    monkeypatch.setattr(claims, "all_claims", lambda: [near, at_threshold, cheap, decided])
    write(tmp_path / "r", STUDY, Uneven(0.01, none=0.5, batch=0.8, layer=0.825), "paper")
    assert report(monkeypatch, "check", "--decide", "--results", tmp_path / "r") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines if line.startswith("paper/")] == [
        "paper/cheap",
        "paper/layer-above-batch",
        "paper/at-threshold",
    ]
    assert "inconclusive with 4 seeds (paper/claims@paper): " in lines[0]
    assert f"{MOST_SEEDS} seeds would not decide it" in "\n".join(lines)
    assert (
        report(monkeypatch, "check", "paper/decided", "--decide", "--results", tmp_path / "r") == 0
    )
    assert capsys.readouterr().out == "no claim is inconclusive with the rows here\n"
