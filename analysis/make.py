"""What the commands of `odereport` do: read each plan once, make every figure or table asked for, say what is missing."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from analysis.check import examine, figure_module, not_planned, select, table_module
from analysis.data import Data
from analysis.read import load
from analysis.save import save_figure, save_table

OK, INCOMPLETE = 0, 1

# Lines are for people and for pipes: never wrapped, never recoloured.
_CONSOLE = Console(soft_wrap=True, highlight=False, markup=False)


class Reader:
    """Reads each plan once, however many figures are made from it. plan: the one named on the command line, or None."""

    def __init__(self, results: Path, plan: str | None) -> None:
        self._results = results
        self._plan = plan
        self._read: dict[str, Data] = {}

    def __call__(self, study: str) -> Data:
        """The data of `study`'s plan, or of the plan that was named."""
        key = self._plan or study
        if key not in self._read:
            self._read[key] = load(self._results, study, self._plan)
        return self._read[key]

    def stem(self, name: str, data: Data, out: Path) -> Path:
        """Where the files of `name` go: paper_name, with the plan behind it when one was named."""
        stem = name.replace("/", "_")
        if self._plan is None:
            return out / stem
        study, _, scale = data.plan.name.partition("@")
        study = study.rpartition("/")[2]
        return out / "-".join([stem, study, *([] if scale in study.split("-") else [scale])])


def figures(target: str | None, reader: Reader, out: Path) -> int:
    """Draw what `target` names; the exit code."""

    def draw(name: str, data: Data) -> str | None:
        module = figure_module(name)
        numbers = module.table(data)
        if numbers.empty:
            return None
        paths = save_figure(module, numbers, module.caption(data, numbers), reader.stem(name, data, out))
        return f"{paths[0]} (also {', '.join(path.suffix for path in paths[1:])})"

    return _each("FIGURES", target, reader, draw)


def tables(target: str | None, reader: Reader, out: Path) -> int:
    """Write and print what `target` names; the exit code."""

    def write(name: str, data: Data) -> str | None:
        module = table_module(name)
        numbers = module.table(data)
        if numbers.empty:
            return None
        shown, caption = module.readable(numbers), module.caption(data, numbers)
        paths = save_table(numbers, shown, caption, reader.stem(name, data, out))
        printed = Table(*shown.columns, title=name)
        for row in shown.to_numpy().tolist():
            printed.add_row(*row)
        _CONSOLE.print(printed)
        _CONSOLE.print(caption)
        return f"{paths[0]} (also {paths[1].suffix})"

    return _each("TABLES", target, reader, write)


def check(target: str | None, reader: Reader) -> int:
    """Say what each figure and table lacks; the exit code."""
    code = OK
    for name in select(target, "FIGURES", "TABLES"):
        module = table_module(name)
        data = reader(module.STUDY)
        if absent := not_planned(data, module.NEEDS):
            _CONSOLE.print(f"{name}: {data.plan.name} does not plan {', '.join(absent)}")
        else:
            code = max(code, _say_missing(name, data, module.NEEDS, ""))
    return code


def _each(kind: str, target: str | None, reader: Reader, make: Callable[[str, Data], str | None]) -> int:
    """`make` for every name; a figure the plan has no data for is left out, and counts as lacking only when it was named."""
    code = OK
    for name in track(select(target, kind), description=kind.lower(), console=_CONSOLE, transient=True, disable=not _CONSOLE.is_terminal):
        module = table_module(name)
        data = reader(module.STUDY)
        if absent := not_planned(data, module.NEEDS):
            _CONSOLE.print(f"{name}: left out, {data.plan.name} does not plan {', '.join(absent)}")
            code = max(code, INCOMPLETE if target == name else OK)
        elif made := make(name, data):
            _CONSOLE.print(f"{name}: {made}")
        else:
            _say_missing(name, data, module.NEEDS, "nothing to show. ")
            code = INCOMPLETE
    return code


def _say_missing(name: str, data: Data, needs: tuple[str, ...], what: str) -> int:
    finding = examine(data, needs)
    _CONSOLE.print(f"{name}: {what}{finding.summary}")
    for cell in finding.cells:
        _CONSOLE.print(f"  {cell}")
    if finding.command:
        _CONSOLE.print(f"  fill with: {finding.command}")
    return INCOMPLETE if finding.cells else OK
