"""One new choice of each kind, added only where CONTRIBUTING says, is found everywhere it belongs.

The packages are copied, the new records are written into the copies, and real commands run there.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Ralston (1962), Math. Comp. 16, 431-437: second order. Heun's rule with Euler's inside: order
# 2(1).
SOLVERS = """METHODS = (
    Method(
        "ralston", "Ralston", "h", None,
        ButcherTableau(order=2, c=(0, 2 / 3), a=((), (2 / 3,)), b=(1 / 4, 3 / 4)),
    ),
    Method(
        "heun_euler", "Heun-Euler", "H", "adaptive_heun",
        ButcherTableau(
            order=2, c=(0, 1), a=((), (1,)), b=(1 / 2, 1 / 2), error=(-1 / 2, 1 / 2)
        ),
    ),
"""
NORM = '''class Halved(Norm):
    """Half of the features."""

    label = "halved"
    colour = "#123456"
    builder = "odecore.norms.halved:halved"
    name: Literal["halved"] = "halved"
    amount: float = 0.5


class EquiNorm('''
NORM_FUNCTION = '''"""Half of the features."""

from odecore.norms.base import Norm


class HalvedNorm(Norm):
    def forward(self, x, t):
        return x / 2


def halved(config, module):
    return module, HalvedNorm()
'''
IMAGE_SET = """IMAGE_SETS = {
    "dots": ImageSet(
        "Dots", (1, 8, 8), 2, 16, 8, ("dots/train", "dots/val"), "dots/{train,val}/CLASS/*.png"
    ),
"""
MODEL = '''"""One convolution as right-hand side."""

from typing import Literal

from odecore.config.model import Model, Work
from odecore.config.norm import NoNorm, NormConfig


class OneConvolution(Model):
    """A convolution with its norm, then a linear head."""

    builder = "odecore.models.one_convolution:build"
    name: Literal["one_convolution"] = "one_convolution"
    norm: NormConfig = NoNorm()

    def operations(self, shape, classes):
        channels, height, width = shape
        return Work(9 * channels**2 * height * width, channels * height * width * classes)

    def weights(self, shape, classes):
        channels, height, width = shape
        return 9 * channels**2 + channels * height * width * classes
'''
SIZE = """
["Nobody 2030"]
models = [{ label = "One", data = { name = "dots" }, model = { name = "one_convolution" } }]
"""
MODEL_BUILDER = '''"""One convolution as right-hand side."""

from math import prod

from torch import nn

from odecore.models.fields import FieldModule, Normed
from odecore.models.ode_block import ODEBlock


class Field(FieldModule):
    def __init__(self, channels, norm):
        super().__init__()
        self.conv = Normed(norm, nn.Conv2d(channels, channels, 3, padding=1))

    def bind(self):
        return lambda t, x: self.conv(x, t)


class OneConvolution(nn.Module):
    depth_layers, blocks = 2, 1
    initial_values = "torch"

    def __init__(self, block, features, classes):
        super().__init__()
        self.block, self.head = block, nn.Linear(features, classes)

    def forward(self, x):
        return self.head(self.block(x).flatten(1))


def build(config, shape, classes, solver, gradient):
    block = ODEBlock(Field(shape[0], config.norm), solver, gradient)
    return OneConvolution(block, prod(shape), classes)
'''
STUDY = """from sweeps.study import Scale, Study

STUDY = Study(
    name="added",
    title="Everything new",
    question="Does it run?",
    expected="Yes.",
    base={
        "data": {"name": "dots", "source": "generated", "train_limit": 8, "test_limit": 4},
        "model": {"name": "one_convolution", "norm": "halved"},
        "train": {"optimizer": {"name": "adam"}, "batch_size": 4, "iterations": 1},
    },
    grid={
        "method": {
            "ralston": {"solver": {"name": "ralston", "steps": 2}},
            "heun_euler": {"solver": {"name": "heun_euler", "tolerance": 0.1}},
        }
    },
    scales={
        "full": Scale("One step."),
        "real": Scale("Real images.", overrides={"data.source": "files"}),
    },
)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages with one choice of each kind more."""
    folder = tmp_path_factory.mktemp("added")
    for package in ("odecore", "sweeps", "analysis"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    config = folder / "odecore/config"
    replace(config / "solver_methods.py", "METHODS = (\n", SOLVERS)
    replace(config / "norm.py", "class EquiNorm(", NORM)
    replace(config / "data.py", "IMAGE_SETS = {\n", IMAGE_SET)
    shutil.copy(ROOT / "docs/make_models.py", folder)
    (folder / "odecore/norms/halved.py").write_text(NORM_FUNCTION)
    (config / "models/one_convolution.py").write_text(MODEL)
    (folder / "odecore/models/one_convolution.py").write_text(MODEL_BUILDER)
    (folder / "sweeps/studies/added.py").write_text(STUDY)
    with (config / "catalog.toml").open("a") as catalog:
        catalog.write(SIZE)
    return folder


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def python(copy: Path, *arguments: str) -> str:
    """Standard output of a Python that imports the copies."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def odesweep(copy: Path, *arguments: str) -> str:
    return python(copy, "-c", "from sweeps.cli import main; main()", *arguments)


def test_the_plan_has_them_with_a_cost(copy: Path) -> None:
    plan = odesweep(copy, "plan", "added", "--results", str(copy / "none"))
    assert "2 trials" in plan
    costs = python(
        copy,
        "-c",
        "import json\n"
        "from sweeps.planning.operation_count import counted_train_seconds\n"
        "from sweeps.spec import parse\n"
        "base = {'data': {'name': 'dots', 'source': 'generated'},\n"
        "        'model': {'name': 'one_convolution', 'norm': 'halved'},\n"
        "        'train': {'batch_size': 4, 'iterations': 1}}\n"
        "specs = [parse(base | {'solver': {'name': 'ralston', 'steps': steps}}) for steps in (1, "
        "9)]\n"
        "print(json.dumps([counted_train_seconds(spec) for spec in specs]))",
    )
    few, many = json.loads(costs)
    assert 0 < few < many


def test_legends_show_them(copy: Path) -> None:
    shown = python(
        copy,
        "-c",
        "from analysis.drawing import style\n"
        "print(style.SOLVER_LABELS['ralston'], style.SOLVER_MARKERS['heun_euler'],\n"
        "      style.NORM_COLOURS['halved'], style.data_label('dots', None))",
    )
    assert shown.split() == ["Ralston", "H", "#123456", "Dots"]


def test_one_training_step_ends_as_a_row_with_their_names(copy: Path) -> None:
    results = copy / "results"
    odesweep(copy, "run", "added", "--executor", "inline", "--results", str(results))
    columns = "solver_name, model_name, model_norm_name, model_norm_amount, data_name, outcome"
    sql = f"SELECT {columns} FROM runs"
    rows = json.loads(odesweep(copy, "query", sql, "--json", "--results", str(results)))
    assert {row.pop("solver_name") for row in rows} == {"ralston", "heun_euler"}
    for row in rows:
        assert row == {
            "model_name": "one_convolution",
            "model_norm_name": "halved",
            "model_norm_amount": 0.5,
            "data_name": "dots",
            "outcome": "completed",
        }


def test_doctor_and_the_list_of_models_name_them(copy: Path) -> None:
    shown = python(
        copy,
        "-c",
        "from pathlib import Path\n"
        "from sweeps.doctor.finding import Situation\n"
        "from sweeps.doctor.studies import data_sets\n"
        "print(*data_sets(Situation(Path('none'), None)), sep='\\n')",
    )
    assert "data dots" in shown
    assert "dots/{train,val}/CLASS/*.png" in shown
    page = python(copy, "-c", "import runpy; print(runpy.run_path('make_models.py')['page']())")
    assert "| One | dots |" in page


def test_wrong_names_list_them_as_valid(copy: Path) -> None:
    message = python(
        copy,
        "-c",
        "from sweeps.errors import UserError\n"
        "from sweeps.spec import parse\n"
        "try: parse({'data': {'name': 'dots'}, 'model': {'name': 'one_convolution'},\n"
        "            'solver': {'name': 'eular', 'steps': 1}, 'train': {'iterations': 1}})\n"
        "except UserError as error: print(error)",
    )
    assert "ralston" in message
    assert "heun_euler" in message
