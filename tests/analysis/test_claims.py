"""Verdicts on synthetic rows where the truth is known.

Every one is reached, by one number and by several, and each scale stands for itself.
"""

import json
import math
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic import Cell, Run, World, write

from analysis import cli
from analysis.claims import claim as claims
from analysis.claims.claim import Claim, Evidence, Region, above, all_claims, below, within
from analysis.claims.statistic import At, Difference, Estimate, Share, mean, of_runs, order
from analysis.claims.verdict import (
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_ENOUGH,
    REPRODUCED,
    Judgement,
    Verdict,
    judge_all,
    judge_one,
    row,
    weigh,
)
from analysis.make import Reader
from analysis.rows.stats import t_interval
from sweeps.studies import find
from sweeps.study import Scale, Study

STUDY = Study(
    name="paper/claims",
    title="T",
    question="Q?",
    expected="E",
    base={
        "data": {"name": "spheres", "dimension": 2},
        "model": {"name": "flat_node"},
        "train": {"epochs": 8},
        "solver": {"name": "euler", "steps": 2},
    },
    grid={
        "norm": {
            name: {"model.width": width} for width, name in enumerate(("none", "batch", "layer"), 4)
        }
    },
    seeds=range(4),
    scales={
        "paper": Scale("Paper scale."),
        "small": Scale("Small scale.", overrides={"train.epochs": 2}),
    },
)


class Means(World):
    """Accuracies by norm, with what each seed adds; a text is an outcome, None is missing."""

    def __init__(self, noise: float = 0.01, **means: Any) -> None:
        self.means, self.noise = means, noise

    def run(self, cell: Cell) -> Run | None:
        mean = self.means[cell["norm"]]
        return (
            None
            if mean is None
            else Run(outcome=mean)
            if isinstance(mean, str)
            else Run(mean + self.noise * (-1) ** cell.seed * (1 + cell.seed))
        )


def claim(**given: Any) -> Claim:
    about = {
        "paper": "paper",
        "key": "layer-above-batch",
        "statement": "Layer beats batch.",
        "source": "Table 1",
        "study": STUDY.name,
        "quantity": of_runs("accuracy_test"),
        "statistic": Difference({"norm": "layer"}, {"norm": "batch"}),
        "holds": above(0.02),
        "measure": "difference of accuracy",
        "evidence": Evidence(seeds=4),
    }
    return Claim(**{**about, **given})


ORDER = claim(key="order", statistic=order("norm", "layer", "batch", "none"), holds=above(0.0))


class Uneven(Means):
    """As Means, but the noise belongs to layer alone, so that pairing does not remove it."""

    def run(self, cell: Cell) -> Run | None:
        return super().run(cell) if cell["norm"] == "layer" else Means(0.0, **self.means).run(cell)


def verdict(
    results: Path, world: World, one: Claim, scale: str = "paper", **reader: Any
) -> Verdict:
    write(results, STUDY, world, scale)
    return weigh(one, Reader(results, **reader))


@pytest.mark.parametrize(
    ("layer", "noise", "expected"),
    [
        (0.90, 0.001, REPRODUCED),
        (0.81, 0.001, CONTRADICTED),
        (0.82, 0.02, INCONCLUSIVE),
        (None, 0.0, NOT_ENOUGH),
        ("diverged", 0.0, NOT_ENOUGH),
    ],
)
def test_every_verdict_of_one_number(
    tmp_path: Path, layer: Any, noise: float, expected: str
) -> None:
    found = verdict(tmp_path, Uneven(noise, none=0.5, batch=0.8, layer=layer), claim())
    assert found.full.verdict == expected
    assert found.reduced is None
    if isinstance(layer, float):
        (estimate,) = found.full.parts.values()
        differences = [layer - 0.8 + noise * (-1) ** seed * (1 + seed) for seed in range(4)]
        assert estimate.value == pytest.approx(sum(differences) / 4)
        assert (estimate.low, estimate.high) == pytest.approx(t_interval(differences))
        assert estimate.n == 4
        assert not found.missing


def test_failed_runs_are_counted_not_missing(tmp_path: Path) -> None:
    found = verdict(tmp_path, Means(none=0.5, batch=0.8, layer="diverged"), claim())
    assert found.full.failures == {"diverged": 4}
    assert found.missing == []
    assert found.commands == []


def test_missing_cells_and_the_command_that_fills_them(tmp_path: Path) -> None:
    found = verdict(
        tmp_path, Means(none=None, batch=0.8, layer=None), claim(where={"norm": ("batch", "layer")})
    )
    assert found.missing == [f"trial: norm=layer seed={seed}" for seed in range(4)]
    assert found.commands == [
        f"odesweep run paper/claims --scale paper norm=layer --results {tmp_path}"
    ]


def test_without_a_plan_the_command_makes_everything(tmp_path: Path) -> None:
    one = claim(where={"norm": ("batch", "layer")})
    found = weigh(one, Reader(tmp_path))
    assert (found.full.verdict, found.reduced) == (NOT_ENOUGH, None)
    assert found.missing == ["no plan of paper/claims at scale paper"]
    assert found.commands == [
        f"odesweep run paper/claims --scale paper norm=batch,layer --results {tmp_path}"
    ]


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ({"none": 0.5, "batch": 0.7, "layer": 0.9}, REPRODUCED),
        ({"none": 0.7, "batch": 0.5, "layer": 0.9}, CONTRADICTED),
        ({"none": 0.7, "batch": 0.7, "layer": 0.9}, CONTRADICTED),  # equal is not better
        ({"none": 0.5, "batch": 0.895, "layer": 0.9}, INCONCLUSIVE),
        ({"none": None, "batch": 0.895, "layer": 0.9}, NOT_ENOUGH),
        ({"none": None, "batch": 0.95, "layer": 0.5}, CONTRADICTED),  # one part is enough
    ],
)
def test_of_several_numbers_every_one_has_to_hold(
    tmp_path: Path, means: dict[str, Any], expected: str
) -> None:
    found = verdict(tmp_path, Uneven(0.005, **means), ORDER)
    assert list(found.full.parts) == ["layer - batch", "batch - none"]
    assert found.full.verdict == expected


def test_the_part_that_decides_is_shown(tmp_path: Path) -> None:
    found = verdict(tmp_path, Uneven(0.001, none=0.7, batch=0.5, layer=0.9), ORDER)
    flat = row(found)
    assert flat["part"] == "batch - none"
    assert flat["value"] == pytest.approx(-0.2)
    assert flat["parts"].startswith("layer - batch: 0.3995 [0.39")


@pytest.mark.parametrize(
    ("estimate", "holds", "expected"),
    [
        ((0.0, -0.1, 0.1, 5), within(-0.2, 0.2), REPRODUCED),
        ((0.0, -0.3, 0.1, 5), within(-0.2, 0.2), INCONCLUSIVE),
        ((0.5, 0.4, 0.6, 5), within(-0.2, 0.2), CONTRADICTED),
        ((0.0, 0.0, 0.0, 1), within(0, 0), REPRODUCED),
        ((0.01, 0.005, 0.02, 5), below(0.03), REPRODUCED),
        ((0.04, 0.035, 0.05, 5), below(0.03), CONTRADICTED),
        ((0.03, 0.03, 0.03, 5), below(0.03), CONTRADICTED),
        ((0.5, math.nan, math.nan, 5), above(0), NOT_ENOUGH),
        ((0.5, 0.4, 0.6, 0), above(0), NOT_ENOUGH),
    ],
)
def test_regions(estimate: tuple[float, float, float, int], holds: Region, expected: str) -> None:
    assert judge_one(Estimate(*estimate), holds, 1) == expected


def test_below_the_scale_a_verdict_stands_in_its_own_column(tmp_path: Path) -> None:
    good, bad = Means(none=0.5, batch=0.7, layer=0.9), Means(none=0.9, batch=0.7, layer=0.5)
    found = verdict(tmp_path, good, ORDER, "small")
    assert found.full == Judgement()
    assert found.reduced is not None
    assert found.reduced.verdict == REPRODUCED
    assert row(found)["at_reduced_scale"] == REPRODUCED
    assert row(found)["verdict"] == NOT_ENOUGH
    assert found.commands[0].startswith("odesweep run paper/claims --scale paper")
    # Rows at paper scale decide for themselves, and both stand.
    both = verdict(tmp_path, bad, ORDER, "paper")
    assert both.reduced is not None
    assert (both.full.verdict, both.reduced.verdict) == (CONTRADICTED, REPRODUCED)
    small = weigh(ORDER, Reader(tmp_path, scale="small"))
    assert small.full.verdict == NOT_ENOUGH


def test_a_claim_that_small_scale_cannot_show_has_no_verdict_there(tmp_path: Path) -> None:
    level = claim(statistic=At({"norm": "layer"}, mean), holds=above(0.9), at_any_scale=False)
    found = verdict(tmp_path, Means(0.001, none=0.5, batch=0.7, layer=0.6), level, "small")
    assert (found.full.verdict, found.reduced) == (NOT_ENOUGH, None)
    assert found.commands[0].startswith("odesweep run paper/claims --scale paper")
    both = verdict(tmp_path, Means(0.001, none=0.5, batch=0.7, layer=0.95), level, "paper")
    assert (both.full.verdict, both.reduced) == (REPRODUCED, None)


def test_which_claims_small_scale_cannot_show() -> None:
    assert {claim.name for claim in all_claims() if not claim.at_any_scale} == {
        "gusak2020/layer-reaches-93-percent",
        "gusak2020/layer-like-resnet10",
        "gusak2020/layer-smooth-from-16",
        "gusak2020/weight-smooth-from-32",
        "gusak2020/two-steps-not-smooth",
        "gusak2020/layer-smooth-without-tolerance",
        "gusak2020/weight-smooth-without-tolerance",
        "gusak2020/layer-smooth-by-gain",
        "gusak2020/weight-smooth-by-gain",
        "gusak2020/norm-and-solver-matter",
        "gusak2020/accuracy-says-little",
        "zheng2024/norms-do-not-help-on-mnist",
        "zheng2024/no-norm-is-best-on-mnist",
        "zheng2024/ta-bn-reaches-91-percent",
        "ott2021/critical-steps-sphere2",
        "ott2021/critical-steps-cifar10",
        "ott2021/adaptation-evaluations-sphere2",
        "ott2021/adaptation-evaluations-cifar10",
        "ott2021/tolerance-adaptation-keeps-ode",
        "gladzik2019/mnist",
        "gladzik2019/qmnist",
        "gladzik2019/fashion-mnist",
        "gladzik2019/two-blocks-above-90-percent",
        "gladzik2019/odenets-converge",
        "enorm2019/bias-nan-in-first-epoch",
    }


def test_at_reduced_scale_three_seeds_are_enough_and_n_is_shown(tmp_path: Path) -> None:
    three = replace(STUDY, seeds=range(3))
    write(tmp_path, three, Means(0.001, none=0.5, batch=0.7, layer=0.9), "small")
    write(tmp_path, three, Means(0.001, none=0.5, batch=0.7, layer=0.9), "paper")
    found = weigh(claim(), Reader(tmp_path))
    assert found.reduced is not None
    assert (found.full.verdict, found.reduced.verdict) == (NOT_ENOUGH, REPRODUCED)
    assert row(found)["n_at_reduced_scale"] == 3
    write(tmp_path, replace(STUDY, seeds=range(2)), Means(none=0.5, batch=0.7, layer=0.9), "small")
    two = weigh(claim(), Reader(tmp_path, scale="small")).reduced
    assert two is not None
    assert (two.verdict, two.n) == (NOT_ENOUGH, 2)


@pytest.mark.parametrize(("parts", "expected"), [(1, CONTRADICTED), (2, INCONCLUSIVE)])
def test_one_of_several_parts_contradicts_at_holms_level(parts: int, expected: str) -> None:
    # Mean -1.3, deviation 1, n = 5: t = 2.907. With 4 degrees of freedom (any table) it is between
    # the quantiles of .975, 2.776, and .9875, 3.495.
    sample = (-2.3, -1.3, -0.3, -2.3, -0.3)
    against = Estimate(-1.3, *t_interval(sample), 5, sample=sample)
    good = (0.9, 1.0, 1.1, 1.0, 1.0)
    others = {str(k): Estimate(1.0, *t_interval(good), 5, sample=good) for k in range(1, parts)}
    assert against.high < 0
    verdict_of_all = judge_all(claim(holds=above(0.0)), {"0": against, **others})
    assert verdict_of_all == expected


def test_too_few_epochs_or_an_override_is_a_reduced_scale(tmp_path: Path) -> None:
    world = Means(none=0.5, batch=0.7, layer=0.9)
    assert (
        verdict(tmp_path, world, claim(evidence=Evidence(4, epochs=8))).full.verdict == REPRODUCED
    )
    longer = weigh(claim(evidence=Evidence(4, epochs=9)), Reader(tmp_path))
    assert longer.full.verdict == NOT_ENOUGH
    assert longer.reduced is not None
    assert longer.reduced.verdict == REPRODUCED
    changed = write(tmp_path, STUDY, world, "paper", ("train.batch_size=7",))
    extended = write(tmp_path, STUDY, world, "paper", ("+seed=4",))
    assert weigh(claim(), Reader(tmp_path, plan=changed)).full.verdict == NOT_ENOUGH
    assert weigh(claim(), Reader(tmp_path, plan=extended)).full.verdict == REPRODUCED


def test_shares_of_failed_runs(tmp_path: Path) -> None:
    write(tmp_path, STUDY, Means(none="diverged", batch=0.8, layer=0.9), "paper")
    one = claim(statistic=Share(), holds=above(0.3), where={"norm": "none"})
    found = weigh(one, Reader(tmp_path)).full
    # Clopper and Pearson: all of n fail, lower end (0.025)^(1/n).
    assert found.parts[""][:4] == pytest.approx((1.0, 0.025**0.25, 1.0, 4))
    assert found.verdict == REPRODUCED


@pytest.mark.parametrize("one", claims.all_claims(), ids=lambda one: one.name)
def test_no_claim_asks_for_more_seeds_than_its_studies_have(one: Claim) -> None:
    for study in one.studies:
        assert one.evidence.seeds <= len(find(study).at_scale(one.evidence.scale).seeds)


def report(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["odereport", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0)


def test_command_prints_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        claims, "all_claims", lambda: [claim(where={"norm": ("layer", "batch")}), ORDER]
    )
    write(tmp_path / "r", STUDY, Means(none=None, batch=0.7, layer=0.9), "paper")
    common = ("--results", tmp_path / "r", "--out", tmp_path / "out")
    assert report(monkeypatch, "claims", "paper/layer-above-batch", *common) == 0
    assert report(monkeypatch, "claims", *common) == 1
    text = capsys.readouterr().out
    assert "reproduced" in text
    assert "not enough data" in text
    assert "fill with: odesweep run paper/claims --scale paper norm=none" in text
    written = pd.read_csv(tmp_path / "out" / "claims.csv").set_index("key")
    assert written["verdict"].to_dict() == {"layer-above-batch": REPRODUCED, "order": NOT_ENOUGH}
    assert written.loc["layer-above-batch", "value"] == pytest.approx(0.2)
    assert (
        "| paper/order | Layer beats batch. | Table 1 | not enough data |"
        in (tmp_path / "out" / "claims.md").read_text()
    )
    assert report(monkeypatch, "claims", "paper", "--json", *common) == 1
    plain = json.loads(capsys.readouterr().out)
    assert [one["verdict"] for one in plain] == [REPRODUCED, NOT_ENOUGH]
    for wrong, said in (
        (("--scale", "huge"), "no plan at scale huge in .*; scales here: paper"),
        (("--plan", "other/study"), "no plan other/study in .*; plans here: paper/claims@paper"),
    ):
        assert report(monkeypatch, "claims", *wrong, *common) == 2
        assert re.search(said, capsys.readouterr().err)
    assert report(monkeypatch, "claims", "paper", "--plan", "paper/claims", *common) == 1
    capsys.readouterr()
    assert report(monkeypatch, "claims", "paper/none", *common) == 2
    assert capsys.readouterr().err.startswith(
        "odereport: no claim 'paper/none' (did you mean paper/order?); "
        "choose from paper/layer-above-batch, paper/order"
    )
