"""Gusak 2020: each claim in a world in which it holds and in one in which it fails."""

from pathlib import Path
from typing import Any

import pytest
from synthetic import Cell, Run, World, data_of, jitter, verdict_on

from analysis.claims.claim import Evidence, select
from analysis.claims.verdict import CONTRADICTED, NOT_ENOUGH, REPRODUCED, Judgement, judge

STUDIES = ("gusak2020/table1", "gusak2020/figure1")
CLAIMS = select("gusak2020")
AS_PUBLISHED = {
    "BN": 0.762,
    "WN": 0.925,
    "SN": 0.926,
    "NF": 0.927,
    "LN": 0.930,
    "ResNet10": 0.931,
    "LN, NF outside": 0.912,
    "NF everywhere": 0.92,
}
OTHERWISE = {
    "BN": 0.95,
    "WN": 0.93,
    "SN": 0.92,
    "NF": 0.91,
    "LN": 0.90,
    "ResNet10": 0.97,
    "LN, NF outside": 0.99,
    "NF everywhere": 0.98,
}
SMOOTH = {("layer", 16), ("layer", 32), ("weight", 32), ("spectral", 32), ("none", 32)}
EVALUATIONS = {"euler": 1, "midpoint": 2, "rk4": 4}


class Published(World):
    """Table 1's accuracies.

    Smooth nets gain a little under every more powerful solver, the others lose much.
    """

    nets = AS_PUBLISHED

    def run(self, cell: Cell) -> Run | None:
        if cell.study == "gusak2020/table1":
            best = self.nets[cell["net"]] + jitter(cell.seed, 0.0001)
            return Run(best - 0.01, columns={"accuracy_test_best": best})
        claimed = (
            cell["model.stem_norm"] == "batch"
            and cell["model.ode_norm"] != "batch"
            and cell["solver.steps"] != "8"
        )
        return Run(0.65 + jitter(cell.seed, 0.001)) if claimed else None

    def smooth(self, norm: str, steps: int) -> bool:
        return (norm, steps) in SMOOTH

    def test(self, cell: Cell, run: Run, test: Any, evaluation: Any) -> float:
        steps = int(cell["solver.steps"])
        if int(test["steps"]) * EVALUATIONS[test["solver"]] <= steps:
            return run.accuracy
        return (
            run.accuracy
            + (0.002 if self.smooth(cell["model.ode_norm"], steps) else -0.2)
            + jitter(cell.seed, 0.0002)
        )


class Opposite(Published):
    """The opposite of the claims.

    Batch norm is best, layer norm worst, and all nets are smooth that the paper calls not smooth
    and the other way round.
    """

    nets = OTHERWISE

    def smooth(self, norm: str, steps: int) -> bool:
        return not super().smooth(norm, steps)


Verdicts = dict[tuple[str, str], Judgement]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """World and claim -> what its paper-scale rows say."""
    root = tmp_path_factory.mktemp("gusak")
    worlds = {"published": Published(), "opposite": Opposite()}
    data = {
        (name, study): data_of(root / name, study, world, "paper")
        for name, world in worlds.items()
        for study in STUDIES
    }
    return {
        (name, claim.key): judge(claim, data[name, str(claim.study)])
        for name in worlds
        for claim in CLAIMS
    }


@pytest.mark.parametrize("key", [claim.key for claim in CLAIMS])
def test_holds_where_the_paper_is_right_and_fails_where_the_opposite_is(
    key: str, verdicts: Verdicts
) -> None:
    assert verdicts["published", key].verdict == REPRODUCED
    assert verdicts["opposite", key].verdict == CONTRADICTED


def test_the_numbers_behind_the_verdicts(verdicts: Verdicts) -> None:
    def numbers(key: str) -> dict[str, float]:
        return {name: round(one.value, 3) for name, one in verdicts["published", key].parts.items()}

    assert numbers("order") == {
        "LN - NF": 0.003,
        "NF - SN": 0.001,
        "SN - WN": 0.001,
        "WN - BN": 0.163,
    }
    assert numbers("without-batch-outside") == {
        "LN - LN, NF outside": 0.018,
        "NF everywhere - LN, NF outside": 0.008,
    }
    # Tolerance 0.03: a drop of 0.2 is 0.17 beyond, a gain of 0.002 leaves 0.032.
    margins = {
        "weight, 2 steps, not smooth": 0.17,
        "weight, 16 steps, not smooth": 0.17,
        "weight, 32 steps, smooth": 0.032,
    }
    assert numbers("weight-smooth-from-32") == margins
    assert list(numbers("weight-smooth-without-tolerance").values()) == [0.2, 0.2, 0.002]
    assert list(numbers("weight-smooth-by-gain").values()) == [0.2, 0.2, 0.002]
    assert numbers("accuracy-says-little") == {"": 0.202}
    assert list(numbers("norm-and-solver-matter").values()) == [0.202, 0.202]


def test_literal_criterion_differs_from_the_tolerance_for_a_small_drop(tmp_path: Path) -> None:
    class Slight(Published):
        """A drop of 0.01 for smooth nets, as in the paper's figure.

        Within the tolerance, but no higher accuracy.
        """

        def run(self, cell: Cell) -> Run | None:
            return super().run(cell) if cell["model.ode_norm"] == "layer" else None

        def test(self, cell: Cell, run: Run, test: Any, evaluation: Any) -> float:
            accuracy = super().test(cell, run, test, evaluation)
            return accuracy - 0.012 if accuracy > run.accuracy else accuracy

    data = data_of(tmp_path / "r", "gusak2020/figure1", Slight(), "paper")
    by_tolerance, literally = (
        judge(claim, data)
        for claim in CLAIMS
        if claim.key in ("layer-smooth-from-16", "layer-smooth-without-tolerance")
    )
    assert by_tolerance.verdict == REPRODUCED
    assert literally.verdict == CONTRADICTED


def test_smaller_runs_are_judged_apart(tmp_path: Path) -> None:
    found = verdict_on("gusak2020/order", tmp_path / "r", Published(), "small")
    assert found.full.verdict == NOT_ENOUGH
    assert found.reduced is not None
    assert found.reduced.verdict == REPRODUCED
    assert found.commands[0].startswith("odesweep run gusak2020/table1 --scale paper net=")


def test_thresholds_and_evidence_stay_as_fixed() -> None:
    assert {claim.evidence for claim in CLAIMS} == {Evidence(6, epochs=350)}
    fixed = {claim.key: str(claim.holds) for claim in CLAIMS}
    assert fixed == {
        "layer-best": "> 0",
        "layer-reaches-93-percent": "> 0.925",
        "layer-like-resnet10": "-0.005 to 0.005",
        "batch-far-worst": "> 0.1",
        "order": "> 0",
        "without-batch-outside": "> 0",
        "layer-smooth-from-16": "> 0",
        "weight-smooth-from-32": "> 0",
        "two-steps-not-smooth": "> 0",
        "layer-smooth-without-tolerance": "> 0",
        "weight-smooth-without-tolerance": "> 0",
        "layer-smooth-by-gain": "> 0",
        "weight-smooth-by-gain": "> 0",
        "norm-and-solver-matter": "> 0.03",
        "accuracy-says-little": "> 0.03",
    }
