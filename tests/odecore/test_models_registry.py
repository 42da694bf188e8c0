"""Every file of a family is reachable through the registry, so none can be forgotten there."""

import pkgutil
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from odecore.config import lookup

# Modules that are shared by the choices of a folder instead of being one.
SHARED = {
    "solvers": {"base", "explicit_rk", "torchdiffeq_solver"},
    "gradients": {"base"},
    "models": {"conv_stack", "dropout", "fields", "initial_values", "ode_block", "sizes"},
    "norms": {"base", "equinorm", "interpolation", "side_effects", "statistics"},
    "data": {"augment", "cache", "dataset", "fetch", "readers"},
}
REGISTRIES = {
    "solvers": lookup.SOLVERS,
    "gradients": lookup.GRADIENTS,
    "models": lookup.MODELS,
    "norms": lookup.NORMS,
    "data": lookup.DATA,
}


@pytest.mark.parametrize("family", REGISTRIES)
def test_every_module_is_registered_or_shared(family: str) -> None:
    package = import_module(f"odecore.{family}")
    present = {module.name for module in pkgutil.iter_modules(package.__path__)}
    builders = {entry.builder.partition(":")[0] for entry in REGISTRIES[family].values()}
    registered = {module.rpartition(".")[2] for module in builders} - {family}
    assert present == registered | SHARED[family], (
        f"name the new file in its record as builder, or here as shared by {family}"
    )


@pytest.mark.parametrize(
    ("family", "name"), [(family, name) for family, table in REGISTRIES.items() for name in table]
)
def test_every_builder_loads(family: str, name: str) -> None:
    assert callable(REGISTRIES[family][name].load())


def test_every_tableau_is_a_solver() -> None:
    from odecore.config.solver_methods import EMBEDDED_PAIRS, FIXED_STEP

    assert {*FIXED_STEP, *EMBEDDED_PAIRS} == {
        name for name in lookup.SOLVERS if not name.startswith("adapted_")
    }


def test_a_model_without_counts_of_operations_and_weights_is_an_error_at_import(
    tmp_path: Path,
) -> None:
    shutil.copytree(Path(import_module("odecore").__path__[0]), tmp_path / "odecore")
    (tmp_path / "odecore/config/models/uncounted.py").write_text(
        "from typing import Literal\n"
        "from odecore.config.model import Model\n"
        "class Uncounted(Model):\n"
        "    builder = 'odecore.models.idle:build'\n"
        "    name: Literal['uncounted'] = 'uncounted'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import odecore.config"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "Uncounted needs a builder and methods operations and weights" in done.stderr
