"""What people type behind a study: what it means, and what every mistake is answered."""

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_study import study

from sweeps.errors import UserError
from sweeps.studies import find
from sweeps.study import EvaluationGrid, Exclude
from sweeps.study.grammar import read, word
from sweeps.study.overrides import select
from sweeps.study.sample import draw

ONE = study(
    grid={"solver.steps": (1, 2, 4, 8), "model.width": (4, 8, 16)},
    seeds=range(3),
    evaluations=[
        EvaluationGrid("factors", ("euler", "rk4"), factors=(1, 2)),
        EvaluationGrid("fine", ("euler",), steps=(64,)),
    ],
)
ZIPPED = study(
    grid={"solver.steps": (1, 2), "train.optimizer.lr": (0.1, 0.2)},
    zip=[("solver.steps", "train.optimizer.lr")],
)
NAMED = study(grid={"size": {"tiny": {"model.width": 4}, "large": {"model.width": 64}}})
NOTHING = study(exclude=[Exclude("all of it")])
CROSS = find("cross/norm_solver_depth")


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("1", (1,)),
        ("1,2.5,1e-3", (1, 2.5, 1e-3)),
        (".001,5.,-0.5,+3", (0.001, 5.0, -0.5, 3)),
        ("1e3,1E3,1_000,1e0,007", (1000, 1000, 1000, 1, 7)),
        ("1.0,1.5e1,1e30", (1.0, 15.0, 1e30)),
        ("1__0,_1,1_,e3,1e,.,0x10", ("1__0", "_1", "1_", "e3", "1e", ".", "0x10")),
        ("true,null,euler,False,None,none", (True, None, "euler", False, None, "none")),
        ("NaN,inf", ("NaN", "inf")),
        ("0..3,7", (0, 1, 2, 3, 7)),
        ("-2..-1", (-2, -1)),
        ("1_0..1_1", (10, 11)),
        ('"1"', ("1",)),
        ("'1','true'", ("1", "true")),
        ('"a,b",c', ("a,b", "c")),
        ("'0..4'", ("0..4",)),
        (r'"say \"a,b\"",2', ('say "a,b"', 2)),
        ("it's,don't", ("it's", "don't")),
        ("a, b ,c", ("a", "b", "c")),
        ("[1]", ([1],)),
        ("[150,300]", ([150, 300],)),
        ("[a, b],[]", (["a", "b"], [])),
        ("[[1,2],['3,4']]", ([[1, 2], ["3,4"]],)),
        ('{"name": "group", "groups": 4}', ({"name": "group", "groups": 4},)),
        ("{name: group, groups: 4},batch", ({"name": "group", "groups": 4}, "batch")),
        ("{}", ({},)),
        ("logspace(1e-4,1e-1,4)", (1e-4, 0.001, 0.01, 0.1)),
        ("logspace(1, 100, 3),7", (1, 10, 100, 7)),
        ("logspace(1e-4,1e-1,7)", tuple(np.geomspace(1e-4, 1e-1, 7).tolist())),
        ("linspace(0,1,11)", (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)),
        ("linspace(0,1,5)", (0, 0.25, 0.5, 0.75, 1)),
        ("linspace(0.1,0.3,3)", (0.1, 0.2, 0.3)),
        ("linspace(10,2,5)", (10, 8, 6, 4, 2)),
    ],
)
def test_values_mean_what_a_reader_thinks(typed: str, values: tuple[Any, ...]) -> None:
    (override,) = read([f"a.b={typed}"])
    assert override.values == values
    assert [type(value) for value in override.values] == [type(value) for value in values]


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab:,\"'"), inner),
    max_leaves=5,
)


@given(PLAIN)
def test_a_value_is_read_back_as_it_was_written(value: Any) -> None:
    (override,) = read([f"key={word(value)}"])
    assert json.dumps(override.values) == json.dumps([value]) or override.values == (value,)


def test_names_of_plans_do_not_depend_on_how_a_value_is_typed() -> None:
    ways = ("train.iterations=1000", "train.iterations=1e3", "train.iterations= 1_000")
    assert len({select(ONE, None, [way]).plan_name for way in ways}) == 1


REFUSED: list[tuple[Any, list[str], str]] = [
    # Reading.
    (ONE, ["solver.steps"], "override 'solver.steps': write key=value, such as solver.steps=2,4"),
    (ONE, ["=3"], "override '=3': write key=value"),
    (ONE, ["solver.steps="], "override 'solver.steps=': write key=value"),
    (ONE, ["a..b=1"], "override 'a..b=1': write key=value"),
    (ONE, ["seed=0", "seed=1"], "seed is given twice; write its values in one override, such as"),
    (ONE, ["+seed=3", "+seed=4"], "+seed is given twice; write its values in one override"),
    (ONE, ["solver.steps=1,,2"], "solver.steps: a value between two commas is missing"),
    (ONE, ["a=[1,,2]"], "a = [1,,2]: a value between two commas is missing"),
    (ONE, ["a=[1"], "a=[1: a closing ] is missing; to mean the text itself, write it in quotes"),
    (ONE, ["a='b"], "a='b: a closing ' is missing"),
    (ONE, [f"a={'[' * 30}"], "a: more than 20 brackets within each other"),
    (ONE, ["a=[1]x"], "a = [1]x: a value ends with its closing ]; to mean the text itself, write"),
    (ONE, [r'a="\x"'], r'a = "\x": write " inside of a text as \"'),
    (ONE, ["a={b}"], "a = {b}: a section is {name: value, name: value}"),
    (ONE, ["a=1e999"], "a = 1e999: the number is too large"),
    (ONE, [f"a={10**20}"], f"a = {10**20}: a whole number has at most 64 bits"),
    (ONE, ["a=\udcff"], r"a = \udcff: '\udcff' is not valid Unicode"),
    (ONE, ["seed=4..0"], "seed = 4..0: 4 is above 0; write 0..4"),
    (ONE, ["seed=0..100000"], "seed = 0..100000: a range has at most 100,000 values"),
    (ONE, ["seed=0..1_000_000"], "seed = 0..1_000_000: a range has at most 100,000 values"),
    (ONE, ["seed=0..x"], "seed = 0..x: a range is first..last in whole numbers, such as 0..4"),
    (ONE, ["a=logspace(1,2)"], "a = logspace(1,2): write logspace(first,last,n), such as"),
    (ONE, ["a=logspace(x,2,3)"], "a = logspace(x,2,3): write logspace(first,last,n), such as"),
    (ONE, ["a=logspace(-4,-1,7)"], "takes the first and the last value, not their exponents"),
    (ONE, ["a=linspace(0,1,1)"], "a = linspace(0,1,1): n is a whole number from 2 to 100,000"),
    (ONE, ["a=linspace(0,1,2.5)"], "a = linspace(0,1,2.5): n is a whole number from 2 to"),
    (ONE, ["a=linspace(-1e308,1e308,3)"], "a = linspace(-1e308,1e308,3): the numbers are too"),
    (ONE, ["a=linspace(1,1,2)"], "a = linspace(1,1,2): first and last are the same"),
    # Restricting.
    (
        ONE,
        ["solver.steps=0"],
        "solver.steps = 0 is not on the axis (1, 2, 4, 8); to add it: +solver.steps=0",
    ),
    (ONE, ["solver.steps=2.50"], "solver.steps = 2.50 is not on the axis (1, 2, 4, 8); to add"),
    (ONE, ["solver.steps=1e3"], "solver.steps = 1e3 is not on the axis"),
    (ONE, ["seed=9"], "seed = 9 is not among the seeds (0, 1, 2); to add it: +seed=9"),
    (ONE, ["seed=abc"], "seed = abc: seeds are whole numbers, such as seed=3 or seed=0..4"),
    (ONE, ["seed=1.0"], "seed = 1.0: seeds are whole numbers, such as seed=3 or seed=0..4"),
    (ONE, ["seed=true"], "seed = true: seeds are whole numbers"),
    (
        ONE,
        ["evaluations.solver=heun"],
        (
            "evaluations.solver = heun is not among the evaluations (euler, rk4); to add it: "
            "+evaluations.solver=heun"
        ),
    ),
    (ONE, ["evaluations.grid=x"], "evaluations.grid = x is not among the evaluations (factors,"),
    (NAMED, ["size=huge"], "size = huge is not on the axis (tiny, large)"),
    (CROSS, ["norm=bacth"], "weight, spectral, ta_bn) (did you mean batch?)"),
    (CROSS, ["norm=instnce"], "weight, spectral, ta_bn) (did you mean instance?)"),
    (
        find("demo"),
        ["solver.name=rk4_38", "solver.steps=128"],
        "no trial of demo has solver.name=rk4_38 and solver.steps=128 at once",
    ),
    (NOTHING, [], "study small: every cell of scale full is excluded"),
    # Extending.
    (ONE, ["+solver.steps=0"], "solver.steps = 0: input should be greater than 0"),
    (ONE, ["+solver.steps=2.50"], "solver.steps = 2.50: input should be a valid integer"),
    (ONE, ["+solver.steps=4"], "+solver.steps=4: 4 is already there; leave out the + to keep only"),
    (ONE, ["+solver.steps=3,3.0"], "+solver.steps=3,3.0: 3 is given twice"),
    (ONE, ["+seed=1.5"], "seed = 1.5: seeds are whole numbers"),
    (
        ONE,
        ["+train.iterations=3"],
        (
            "+train.iterations=3: train.iterations is not an axis of small; axes: solver.steps, "
            "model.width, seed; without + it sets the base, or makes an axis of several values"
        ),
    ),
    (
        ZIPPED,
        ["+solver.steps=4"],
        "+solver.steps=4: solver.steps and train.optimizer.lr advance together; extend each by",
    ),
    (NAMED, ["+size=huge"], "+size=huge: the values of size are names (tiny, large); add one in"),
    (CROSS, ["+norm=foo"], "add one in the study's file or give a registered one (instance)"),
    (CROSS, ["+norm={name: group}"], "+norm={name: group}: the values of norm are names (none,"),
    (ONE, ["+evaluations.solver=hen"], "unknown test solver 'hen'; choose from euler, midpoint"),
    (ONE, ["+evaluations.solver=3"], "evaluations 'factors': a solver is of type int; give a text"),
    (ONE, ["+evaluations.solver=euler"], "+evaluations.solver=euler: already there; leave out"),
    (ONE, ["+evaluations.factor=0"], "+evaluations.factor=0: 0 is not a positive number"),
    (ONE, ["+evaluations.factor=1e30"], "factor 1e+30 is no number from 1e-09 to 1e+09"),
    (ONE, ["+evaluations.steps=1.50"], "+evaluations.steps=1.50: 1.50 is not a positive whole"),
    (ONE, ["+evaluations.tolerance=1"], "no evaluation of this study has tolerance"),
    (
        ONE,
        ["+evaluations.grid=x"],
        (
            "+evaluations.grid=x: + takes evaluations.solver, evaluations.factor, "
            "evaluations.steps or evaluations.tolerance"
        ),
    ),
    # Setting, and making an axis.
    (ONE, ["solver.name=eulr"], "unknown solver 'eulr'; choose from euler, midpoint, heun, heun3"),
    (ONE, ["trian.iterations=3"], "unknown key 'trian'; valid here: data, fidelity, gradient,"),
    (ONE, ["trian.iterations=3,4"], "unknown key 'trian'; valid here: data, fidelity, gradient,"),
    (ONE, ["lr=logspace(1e-4,1e-1,7)"], "unknown key 'lr'; valid here: data, fidelity, gradient"),
    (ONE, ["lr=0.1"], "(did you mean train.optimizer.lr?)"),
    (
        ONE,
        ["model.widht=3"],
        "unknown key 'model.widht'; valid here: kind, name, width (did you mean width?)",
    ),
    (ONE, ["train.optimizer.lr=-1e-3"], "train.optimizer.lr = -1e-3: input should be greater"),
    (ONE, ["train.iterations=3,2.50"], "train.iterations = 2.50: input should be a valid integer"),
    (ONE, ["train.iterations=3,3"], "train.iterations=3,3: 3 is given twice"),
    (ONE, ["train=3"], "train = 3: train is a section; write train.KEY=value"),
    (
        ONE,
        ["train.optimizer=adam"],
        "train.optimizer = adam: train.optimizer is a section; write train.optimizer.name=adam",
    ),
    (
        ONE,
        ["seed=0..4"],
        "seed = 3 is not among the seeds (0, 1, 2); to add them: +seed=3,4",
    ),
    (ONE, ["seed.x=3"], "seed.x=3: a seed has no parts; write seed=3 or seed=0..4"),
    (ONE, ["evaluations.split=valid"], "evaluations.split = valid: input should be 'test' or"),
    (ONE, ["evaluations.limit=5,6"], "evaluations.limit=5,6: evaluations.limit is no axis of"),
    (
        ONE,
        ["evaluations.splt=train"],
        "unknown key 'evaluations.splt'; valid here: grid, solver, factor, steps, tolerance, split",
    ),
]


@pytest.mark.parametrize(
    ("one", "typed", "says"), REFUSED, ids=[" ".join(typed)[:40] for _, typed, _ in REFUSED]
)
def test_mistakes_are_one_line_with_what_is_valid(one: Any, typed: list[str], says: str) -> None:
    with pytest.raises(UserError) as raised:
        select(one, None, typed)
    assert says in str(raised.value)
    assert str(raised.value).isprintable()


def test_several_values_of_any_key_make_an_axis() -> None:
    made = select(ONE, None, ["train.iterations=5,20", "seed=0"])
    found = {
        (t.spec.solver.steps, t.spec.model.width, t.spec.train.iterations)  # type: ignore[union-attr]
        for t in made.selected
    }
    assert found == set(itertools.product((1, 2, 4, 8), (4, 8, 16), (5, 20)))
    assert {t.axes["train.iterations"] for t in made.declared} == {5, 20}
    assert made.overrides == ("train.iterations=5,20",)
    assert made.plan_name.startswith("small@full+")


def test_a_made_axis_wins_over_the_scale_and_included_cells_have_it_too() -> None:
    made = select(find("demo"), "smoke", ["train.iterations=3,4"])
    plain = select(find("demo"), "smoke")
    assert {t.spec.train.iterations for t in plain.declared} == {10}
    for iterations in (3, 4):
        part = [t for t in made.declared if t.axes["train.iterations"] == iterations]
        assert {t.spec.train.iterations for t in part} == {iterations}
        assert [{**t.axes, "train.iterations": 0} for t in part] == [
            {**t.axes, "train.iterations": 0} for t in plain.declared
        ]


def test_an_axis_of_names_takes_a_registered_one() -> None:
    whole, one = select(CROSS), select(CROSS, None, ["norm=instance"])
    assert {t.axes["norm"] for t in one.selected} == {"instance"}
    assert {t.spec.model.norm.name for t in one.selected} == {"instance"}  # type: ignore[union-attr]
    assert len(one.declared) == len(whole.declared) // 8 * 9
    added = select(CROSS, None, ["+norm=instance"])
    assert one.overrides == added.overrides == ("+norm=instance",)
    assert one.plan_name == added.plan_name
    assert select(CROSS, None, ["norm=batch"]).overrides == ()


def sampled(size: int, seed: int | None = None, *typed: str) -> list[str]:
    return [trial.trial_id for trial in draw(select(ONE, None, typed), size, seed).selected]


def test_a_sample_is_drawn_again_alike_and_grows() -> None:
    whole = [trial.trial_id for trial in select(ONE).declared]
    ten, twenty = sampled(10), sampled(20)
    assert ten == sampled(10, 0) == [trial for trial in whole if trial in set(ten)]
    assert len(set(ten)) == 10 < len(set(twenty)) == 20
    assert set(ten) < set(twenty)
    assert sampled(36) == whole
    draws = [set(sampled(18, seed)) for seed in range(40)]
    assert len(set(map(frozenset, draws))) == 40
    # Each of 36 trials is in half of the samples: of 40, between 5 and 35 (else p = 2e-7 each).
    assert all(5 <= sum(trial in drawn for drawn in draws) <= 35 for trial in whole)
    one = draw(select(ONE), 10, None)
    assert (one.plan_name, len(one.declared)) == ("small@full", 36)
    assert set(sampled(3, 0, "seed=1")) < {
        t.trial_id for t in select(ONE, None, ["seed=1"]).selected
    }


@pytest.mark.parametrize(
    ("size", "seed", "says"),
    [
        (37, None, "--sample 37: the selection has 36 trials"),
        (None, 3, "--sample-seed has no meaning without --sample N"),
    ],
)
def test_a_sample_that_cannot_be_drawn(size: int | None, seed: int | None, says: str) -> None:
    with pytest.raises(UserError) as raised:
        draw(select(ONE), size, seed)
    assert str(raised.value) == says
