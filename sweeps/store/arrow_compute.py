"""pyarrow.compute as `pc`.

pyarrow creates these functions when it is imported, so a type checker does not see them and would
refuse each use. Importing this module also keeps pyarrow from importing pandas before it is needed.
"""

import sys
from importlib import import_module
from importlib.abc import MetaPathFinder
from typing import Any

import pyarrow as pa


class _NoPandas(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG002 - the import system's signature
        if fullname == "pandas":
            raise ModuleNotFoundError("not now", name=fullname)


def _without_pandas() -> None:
    """Make pandas invisible to pyarrow for a moment.

    At its first array from Python values, pyarrow imports pandas, only to ask whether the values
    are a data frame's. This takes 1 s of every short command (measured). `to_pandas` looks again
    and finds pandas.
    """
    if "pandas" not in sys.modules:
        finder = _NoPandas()
        sys.meta_path.insert(0, finder)
        try:
            pa.array([0])
        finally:
            sys.meta_path.remove(finder)


_without_pandas()
pc: Any = import_module("pyarrow.compute")
