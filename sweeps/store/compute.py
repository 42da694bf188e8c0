"""pyarrow.compute as `pc`. Its functions are made when it is imported, so that a type checker, seeing none of them, would refuse each use.

Whoever imports this also keeps pyarrow from importing pandas before anybody asks for a data frame.
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
    """Let pyarrow find no pandas just now.

    At its first array from Python values pyarrow imports pandas, only to ask whether they are a data frame's: 1 s of every short command
    (measured). `to_pandas` looks again and finds it.
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
