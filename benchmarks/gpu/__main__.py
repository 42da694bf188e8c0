"""`python -m benchmarks.gpu`: checks, speed, slots and a sweep on a GPU, with a summary at the end.

Parts come in the order of their value. What the time does not allow is left out, and said. On a CPU
it rehearses: everything runs once, small, and no number is a result.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.gpu import speed, sweep
from benchmarks.gpu.checks import checks
from benchmarks.machine import machine_line, show_ratio
from odecore.config import TrialSpec
from sweeps.execute.auto_slots import CANDIDATES
from sweeps.execute.auto_slots import measure as side_by_side


class Estimate(NamedTuple):
    """seconds: of one unit, which is left out when less is left. units: how many there are."""

    seconds: float
    units: int


# Assumed for an H200, measured on a CPU. The sweep takes what is left, at most this.
ESTIMATES = {
    "cuda": {
        "checks": Estimate(1.0, 90),
        "speed": Estimate(32.0, 6),
        "slots": Estimate(40.0, 1),
        "sweep": Estimate(180.0, 1),
    },
    "cpu": {
        "checks": Estimate(1.0, 90),
        "speed": Estimate(15.0, 6),
        "slots": Estimate(20.0, 1),
        "sweep": Estimate(240.0, 1),
    },
}
# A sweep shorter than this shows nothing; it is stopped so long before the end.
SHORTEST_SWEEP_SECONDS, ENDING_SECONDS = 45.0, 15.0
ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
SWEEPS = {"cuda": "small", "cpu": "smoke"}
TURN_SECONDS = {"cuda": speed.SECONDS_PER_TURN, "cpu": 0.05}
LEFT_OUT = (
    "rehearsal on a CPU: it compares the CPU with itself. Left out: CUDA graphs, tf32, bf16 speed, "
    "kernels per step and the busy share. Batches have 2 to 128 samples, whatever a line says. No "
    "number here is a result."
)


class Budget:
    """The time of the whole command. skipped: what it left no room for."""

    def __init__(self, minutes: float) -> None:
        self.end = time.monotonic() + 60 * minutes
        self.skipped: list[str] = []

    def left(self) -> float:
        """Seconds until the end."""
        return self.end - time.monotonic()

    def allows(self, name: str, seconds: float) -> bool:
        """Whether so many seconds are left; `name` is skipped if not."""
        if self.left() < seconds:
            self.skipped.append(name)
            return False
        return True


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
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="time of the whole command; default 10"
    )
    arguments = parser.parse_args()
    if unknown := [part for part in arguments.parts if part not in PARTS]:
        parser.error(f"no part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # From a plain checkout: processes of slots do not look in the current folder.
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    torch.set_num_threads(1 if device.type == "cuda" else torch.get_num_threads())
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    found: dict[str, Any] = {"device": name, "machine": machine_line()}
    print(f"{name} · {found['machine']}")
    if device.type == "cpu":
        print(LEFT_OUT)
    parts, budget = arguments.parts or list(PARTS), Budget(arguments.minutes)
    print(plan(device.type, parts, arguments.minutes))
    start, lines, failed = time.monotonic(), [], 0
    for part in parts:
        print(f"\n== {part}", flush=True)
        began, budget.skipped = time.monotonic(), []
        found[part], text, failures = PARTS[part](device, budget)
        took = f"{time.monotonic() - began:.0f} s"
        lines += [f"## {part}", "", *text, *left_out(budget), "", f"This part took {took}.", ""]
        failed += failures
        # After each part, so that a lost machine leaves what was measured.
        if device.type == "cuda" or arguments.out != RESULTS:
            write(arguments.out, name, found, lines)
    print(f"\n== summary: {name}, {time.monotonic() - start:.0f} s")
    print("\n".join(line for line in lines if line))
    return 1 if failed else 0


def plan(kind: str, parts: Iterable[str], minutes: float) -> str:
    """What the parts will take, as far as known."""
    seconds = {part: ESTIMATES[kind][part].seconds * ESTIMATES[kind][part].units for part in parts}
    each = ", ".join(f"{part} {value:.0f} s" for part, value in seconds.items())
    return (
        f"budget {minutes:g} min; at most {each}, together {sum(seconds.values()) / 60:.1f} min; "
        "what does not fit is left out"
    )


def left_out(budget: Budget) -> list[str]:
    """What a part skipped."""
    skipped = budget.skipped
    if not skipped:
        return []
    names = ", ".join(skipped[:5]) + (f" and {len(skipped) - 5} more" if len(skipped) > 5 else "")
    return ["", f"Left out, as the time was over: {names}."]


def write(folder: Path, device: str, found: dict[str, Any], lines: Iterable[str]) -> None:
    """The report as Markdown, and the numbers as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / "-".join(device.lower().split())
    stem.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    text = "\n".join([f"# {device}", "", found["machine"], "", *lines])
    stem.with_suffix(".md").write_text(text.rstrip() + "\n")


def run_checks(device: torch.device, budget: Budget) -> tuple[dict[str, str], list[str], int]:
    """Every check; a failing one does not stop the others."""
    results: dict[str, str] = {}
    failed: list[str] = []
    for name, check in checks().items():
        if not budget.allows(name, ESTIMATES[device.type]["checks"].seconds):
            continue
        try:
            results[name] = check(device)
        except Exception as error:  # one fault must not cost the minutes of the others
            results[name] = f"FAILED: {type(error).__name__}: {str(error).splitlines()[0]}"
            failed.append(f"- {name}: {results[name]}")
            print(failed[-1], flush=True)
    passed = len(results) - len(failed)
    return results, [f"{passed} of {len(results)} checks passed.", *failed], len(failed)


def run_speed(device: torch.device, budget: Budget) -> tuple[dict[str, Any], list[str], int]:
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
        if not budget.allows(row.name, ESTIMATES[device.type]["speed"].seconds):
            continue
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


def run_slots(device: torch.device, budget: Budget) -> tuple[dict[str, Any], list[str], int]:
    """Steps per second of 1, 2, 4 and 8 processes that share the device."""
    if not budget.allows("slots", ESTIMATES[device.type]["slots"].seconds):
        return {}, [], 0
    cores = len(os.sched_getaffinity(0))
    candidates = [n for n in CANDIDATES if n <= cores]
    row = speed.rows()[-1]
    rates = side_by_side(TrialSpec.model_validate(row.spec), None, candidates, cores)
    numbers = ", ".join(f"{n}: {rate:.3g}" for n, rate in rates.items())
    line = f"{row.name}, steps per second of processes side by side: {numbers}."
    print(line, flush=True)
    return {"steps_per_second": rates}, [line], 0


def run_sweep(device: torch.device, budget: Budget) -> tuple[dict[str, Any], list[str], int]:
    """Real trials, two at a time: three minutes, or what is left."""
    most = ESTIMATES[device.type]["sweep"].seconds
    seconds = min(most, budget.left() - ENDING_SECONDS)
    if seconds < SHORTEST_SWEEP_SECONDS:
        budget.skipped.append("sweep")
        return {}, [], 0
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = sweep.run(Path(folder), SWEEPS[device.type], seconds)
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


PARTS = {"checks": run_checks, "speed": run_speed, "slots": run_slots, "sweep": run_sweep}

if __name__ == "__main__":
    sys.exit(main())
