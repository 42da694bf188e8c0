"""Fields that make no sense together are errors when the spec is made, in one line that says what
to do.
"""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from odecore.config import Evaluation, TrialSpec
from odecore.config.norm import Batch, Layer

IMAGES = {"name": "cifar10"}
EULER = {"name": "euler", "steps": 4}
ODENET = {"name": "stacked_odenet", "layers": 4}
DENSE = {"name": "dense", "layers": 3}


def make(**sections: Any) -> TrialSpec:
    values = {
        "data": IMAGES,
        "model": ODENET,
        "solver": EULER,
        "train": {"iterations": 1},
    } | sections
    return TrialSpec.model_validate_json(json.dumps(values))


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"solver": None}, "solves an ODE; give solver.name"),
        ({"model": DENSE}, "has no ODE block, so it takes no solver; set solver = null"),
        (
            {"model": DENSE, "solver": None, "gradient": {"name": "adjoint"}},
            "gradient.name = adjoint has no meaning",
        ),
        (
            {"model": DENSE, "solver": None, "fidelity": {"anode_side_effects": True}},
            "anode_side_effects has no meaning",
        ),
        ({"model": {**DENSE, "norm": "ta_bn"}, "solver": None}, "a dense net has no time"),
        (
            {"model": {**DENSE, "norm": "weight", "enorm": {}}, "solver": None},
            "rescales weights in place",
        ),
        ({"model": {**DENSE, "norm": "instance"}, "solver": None}, "one channel per group"),
        (
            {"model": {**DENSE, "norm": {"name": "group", "groups": 3}}, "solver": None},
            "model.norm.groups = 3 does not divide 500 channels",
        ),
        (
            {"model": {**ODENET, "ode_norm": {"name": "group", "groups": 24}}},
            "model.ode_norm.groups = 24 does not divide 64 channels",
        ),
        (
            {"model": {"name": "unmixed_node", "norm": {"name": "group", "groups": 5}}},
            "model.norm.groups = 5 does not divide 32 channels",
        ),
        ({"solver": {**EULER, "tolerance": 1e-3}}, "Extra inputs are not permitted"),
        (
            {"solver": {"name": "dopri5", "tolerance": 1e-3, "steps": 4}},
            "Extra inputs are not permitted",
        ),
        ({"gradient": {"name": "adjoint", "every": "step"}}, "Extra inputs are not permitted"),
        (
            {"gradient": {"name": "adjoint", "tolerance": 1e-3}},
            "gradient.tolerance is for adaptive solvers",
        ),
        (
            {"gradient": {"name": "adjoint"}, "solver": {"name": "rk4", "steps": 2}},
            "torchdiffeq has no 'rk4'",
        ),
        (
            {"solver": {"name": "rk4", "steps": 2, "backend": "torchdiffeq"}},
            "torchdiffeq has no 'rk4'",
        ),
        (
            {
                "gradient": {"name": "checkpoint", "every": "step"},
                "solver": {**EULER, "backend": "torchdiffeq"},
            },
            "needs our own loop",
        ),
        (
            {"gradient": {"name": "adjoint"}, "solver": {"name": "adapted_euler"}},
            "needs gradient.name = backprop",
        ),
        (
            {
                "gradient": {"name": "checkpoint"},
                "solver": {"name": "dopri5", "tolerance": 1e-3},
                "fidelity": {"anode_side_effects": True},
            },
            "needs fixed steps",
        ),
        (
            {"solver": {"name": "adapted_midpoint"}},
            "needs a test solver that is better than itself",
        ),
        ({"solver": {"name": "adapted_euler", "steps": 4}}, "Extra inputs are not permitted"),
        (
            {"model": {**ODENET, "ode_norm": {"name": "layer", "grid_size": 10}}},
            "Extra inputs are not permitted",
        ),
        (
            {"model": {**ODENET, "ode_norm": {"name": "batch", "groups": 4}}},
            "Extra inputs are not permitted",
        ),
        ({"model": {**ODENET, "stem_norm": "ta_bn"}}, "stem and residual blocks have no time"),
        ({"model": {**ODENET, "residual_norm": "batch"}}, "has no residual block"),
        (
            {"model": {**ODENET, "kind": "residual", "ode_norm": "layer"}, "solver": None},
            "has no ODE block for model.ode_norm",
        ),
        ({"model": {"name": "augmented_node"}}, "needs model.width"),
        (
            {"model": {"name": "augmented_node", "width": 64, "norm": "ta_bn"}},
            "cannot have model.norm = ta_bn",
        ),
        (
            {"model": {"name": "augmented_node", "width": 64, "backbone": "cnn6"}},
            "has its own widths",
        ),
        ({"model": {"name": "augmented_node", "width": 64, "steer": 1.0}}, "less than 1"),
        ({"model": {"name": "input_layer_node", "width": 41, "order": 2}}, "even model.width"),
        (
            {"model": {"name": "second_order_node", "channels": 3, "backbone": "cnn4"}},
            "use model.start = zeros",
        ),
        (
            {"model": {"name": "second_order_node", "channels": 2, "width": 8}},
            "cannot hold the 3 channels of cifar10",
        ),
        (
            {"model": {"name": "input_layer_node", "width": 2, "stem": "zeros"}},
            "cannot hold the 3 channels",
        ),
        ({"data": {"name": "spheres"}}, "takes images, not spheres"),
        ({"data": {"name": "fan"}}, "takes images, not fan; models for fan: "),
        (
            {"model": {"name": "windermere_fan"}},
            "takes fan, not cifar10; models for cifar10: ",
        ),
        (
            {"data": {"name": "fan"}, "model": {"name": "windermere_fan"}},
            "set train.iterations = 0",
        ),
        ({"data": {"name": "mnist", "standardize": "widespread"}}, "a habit of CIFAR-10 code"),
        ({"train": {"iterations": 5, "schedule": {"name": "linear"}}}, "needs train.epochs"),
        (
            {"train": {"iterations": 5, "schedule": {"name": "steps", "drops": [20, 10]}}},
            "in rising order",
        ),
        (
            {"train": {"epochs": 5, "also_test": [{"label": "a"}, {"label": "a"}]}},
            "give each label once",
        ),
        ({"train": {"epochs": 5, "iterations": 5}}, "exactly one of"),
        ({"train": {}}, "exactly one of"),
        (
            {"train": {"epochs": 1, "batch_size": 60_000, "drop_last": True}},
            "train.batch_size = 60000 with train.drop_last leaves no batch of 50,000 samples",
        ),
        (
            {
                "model": {**DENSE, "norm": "batch"},
                "solver": None,
                "data": {**IMAGES, "train_limit": 257},
                "train": {"epochs": 1, "batch_size": 256},
            },
            "train.batch_size = 256 of 257 samples makes a batch of one",
        ),
        ({"train": {"iterations": 99999999999999999999}}, "at most 64 bits"),
        ({"data": {**IMAGES, "train_limit": 50_001}}, "is above the 50,000 images of cifar10"),
        ({"data": {**IMAGES, "test_limit": 10_001}}, "is above the 10,000 images of cifar10"),
    ],
)
def test_fields_that_make_no_sense_together(sections: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as raised:
        make(**sections)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    "sections",
    [
        {"model": {**ODENET, "kind": "residual"}, "solver": None},
        {"model": DENSE, "solver": None},
        {"data": {"name": "fan"}, "model": {"name": "windermere_fan"}, "train": {"iterations": 0}},
        {"data": {"name": "fan"}, "model": {"name": "flat_node"}},
        {
            "model": {"name": "augmented_node", "width": 64, "steer": 0.5},
            "gradient": {"name": "adjoint"},
        },
        {
            "model": {
                "name": "second_order_node",
                "backbone": "cnn6",
                "norm": "ta_bn",
                "channels": 3,
                "start": "zeros",
            }
        },
        {"train": {"epochs": 5, "schedule": {"name": "linear", "start": 0.1}}},
        {"solver": {"name": "adapted_euler", "test": "rk4_38"}},
    ],
)
def test_what_makes_sense_is_accepted(sections: dict[str, Any]) -> None:
    assert make(**sections) == make(**sections)


def test_a_norm_may_be_written_as_a_name_and_pop_ti_is_batch() -> None:
    short = make(model={**ODENET, "stem_norm": "pop_ti", "ode_norm": "layer"})
    assert short == make(
        model={**ODENET, "stem_norm": {"name": "batch"}, "ode_norm": {"name": "layer"}}
    )
    assert (short.model.stem_norm, short.model.ode_norm) == (Batch(), Layer())  # type: ignore[union-attr]
    assert short == make(model={**ODENET, "stem_norm": {"name": "pop_ti"}, "ode_norm": "layer"})


def test_nets_are_tested_with_fixed_or_adaptive_solvers_only() -> None:
    with pytest.raises(ValidationError, match="adapted_euler"):
        Evaluation.model_validate({"solver": {"name": "adapted_euler"}})
    assert Evaluation.model_validate({"solver": None}).solver is None
