"""Directions of import, and heavy libraries in one place."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import analysis
import sweeps

ROOT = Path(__file__).parents[1]
OURS = {"odecore", "sweeps", "analysis"}
ALLOWED = {
    "odecore": {"odecore"},
    "sweeps": {"sweeps", "odecore"},
    "analysis": {"analysis", "sweeps", "odecore"},
}
# Library -> the only files that may import it.
ONLY_IN = {
    "ray": {"sweeps/execute/ray_tune.py"},
    "submitit": {"sweeps/slurm/submit.py"},
    "torchdiffeq": {"odecore/solvers/torchdiffeq_solver.py", "odecore/gradients/adjoint.py"},
}
TORCH_FREE = ("odecore/config/", "sweeps/store/", "analysis/")
HEAVY_AT_START = {
    "torch",
    "ray",
    "submitit",
    "seaborn",
    "matplotlib",
    "pyarrow",
    "pandas",
    "duckdb",
    "pydantic",
    "scipy",
    "numpy",
}
FILES = sorted(f for package in ALLOWED for f in (ROOT / package).rglob("*.py"))


def imported_modules(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {
        node.module
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module
    }


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(ROOT).as_posix())
def test_imports_point_one_way(file: Path) -> None:
    path = file.relative_to(ROOT).as_posix()
    modules = imported_modules(file)
    packages = {module.partition(".")[0] for module in modules}
    package = path.partition("/")[0]
    if path == "analysis/results.py":
        # The public interface passes `load_model` on. It imports both only when that is called.
        modules, packages = modules - {"sweeps"}, packages - {"torch"}
    wrong = (packages & OURS) - ALLOWED[package]
    assert not wrong, (
        f"{path} imports {sorted(wrong)}; {package} may import only {sorted(ALLOWED[package])}"
    )
    if package == "analysis":
        beyond = {
            m for m in modules if m.startswith("odecore") and not m.startswith("odecore.config")
        }
        assert not beyond, f"{path} imports {sorted(beyond)}; of odecore, only odecore.config"
        beyond = {m for m in modules if m.startswith("sweeps") and not m.startswith("sweeps.store")}
        assert not beyond, (
            f"{path} imports {sorted(beyond)}; of sweeps, analysis may import only sweeps.store"
        )
    if path.startswith("sweeps/store/"):
        beyond = {
            m
            for m in modules
            if m.partition(".")[0] in OURS
            and not m.startswith(("sweeps.store", "sweeps.errors", "odecore.config"))
        }
        assert not beyond, (
            f"{path} imports {sorted(beyond)}; the store needs only the records of odecore.config, "
            "as figures do"
        )
    if path.startswith(TORCH_FREE):
        assert "torch" not in packages, f"{path} imports torch, which this part has to do without"
    for library, places in ONLY_IN.items():
        assert library not in packages or path in places, (
            f"{path} imports {library}; only {sorted(places)} may"
        )


def loaded_by(code: str) -> set[str]:
    """Top-level modules in sys.modules after running `code` in a new Python."""
    script = (
        f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("main", ["sweeps.cli", "analysis.cli"])
def test_help_loads_nothing_heavy(main: str) -> None:
    code = (
        f"import sys\nsys.argv = ['x', '--help']\nfrom {main} import main\ntry: main()\nexcept "
        "SystemExit: pass"
    )
    loaded = loaded_by(code)
    assert "typer" in loaded
    assert not loaded & HEAVY_AT_START


def test_importing_the_packages_loads_nothing_heavy() -> None:
    assert not loaded_by("import sweeps, analysis; dir(sweeps), dir(analysis)") & HEAVY_AT_START


@pytest.mark.parametrize("package", [sweeps, analysis], ids=lambda package: package.__name__)
def test_every_public_name_is_there(package: ModuleType) -> None:
    for name in package.__all__:
        assert getattr(package, name).__doc__, f"{package.__name__}.{name} has no docstring"
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing


def test_analysis_needs_no_torch() -> None:
    assert not loaded_by(
        "import analysis.cli, analysis.rows.read, analysis.results, analysis.ott2021"
    ) & {
        "torch",
        "ray",
        "submitit",
    }


def test_planning_needs_no_torch() -> None:
    code = (
        "import sys\nsys.argv = ['odesweep', 'plan', 'ott2021/sphere2-fixed']\nfrom sweeps.cli "
        "import main\ntry: main()\nexcept SystemExit: pass"
    )
    assert "torch" not in loaded_by(code)


def test_only_its_own_folder_and_the_registry_know_slurm() -> None:
    words = re.compile(
        r"slurm|sbatch|srun|squeue|sinfo|scontrol|sacct|scancel|submitit", re.IGNORECASE
    )
    allowed = ROOT / "sweeps" / "slurm", ROOT / "sweeps" / "execute" / "registry.py"
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in FILES
        if file.is_relative_to(ROOT / "sweeps") and not any(map(file.is_relative_to, allowed))
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if words.search(line)
    ]
    assert not found, "\n".join(found)
