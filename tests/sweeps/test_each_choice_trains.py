"""Each model with each norm once, and each solver with each gradient once.

Two steps, tests, and a cut in the middle of an epoch.
"""

from typing import Any

import pytest
from one_step import check, shrunk

from odecore.config import lookup
from sweeps.errors import UserError
from sweeps.spec import parse

EULER = {"name": "euler", "steps": 2}
IMAGES = {"name": "mnist"}
TRAIN = {"optimizer": {"name": "sgd", "lr": 0.01}, "epochs": 1}
# A small net of each family, and the keys of its norms.
MODELS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "stacked_odenet": (
        {"name": "stacked_odenet", "layers": 10, "width": 4},
        ("stem_norm", "residual_norm", "ode_norm"),
    ),
    "unmixed_node": ({"name": "unmixed_node", "backbone": "cnn4"}, ("norm",)),
    "flat_node": ({"name": "flat_node", "width": 4}, ()),
    "groupnorm_odenet": ({"name": "groupnorm_odenet"}, ()),
    "dense": ({"name": "dense", "layers": 1, "width": 8}, ("norm",)),
    "augmented_node": ({"name": "augmented_node", "backbone": "cnn4", "channels": 1}, ("norm",)),
    "input_layer_node": ({"name": "input_layer_node", "width": 4}, ()),
    "second_order_node": (
        {"name": "second_order_node", "backbone": "cnn4", "channels": 1, "start": "zeros"},
        ("norm",),
    ),
}
SOLVERS = {
    name: {
        "name": name,
        **({"steps": 2} if "steps" in record.model_fields else {"tolerance": 1e-2}),
    }
    for name, record in lookup.SOLVERS.items()
    if not name.startswith("adapted_")
}
GRADIENTS = {
    "backprop": {"name": "backprop"},
    "block": {"name": "checkpoint", "every": "block"},
    "step": {"name": "checkpoint", "every": "step"},
    "adjoint": {"name": "adjoint"},
}


def norm_of(name: str) -> dict[str, Any]:
    return {"name": name, "groups": 2} if name == "group" else {"name": name}


def test_the_list_of_families_is_complete() -> None:
    assert set(MODELS) == set(lookup.MODELS) - {"idle", "windermere_fan", "crossing"}


@pytest.mark.parametrize(
    ("model", "norm"),
    [
        (model, norm)
        for model, (_, slots) in MODELS.items()
        for norm in (lookup.NORMS if slots else ("none",))
    ],
)
def test_each_model_with_each_norm(model: str, norm: str) -> None:
    config, slots = MODELS[model]
    values: dict[str, Any] = {
        "data": IMAGES,
        "model": dict(config),
        "train": TRAIN,
        "solver": None if model == "dense" else EULER,
    }
    for slot in slots:
        if norm != "ta_bn" or slot in ("ode_norm", "norm"):
            values["model"][slot] = norm_of(norm)
    if model == "dense" and norm in ("ta_bn", "instance"):
        with pytest.raises(UserError, match=r"no time|one channel per group"):
            parse(values)
        return
    training = check(shrunk(parse(values)))
    assert training.outcome == "completed"


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_each_solver_with_each_gradient(solver: str, gradient: str) -> None:
    values = {
        "data": {"name": "spheres"},
        "model": MODELS["flat_node"][0],
        "train": {**TRAIN, "optimizer": {"name": "adam"}},
    }
    values |= {"solver": SOLVERS[solver], "gradient": GRADIENTS[gradient]}
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
