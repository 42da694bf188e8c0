"""A run cut anywhere, also in the middle of an epoch, ends bit for bit like one never cut."""

from pathlib import Path
from typing import Any

import pytest
import torch
from trainings import DOPRI5, EULER, IMAGES, make, results, run

from odecore.models import build_model
from odecore.training import checkpointing

SGD = {"name": "sgd", "lr": 0.05, "momentum": 0.9}
ON_IMAGES = {"batch_size": 8, "iterations": 8, "record_every": 5}
STACKED = {"name": "stacked_odenet", "layers": 4, "width": 4}
DENSE = {"name": "dense", "layers": 2, "width": 6, "bias": True, "enorm": {"dead_units": "skip"}}
CONV3 = {"name": "augmented_node", "backbone": "conv3", "width": 4, "channels": 1}

# name -> (train, other sections). Three batches an epoch on images, four on points.
RECIPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "adam, euler": ({}, {}),
    "sgd, dopri5": ({"optimizer": SGD}, {"solver": DOPRI5}),
    "rmsprop": ({"optimizer": {"name": "rmsprop"}, "gradient_clip": 0.1}, {}),
    "momentum reset": ({"optimizer": SGD}, {"fidelity": {"momentum_reset": True}}),
    "geometric by iterations": (
        {"schedule": {"name": "geometric", "factor": 0.7, "every": 3, "unit": "iterations"}},
        {},
    ),
    "linear": (
        {"iterations": None, "epochs": 3, "schedule": {"name": "linear", "start": 0.03}},
        {},
    ),
    "ta_bn": (
        ON_IMAGES | {"optimizer": {"name": "adamw"}},
        {"data": IMAGES, "model": STACKED | {"ode_norm": "ta_bn"}},
    ),
    "spectral, side effects": (
        ON_IMAGES,
        {
            "data": IMAGES,
            "model": STACKED | {"ode_norm": "spectral"},
            "gradient": {"name": "checkpoint"},
            "fidelity": {"anode_side_effects": True},
        },
    ),
    "spectral, checkpoint": (
        ON_IMAGES,
        {
            "data": IMAGES,
            "model": STACKED | {"ode_norm": "spectral"},
            "gradient": {"name": "checkpoint"},
        },
    ),
    "batch, side effects": (
        ON_IMAGES,
        {
            "data": IMAGES,
            "model": STACKED | {"ode_norm": "batch"},
            "fidelity": {"anode_side_effects": True},
        },
    ),
    "steer, augmented": (
        ON_IMAGES,
        {"data": IMAGES | {"augment": "crop4_flip"}, "model": CONV3 | {"steer": 0.5}},
    ),
    "enorm": (ON_IMAGES | {"optimizer": SGD}, {"data": IMAGES, "model": DENSE, "solver": None}),
    "also_test": (
        {
            "also_test": (
                {"label": "train", "split": "train"},
                {"label": "noisy", "batch_size": 10, "noise": "one_image"},
            )
        },
        {},
    ),
    "adapted step": (
        {"iterations": 103, "record_every": 40},
        {"solver": {"name": "adapted_euler"}},
    ),
    "adapted tolerance": (
        {"iterations": 103, "record_every": 40},
        {"solver": {"name": "adapted_fehlberg2", "tolerance": 1e-2}},
    ),
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_run_cut_after_any_step_ends_bit_for_bit_like_one_never_cut(
    tmp_path: Path, recipe: str
) -> None:
    train, sections = RECIPES[recipe]
    whole = run(make(train, **sections))
    assert whole.outcome == "completed"
    # The adaptation looks at 5 earlier iterations, at the 50th and the 100th.
    cuts = (1, 48, 50, 97, 100) if whole.iterations > 50 else (1, 4, 7)
    state = None
    for cut in cuts:
        piece = make(train, **sections)
        if state is not None:
            piece.load_state(state)
        assert piece.run(lambda training, cut=cut: training.iteration == cut) is None
        checkpointing.save(tmp_path / "trial" / f"attempt{cut}", piece.iteration, piece.state())
        state = checkpointing.furthest(tmp_path / "trial")
        assert state is not None
        assert state["iteration"] == cut
    last = make(train, **sections)
    assert state is not None
    last.load_state(state)
    assert results(run(last)) == results(whole)


def test_cells_of_one_seed_share_initial_values() -> None:
    specs = [make(solver=solver).spec for solver in (EULER, DOPRI5)]
    states = [build_model(spec).state_dict() for spec in specs]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    other_seed = build_model(specs[0].model_copy(update={"seed": 1})).state_dict()
    assert not torch.equal(states[0]["head.weight"], other_seed["head.weight"])


def test_a_checkpoint_of_version_0_1_resumes_with_its_counts_of_calls() -> None:
    whole = run(make(solver=EULER))
    piece = make(solver=EULER)
    assert piece.run(lambda training: training.iteration == 4) is None
    state = piece.state()
    older = {"nfe_forward": "evaluations_forward", "nfe_backward": "evaluations_backward"}

    def as_then(part: dict[str, Any]) -> dict[str, Any]:
        return {older.get(name, name): value for name, value in part.items()}

    state = as_then(state) | {
        "sums": as_then(state["sums"]),
        "records": [as_then(record) for record in state["records"]],
    }
    last = make(solver=EULER)
    last.load_state(state)
    assert results(run(last)) == results(whole)
