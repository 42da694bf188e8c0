"""Writes docs/api.md, the public names of `sweeps` and `analysis`, from docstrings: `make docs`.

Signatures are taken from the source, so that they do not depend on the version of Python.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import analysis
import sweeps

PAGE = Path(__file__).with_name("api.md")
HEAD = """# Public names

`make docs` writes this page from the docstrings; do not edit it. [python.md](python.md) shows how
the names work together. Everything else in the packages may change without notice.
"""
_WIDTH = 100


def page() -> str:
    """The page as Markdown: packages, their names, and the methods of classes."""
    return "".join([HEAD, *_package(sweeps), *_package(analysis)])


def _package(package: ModuleType) -> Iterator[str]:
    yield f"\n## {package.__name__}\n"
    for name in package.__all__:
        thing = getattr(package, name)
        node = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
        title = f"{package.__name__}.{name}"
        if isinstance(node, ast.FunctionDef):
            yield from _function(node, title)
        else:
            assert isinstance(node, ast.ClassDef)
            yield from _class(node, title)


def _function(node: ast.FunctionDef, title: str, level: str = "###") -> Iterator[str]:
    yield f"\n{level} {title}\n"
    if not any(getattr(one, "id", "") == "property" for one in node.decorator_list):
        yield f"\n```text\n{_signature(node)}\n```\n"
    yield f"\n{_docstring(node)}\n"


def _class(node: ast.ClassDef, title: str) -> Iterator[str]:
    yield f"\n### {title}\n"
    fields = [
        ast.unparse(one)
        for one in node.body
        if isinstance(one, ast.AnnAssign) and not ast.unparse(one.target).startswith("_")
    ]
    if fields:
        yield "\n```text\n" + "\n".join(fields) + "\n```\n"
    yield f"\n{_docstring(node)}\n"
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"):
            yield from _function(one, f"{title}.{one.name}", "####")


def _signature(node: ast.FunctionDef) -> str:
    """The signature in one line, or with one argument per line."""
    own = [one for one in node.args.args if one.arg == "self"]
    node.args.args = node.args.args[len(own) :]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    whole = f"{node.name}({ast.unparse(node.args)}){returns}"
    if len(whole) <= _WIDTH:
        return whole
    return f"{node.name}(\n" + "".join(f"    {one},\n" for one in _arguments(node)) + f"){returns}"


def _arguments(node: ast.FunctionDef) -> list[str]:
    """Each argument as it is written, `*` alone where only keywords follow."""
    text, depth, parts, start = ast.unparse(node.args), 0, [], 0
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append(text[start:place].strip())
            start = place + 1
    return [*parts, text[start:].strip()]


def _docstring(node: Any) -> str:
    """The docstring; code of a field is marked as such where it is written in backquotes."""
    return (ast.get_docstring(node) or "").strip()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
