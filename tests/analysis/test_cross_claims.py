"""The cross grid's claims.

Each is reproduced in a world where it holds and contradicted in one where it fails.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic import Cell, Run, World, jitter, write

from analysis.claims.claim import Claim, Evidence
from analysis.claims.verdict import Judgement, weigh
from analysis.cross.claims import CLAIMS
from analysis.cross.grid import layers
from analysis.make import Reader
from sweeps.studies.cross import NORM_SOLVER_DEPTH, REFERENCE
from sweeps.study import EvaluationGrid

# Of the 15 test solvers those that the worlds below tell apart, as rows take their time to write.
FEW_TESTS = replace(
    NORM_SOLVER_DEPTH,
    evaluations=(EvaluationGrid("test_grid", ("euler",), steps=(2, 32, 64)), *REFERENCE),
)


class Holds(World):
    """Every claim is true. Seeds shift all cells alike, so that paired differences are exact."""

    accuracies: Mapping[str, float] = {
        "none": 0.79,
        "batch": 0.5,
        "mini_batch": 0.8,
        "layer": 0.84,
        "group": 0.83,
        "weight": 0.78,
        "spectral": 0.77,
        "ta_bn": 0.85,
    }
    ta_bn_per_layer = 0.004
    losses: Mapping[str, float] = {"euler2": 0.2, "euler32": 0.01}

    def fails(self, norm: str, solver: str, depth: int) -> bool:
        return norm == "none" and solver == "dopri5" and depth >= 12

    def run(self, cell: Cell) -> Run | None:
        norm, solver, depth = cell["norm"], cell["solver"], layers(cell["model.backbone"])
        if self.fails(norm, solver, depth):
            return Run(0.3, outcome="solver_failed")
        deeper = self.ta_bn_per_layer * (depth - 8) if norm == "ta_bn" else 0.0
        accuracy = self.accuracies[norm] + deeper + self.shift(solver) + jitter(cell.seed)
        return Run(accuracy, curve=[accuracy])

    def shift(self, solver: str) -> float:
        return 0.0

    def test(
        self, cell: Cell, run: Run, test: Mapping[str, str], evaluation: Mapping[str, Any]
    ) -> float | str | None:
        loss = self.losses.get(cell["solver"], 0.05)
        if test["grid"] == "reference":
            return self.reference(cell, run.accuracy - loss)
        own = test["grid"] == "as_trained" or cell["solver"] == f"euler{test['steps']}"
        return run.accuracy - (0.0 if own else loss)

    def reference(self, cell: Cell, accuracy: float) -> float | str:
        return accuracy


class Fails(Holds):
    """Every claim is false."""

    accuracies: Mapping[str, float] = {
        "none": 0.88,
        "batch": 0.9,
        "mini_batch": 0.85,
        "layer": 0.7,
        "group": 0.7,
        "weight": 0.8,
        "spectral": 0.8,
        "ta_bn": 0.75,
    }
    ta_bn_per_layer = -0.004
    losses: Mapping[str, float] = {"euler2": 0.0, "euler32": 0.2}

    def fails(self, norm: str, solver: str, depth: int) -> bool:
        return (norm == "none" and solver == "dopri5" and depth <= 10) or (
            norm == "ta_bn" and solver == "rk4_4"
        )

    def shift(self, solver: str) -> float:
        return 0.05 if solver == "euler2" else 0.0

    def reference(self, cell: Cell, accuracy: float) -> float | str:
        return "solver_failed" if cell["solver"] == "dopri5" else accuracy


def _verdicts(folder: Path, world: World) -> dict[str, Judgement]:
    write(folder, FEW_TESTS, world, "paper")
    reader = Reader(folder)
    return {claim.key: weigh(claim, reader).full for claim in CLAIMS}


@pytest.fixture(scope="module")
def holding(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Judgement]:
    return _verdicts(tmp_path_factory.mktemp("holds") / "r", Holds())


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Judgement]:
    return _verdicts(tmp_path_factory.mktemp("fails") / "r", Fails())


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.key)
def test_each_claim_is_reproduced_where_it_holds_and_contradicted_where_it_fails(
    claim: Claim, holding: dict[str, Judgement], failing: dict[str, Judgement]
) -> None:
    assert holding[claim.key].verdict == "reproduced", holding[claim.key].parts
    assert failing[claim.key].verdict == "contradicted", failing[claim.key].parts


def test_statistics_are_the_worlds_numbers(
    holding: dict[str, Judgement], failing: dict[str, Judgement]
) -> None:
    assert holding["ta-bn-gains-with-depth"].parts["rk4_4"].value == pytest.approx(14 * 0.004)
    assert holding["ta-bn-gains-at-each-depth"].parts["unet18 - cnn12"].value == pytest.approx(
        6 * 0.004
    )
    assert holding["coarse-nets-depend-on-their-solver"].parts["group"].value == pytest.approx(-0.2)
    assert holding["gap-shrinks-with-steps"].parts["batch"].value == pytest.approx(0.19)
    assert holding["two-steps-never-smooth"].parts["spectral"].value == pytest.approx(0.2)
    assert holding["pop-ti-below-at-test"].parts[
        "euler8: mini_batch - batch"
    ].value == pytest.approx(0.3)
    assert (
        holding["no-norm-fails-deep"].parts[""].value,
        holding["no-norm-fails-deep"].parts[""].n,
    ) == (1.0, 12)
    assert holding["dopri5-nets-are-resolved"].parts[""].n == 8 * 6 * 6 - 12
    assert failing["ta-bn-always-trains"].parts[""].value == pytest.approx(36 / 180)
    assert failing["own-accuracy-independent-of-step"].parts["ta_bn"].value == pytest.approx(0.05)
    assert failing["dopri5-nets-are-resolved"].parts[""].value == 1.0
    assert failing["fine-nets-do-not"].parts["layer"].value == pytest.approx(0.2)


def test_thresholds_stay_put() -> None:
    found = {claim.key: str(claim.holds) for claim in CLAIMS}
    assert found == {
        "ta-bn-gains-with-depth": "> 0",
        "ta-bn-gains-at-each-depth": "> 0",
        "no-norm-fails-deep": "> 0.5",
        "no-norm-trains-shallow": "< 0.5",
        "ta-bn-always-trains": "< 0.1",
        "order-at-18-layers": "> 0",
        "ta-bn-best-under-each-solver": "> 0",
        "pop-ti-below-at-test": "> 0",
        "batch-norm-far-below": "> 0.1",
        "layer-norm-best-of-gusaks": "> 0",
        "own-accuracy-independent-of-step": "-0.03 to 0.03",
        "coarse-nets-depend-on-their-solver": "< -0.1",
        "fine-nets-do-not": "< 0.1",
        "gap-shrinks-with-steps": "> 0",
        "layer-norm-fine-gap": "> -0.03",
        "two-steps-never-smooth": "> 0.03",
        "layer-norm-smooth-at-32-steps": "< 0.03",
        "ta-bn-and-group-norm-smooth-at-32-steps": "< 0.03",
        "dopri5-nets-are-resolved": "< 0.1",
    }
    assert {claim.evidence for claim in CLAIMS} == {Evidence(6, epochs=128)}
