"""Identity of specs.

A change of a recorded id means that rows already written are no longer found: say so in the
changelog.
"""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odecore.config import Evaluation, Section, lookup
from odecore.config.section import Choice, added_later
from odecore.config.solver_methods import REVISIONS
from sweeps.errors import UserError
from sweeps.spec import canonical, cell_id, eval_id, flatten, parse, trial_id

SPHERES = {
    "data": {"name": "spheres", "dimension": 2},
    "model": {"name": "flat_node", "width": 32},
    "solver": {"name": "euler", "steps": 2},
    "train": {
        "optimizer": {"name": "adam", "lr": 1e-3},
        "batch_size": 128,
        "iterations": 800,
        "record_every": 40,
    },
}
IMAGES = SPHERES | {
    "data": {"name": "mnist", "train_limit": 2000},
    "solver": {"name": "dopri5", "tolerance": 1e-3},
    "seed": 4,
}
ADJOINT = SPHERES | {
    "gradient": {"name": "adjoint"},
    "train": {"optimizer": {"name": "sgd"}, "epochs": 3},
    "precision": "bf16",
}
IDLE = SPHERES | {"model": {"name": "idle", "seconds": 0.5, "fault": "raise"}}


@pytest.mark.parametrize(
    ("values", "recorded"),
    [
        (SPHERES, "bdadf9acb676b5546d06e5e20fb66165"),
        (IMAGES, "1d408befc8f16b09238d6d714fc63b5e"),
        (ADJOINT, "13f5bae2cc735deaa15500b78064dd9e"),
        (IDLE, "da5412cab6f252dae1f605e572429b8c"),
    ],
)
def test_recorded_trial_ids(values: dict[str, Any], recorded: str) -> None:
    assert trial_id(parse(values)) == recorded


def test_recorded_evaluation_id() -> None:
    assert (
        eval_id(Evaluation.model_validate({"solver": {"name": "midpoint", "steps": 3}}))
        == "03a22ef28ef4dc3b2fb4e7116df95666"
    )


def test_cell_id_ignores_the_seed_and_nothing_else() -> None:
    seeds = [parse(SPHERES | {"seed": seed}) for seed in range(3)]
    assert len({cell_id(spec) for spec in seeds}) == 1
    assert len({trial_id(spec) for spec in seeds}) == 3
    assert cell_id(parse(IMAGES)) != cell_id(seeds[0])


def test_defaults_that_are_spelled_out_are_the_same_trial() -> None:
    spelled = SPHERES | {
        "gradient": {"name": "backprop"},
        "precision": "float32",
        "seed": 0,
        "fidelity": {"accuracy_divisor": "count"},
    }
    assert trial_id(parse(spelled)) == trial_id(parse(SPHERES))


def test_whole_numbers_and_floats_are_the_same_trial() -> None:
    def with_rate(rate: float) -> dict[str, Any]:
        return SPHERES | {"train": SPHERES["train"] | {"optimizer": {"name": "adam", "lr": rate}}}

    assert trial_id(parse(with_rate(1))) == trial_id(parse(with_rate(1.0)))
    assert trial_id(parse(with_rate(1))) != trial_id(parse(with_rate(2)))


def _shuffled(values: Any, shuffle: random.Random) -> Any:
    if not isinstance(values, dict):
        return values
    items = list(values.items())
    shuffle.shuffle(items)
    return {key: _shuffled(value, shuffle) for key, value in items}


@settings(max_examples=30)
@given(st.randoms(use_true_random=False), st.sampled_from([SPHERES, IMAGES, ADJOINT, IDLE]))
def test_order_of_keys_does_not_matter(shuffle: random.Random, values: dict[str, Any]) -> None:
    assert trial_id(parse(_shuffled(values, shuffle))) == trial_id(parse(values))


def test_a_field_added_later_is_left_out_while_neutral() -> None:
    class Before(Section):
        steps: int = 2

    class After(Before):
        noise: float = added_later(neutral=0.0)
        smooth: bool = added_later(neutral=False, default=True)

    class Outer(Section):
        inner: After

    assert canonical(After(smooth=False)) == canonical(Before()) == {"steps": 2}
    assert canonical(After(noise=0.5)) == {"steps": 2, "noise": 0.5, "smooth": True}
    assert canonical(Outer(inner=After(smooth=False))) == {"inner": {"steps": 2}}


def test_a_section_with_nothing_but_neutral_fields_vanishes() -> None:
    assert "fidelity" not in canonical(parse(SPHERES))
    biased = parse(SPHERES | {"fidelity": {"accuracy_divisor": "batch_size"}})
    assert canonical(biased)["fidelity"] == {"accuracy_divisor": "batch_size"}
    assert trial_id(biased) != trial_id(parse(SPHERES))


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (lookup.SOLVERS["euler"], "euler"),
        (lookup.DATA["spheres"], "spheres"),
        (lookup.DATA["mnist"], "mnist"),
        (lookup.GRADIENTS["backprop"], "backprop"),
    ],
)
def test_a_revision_changes_only_what_uses_the_component(
    record: type[Choice], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = {
        key: parse(values)
        for key, values in (("spheres", SPHERES), ("images", IMAGES), ("adjoint", ADJOINT))
    }
    before = {key: (trial_id(spec), cell_id(spec)) for key, spec in specs.items()}
    monkeypatch.setattr(record, "revisions", {name: 2})
    changed = {key for key, spec in specs.items() if (trial_id(spec), cell_id(spec)) != before[key]}
    uses = {
        key
        for key, spec in specs.items()
        if name in (spec.solver and spec.solver.name, spec.data.name, spec.gradient.name)
    }
    assert changed == uses
    assert changed


def test_a_revision_of_a_solver_changes_its_evaluations_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    euler, heun = (
        Evaluation.model_validate({"solver": {"name": name, "steps": 3}})
        for name in ("euler", "heun")
    )
    before = eval_id(euler), eval_id(heun)
    monkeypatch.setitem(REVISIONS, "euler", 2)
    assert eval_id(euler) != before[0]
    assert eval_id(heun) == before[1]


def test_a_revision_of_the_training_loop_changes_every_trial_and_no_evaluation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluation = Evaluation.model_validate({"solver": {"name": "euler", "steps": 3}})
    before = trial_id(parse(SPHERES)), trial_id(parse(IMAGES)), eval_id(evaluation)
    monkeypatch.setattr(lookup, "TRAINING_REVISION", 2)
    assert trial_id(parse(SPHERES)) != before[0]
    assert trial_id(parse(IMAGES)) != before[1]
    assert eval_id(evaluation) == before[2]


def test_columns_hold_every_leaf() -> None:
    flat = flatten(parse(SPHERES))
    assert flat["solver_steps"] == 2
    assert flat["train_optimizer_lr"] == 1e-3
    assert flat["seed"] == 0
    assert json.dumps(flat)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"solver": {"name": "eulr", "steps": 2}},
            "unknown solver 'eulr'; choose from euler, midpoint, heun",
        ),
        ({"solver": {"name": "eulr", "steps": 2}}, "did you mean euler?"),
        (
            {"solver": {"name": "euler", "steps": 0}},
            "solver.steps = 0: input should be greater than 0",
        ),
        (
            {"solver": {"name": "euler", "stesp": 2, "steps": 2}},
            "unknown key 'solver.stesp'; valid here: backend, name, steps (did you mean steps?)",
        ),
        ({"solver": {"name": "euler"}}, "solver.steps is missing"),
        ({"seed": "abc"}, "seed = 'abc'"),
        ({"trian": {}}, "unknown key 'trian'; valid here: data, fidelity"),
        ({"train": {"batch_size": 8}}, "give exactly one of train.iterations and train.epochs"),
        (
            {"train": {"iterations": 8, "optimizer": {"name": "adam", "lr": float("nan")}}},
            "train.optimizer.lr",
        ),
    ],
)
def test_mistakes_are_one_line_with_what_is_valid(change: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as raised:
        parse(SPHERES | change)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
