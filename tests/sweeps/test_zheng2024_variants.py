"""Zheng 2024 as printed and as released: recorded ids of the printed cells, and what differs."""

import hashlib
from typing import Any

import pytest

from sweeps.spec import canonical
from sweeps.studies import find
from sweeps.studies.zheng2024_released import QUIRKS
from sweeps.study.grid import PlannedTrial, expand

# Study -> number of printed trials of all scales, and the digest of their ids, from before there
# was a second variant.
RECORDED = {
    "main": (165, "fe5f88cb7107afff"),
    "depth": (90, "eddbeea2be3eb29f"),
    "curves": (100, "d9881d66e8d25d9d"),
    "noise": (18, "b3af77363bdadf65"),
    "table2": (54, "7c212a085db53d96"),
    "table4": (72, "eb4c26a73eeeb2a5"),
    "table5": (36, "c87bd2273bb60b71"),
    "interpolation": (60, "b27d612d54fe5914"),
}


def planned(name: str, scale: str, **axes: Any) -> list[PlannedTrial]:
    """The trials of a study whose axes have these values."""
    trials = expand(find(name).at_scale(scale))
    return [trial for trial in trials if axes.items() <= trial.axes.items()]


@pytest.mark.parametrize("name", RECORDED)
def test_printed_trials_keep_their_ids(name: str) -> None:
    study = find(f"zheng2024/{name}")
    ids = sorted(
        {
            trial.trial_id
            for scale in study.scales
            for trial in planned(study.name, scale, variant="printed")
        }
    )
    digest = hashlib.sha256("".join(ids).encode()).hexdigest()[:16]
    assert (len(ids), digest) == RECORDED[name]


def identity(trial: PlannedTrial) -> dict[str, Any]:
    return canonical(trial.spec) | {"seed": 0}


def test_released_cnn6_by_its_description() -> None:
    released, *_ = planned("zheng2024/quirks", "paper", start="released", quirk="none")
    assert identity(released) == {
        "data": {"name": "cifar10", "standardize": "imagenet", "augment": "erase_crop4_flip"}
        | {"train_limit": None, "test_limit": None},
        "model": {
            "name": "unmixed_node",
            "backbone": "cnn6",
            "layout": "released",
            "last_layer": "norm_relu",
            "head": "norm_dropout",
            "norm": {
                "name": "ta_bn",
                "grid_size": 100,
                "grid": "half_open",
                "interpolation": "linear",
                "mirrored": True,
                "skip_first_visit": True,
                "momentum": 0.1,
                "penalty": 0.1,
                "penalty_over": "channel_mean",
            },
        },
        "solver": {
            "name": "dopri5",
            "tolerance": 1e-3,
            "max_evaluations": 6002,
            "fallback_steps": 100,
        },
        "gradient": {"name": "adjoint", "tolerance": None},
        "train": {
            "optimizer": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.02},
            "batch_size": 256,
            "iterations": None,
            "epochs": 128,
            "drop_last": False,
            "record_every": None,
            "schedule": {"name": "halfway", "factor": 0.1},
            "gradient_clip": 10.0,
            "grid_clip": 1.0,
            "decay_grids": True,
        },
        "precision": "float32",
        "fidelity": {"anode_side_effects": True},
        "seed": 0,
    }


def leaves(plain: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Dotted keys and their values."""
    found: dict[str, Any] = {}
    for key, value in plain.items():
        found |= leaves(value, f"{path}{key}.") if isinstance(value, dict) else {path + key: value}
    return found


def test_the_differences_together_lead_from_printed_to_released() -> None:
    """Each cell changes its own keys only, and no key that differs is left out."""
    cells = {
        (trial.axes["start"], trial.axes["quirk"]): leaves(identity(trial))
        for trial in planned("zheng2024/quirks", "paper")
    }
    printed, released = cells["printed", "none"], cells["released", "none"]

    def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
        return {key for key in before | after if before.get(key) != after.get(key)}

    differences = changed(printed, released)
    for start, base in (("printed", printed), ("released", released)):
        touched = {name: changed(base, cells[start, name]) for name in QUIRKS}
        assert all(touched.values())
        assert set.union(*touched.values()) == differences
    for name in QUIRKS:
        added = changed(printed, cells["printed", name])
        if name.startswith(("last_", "head_")):
            continue  # two differences share a key there
        for key in added:
            assert cells["printed", name].get(key) == released.get(key)
            assert cells["released", name].get(key) == printed.get(key)


def test_nets_without_statistics_have_no_options_of_ta_bn() -> None:
    for trial in planned("zheng2024/table4", "paper", variant="released"):
        plain = leaves(identity(trial))
        temporal = trial.axes["model.norm"] == "ta_bn"
        assert ("train.grid_clip" in plain) == temporal
        keeps = trial.axes["model.norm"] in ("batch", "ta_bn")
        assert ("fidelity.anode_side_effects" in plain) == keeps
        assert plain.get("solver.steps", 100) == 100


@pytest.mark.parametrize(
    ("interpolation", "statistics", "points"),
    [("linear", None, 100), ("kernel", "kernel", 100), ("cubic_spline", "descent", 9)],
)
def test_each_interpolation_has_its_released_form(
    interpolation: str, statistics: str | None, points: int
) -> None:
    trial, *_ = planned(
        "zheng2024/interpolation",
        "small",
        variant="released",
        **{"model.norm.interpolation": interpolation},
    )
    norm = canonical(trial.spec)["model"]["norm"]
    assert (norm.get("statistics"), norm["grid_size"]) == (statistics, points)
    assert norm.get("mirrored", False) == (interpolation == "linear")


def test_mnist_has_the_mlp_and_table_2_the_unet() -> None:
    backbones = {
        canonical(trial.spec)["model"]["backbone"]
        for trial in planned("zheng2024/main", "paper", variant="released", data="MNIST")
    }
    assert backbones == {"mlp", "cnn6"}
    for trial in planned("zheng2024/table2", "paper", variant="released"):
        model = canonical(trial.spec)["model"]
        form = [model[name] for name in ("backbone", "layout", "last_layer", "channels")]
        assert form == ["unet18", "released", "norm", 3]
        assert model.get("start", "image") == "image"


def test_noise_is_in_the_data_as_released_and_in_the_test_batches_as_printed() -> None:
    levels = {
        (trial.axes["variant"], trial.axes.get("images")): (
            canonical(trial.spec)["data"].get("noise_level"),
            len(trial.spec.train.also_test),
        )
        for trial in planned("zheng2024/noise", "paper")
    }
    assert levels == {
        ("printed", None): (None, 1),
        ("released", "clean"): (None, 0),
        ("released", "noisy"): (50.0, 0),
    }
