"""`python -m benchmarks.gpu`: checks, speed and a sweep on a GPU, with a summary at the end.

On a CPU it rehearses: everything runs once, small, and no number is a result.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import speed, sweep
from benchmarks.gpu.checks import checks
from benchmarks.machine import machine_line, show_ratio

RESULTS = Path(__file__).parents[1] / "results"
SWEEPS = {"cuda": ("small", 180.0), "cpu": ("smoke", 60.0)}
TURN_SECONDS = {"cuda": speed.SECONDS_PER_TURN, "cpu": 0.05}
LEFT_OUT = (
    "rehearsal on a CPU: it compares the CPU with itself. Left out: CUDA graphs, tf32, bf16 speed, "
    "kernels per step and the busy share. No number here is a result."
)


def main() -> int:
    """Run all parts, or those named; 1 if a check failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description="Checks, speed and a short sweep on a GPU; about ten minutes.",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default all")
    parser.add_argument(
        "--out",
        type=Path,
        default=RESULTS,
        metavar="FOLDER",
        help="folder of the report; a rehearsal writes none unless it is given",
    )
    arguments = parser.parse_args()
    if unknown := [part for part in arguments.parts if part not in PARTS]:
        parser.error(f"no part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1 if device.type == "cuda" else torch.get_num_threads())
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    found: dict[str, Any] = {"device": name, "machine": machine_line()}
    print(f"{name} · {found['machine']}")
    if device.type == "cpu":
        print(LEFT_OUT)
    start, lines, failed = time.monotonic(), [], 0
    for part in arguments.parts or PARTS:
        print(f"\n== {part}", flush=True)
        found[part], text, failures = PARTS[part](device)
        lines += [f"## {part}", "", *text, ""]
        failed += failures
        # After each part, so that a lost machine leaves what was measured.
        if device.type == "cuda" or arguments.out != RESULTS:
            write(arguments.out, name, found, lines)
    print(f"\n== summary: {name}, {time.monotonic() - start:.0f} s")
    print("\n".join(line for line in lines if line))
    return 1 if failed else 0


def write(folder: Path, device: str, found: dict[str, Any], lines: Iterable[str]) -> None:
    """The report as Markdown, and the numbers as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / "-".join(device.lower().split())
    stem.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    text = "\n".join([f"# {device}", "", found["machine"], "", *lines])
    stem.with_suffix(".md").write_text(text.rstrip() + "\n")


def run_checks(device: torch.device) -> tuple[dict[str, str], list[str], int]:
    """Every check; a failing one does not stop the others."""
    results: dict[str, str] = {}
    failed: list[str] = []
    for name, check in checks().items():
        try:
            results[name] = check(device)
        except Exception as error:  # one fault must not cost the minutes of the others
            results[name] = f"FAILED: {type(error).__name__}: {str(error).splitlines()[0]}"
            failed.append(f"- {name}: {results[name]}")
            print(failed[-1], flush=True)
    passed = len(results) - len(failed)
    return results, [f"{passed} of {len(results)} checks passed.", *failed], len(failed)


def run_speed(device: torch.device) -> tuple[dict[str, Any], list[str], int]:
    """Every row of the table; a row that fails says so."""
    precisions = ("float32", "tf32", "bf16") if device.type == "cuda" else ("float32",)
    rates = {precision: speed.matrix_rate(device, precision) for precision in precisions}
    results: dict[str, Any] = {"matrix_rate": rates}
    lines = [
        "Ratio: time per step of the peer / ours, median over the rounds (smallest to largest).",
        "Roofline: our operations per second over those of a large product of matrices here: "
        + ", ".join(f"{name} {rate / 1e12:.3g} Tflop/s" for name, rate in rates.items())
        + ".",
    ]
    failed = 0
    for row in speed.rows():
        try:
            results[row.name] = measured = speed.measure(
                row, device, seconds=TURN_SECONDS[device.type]
            )
        except Exception as error:  # as above
            failed += 1
            lines += ["", f"{row.name}: FAILED: {type(error).__name__}: {error}".splitlines()[0]]
            print(lines[-1], flush=True)
            continue
        shown = describe(row, measured, rates)
        lines += ["", *shown]
        print("\n".join(shown), flush=True)
    return results, lines, failed


def describe(row: speed.Row, measured: dict[str, Any], rates: dict[str, float]) -> list[str]:
    """The lines of one row."""
    peer = min(measured["seconds"][row.peer]) * 1e3
    lines = [f"{row.name}: {row.peer} {peer:.3g} ms per step"]
    for name, found in measured["ratio"].items():
        precision = name.removeprefix("ours, ")
        seconds = min(measured["seconds"][name]) * 1e3
        text = f"- {name}: {seconds:.3g} ms, {show_ratio(found)}"
        if precision in measured["numerics"]:
            text += f", {measured['numerics'][precision]}"
            share = measured["operations_per_second"][precision] / rates[precision]
            text += f", roofline {share:.0%}"
        if busy := measured["busy"].get(precision):
            text += f", {busy['kernels']:.0f} kernels per step, busy {busy['share']:.0%}"
        if refused := measured["refused"].get(precision):
            text += f" ({refused})"
        lines.append(text)
    return [*lines, f"- drawing the batch: {measured['data_share']:.1%} of an eager step"]


def run_sweep(device: torch.device) -> tuple[dict[str, Any], list[str], int]:
    """Three minutes of real trials, two at a time."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = sweep.run(Path(folder), *SWEEPS[device.type])
        except AssertionError as error:
            print(error, flush=True)
            return {"failed": str(error)}, [f"FAILED: {error}"], 1
    line = (
        f"{found['trials']} trials in {found['seconds']:.0f} s, two processes on one device: "
        f"{', '.join(found['outcomes'])}; {', '.join(found['numerics'])}; "
        f"{', '.join(found['devices'])}."
    )
    print(line, flush=True)
    return found, [line], 0


PARTS = {"checks": run_checks, "speed": run_speed, "sweep": run_sweep}

if __name__ == "__main__":
    sys.exit(main())
