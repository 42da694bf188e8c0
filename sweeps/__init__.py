"""Study -> trials -> plan -> execute -> worker -> store.

For scripts and notebooks, this package has the names of `__all__`. Each is loaded when it is first
used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeps.errors import InfrastructureError, UserError
    from sweeps.interface.models import load_model
    from sweeps.interface.plans import plan
    from sweeps.interface.runs import Run, run
    from sweeps.planning.plan import Plan
    from sweeps.study import EvaluationGrid, Exclude, ProbeGrid, Scale, Study

__all__ = [
    "EvaluationGrid",
    "Exclude",
    "InfrastructureError",
    "Plan",
    "ProbeGrid",
    "Run",
    "Scale",
    "Study",
    "UserError",
    "load_model",
    "plan",
    "run",
]

_HOMES = {
    "interface.plans": ("plan",),
    "interface.runs": ("run", "Run"),
    "interface.models": ("load_model",),
    "planning.plan": ("Plan",),
    "study": ("Study", "Scale", "EvaluationGrid", "ProbeGrid", "Exclude"),
    "errors": ("UserError", "InfrastructureError"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"sweeps.{module}"), name)
    raise AttributeError(f"module 'sweeps' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
