"""Each model with each norm once, and each solver with each gradient once.

Two steps, tests, and a cut in the middle of an epoch.
"""

import pytest
from one_step import check, shrunk

from benchmarks.gpu.nets import GRADIENTS, MODELS, SOLVERS, TOYS, TRAIN, with_gradient, with_norm
from odecore.config import lookup
from sweeps.errors import UserError
from sweeps.spec import parse


def test_the_list_of_families_is_complete() -> None:
    assert set(MODELS) == set(lookup.MODELS) - TOYS


@pytest.mark.parametrize(
    ("model", "norm"),
    [
        (model, norm)
        for model, (_, slots) in MODELS.items()
        for norm in (lookup.NORMS if slots else ("none",))
    ],
)
def test_each_model_with_each_norm(model: str, norm: str) -> None:
    values = with_norm(model, norm)
    if model == "dense" and norm in ("ta_bn", "instance"):
        with pytest.raises(UserError, match=r"no time|one channel per group"):
            parse(values)
        return
    training = check(shrunk(parse(values)))
    assert training.outcome == "completed"


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_each_solver_with_each_gradient(solver: str, gradient: str) -> None:
    values = with_gradient(solver, gradient)
    if (solver, gradient) == ("rk4", "adjoint"):
        with pytest.raises(UserError, match="torchdiffeq has no 'rk4'"):
            parse(values)
        return
    training = check(shrunk(parse(values)))
    assert training.outcome == "completed"
    assert training.nfe_forward > 0
    assert (training.nfe_backward > 0) == (gradient != "backprop")


@pytest.mark.parametrize("solver", [name for name in lookup.SOLVERS if name.startswith("adapted_")])
def test_each_adapted_solver(solver: str) -> None:
    chosen = {"name": solver} | ({"test": "rk4_38"} if solver == "adapted_midpoint" else {})
    chosen |= {"tolerance": 1e-2} if "tolerance" in lookup.SOLVERS[solver].model_fields else {}
    values = {
        "data": {"name": "spheres"},
        "model": MODELS["flat_node"][0],
        "train": TRAIN,
        "solver": chosen,
    }
    assert check(shrunk(parse(values))).outcome == "completed"
