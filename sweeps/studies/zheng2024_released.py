"""Zheng 2024 as released: what the authors' code does differently from the paper, one by one.

The code covers the main table, Figures 3 to 8 and Table 2, so the published numbers most likely
come from it. Every difference is an option whose neutral value is the printed form. `released` sets
them all; a label of an axis may be such a function of the values so far.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sweeps.study import Values

Keys = Mapping[str, Any]

# A failed solve is repeated with Euler of step 0.01; Euler in Table 4 has the same step.
EULER_STEPS = 100
# Name -> what adds the difference to the printed form, and what takes it from the released one.
QUIRKS: dict[str, tuple[Keys, Keys]] = {
    "layout": ({"model.layout": "released"}, {"model.layout": "printed"}),
    "last_norm": ({"model.last_layer": "norm"}, {"model.last_layer": "relu"}),
    "last_relu": ({"model.last_layer": "relu"}, {"model.last_layer": "norm"}),
    "head_norm": ({"model.head": "norm"}, {"model.head": "dropout"}),
    "head_dropout": ({"model.head": "dropout"}, {"model.head": "norm"}),
    "mirrored": ({"model.norm.mirrored": True}, {"model.norm.mirrored": False}),
    "half_open_grid": ({"model.norm.grid": "half_open"}, {"model.norm.grid": "closed"}),
    "skip_first_visit": (
        {"model.norm.skip_first_visit": True},
        {"model.norm.skip_first_visit": False},
    ),
    "backward_updates": (
        {"fidelity.anode_side_effects": True},
        {"fidelity.anode_side_effects": False},
    ),
    "penalty": (
        {"model.norm.penalty": 0.1, "model.norm.penalty_over": "channel_mean"},
        {"model.norm.penalty": 1e-4, "model.norm.penalty_over": "sum"},
    ),
    "weight_decay": (
        {"train.optimizer.weight_decay": 0.02, "train.decay_grids": True},
        {"train.optimizer.weight_decay": 0.01, "train.decay_grids": False},
    ),
    "schedule": ({"train.schedule": {"name": "halfway"}}, {"train.schedule": None}),
    "clips": (
        {"train.gradient_clip": 10.0, "train.grid_clip": 1.0},
        {"train.gradient_clip": None, "train.grid_clip": None},
    ),
    "erasing": ({"data.augment": "erase_crop4_flip"}, {"data.augment": "crop4_flip"}),
    "standardization": ({"data.standardize": "imagenet"}, {"data.standardize": "channel"}),
    "euler_fallback": (
        {"solver.fallback_steps": EULER_STEPS},
        {"solver.fallback_steps": None},
    ),
}
# What is read from the grid with another interpolation than the linear one follows the batch in its
# own way; the cubic spline and the Gaussian process have 10 knots.
_STATISTICS: dict[str, Keys] = {
    "linear": {"mirrored": True, "skip_first_visit": True, "grid": "half_open"},
    "kernel": {"statistics": "kernel", "grid": "half_open"},
    "cubic_spline": {"statistics": "descent", "grid_size": 9},
    "gaussian_process": {"statistics": "refit", "grid_size": 9},
}


def released(values: Mapping[str, Any]) -> Keys:
    """All differences that concern the net, norm, data set and solver of these values."""
    model, data, solver = values["model"], values["data"]["name"], values["solver"]
    mlp = model.get("backbone") == "mlp"
    keys: dict[str, Any] = {
        "model.last_layer": "norm_relu",
        "model.head": "dropout" if mlp else "norm_dropout",
        "data.standardize": "half" if data in ("mnist", "svhn") else "imagenet",
        "data.augment": f"erase_crop{8 if data == 'tiny-imagenet' else 4}_flip",
        "train.optimizer.weight_decay": 0.02,
        "train.schedule": {"name": "halfway"},
        "train.gradient_clip": 10.0,
    }
    if not mlp:
        keys["model.layout"] = "released"
    if "tolerance" in solver:
        keys["solver.fallback_steps"] = EULER_STEPS
    if solver["name"] == "euler":
        keys["solver.steps"] = EULER_STEPS
    return {**keys, **released_norm(model.get("norm"))}


def released_norm(norm: Any) -> Keys:
    """The differences of a norm that keeps statistics, empty for all others."""
    given = {"name": norm} if isinstance(norm, str) else dict(norm or {})
    if given.get("name") == "batch":
        return {"fidelity.anode_side_effects": True}
    if given.get("name") != "ta_bn":
        return {}
    form = {
        **given,
        **_STATISTICS[given.get("interpolation", "linear")],
        "penalty": 0.1,
        "penalty_over": "channel_mean",
    }
    return {
        "model.norm": form,
        "fidelity.anode_side_effects": True,
        "train.grid_clip": 1.0,
        "train.decay_grids": True,
    }


def released_table2(values: Mapping[str, Any]) -> Keys:
    """Table 2's own code: the U-Net as f, velocities that start at x, and a plain Adam.

    Its data pipeline, schedule and clips are not known, so they stay as printed.
    """
    model = values["model"]
    second_order = model["name"] == "second_order_node"
    return {
        **{
            key: value
            for key, value in released_norm(model.get("norm")).items()
            if not key.startswith("train")
        },
        "model.backbone": "unet18",
        "model.layout": "released",
        "model.last_layer": "norm",
        **({"model.start": "image"} if second_order else {"model.channels": 3}),
        "train.optimizer": {"name": "adam", "lr": 1e-3},
        "solver.fallback_steps": EULER_STEPS,
    }


def variants(form: Callable[[Mapping[str, Any]], Keys] = released) -> dict[str, Values]:
    """The axis of both forms."""
    return {"variant": {"printed": {}, "released": form}}


def quirk_axis() -> dict[str, Keys | Callable[[Mapping[str, Any]], Keys]]:
    """The axis of differences: `none`, and each added to the printed or taken from the released."""

    def switch(name: str) -> Callable[[Mapping[str, Any]], Keys]:
        added, taken = QUIRKS[name]
        return lambda values: taken if values["model"].get("layout") == "released" else added

    return {"none": {}, **{name: switch(name) for name in QUIRKS}}
