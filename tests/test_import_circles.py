"""No module imports itself by way of others, counting imports inside functions and for types."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("odecore", "sweeps", "analysis")


def module_files() -> dict[str, Path]:
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
        for package in PACKAGES
        for file in sorted((ROOT / package).rglob("*.py"))
    }


def imports(text: str, modules: set[str]) -> set[str]:
    """Modules that a file names in any import; of `from package import name`, the submodule."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            submodules = {name for name in members.values() if name in modules}
            found |= submodules
            if len(submodules) < len(members):
                found.add(node.module)
    return found & modules


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that reach each other (Tarjan 1972)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = low[module] = len(number)
        stack.append(module)
        for imported in sorted(graph[module]):
            if imported not in number:
                visit(imported)
                low[module] = min(low[module], low[imported])
            elif imported in stack:
                low[module] = min(low[module], number[imported])
        if low[module] == number[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1 or module in graph[module]:
                groups.append(sorted(group))

    for module in graph:
        if module not in number:
            visit(module)
    return groups


def graph_of(texts: dict[str, str]) -> dict[str, set[str]]:
    return {module: imports(text, set(texts)) for module, text in texts.items()}


def test_no_module_imports_itself_by_way_of_others() -> None:
    texts = {module: file.read_text() for module, file in module_files().items()}
    found = circles(graph_of(texts))
    assert not found, "\n".join(" <-> ".join(group) for group in found)


def test_a_circle_through_a_function_and_a_type_is_found() -> None:
    texts = {
        "p": "",
        "p.a": "def f():\n    from p import b",
        "p.b": "if TYPE_CHECKING:\n    from p.c import T",
        "p.c": "import p.a",
        "p.d": "from p import a",
    }
    assert circles(graph_of(texts)) == [["p.a", "p.b", "p.c"]]
