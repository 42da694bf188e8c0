"""The shipped studies.

Each paper has a file with a tuple STUDIES. A new file in this folder is found without being listed
anywhere. A path names a user's own file.
"""

import importlib.util
import pkgutil
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from sweeps.errors import UserError, did_you_mean
from sweeps.study import Study


def studies() -> dict[str, Study]:
    """All shipped studies by name, in the order of files and tuples, those for testing last."""
    modules = [
        import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)
    ]
    shipped = [study for module in modules for study in _studies_of(module)]
    return {study.name: study for study in sorted(shipped, key=lambda study: study.testing)}


def find(name: str) -> Study:
    """The study called `name`, or the one in a file.

    A file is given as `./my_study.py`, or as `./my_study.py:name` if it has several studies. Raises
    UserError.
    """
    path, _, inside = name.partition(".py:")
    if name.endswith(".py") or inside:
        return _from_file(Path(path if name.endswith(".py") else f"{path}.py"), inside)
    hint = "`odesweep studies` lists all studies, and ./my_study.py names a file of your own"
    return _choose(studies(), name, "study", hint)


def _choose(known: dict[str, Study], name: str, what: str, hint: str) -> Study:
    if name in known:
        return known[name]
    raise UserError(f"no {what} {name!r}{did_you_mean(name, known, cutoff=0.4)}; {hint}")


def _from_file(path: Path, inside: str) -> Study:
    if not path.is_file():
        raise UserError(f"no study file {path}")
    inside_file = {study.name: study for study in _studies_of(_load(path))}
    if not inside_file:
        raise UserError(f"{path} has neither STUDY nor STUDIES")
    if inside:
        return _choose(
            inside_file, inside, f"study in {path}", f"choose from {', '.join(inside_file)}"
        )
    if len(inside_file) > 1:
        names = ", ".join(f"{path}:{name}" for name in inside_file)
        raise UserError(f"{path} has several studies; choose one: {names}")
    return next(iter(inside_file.values()))


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"odesweep_study_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses, for example, look up their module by name.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{path} cannot be loaded: {type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''}"
        ) from error
    return module


def _studies_of(module: ModuleType) -> list[Study]:
    many = getattr(module, "STUDIES", None)
    listed = list(many.values()) if isinstance(many, dict) else list(many or ())
    return [*([module.STUDY] if hasattr(module, "STUDY") else []), *listed]
