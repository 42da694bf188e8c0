"""A study file in TOML is the study that Python would make, and `odesweep new` writes one."""

import tomllib
from pathlib import Path

import jsonschema
import pytest
from command import odesweep

from sweeps.cli.new import new
from sweeps.errors import UserError
from sweeps.slurm.snapshot import code
from sweeps.studies import find
from sweeps.study.overrides import select
from sweeps.study.study_schema import study_schema

TOML = """
name = "mine"
title = "Mine"
question = "Mine?"
expected = "Yes."
seeds = [0, 3]
zip = [["solver.steps", "train.iterations"]]

[base]
data = { name = "spheres" }
model = { name = "flat_node" }
solver = { name = "euler", steps = 2 }
"train.optimizer" = { name = "adam" }

[grid]
"solver.steps" = [1, 2]
"train.iterations" = [5, 6]
[grid.size]
small = { "model.width" = 4 }
large = { "model.width" = 8 }

[[include]]
"solver.steps" = 9
"train.iterations" = 9

[[exclude]]
reason = "too large"
where = { "solver.steps" = [2, 7], size = "large" }

[[evaluations]]
name = "factors"
solvers = ["euler", "heun"]
factors = [0.5, 1]
where = { "solver.steps" = 2 }
settings = { limit = 7 }

[[probes]]
name = "path"
probe = "trajectory"

[scales.full]
label = "Full."

[scales.smoke]
label = "Smoke."
overrides = { "train.batch_size" = 8 }
axes = { size = ["small"] }
seeds = [5]
evaluations = [{ name = "few" }]
"""

PYTHON = """
from sweeps.study import EvaluationGrid, Exclude, ProbeGrid, Scale, Study
STUDY = Study(
    name="mine", title="Mine", question="Mine?", expected="Yes.", seeds=(0, 3),
    zip=[("solver.steps", "train.iterations")],
    base={"data": {"name": "spheres"}, "model": {"name": "flat_node"},
          "solver": {"name": "euler", "steps": 2}, "train": {"optimizer": {"name": "adam"}}},
    grid={"solver.steps": (1, 2), "train.iterations": (5, 6),
          "size": {"small": {"model.width": 4}, "large": {"model.width": 8}}},
    include=[{"solver.steps": 9, "train.iterations": 9}],
    exclude=[Exclude("too large", where={"solver.steps": (2, 7), "size": "large"})],
    evaluations=[EvaluationGrid("factors", ("euler", "heun"), (0.5, 1), where={"solver.steps": 2},
                                settings={"limit": 7})],
    probes=[ProbeGrid("path", "trajectory")],
    scales={
        "full": Scale("Full."),
        "smoke": Scale("Smoke.", {"train.batch_size": 8}, {"size": ("small",)}, (5,),
                       (EvaluationGrid("few"),)),
    },
)
"""


def test_toml_gives_the_trials_of_python(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TOML)
    (tmp_path / "a.py").write_text(PYTHON)
    toml, python = find(str(tmp_path / "a.toml")), find(str(tmp_path / "a.py"))
    for scale in (None, "full", "smoke"):
        for texts in ([], ["size=small", "+seed=7"]):
            assert select(toml, scale, texts).declared == select(python, scale, texts).declared
    assert len(select(toml).declared) == (2 * 2 - 1 + 1) * 2


def test_a_toml_of_several_studies_and_its_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "two.toml"
    tables = TOML.replace("[grid", "[studies.grid").replace("[base", "[studies.base")
    for name in ("include", "exclude", "evaluations", "probes"):
        tables = tables.replace(f"[[{name}]]", f"[[studies.{name}]]")
    tables = "[[studies]]" + tables.replace("[scales.", "[studies.scales.")
    path.write_text(tables + tables.replace('"mine"', '"yours"'))
    assert find(f"{path}:yours").name == "yours"
    with pytest.raises(UserError, match=r"several studies; choose one: .*two\.toml:mine, .*:yours"):
        find(str(path))
    assert code(path)["study/two.toml"] == path.read_bytes()


@pytest.mark.parametrize(
    ("old", "text", "says"),
    [
        ('name = "mine"', 'name = "mine', "mine.toml is not valid TOML: Illegal character"),
        ('name = "mine"', 'nmae = "mine"', "unknown field 'nmae' (did you mean name?); valid here"),
        ('name = "mine"', "", "mine.toml: name is missing"),
        ('name = "mine"', 'name = "demo"', "the name 'demo' is that of a shipped study"),
        ('name = "mine"', "name = 3", "the name of a study is of type int; give a text"),
        ('label = "Full."', "", "mine.toml: scales.full: label is missing"),
        ('label = "Full."', "label = 3", "the label of a scale is of type int; give a text"),
        (
            "[scales.full]",
            "[scales]\nx = 3\n[scales.full]",
            "scales.x is of type int; give a table",
        ),
        ('reason = "too large"', "", "mine.toml: exclude: reason is missing"),
        ('reason = "too large"', "when = 3", "exclude: unknown field 'when' (did you mean where?)"),
        ("[[evaluations]]", "[evaluations]", "evaluations is of type dict; write [[evaluations]]"),
        ("factors = [0.5, 1]", "factor = [1]", "unknown field 'factor' (did you mean factors?)"),
        (
            '"solver.steps" = [1, 2]',
            "solver.steps = [1]",
            "solver: steps is of type list; give a d",
        ),
        ('"solver.steps" = [1, 2]', '"solver.steps" = 1', "axis solver.steps is of type int; give"),
        ("seeds = [0, 3]", "seeds = [1979-05-27]", "seeds has a value of type date; give numbers"),
        ("seeds = [0, 3]", "seeds = [nan]", "study mine: seeds: nan is not a finite number"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, old: str, text: str, says: str) -> None:
    path = tmp_path / "mine.toml"
    assert old in TOML
    path.write_text(TOML.replace(old, text, 1))
    with pytest.raises(UserError) as raised:
        select(find(str(path)))
    assert says in str(raised.value)
    assert str(raised.value).isprintable()


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff")
    (tmp_path / "b.toml").mkdir()
    with pytest.raises(UserError, match="is not valid TOML: 'utf-8' codec"):
        find(str(tmp_path / "a.toml"))
    with pytest.raises(UserError, match=r"no study file .*b\.toml"):
        find(str(tmp_path / "b.toml"))


def test_a_new_study_runs_at_once(tmp_path: Path) -> None:
    results, path = tmp_path / "results", str(tmp_path / "my_study.toml")
    new(path.removesuffix(".toml"))
    assert tomllib.loads(Path(path).read_text())["name"] == "my_study"
    assert len(select(find(path)).declared) == 12
    code, out, err = odesweep("run", path, "--scale", "smoke", results=results)
    assert (code, "my_study@smoke: 4 completed" in out) == (0, True), err
    code, out, _ = odesweep("status", path, results=results)
    assert "my_study@smoke  4 of 4 trials done" in out


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("there", "there.toml is already there; choose another name"),
        ("demo", "'demo' is the name of a shipped study; choose another"),
        ("My Study", "study name 'My Study': use lower-case letters"),
        ("no_folder/mine", "cannot write no_folder/mine.toml: No such file or directory"),
    ],
)
def test_what_new_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.toml").write_text("mine")
    with pytest.raises(UserError) as raised:
        new(name)
    assert says in str(raised.value)
    assert Path("there.toml").read_text() == "mine"


def _schema_errors(schema: dict[str, object], text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(tomllib.loads(text))]


@pytest.fixture(scope="module")
def schema() -> dict[str, object]:
    found = study_schema()
    jsonschema.Draft202012Validator.check_schema(found)
    return found


def test_the_schema_takes_what_odesweep_takes(schema: dict[str, object], tmp_path: Path) -> None:
    new(str(tmp_path / "mine.toml"))
    assert _schema_errors(schema, (tmp_path / "mine.toml").read_text()) == []
    assert _schema_errors(schema, TOML) == []
    second = "\n".join(TOML.strip().splitlines()[:5])
    several = f'[[studies]]\n{second}\n[studies.base]\n[studies.scales.full]\nlabel = "Full."\n'
    assert _schema_errors(schema, several) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("seeds = [0, 3]", "seed = [0, 3]"),
        ("seeds = [0, 3]", 'seeds = ["a"]'),
        ('question = "Mine?"', ""),
        ('model = { name = "flat_node" }', 'model = { name = "flat_nodes" }'),
        ("steps = 2 }", "step = 2 }"),
        ('data = { name = "spheres" }', 'data = { name = "spheres", dimension = "two" }'),
        ("factors = [0.5, 1]", "factors = 0.5"),
        ('label = "Full."', 'labels = "Full."'),
    ],
)
def test_the_schema_refuses_what_odesweep_refuses(
    schema: dict[str, object], tmp_path: Path, right: str, wrong: str
) -> None:
    assert right in TOML
    text = TOML.replace(right, wrong, 1)
    assert _schema_errors(schema, text)
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UserError):
        select(find(str(path)))
