"""Small specs that together use every model, norm, solver and gradient once."""

from typing import Any

from odecore.config import TrialSpec, lookup

EULER = {"name": "euler", "steps": 2}
IMAGES = {"name": "mnist", "source": "generated", "train_limit": 8, "test_limit": 4}
POINTS = {"name": "spheres", "train_size": 8, "test_size": 4}
TRAIN = {"optimizer": {"name": "sgd", "lr": 0.01}, "epochs": 1, "batch_size": 4}
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
# Those that train nothing or draw no image.
TOYS = {"idle", "windermere_fan", "crossing"}
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


def with_norm(model: str, norm: str) -> dict[str, Any]:
    """The spec of a model with this norm wherever it can be."""
    config, slots = MODELS[model]
    values: dict[str, Any] = dict(config)
    for slot in slots:
        if norm != "ta_bn" or slot in ("ode_norm", "norm"):
            values[slot] = {"name": norm, "groups": 2} if norm == "group" else {"name": norm}
    solver = None if model == "dense" else EULER
    return {"data": IMAGES, "model": values, "train": TRAIN, "solver": solver}


def with_gradient(solver: str, gradient: str) -> dict[str, Any]:
    """The spec of a flat net with this solver and gradient."""
    return {
        "data": POINTS,
        "model": MODELS["flat_node"][0],
        "train": TRAIN | {"optimizer": {"name": "adam"}},
        "solver": SOLVERS[solver],
        "gradient": GRADIENTS[gradient],
    }


def possible(values: dict[str, Any]) -> TrialSpec | None:
    """The spec, or None for a combination that specs refuse."""
    try:
        return TrialSpec.model_validate(values)
    except ValueError:
        return None
