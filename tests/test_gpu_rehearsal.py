"""`make gpu` on the device at hand: without a GPU each check compares the CPU with itself."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu import __main__ as program
from benchmarks.gpu import checks as module
from benchmarks.gpu import speed
from benchmarks.gpu.checks import checks
from odecore.models import build_model

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
FEW = (
    "unmixed_node, ta_bn",
    "dense, equinorm",
    "dopri5, adjoint",
    "captured: Sphere2",
    "stacked",
    "resume",
    "bf16",
    "first bad step",
)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in FEW else pytest.mark.exhaustive) for n in checks()]
)
def test_each_check_passes(name: str) -> None:
    assert checks()[name](DEVICE)


def test_a_wrong_device_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[torch.nn.Module] = []

    def build_wrongly(spec: Any) -> torch.nn.Module:
        built.append(model := build_model(spec))
        if len(built) == 2:
            with torch.no_grad():
                next(model.parameters()).mul_(1 + 1e-6)
        return model

    monkeypatch.setattr(module, "build_model", build_wrongly)
    with pytest.raises(AssertionError, match=r"differ by"):
        checks()["unmixed_node, ta_bn"](DEVICE)


def test_every_norm_model_solver_and_gradient_has_a_check() -> None:
    from benchmarks.gpu.nets import GRADIENTS, MODELS, SOLVERS
    from odecore.config import lookup

    names = list(checks())
    for expected in (*MODELS, *SOLVERS):
        assert any(name.startswith(f"{expected}, ") for name in names), expected
    for expected in (*lookup.NORMS, *GRADIENTS):
        assert any(name.endswith(f", {expected}") for name in names), expected


def test_the_report_is_written_and_a_failed_check_is_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: torch.device) -> str:
        raise AssertionError("wrong by 3")

    monkeypatch.setattr(program, "checks", lambda: {"good": lambda _: "0", "bad": fails})
    monkeypatch.setattr("sys.argv", ["gpu", "checks", "--out", str(tmp_path)])
    assert program.main() == 1
    (page,) = tmp_path.glob("*.md")
    assert "- bad: FAILED: AssertionError: wrong by 3" in page.read_text()
    (numbers,) = tmp_path.glob("*.json")
    assert json.loads(numbers.read_text())["checks"]["good"] == "0"
    out = capsys.readouterr().out
    assert "budget 10 min; at most checks " in out
    assert "1 of 2 checks passed." in out.split("summary")[1]

    monkeypatch.setattr("sys.argv", ["gpu", "--minutes", "0.001", "--out", str(tmp_path)])
    assert program.main() == 0
    for left_out in ("good, bad", "slots", "sweep", "ODENet4, width 16, Euler 8, batch 128"):
        assert f"Left out, as the time was over: {left_out}" in page.read_text()


def test_anodes_scheme_has_the_gradient_of_back_propagation() -> None:
    row = speed.rows()[0]
    ours = speed._training(row, DEVICE, "float32", eager=True)  # pyright: ignore[reportPrivateUsage]
    theirs = speed._as_anode(  # pyright: ignore[reportPrivateUsage]
        speed._training(row, DEVICE, "float32", eager=True),  # pyright: ignore[reportPrivateUsage]
        row.spec["solver"]["steps"],
    )
    ours.step()
    theirs.step()
    for one, other in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-6)


def test_a_row_of_the_speed_table() -> None:
    row = speed.rows()[-1]
    measured = speed.measure(row, DEVICE, seconds=0.01)
    lines = program.describe(row, measured, {"float32": 1e9, "tf32": 1e9, "bf16": 1e9})
    assert lines[0].startswith("Sphere2, Euler 64, batch 128: the authors' way, eager")
    assert "ours, eager" in lines[1]
    assert "roofline" in lines[2]
    assert lines[3].startswith("- ours, 40 stacked: ")
