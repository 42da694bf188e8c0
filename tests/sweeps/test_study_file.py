"""A user's own study file: what it may hold, and the one line for what it may not."""

from pathlib import Path
from typing import Any

import pytest

from sweeps.errors import UserError
from sweeps.studies import find
from sweeps.study.overrides import select

HEAD = """
import datetime, decimal, enum, itertools, pathlib
import numpy as np
from sweeps.study import EvaluationGrid, Exclude, ProbeGrid, Scale, Study
class Solver(enum.Enum):
    EULER = "euler"
    RK4 = "rk4"
class Steps(enum.IntEnum):
    ONE = 1
    TWO = 2
def make(name="mine", **given):
    base = {"data": {"name": "spheres"}, "model": {"name": "flat_node"},
            "solver": {"name": "euler", "steps": 2},
            "train": {"optimizer": {"name": "adam"}, "iterations": 5}}
    usual = dict(title="Mine", question="Mine?", expected="Yes.", base=base,
                 scales={"only": Scale("Mine.")})
    return Study(name, **usual | given)
"""


WIDE = {"name": "flat_node", "width": 3}


def made(folder: Path, text: str) -> Any:
    path = folder / "my_study.py"
    path.write_text(HEAD + text + "\n")
    return find(str(path))


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ("grid={'solver.steps': np.array([1, 2])}", [1, 2]),
        ("grid={'solver.steps': np.arange(1, 3, dtype=np.int8)}", [1, 2]),
        ("grid={'solver.steps': [np.int64(1), np.uint16(2)]}", [1, 2]),
        ("grid={'solver.steps': (n for n in (1, 2))}", [1, 2]),
        ("grid={'solver.steps': map(int, '12')}", [1, 2]),
        ("grid={'solver.steps': {1: 'a', 2: 'b'}.keys()}", [1, 2]),
        ("grid={'solver.steps': Steps}", [1, 2]),
        ("grid={'solver.steps': [Steps.ONE, Steps.TWO]}", [1, 2]),
        ("grid={'solver.name': Solver}", ["euler", "rk4"]),
        ("grid={'solver.name': np.array(['euler', 'rk4'])}", ["euler", "rk4"]),
        ("grid={'data.name': [pathlib.Path('spheres')]}", ["spheres"]),
        ("grid={'train.optimizer.lr': np.linspace(0.25, 0.75, 3)}", [0.25, 0.5, 0.75]),
        ("grid={'model': [{'name': 'flat_node', 'width': np.int64(3)}]}", [WIDE]),
        ("seeds=np.arange(2)", [0, 1]),
        ("seeds=(n for n in (0, 1))", [0, 1]),
        ("seeds=[np.int64(0), Steps.ONE]", [0, 1]),
    ],
)  # fmt: skip
def test_values_of_other_libraries_become_plain(
    tmp_path: Path, given: str, values: list[Any]
) -> None:
    one = made(tmp_path, f"STUDY = make({given})")
    trials = select(one).declared
    found = (
        [trial.spec.seed for trial in trials]
        if given.startswith("seeds")
        else [value for trial in trials for value in trial.axes.values()]
    )
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


def test_everything_else_becomes_plain_too(tmp_path: Path) -> None:
    one = made(
        tmp_path,
        "STUDY = make(base={'data': {'name': pathlib.Path('spheres')}, 'model': {'name': "
        "'flat_node', 'width': np.int64(4)}, 'solver': {'name': Solver.EULER, 'steps': Steps.TWO}, "
        "'train': {'iterations': 5}}, evaluations=(EvaluationGrid(name, np.array(['euler']), "
        "factors=np.array([0.5, 1.0]), settings={'limit': np.int32(7)}) for name in 'ab'), "
        "probes=[ProbeGrid('p', 'trajectory', factors=np.array([1, 2]))], "
        "scales={'only': Scale('Mine.', overrides={'train.iterations': np.int64(6)})})",
    )
    (trial,) = select(one).declared
    assert (trial.spec.train.iterations, trial.spec.model.width) == (6, 4)  # type: ignore[union-attr]
    assert [found.axes["factor"] for found in trial.evaluations] == [[0.5], [1.0]]
    assert [found.axes["grid"] for found in trial.evaluations] == [["a", "b"]] * 2
    assert {found.evaluation.limit for found in trial.evaluations} == {7}
    assert [found.axes["steps"] for found in trial.probes] == [2, 4]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("grid={'solver.steps': [1j]}", "axis solver.steps has a value of type complex; give"),
        ("grid={'solver.steps': [decimal.Decimal(1)]}", "solver.steps has a value of type Dec"),
        ("grid={'solver.steps': [datetime.date.today()]}", "solver.steps has a value of type "),
        ("grid={'solver.name': [b'euler']}", "axis solver.name has a value of type bytes; giv"),
        ("grid={'solver.steps': 3}", "axis solver.steps is of type int; give a list of values"),
        ("grid={'solver.name': 'euler'}", "axis solver.name is of type str; give a list of va"),
        ("grid={'solver.steps': {1, 2}}", "axis solver.steps: a set has no order; give a list"),
        ("grid={'solver.steps': [np.nan]}", "axis solver.steps: nan is not a finite number"),
        ("grid={'solver.steps': [2**64]}", "axis solver.steps: a whole number has at most 64 "),
        ("grid={'solver.steps': itertools.count()}", "axis solver.steps: there are more than 10"),
        ("grid={'solver.steps': (1 // n for n in [0])}", "axis solver.steps: generator cannot b"),
        ("grid={'solver.steps': np.array([])}", "axis solver.steps has no values"),
        ("grid={'solver.name': ['\\udcff']}", "axis solver.name: '\\udcff' is not valid Unicode"),
        ("grid={'norm': {'a': 3}}", "axis norm: a is of type int; give a dictionary"),
        ("grid={'norm': {1: {}}}", "axis norm: a name is of type int; give a text"),
        ("grid={'norm': {'a': lambda v: v['x']}}", "norm = a: its function failed: KeyError: 'x'"),
        ("grid={'norm': {'a': lambda v: 3}}", "norm = a is of type int; give a dictionary"),
        ("grid={'seed': [1, 2]}", "no axis is called seed; give the seeds as seeds=(0, 1, 2)"),
        ("grid={'a=b': [1]}", "'a=b' is no name for an axis; give a key of the spec, such as"),
        ("grid=[1]", "study mine: grid is of type list; give a dictionary"),
        ("grid={'a': {'x': {'seed': 1}}}", "study mine sets seed; give the seeds as seeds=(0"),
        ("seeds=3", "study mine: seeds is of type int; give a list of values"),
        ("seeds=[1j]", "study mine: seeds has a value of type complex; give numbers, texts"),
        ("seeds=np.array([0.5])", "seed = 0.5: seeds are whole numbers from 0 to 2147483647"),
        ("base={'data': object()}", "study mine: base has a value of type object; give"),
        ("evaluations=EvaluationGrid('e')", "evaluations is a single EvaluationGrid; give a li"),
        ("evaluations=[3]", "evaluations holds a value of type int; give a list of EvaluationGr"),
        ("evaluations=[EvaluationGrid('e', 'euler')]", "evaluations 'e': solvers is of type str;"),
        ("evaluations=[EvaluationGrid('e', factors=[0])]", "evaluations 'e': factor 0 is no num"),
        ("probes=[ProbeGrid('p', 3)]", "probes 'p': probe is of type int; give a text"),
        ("exclude=[Exclude('why', when=lambda c: c['x'])]", "exclude 'why': its `when` failed "),
        ("exclude=[Exclude('why', when=3)]", "exclude 'why': when is of type int; give a functi"),
        ("exclude=[Exclude('why')]", "study mine: every cell of scale only is excluded"),
        ("scales={'only': 3}", "scale only holds a value of type int; give a list of Scale"),
        ("scales={'a b': Scale('Mine.')}", "scale 'a b': use letters, digits, _ and single -"),
        ("title=3", "study mine: title is of type int; give a text"),
        ("'Mine'", "study name 'Mine': use lower-case letters, digits, _ and single -, with at"),
        ("'demo'", "the name 'demo' is that of a shipped study, whose plan it would overwrite"),
        ("nothing=3", "cannot be loaded: TypeError: Study.__init__() got an unexpected keyword"),
    ],
)  # fmt: skip
def test_what_a_study_cannot_hold_is_refused_by_name_and_type(
    tmp_path: Path, given: str, says: str
) -> None:
    with pytest.raises(UserError) as raised:
        select(made(tmp_path, f"STUDY = make({given})"))
    assert says in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("STUDIES = (make('a'), make('b'), make('a'))", "has two studies called 'a'; give each"),
        ("STUDY = make('a'); STUDIES = {'x': make('a')}", "has two studies called 'a'; give each"),
        ("STUDY = 3", "STUDY or STUDIES holds int, not a Study"),
        ("exit(1)", "cannot be loaded: SystemExit: 1"),
        ("STUDIES = make('a')", "STUDIES is of type Study; give a tuple of studies"),
    ],
)  # fmt: skip
def test_what_a_file_cannot_hold(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        made(tmp_path, text)


def test_the_same_study_twice_is_one(tmp_path: Path) -> None:
    assert made(tmp_path, "STUDY = make('a'); STUDIES = (STUDY,)").name == "a"


def test_a_shipped_study_may_be_passed_on(tmp_path: Path) -> None:
    text = "from sweeps.studies.demo import DEMO as STUDY"
    assert made(tmp_path, text) is find("demo")
