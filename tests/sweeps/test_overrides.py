"""Overrides.

Restricting keeps a subset and the plan file, extending only adds, and every mistake is one line
that says what is valid.
"""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_study import study

from sweeps.errors import UserError
from sweeps.studies import find
from sweeps.study import EvaluationGrid, Scale
from sweeps.study.overrides import select

STEPS = (1, 2, 4, 8)
WIDTHS = (4, 8, 16)
ONE = study(
    grid={"solver.steps": STEPS, "model.width": WIDTHS},
    seeds=range(3),
    evaluations=[
        EvaluationGrid("factors", ("euler", "rk4"), factors=(1, 2)),
        EvaluationGrid("fine", ("euler",), steps=(64,)),
    ],
)


def ids(trials: list[Any]) -> list[str]:
    return [trial.trial_id for trial in trials]


def evaluations(trials: list[Any]) -> set[tuple[str, str]]:
    return {(trial.trial_id, one.eval_id) for trial in trials for one in trial.evaluations}


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from(STEPS), min_size=1, unique=True),
    st.lists(st.sampled_from(WIDTHS), min_size=1, unique=True),
    st.integers(0, 2),
)
def test_restricting_selects_and_leaves_the_plan_alone(
    steps: list[int], widths: list[int], last: int
) -> None:
    texts = [
        f"solver.steps={','.join(map(str, steps))}",
        f"model.width={','.join(map(str, widths))}",
        f"seed=0..{last}",
    ]
    whole, part = select(ONE), select(ONE, None, texts)
    wanted = [
        p
        for p in itertools.product(STEPS, WIDTHS, range(3))
        if p[0] in steps and p[1] in widths and p[2] <= last
    ]
    assert [(t.spec.solver.steps, t.spec.model.width, t.spec.seed) for t in part.selected] == wanted  # type: ignore[union-attr]
    assert part.declared == whole.declared == whole.selected
    assert part.plan_name == whole.plan_name == "small@full"
    assert part.overrides == ()


@settings(max_examples=30)
@given(st.lists(st.integers(9, 64), min_size=1, max_size=3, unique=True))
def test_extending_an_axis_only_adds(steps: list[int]) -> None:
    before, after = select(ONE), select(ONE, None, [f"+solver.steps={','.join(map(str, steps))}"])
    assert [one for one in ids(after.declared) if one in set(ids(before.declared))] == ids(
        before.declared
    )
    assert len(after.declared) == len(before.declared) + len(steps) * len(WIDTHS) * 3
    assert {t.spec.solver.steps for t in after.declared} == {*STEPS, *steps}  # type: ignore[union-attr]


def test_more_seeds_only_add_trials() -> None:
    before, after = select(ONE), select(ONE, None, ["+seed=3..4"])
    assert set(ids(before.declared)) < set(ids(after.declared))
    assert {t.spec.seed for t in after.declared if t.trial_id not in set(ids(before.declared))} == {
        3,
        4,
    }
    assert len({t.cell_id for t in after.declared}) == len({t.cell_id for t in before.declared})


@pytest.mark.parametrize(
    "text", ["+evaluations.solver=heun", "+evaluations.factor=4", "+evaluations.steps=128"]
)
def test_another_test_solver_adds_evaluations_and_changes_no_trial(text: str) -> None:
    before, after = select(ONE), select(ONE, None, [text])
    assert ids(before.declared) == ids(after.declared)
    assert evaluations(before.declared) < evaluations(after.declared)
    assert after.plan_name.startswith("small@full+")


def test_evaluations_are_restricted_like_axes() -> None:
    part = select(ONE, None, ["evaluations.solver=rk4", "evaluations.factor=2"])
    assert {
        (one.axes["solver"], *one.axes["factor"]) for t in part.selected for one in t.evaluations
    } == {("rk4", 2)}
    assert part.plan_name == "small@full"
    fine = select(ONE, None, ["evaluations.grid=fine"])
    assert {one.axes["steps"] for t in fine.selected for one in t.evaluations} == {64}


def test_settings_of_evaluations_are_overridden() -> None:
    changed = select(ONE, None, ["evaluations.limit=50"])
    assert {one.evaluation.limit for t in changed.declared for one in t.evaluations} == {50}
    assert ids(changed.declared) == ids(select(ONE).declared)


def test_an_override_off_the_axes_changes_the_base_and_the_plan() -> None:
    changed = select(ONE, None, ["train.iterations=20", "data.dimension=3"])
    assert {(t.spec.train.iterations, t.spec.data.dimension) for t in changed.declared} == {(20, 3)}  # type: ignore[union-attr]
    assert not set(ids(changed.declared)) & set(ids(select(ONE).declared))
    assert changed.overrides == ("data.dimension=3", "train.iterations=20")


def test_plan_names_depend_on_what_changes_the_grid_and_not_on_its_wording() -> None:
    def name(*texts: str) -> str:
        return select(ONE, None, texts).plan_name

    assert name("+seed=3..4", "train.iterations=20") == name("train.iterations=20", "+seed=3,4")
    assert name("+seed=3") == name("+seed=3", "seed=3", "solver.steps=1")
    assert len({name(), name("+seed=3"), name("+seed=4"), name("train.iterations=20")}) == 4


def test_zipped_partners_follow_and_are_extended_together() -> None:
    zipped = study(
        grid={"solver.steps": (1, 2), "train.optimizer.lr": (0.1, 0.2)},
        zip=[("solver.steps", "train.optimizer.lr")],
    )

    def pairs(*texts: str) -> list[Any]:
        return [
            (t.spec.solver.steps, t.spec.train.optimizer.lr)  # type: ignore[union-attr]
            for t in select(zipped, None, texts).selected
        ]

    assert pairs("solver.steps=2") == [(2, 0.2)]
    assert pairs("+solver.steps=4,8", "+train.optimizer.lr=0.2,0.4") == [
        (1, 0.1),
        (2, 0.2),
        (4, 0.2),
        (8, 0.4),
    ]
    with pytest.raises(UserError, match="advance together; extend each by as many values"):
        pairs("+solver.steps=4")


def test_an_extended_scale_is_extended_after_it_was_cut() -> None:
    scaled = study(grid={"solver.steps": STEPS}, scales={"smoke": Scale("Smoke.", thin=True)})
    assert [t.spec.solver.steps for t in select(scaled, "smoke", ["+solver.steps=2"]).declared] == [  # type: ignore[union-attr]
        1,
        8,
        2,
    ]


def test_included_cells_are_on_the_axes() -> None:
    demo = find("demo")
    assert {t.spec.solver.name for t in select(demo, None, ["solver.steps=8"]).selected} == {  # type: ignore[union-attr]
        "rk4_38"
    }
    assert {
        t.spec.solver.name  # type: ignore[union-attr]
        for t in select(demo, None, ["+solver.steps=16", "solver.steps=16"]).selected
    } == {"euler"}


def test_labels_with_commas_are_typed_as_they_are() -> None:
    report = find("enorm2019/report")
    one = select(report, "smoke", ["method=Baseline, bias"]).selected
    assert {t.axes["method"] for t in one} == {"Baseline, bias"}
    two = select(report, "smoke", ["method=BN,Baseline, bias"]).selected
    assert {t.axes["method"] for t in two} == {"BN", "Baseline, bias"}


def test_labels_are_found_whatever_they_look_like() -> None:
    names = ["0..4", "[red]", "1e3", "007", "true", "b, c", "it's", "a=b"]
    for name in names:
        named = study(grid={"size": {name: {"model.width": 4}, "other": {"model.width": 8}}})
        assert {t.axes["size"] for t in select(named, None, [f"size={name}"]).selected} == {name}


def test_a_float_that_is_whole_is_on_an_axis_of_whole_numbers() -> None:
    assert len(select(ONE, None, ["solver.steps=4.0"]).selected) == len(WIDTHS) * 3


def test_a_combination_that_no_trial_has_is_said() -> None:
    with pytest.raises(
        UserError, match=r"no trial of demo has solver\.name=rk4_38 and solver\.steps=128 at once"
    ):
        select(find("demo"), None, ["solver.name=rk4_38", "solver.steps=128"])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "zheng2024/main",
            "data.name=mnist",
            "data.standardize = .*; to set all of data: data=MNIST$",
        ),
        ("demo", "data.name=mnist", "unknown key 'data.dimension'.*: 'data={name: mnist, ...}'$"),
    ],
)
def test_a_name_without_its_section_is_what_the_message_speaks_of(
    name: str, text: str, message: str
) -> None:
    said = f"^{text} sets this key alone, and data keeps its other values: {message}"
    with pytest.raises(UserError, match=said):
        select(find(name), None, [text])


def test_a_name_in_other_letters_is_suggested() -> None:
    with pytest.raises(UserError, match=r"did you mean MNIST\?"):
        select(find("zheng2024/main"), None, ["data=mnist"])


def test_named_values_cannot_be_made_up() -> None:
    named = study(grid={"size": {"tiny": {"model.width": 4}, "large": {"model.width": 64}}})
    assert [t.axes for t in select(named, None, ["size=large"]).selected] == [{"size": "large"}]
    with pytest.raises(UserError, match=r"the values of size are names \(tiny, large\)"):
        select(named, None, ["+size=huge"])


def test_a_named_value_of_a_key_of_the_spec_may_be_extended() -> None:
    plain = select(find("gusak2020/figure1"))
    extended = select(find("gusak2020/figure1"), None, ["+model.ode_norm=instance"])
    assert set(ids(plain.declared)) < set(ids(extended.declared))
    new = [t for t in extended.declared if t.axes["model.ode_norm"] == "instance"]
    assert len(new) == len(plain.declared) // 5
    assert {t.spec.gradient.name for t in new} == {"backprop"}
    with pytest.raises(UserError, match="layer is already there"):
        select(find("gusak2020/figure1"), None, ["+model.ode_norm=layer"])
