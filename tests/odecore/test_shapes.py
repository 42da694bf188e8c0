"""Every tensor of odecore carries its shape: in a docstring, or as a suffix of its name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import odecore

ROOT = Path(odecore.__file__).parent
TENSOR = re.compile(r"\b(Tensor|ndarray|NDArray)\b")
# A shape in words of the docstrings, such as (B, C, ...), (N,), uint8 (N, C, H, W), or "scalar".
SHAPE = re.compile(r"\(([A-Z]\w*( \+ 1)?|\d( [a-zA-Z])?)(, ?[\w .+*-]*)+\)|\bscalars?\b|[Ss]hape")
SUFFIX = re.compile(r"_[A-Z0-9]+$")

Documented = ast.Module | ast.ClassDef | ast.FunctionDef


def functions(
    node: ast.AST, owners: tuple[Documented, ...]
) -> Iterator[tuple[ast.FunctionDef, tuple[Documented, ...]]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield child, owners
        yield from functions(
            child,
            (*owners, child) if isinstance(child, ast.ClassDef | ast.FunctionDef) else owners,
        )


def lacks_shapes(function: ast.FunctionDef, owners: tuple[Documented, ...]) -> bool:
    """Whether a tensor of the signature has no shape, neither here nor at an owner."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    tensors = [
        a.arg for a in arguments if a.annotation and TENSOR.search(ast.unparse(a.annotation))
    ]
    returns = bool(function.returns and TENSOR.search(ast.unparse(function.returns)))
    if not tensors and not returns:
        return False
    if any(SHAPE.search(ast.get_docstring(node) or "") for node in (function, *owners)):
        return False
    return not tensors or not all(SUFFIX.search(name) for name in tensors)


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.py")), ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_every_tensor_has_a_shape(path: Path) -> None:
    module = ast.parse(path.read_text())
    missing = [
        f"{function.name} (line {function.lineno})"
        for function, owners in functions(module, (module,))
        if lacks_shapes(function, owners)
    ]
    assert not missing, f"no shape in the docstring or the names of {', '.join(missing)}"


@pytest.mark.parametrize(
    ("source", "lacking"),
    [
        ("def f(x: Tensor) -> Tensor:\n    return x", True),
        ('def f(x: Tensor) -> Tensor:\n    """x: (B, C)."""\n    return x', False),
        ('def f(x: Tensor) -> Tensor:\n    """Of all (see above)."""\n    return x', True),
        ("def f(x_BC: Tensor) -> Tensor:\n    return x_BC", False),
        ("def f(x: float) -> float:\n    return x", False),
    ],
)
def test_the_check_sees_what_lacks_a_shape(source: str, lacking: bool) -> None:
    module = ast.parse(source)
    assert [lacks_shapes(*pair) for pair in functions(module, (module,))] == [lacking]
