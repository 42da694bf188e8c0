"""Grids: what is enumerated, against counts and sets worked out independently."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_study import BASE, study

from sweeps.errors import UserError
from sweeps.study import EvaluationGrid, Exclude, ProbeGrid, Scale
from sweeps.study.derived import steps_for
from sweeps.study.grid import cells, expand

STEPS = st.lists(st.integers(1, 64), min_size=1, max_size=4, unique=True)
WIDTHS = st.lists(st.integers(1, 64), min_size=1, max_size=3, unique=True)
SEEDS = st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True)


@settings(max_examples=30)
@given(STEPS, WIDTHS, SEEDS)
def test_product(steps: list[int], widths: list[int], seeds: list[int]) -> None:
    trials = expand(study(grid={"solver.steps": steps, "model.width": widths}, seeds=seeds))
    expected = list(itertools.product(steps, widths, seeds))
    assert [(t.spec.solver.steps, t.spec.model.width, t.spec.seed) for t in trials] == expected  # type: ignore[union-attr]
    assert len({t.trial_id for t in trials}) == len(expected)
    assert len({t.cell_id for t in trials}) == len(steps) * len(widths)


@settings(max_examples=30)
@given(STEPS, WIDTHS, st.data())
def test_zip_and_exclude(steps: list[int], widths: list[int], data: st.DataObject) -> None:
    rates = data.draw(
        st.lists(st.sampled_from([1e-4, 1e-3, 1e-2]), min_size=len(steps), max_size=len(steps))
    )
    lost = data.draw(st.sampled_from(steps))
    zipped = study(
        grid={"solver.steps": steps, "model.width": widths, "train.optimizer.lr": rates},
        zip=[("solver.steps", "train.optimizer.lr")],
        exclude=[Exclude("too dear", where={"solver.steps": lost})],
    )
    found = [
        (t.spec.solver.steps, t.spec.train.optimizer.lr, t.spec.model.width)
        for t in _expand_any(zipped)
    ]
    pairs = [pair for pair in zip(steps, rates, strict=True) if pair[0] != lost]
    assert found == [(k, rate, width) for k, rate in pairs for width in widths]
    (excluded,) = cells(zipped)[1]
    assert excluded.reason == "too dear"
    assert len(excluded.cells) == len(widths)


def _expand_any(one: Any) -> list[Any]:
    return expand(one) if cells(one)[0] else []


def test_conditional_axes_exist_only_where_their_condition_holds() -> None:
    one = study(
        base={key: value for key, value in BASE.items() if key != "solver"},
        grid={
            "solver.name": ("euler", "rk4", "dopri5"),
            "solver.steps": (2, 4),
            "solver.tolerance": (1e-3, 1e-5),
        },
        when={
            "solver.steps": {"solver.name": ("euler", "rk4")},
            "solver.tolerance": {"solver.name": "dopri5"},
        },
    )
    assert [t.axes for t in expand(one)] == [
        {"solver.name": "euler", "solver.steps": 2},
        {"solver.name": "euler", "solver.steps": 4},
        {"solver.name": "rk4", "solver.steps": 2},
        {"solver.name": "rk4", "solver.steps": 4},
        {"solver.name": "dopri5", "solver.tolerance": 0.001},
        {"solver.name": "dopri5", "solver.tolerance": 1e-05},
    ]


def test_named_values_set_several_keys_and_included_cells_come_last() -> None:
    one = study(
        grid={
            "size": {
                "tiny": {"model.width": 4, "train.iterations": 5},
                "large": {"model": {"name": "flat_node", "width": 64}},
            }
        },
        include=[{"size": "tiny", "solver.steps": 7}],
        exclude=[
            Exclude("an included cell is meant", when=lambda cell: cell.get("solver.steps") == 7)
        ],
    )
    found = [
        (t.axes, t.spec.model.width, t.spec.train.iterations, t.spec.solver.steps)  # type: ignore[union-attr]
        for t in expand(one)
    ]
    assert found == [
        ({"size": "tiny"}, 4, 5, 2),
        ({"size": "large"}, 64, 10, 2),
        ({"size": "tiny", "solver.steps": 7}, 4, 5, 7),
    ]


def test_expanding_does_not_change_the_study() -> None:
    one = study(grid={"model.width": (4, 8)})
    expand(one)
    assert one.base["model"] == {"name": "flat_node"}
    assert [t.trial_id for t in expand(one)] == [t.trial_id for t in expand(one)]


def test_two_cells_with_the_same_trials_are_named() -> None:
    with pytest.raises(UserError, match=r"solver.steps=2 and solver.steps=2 model.width=32"):
        expand(
            study(grid={"solver.steps": (2, 4)}, include=[{"solver.steps": 2, "model.width": 32}])
        )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {
                "zip": [("solver.steps", "model.width")],
                "grid": {"solver.steps": (1, 2), "model.width": (4,)},
            },
            "differ in length",
        ),
        (
            {"zip": [("solver.steps", "model.width")], "grid": {"solver.steps": (1, 2)}},
            "'model.width', which is not an axis",
        ),
        (
            {
                "exclude": [Exclude("why", where={"solver.stesp": 2})],
                "grid": {"solver.steps": (1, 2)},
            },
            "'solver.stesp', which is not an axis",
        ),
        ({"when": {"a": {"b": 1}}, "grid": {"a": (1,), "b": (1,)}}, "declare b before it"),
        (
            {"evaluations": [EvaluationGrid("f", ("euler",), factors=(1,), where={"nope": 1})]},
            "'nope', which is not an axis",
        ),
        ({"grid": {"solver.steps": ()}}, "has no values"),
        ({"name": "../outside"}, "study name '../outside'"),
        ({"scales": {}}, "at least one scale"),
    ],
)
def test_mistakes_in_a_study_are_found_when_it_is_made(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says.replace(".", r"\.")):
        study(**given)


@pytest.mark.parametrize("seed", [-1, 2**31, 1.5, True, "abc"])
def test_seeds_are_whole_numbers(seed: Any) -> None:
    with pytest.raises(UserError, match="seeds are whole numbers"):
        expand(study(seeds=[seed]))


@given(st.integers(1, 5000), st.integers(1, 400))
def test_steps_for_a_factor_round_up_exactly(trained: int, hundredths: int) -> None:
    steps = steps_for(trained, hundredths / 100)
    assert steps == max(1, -(-trained * hundredths // 100))


def test_evaluations_that_fall_together_keep_all_their_names() -> None:
    one = study(
        base=BASE | {"solver": {"name": "euler", "steps": 1}},
        evaluations=[
            EvaluationGrid("factors", ("euler", "heun"), factors=(0.5, 0.75, 1, 2)),
            EvaluationGrid("absolute", ("euler",), steps=(2, 8), settings={"split": "test"}),
            EvaluationGrid("elsewhere", ("euler",), steps=(2,), settings={"limit": 5}),
        ],
    )
    (trial,) = expand(one)
    found = {
        (e.axes["solver"], e.axes["steps"], e.evaluation.limit): (
            e.axes["grid"],
            e.axes["factor"],
        )
        for e in trial.evaluations
    }
    assert found == {
        ("euler", 1, None): (["factors"], [0.5, 0.75, 1]),
        ("euler", 2, None): (["factors", "absolute"], [2]),
        ("heun", 1, None): (["factors"], [0.5, 0.75, 1]),
        ("heun", 2, None): (["factors"], [2]),
        ("euler", 8, None): (["absolute"], []),
        ("euler", 2, 5): (["elsewhere"], []),
    }
    assert len(trial.evaluations) == len({e.eval_id for e in trial.evaluations}) == 6


def test_test_solvers_use_the_backend_of_the_training() -> None:
    one = study(
        base=BASE | {"solver": {"name": "euler", "steps": 4, "backend": "torchdiffeq"}},
        evaluations=[EvaluationGrid("f", ("rk4_38",), (1,))],
    )
    assert expand(one)[0].evaluations[0].evaluation.solver.backend == "torchdiffeq"  # type: ignore[union-attr]


def test_probes_use_the_training_solver() -> None:
    one = study(
        probes=[ProbeGrid("figure", "decision_grid", factors=(1, 2), settings={"resolution": 7})]
    )
    found = [
        (p.probe.name, p.axes["solver"], p.axes["steps"], p.axes["factor"])
        for p in expand(one)[0].probes
    ]
    assert found == [("decision_grid", "euler", 2, [1]), ("decision_grid", "euler", 4, [2])]


def test_factors_need_a_net_trained_with_fixed_steps() -> None:
    adaptive = BASE | {"solver": {"name": "dopri5", "tolerance": 1e-3}}
    with pytest.raises(UserError, match="trained with fixed steps, not dopri5"):
        expand(study(base=adaptive, evaluations=[EvaluationGrid("f", ("euler",), factors=(1,))]))


SCALED = {
    "grid": {
        "solver.steps": (1, 2, 4, 8),
        "model.width": (4, 8, 16),
        "train.optimizer.lr": (0.1, 0.2, 0.3, 0.4),
    },
    "zip": [("solver.steps", "train.optimizer.lr")],
    "include": [{"solver.steps": 2, "train.optimizer.lr": 0.9}, {"solver.steps": 16}],
    "seeds": range(5),
    "scales": {
        "full": Scale("Full."),
        "half": Scale(
            "Half.", overrides={"train.iterations": 3}, axes={"solver.steps": (1, 4)}, seeds=(7,)
        ),
        "thin": Scale("Thin.", thin=True),
    },
}


def test_a_scale_overrides_restricts_and_takes_zipped_partners_along() -> None:
    trials = expand(study(**SCALED).at_scale("half"))
    found = {
        (t.spec.solver.steps, t.spec.train.optimizer.lr, t.spec.seed, t.spec.train.iterations)  # type: ignore[union-attr]
        for t in trials
    }
    assert found == {(1, 0.1, 7, 3), (4, 0.3, 7, 3), (16, 1e-3, 7, 3)}
    assert len(trials) == 2 * 3 + 1


def test_thin_keeps_the_ends_of_axes_and_the_first_seed() -> None:
    trials = expand(study(**SCALED).at_scale("thin"))
    found = {
        (t.spec.solver.steps, t.spec.model.width, t.spec.train.optimizer.lr, t.spec.seed)  # type: ignore[union-attr]
        for t in trials
    }
    assert found == {
        (k, w, lr, 0) for (k, lr), w in itertools.product(((1, 0.1), (8, 0.4)), (4, 16))
    } | {(16, 32, 1e-3, 0)}


def test_the_first_scale_is_the_default_and_others_are_listed() -> None:
    assert len(expand(study(**SCALED).at_scale(None))) == (4 * 3 + 2) * 5
    with pytest.raises(UserError, match="no scale 'huge'; choose from full, half, thin"):
        study(**SCALED).at_scale("huge")


@given(st.integers(1, 4096), st.sampled_from([0.5, 0.75, 1, 1.5, 2]))
def test_binary_factors_agree_with_floating_point(trained: int, factor: float) -> None:
    assert steps_for(trained, factor) == max(1, math.ceil(trained * factor))
