"""The shipped studies.

Each paper has a file with a tuple STUDIES. A new file in this folder is found without being listed
anywhere.
"""

import pkgutil
from importlib import import_module

from sweeps.errors import UserError, did_you_mean
from sweeps.study import Study, study_file


def studies() -> dict[str, Study]:
    """All shipped studies by name, in the order of files and tuples, those for testing last."""
    modules = [
        import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)
    ]
    shipped = [study for module in modules for study in study_file.studies_of(module)]
    return {study.name: study for study in sorted(shipped, key=lambda study: study.testing)}


def find(reference: str) -> Study:
    """The study of that name, or of a user's own file. Raises UserError."""
    shipped = studies()
    if named := study_file.split(reference):
        study = study_file.load(*named)
        if study.name in shipped and study is not shipped[study.name]:
            raise UserError(
                f"{named[0]}: the name {study.name!r} is that of a shipped study, whose plan it "
                "would overwrite; choose another"
            )
        return study
    if reference in shipped:
        return shipped[reference]
    name, at, plan = reference.partition("@")
    if at and name in shipped:
        scale, plus, _ = plan.partition("+")
        more = " and its overrides" if plus else ""
        raise UserError(
            f"{reference} is the name of a plan; give its study and scale{more}: {name} --scale "
            f"{scale}"
        )
    own = study_file.near(reference)
    hint = f" (did you mean {own}?)" if own else did_you_mean(reference, shipped, cutoff=0.4)
    raise UserError(
        f"no study {reference!r}{hint}; `odesweep studies` "
        "lists all studies, and ./my_study.toml or ./my_study.py names a file of your own"
    )
