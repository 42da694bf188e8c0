"""Whatever a study file holds or people type: a plan, or one line."""

import datetime as dt
import enum
import io
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_study import BASE, study

from sweeps.cli.plan import plan
from sweeps.cli.run import run
from sweeps.cli.status import status
from sweeps.errors import UserError
from sweeps.store import Results, list_plans, read_plan
from sweeps.store.plans import plan_path
from sweeps.study import EvaluationGrid, Exclude, ProbeGrid, Scale, Study

SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
FAST = settings(max_examples=100, suppress_health_check=SLOW)
LONG = settings(max_examples=2_000, suppress_health_check=SLOW)


class Colour(enum.Enum):
    RED = "euler"
    TWO = 2


class Number(enum.IntEnum):
    ONE = 1


class Hostile:
    """Every question is answered by an exception."""

    def __bool__(self) -> bool:
        raise ValueError("no truth")

    def __iter__(self) -> Iterator[int]:
        raise RuntimeError("no items\nat all")

    def tolist(self) -> list[int]:
        raise RuntimeError("no list")


def _itself() -> list[Any]:
    itself: list[Any] = []
    itself.append(itself)
    return itself


ODD = st.one_of(
    *map(
        st.just,
        (
            Colour,
            Colour.RED,
            Number.ONE,
            Hostile,
            Hostile(),
            _itself(),
            object(),
            len,
            json,
            ...,
            NotImplemented,
            Path("spheres"),
            Decimal("0.1"),
            Fraction(1, 3),
            1j,
            b"bytes",
            {1, 2},
            frozenset({"euler"}),
            range(1, 4),
            range(10**9),
            {"name": "euler", "steps": 3},
            {1: 2},
            dt.date(2026, 1, 1),
            np.array([1, 2]),
            np.array(3),
            np.zeros((2, 2)),
            np.array([1j]),
            np.array(["euler", None], dtype=object),
            np.int64(4),
            np.float32(0.1),
            np.bool_(True),
            np.datetime64("2026-01-01"),
            np.int64,
            pd.Series([1, 2]),
            pd.DataFrame({"a": [1]}),
            float("nan"),
            float("inf"),
            10**30,
            -(2**63),
            "\udcff",
            "two\nlines",
            {"a": 1}.keys(),
            {"a": 1}.values(),
            lambda values: {"model.width": values["model"]["width"]},
            lambda _: {"model.width": 8},
            lambda values: [values],
        ),
    ),
    st.builds(itertools.count),
    st.builds(iter, st.just([1, 2])),
)
USUAL = st.sampled_from(
    (
        *(0, 1, 2, 8, -1, 0.5, 1e-3, 1e300, True, None, "", "euler", "heun", "dopri5", "trained"),
        *("spheres", "flat_node", "trajectory", "series", "a,b", "factors", "[/x]"),
    )
)
ANY = st.recursive(
    USUAL | ODD | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
NUMBERS = st.lists(st.sampled_from((1, 2, 4, 0.5)), min_size=1, max_size=3, unique=True)
MANY = NUMBERS | ANY | st.lists(USUAL, min_size=1, max_size=3) | st.lists(ANY, max_size=3)
AXES = st.sampled_from(("solver.steps", "model.width", "solver.name", "size", "model", "train"))
AXIS = AXES | st.sampled_from(("seed", "evaluations.solver", "", "a.", "\n", 1, None, Colour.RED))
NAMED = st.dictionaries(
    st.sampled_from(("a", "b, c", "", "\n", "[/x]")) | ANY.filter(lambda one: isinstance(one, str)),
    st.sampled_from(({"model.width": 4}, {}, {"solver": {"name": "euler", "steps": 2}})) | ANY,
    min_size=1,
    max_size=2,
)
WHERE = st.dictionaries(AXES, NUMBERS | ANY, max_size=2) | ANY
LABELS = st.sampled_from(("a", "b, c", "", "\n", "[/x]", "[red]", "é", "0..4", "'", " "))
VALID = st.fixed_dictionaries(
    {"solver.steps": st.lists(st.integers(1, 9), min_size=1, max_size=2, unique=True)},
    optional={
        "size": st.lists(LABELS, min_size=1, max_size=2, unique=True).map(
            lambda names: {name: {"model.width": 4 + at} for at, name in enumerate(names)}
        ),
        "model.width": st.just(range(2, 4)),
    },
)
GRID = VALID | st.fixed_dictionaries(
    {},
    optional={
        "solver.steps": NUMBERS | MANY,
        "model.width": st.just((4, 8)) | MANY,
        "size": NAMED | MANY,
        "solver.name": st.just(("euler", "heun")) | MANY,
    },
)


def _some(fields: dict[str, Any], most: int) -> Any:
    """At most so many of the fields, so that the others do not hide what is said of them."""
    return st.lists(st.sampled_from(sorted(fields)), max_size=most, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: fields[name] for name in names})
    )


@dataclass(frozen=True)
class Call:
    """A call of a record's class, which is made only in the test: it may be refused."""

    kind: Callable[..., Any]
    fields: dict[str, Any]

    def make(self) -> Any:
        needed = {
            EvaluationGrid: {"name": "e"},
            ProbeGrid: {"name": "p", "probe": "trajectory"},
            Scale: {"label": "Full."},
            Exclude: {"reason": "why"},
        }[self.kind]
        return self.kind(**needed | {name: _build(value) for name, value in self.fields.items()})


def _made(kind: Callable[..., Any], **fields: Any) -> Any:
    """Calls of `kind` with some of the fields."""
    return _some(fields, 2).map(lambda given: Call(kind, given))


SOLVERS = st.lists(st.sampled_from(("euler", "heun", "dopri5", "trained")), min_size=1, max_size=2)
SETTINGS = WHERE | st.dictionaries(st.sampled_from(("limit", "split", "points")), ANY, max_size=2)
EVALUATIONS = _made(
    EvaluationGrid,
    name=ANY,
    solvers=SOLVERS | MANY,
    factors=MANY,
    steps=MANY,
    tolerances=MANY,
    max_evaluations=ANY,
    where=WHERE,
    settings=SETTINGS,
)
PROBES = _made(
    ProbeGrid,
    name=ANY,
    probe=st.sampled_from(("trajectory", "series", "decision_grid")) | ANY,
    factors=MANY,
    solver=ANY,
    where=WHERE,
    settings=SETTINGS,
)
SCALES = _made(
    Scale,
    label=ANY,
    overrides=WHERE,
    axes=WHERE | st.dictionaries(AXES, MANY, max_size=2),
    seeds=MANY,
    evaluations=ANY | st.lists(EVALUATIONS, max_size=1),
    thin=ANY,
)
EXCLUDES = _made(Exclude, reason=ANY, where=WHERE, when=ANY)
FIELDS = {
    "name": st.sampled_from(("mine", "a/b", "demo", "A")) | ANY,
    "title": LABELS | ANY,
    "base": st.builds(lambda key, value: BASE | {key: value}, AXES, ANY) | ANY,
    "grid": GRID | st.dictionaries(AXIS, MANY | NAMED, max_size=3) | ANY,
    "zip": st.lists(st.lists(AXES, max_size=2), max_size=2) | ANY,
    "include": st.lists(WHERE, max_size=2) | MANY,
    "exclude": st.lists(EXCLUDES, max_size=2) | MANY,
    "when": st.dictionaries(AXES, WHERE, max_size=2) | WHERE,
    "seeds": MANY,
    "evaluations": st.lists(EVALUATIONS, min_size=1, max_size=2) | MANY,
    "probes": st.lists(PROBES, min_size=1, max_size=2) | MANY,
    "scales": st.dictionaries(st.just("full") | st.text(max_size=3), SCALES | ANY) | ANY,
}
STUDIES = st.builds(lambda grid, others: {"grid": grid} | others, GRID, _some(FIELDS, 1)) | (
    st.builds(lambda grid, others: {"grid": grid} | others, VALID, _some(FIELDS, 2))
)


def _build(given: Any) -> Any:
    """What the calls give, also those in a list or a dictionary."""
    if isinstance(given, Call):
        return given.make()
    if isinstance(given, list) and any(isinstance(one, Call) for one in given):
        return [_build(one) for one in given]
    if isinstance(given, dict) and any(isinstance(one, Call) for one in given.values()):
        return {key: _build(one) for key, one in given.items()}
    return given


def a_plan_or_one_line(
    factory: pytest.TempPathFactory, one: Callable[[], Study], texts: list[str]
) -> None:
    """`one` makes the study of the file. Each command succeeds, or says why not in one line."""
    folder = factory.mktemp("planned")
    shown = io.StringIO()
    try:
        with patch("sweeps.studies.find", lambda _: one()), redirect_stdout(shown):
            for scale in one().scales:
                plan("mine.py", texts, scale, save=True, results=folder)
                plan("mine.py", texts, scale, results=folder, as_json=True)
                run(study="mine.py", overrides=texts, scale=scale, results=folder, dry_run=True)
                (name,) = list_plans(Results(folder))
                assert read_plan(Results(folder), name).rows()
                status(name.partition("@")[0], scale=scale, results=folder)
                plan_path(Results(folder), name).unlink()
    except UserError as error:
        assert str(error).isprintable()  # noqa: PT017 - most cases are refused, some are not


def files(factory: pytest.TempPathFactory, given: dict[str, Any]) -> None:
    a_plan_or_one_line(
        factory, lambda: study(**{name: _build(value) for name, value in given.items()}), []
    )


@FAST
@given(given=STUDIES)
def test_whatever_a_study_file_holds(
    tmp_path_factory: pytest.TempPathFactory, given: dict[str, Any]
) -> None:
    files(tmp_path_factory, given)


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@LONG
@given(given=STUDIES)
def test_whatever_a_study_file_holds_two_thousand_times(
    tmp_path_factory: pytest.TempPathFactory, given: dict[str, Any]
) -> None:
    files(tmp_path_factory, given)


TYPED = study(
    grid={
        "solver.steps": (1, 2),
        "norm, or none": {"a": {"model.width": 4}, "b, c": {"model.width": 8}},
        "data": {"spheres": {"data.name": "spheres"}},
    },
    seeds=range(2),
    include=[{"solver.steps": 2, "data.dimension": 5}],
    evaluations=[
        EvaluationGrid("factors", ("euler", "rk4"), factors=(1, 2)),
        EvaluationGrid("fine", ("euler",), steps=(64,), where={"solver.steps": 2}),
    ],
    probes=[ProbeGrid("path", "trajectory")],
)
KEYS = st.sampled_from(
    (
        *("seed", "solver.steps", "norm, or none", "data", "data.dimension", "solver", "model"),
        *("train.iterations", "train.optimizer.lr", "train.optimizer", "data.name", "x"),
        *(
            f"evaluations.{axis}"
            for axis in ("solver", "factor", "steps", "limit", "grid", "noise")
        ),
    )
)
PIECES = st.sampled_from(
    (
        *("0", "1", "2.5", "1e3", ".001", "1_0", "1e999", "-", "+", "_", "e", "..", "0..3", "5..2"),
        *("'", '"', "[", "]", "{", "}", "(", ")", ",", ":", "=", ".", "\\", " ", "\n", "\udcff"),
        *("logspace(1e-4,1e-1,3)", "linspace(0,1,3)", "logspace(", "linspace(1,5,5)", "range(3)"),
        *("true", "null", "NaN", "None", "euler", "rk4", "heun", "b, c", "spheres", "name", "a"),
        *("[/x]", "[red]"),
        *('{"name": "adam", "lr": 1}', "{name: euler, steps: 3}", "[1,2]", "é", "𝄞", "x" * 300),
    )
)
VALUES = (
    st.lists(PIECES, min_size=1, max_size=3).map(",".join)
    | st.lists(PIECES, min_size=1, max_size=4).map("".join)
    | st.text(max_size=5)
)
TYPICAL = st.builds(
    lambda plus, key, value: f"{plus}{key}={value}",
    st.sampled_from(("", "", "+")),
    KEYS,
    PIECES | VALUES,
)
OVERRIDES = st.lists(TYPICAL, min_size=1, max_size=2) | st.lists(
    TYPICAL | st.text(max_size=5), min_size=1, max_size=2
)


@FAST
@given(texts=OVERRIDES)
def test_whatever_is_typed(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    a_plan_or_one_line(tmp_path_factory, lambda: TYPED, texts)


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@LONG
@given(texts=OVERRIDES)
def test_whatever_is_typed_two_thousand_times(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    a_plan_or_one_line(tmp_path_factory, lambda: TYPED, texts)
