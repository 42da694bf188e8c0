"""A user's own study file: `./my_study.py` or `./my_study.toml`.

With `:name` behind it if it has several studies. As in a script, the modules that stand beside a
file in Python can be imported.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from sweeps.errors import UserError, did_you_mean
from sweeps.study import Study, study_toml

_ENDINGS = (".py", ".toml")


def split(reference: str) -> tuple[Path, str] | None:
    """The file and the name of the study inside ("": its only one); None if it names no file."""
    path, colon, inside = reference.rpartition(":")
    if colon and path.endswith(_ENDINGS):
        return Path(path), inside
    return (Path(reference), "") if reference.endswith(_ENDINGS) else None


def load(path: Path, inside: str = "") -> Study:
    """The study `inside` of the file, or its only one. Raises UserError."""
    if not path.is_file():
        near = did_you_mean(path.name, (one.name for one in _files(path.parent)))
        raise UserError(f"no study file {path}{near}")
    known: dict[str, Study] = {}
    for study in study_toml.read(path) if path.suffix == ".toml" else studies_of(_module(path)):
        if not isinstance(study, Study):
            raise UserError(f"{path}: STUDY or STUDIES holds {type(study).__name__}, not a Study")
        if known.setdefault(study.name, study) is not study:
            raise UserError(f"{path} has two studies called {study.name!r}; give each its own name")
    if not known:
        raise UserError(f"{path} has neither STUDY nor STUDIES")
    if inside and inside not in known:
        raise UserError(
            f"no study in {path} {inside!r}{did_you_mean(inside, known, cutoff=0.4)}; choose from "
            f"{', '.join(known)}"
        )
    if not inside and len(known) > 1:
        names = ", ".join(f"{path}:{name}" for name in known)
        raise UserError(f"{path} has several studies; choose one: {names}")
    return known[inside] if inside else next(iter(known.values()))


def near(name: str) -> str | None:
    """The file in this folder that is called like a study, as the command line takes it."""
    return next((f"./{path.name}" for path in _files(Path()) if path.stem == name), None)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(
            path for path in folder.iterdir() if path.suffix in _ENDINGS and path.is_file()
        )
    except OSError:
        return []


def studies_of(module: ModuleType) -> list[Study]:
    """STUDY and STUDIES of a module."""
    many = getattr(module, "STUDIES", ())
    if not isinstance(many, list | tuple | dict):
        raise UserError(f"STUDIES is of type {type(many).__name__}; give a tuple of studies")
    listed = many.values() if isinstance(many, dict) else many
    return [*([module.STUDY] if hasattr(module, "STUDY") else []), *listed]


def modules_beside(path: Path) -> list[Path]:
    """The files of the loaded modules that stand beside the study file, relative to its folder.

    A module of an environment that lies in this folder is none of them: its name does not begin
    there.
    """
    folder = path.resolve().parent
    found = set()
    for name, module in list(sys.modules.items()):
        # From its dictionary: some modules import others when they are asked for an attribute.
        file = str(getattr(module, "__dict__", {}).get("__file__"))
        inside = name.replace(".", "/")
        for relative in (f"{inside}.py", f"{inside}/__init__.py"):
            if file.endswith(relative) and Path(file).resolve() == (folder / relative).resolve():
                found.add(Path(relative))
    return sorted(found)


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"odesweep_study_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses, for example, look up their module by name.
    sys.modules[spec.name] = module
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except UserError:
        raise
    # A file may also call sys.exit.
    except (Exception, SystemExit) as error:
        raise UserError(f"{path} cannot be loaded: {_said(error)}") from error
    finally:
        # What the study's functions import later is found too, but stands for no module of ours.
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.append(folder)
    return module


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
