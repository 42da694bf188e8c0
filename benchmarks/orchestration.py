"""What a trial costs beyond its training: no-op trials through our executors, and through a plain function trainable of Ray Tune.

The peer is what most people write: `tune.Tuner` over a function that reports one number. Both sides are timed as whole processes, from
nothing to exit, at two sizes; the slope between the sizes is the marginal cost of one more trial. Start-up weighs more on few trials than on
many, so the ratio sets Tune's marginal cost against ours with all of our start-up, which favours Tune.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import ratio, show_ratio

ROUNDS = 3
# Tune starts a process that imports everything for every trial, which takes so long that 20 trials are enough to see it.
TUNE_TRIALS = (4, 20)
# Overrides of the study `idle` that make it so many trials; the smaller number is the one that is compared.
OURS_TRIALS = {200: "+seed=10..49", 1000: "+seed=10..249"}
# Nothing is trained worth the name: one step that does not sleep. All that is durable is there: events, checkpoint, weights, row.
NO_OP = ("model.seconds=0", "train.iterations=1")


@dataclass(frozen=True)
class Measured:
    """One process: how long it took, what it left. files: below its folder, at its end."""

    trials: int
    seconds: float
    files: int
    bytes: int


def ours(executor: str, trials: int) -> Measured:
    """`odesweep run idle` in a fresh folder; raises RuntimeError when not every trial completes."""
    command = "from sweeps.cli import main; main()"
    arguments = ["run", "idle", *NO_OP, OURS_TRIALS[trials], "--executor", executor, "--threads", "1", "--results", "FOLDER/results"]
    return _process(trials, command, arguments, f"{trials} completed")


def tune(trials: int) -> Measured:
    """A plain `tune.Tuner` in a fresh folder; raises RuntimeError when not every trial ends."""
    return _process(trials, "from benchmarks.orchestration import plain_tune; plain_tune()", [str(trials), "FOLDER"], f"{trials} trials, 0 errors")


def plain_tune() -> None:
    """The peer, in a process of its own. Arguments: number of trials, folder."""
    import logging

    import ray
    from ray import tune

    trials, folder = int(sys.argv[1]), sys.argv[2]

    # Defined here so that it travels by value; a worker need not find this module.
    def no_op(config: dict[str, Any]) -> None:
        tune.report({"score": float(config["x"])})

    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, _temp_dir=f"{folder}/ray")
    tuner = tune.Tuner(
        no_op,
        param_space={"x": tune.grid_search(list(range(trials)))},
        run_config=tune.RunConfig(name="plain", storage_path=f"{folder}/results", verbose=0),
    )
    grid = tuner.fit()
    print(f"{len(grid)} trials, {grid.num_errors} errors")
    ray.shutdown()


def _process(trials: int, command: str, arguments: list[str], expected: str) -> Measured:
    # A short path: Ray's sockets have at most 107 bytes for theirs.
    folder = Path(tempfile.mkdtemp(prefix="ob-"))
    try:
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", command, *(argument.replace("FOLDER", str(folder)) for argument in arguments)],
            capture_output=True,
            text=True,
            env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[1],
        )
        seconds = time.perf_counter() - start
        if done.returncode or expected not in done.stdout:
            raise RuntimeError(
                f"{' '.join(arguments)} ended with {done.returncode}, without {expected!r}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        # Results and what lies beside them (results.state); Ray's own sessions and logs are not counted for either side.
        left = [path for path in folder.glob("results*/**/*") if path.is_file()]
        return Measured(trials, seconds, len(left), sum(path.stat().st_size for path in left))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(_argv: list[str]) -> dict[str, Any]:
    """Run and print; the numbers."""
    variants = {"odesweep inline": lambda n: ours("inline", n), "odesweep ray": lambda n: ours("ray", n), "Tune function": tune}
    sizes = {name: TUNE_TRIALS if name == "Tune function" else tuple(OURS_TRIALS) for name in variants}
    measured: dict[str, dict[int, list[Measured]]] = {name: {n: [] for n in sizes[name]} for name in variants}
    for _ in range(ROUNDS):
        for name, run in variants.items():
            for trials in sizes[name]:
                measured[name][trials].append(run(trials))
    return _report(measured)


def _report(measured: dict[str, dict[int, list[Measured]]]) -> dict[str, Any]:
    print(f"no-op trials, medians of {ROUNDS} rounds, whole processes from nothing to exit")
    found = {name: _numbers(name, by_size) for name, by_size in measured.items()}
    peer = found["Tune function"]["seconds_per_trial_marginal"]
    for name, numbers in found.items():
        if name.startswith("odesweep"):
            numbers["ratio_with_start"] = ratio(peer, numbers["seconds_per_trial_with_start"])
            numbers["ratio_marginal"] = ratio(peer, numbers["seconds_per_trial_marginal"])
            words = f"{show_ratio(numbers['ratio_with_start'])} with all of our start-up, {show_ratio(numbers['ratio_marginal'])} marginal"
            print(f"  one more trial of Tune / one of {name}: {words}")
    return found


def _numbers(name: str, by_size: dict[int, list[Measured]]) -> dict[str, Any]:
    few, many = sorted(by_size)
    shown = many if name == "Tune function" else few
    with_start = [one.seconds / shown for one in by_size[shown]]
    marginal = [(b.seconds - a.seconds) / (many - few) for a, b in zip(by_size[few], by_size[many], strict=True)]
    files, size = (getattr(by_size[shown][-1], what) / shown for what in ("files", "bytes"))
    times = f"{statistics.median(with_start) * 1e3:6.0f} ms with start-up, {statistics.median(marginal) * 1e3:6.1f} ms marginal"
    print(f"  {name:15} {shown:4} trials: {times}, {files:.2f} files, {size / 1000:.1f} kB a trial")
    return {
        "trials": shown,
        "seconds_per_trial_with_start": with_start,
        "seconds_per_trial_marginal": marginal,
        "files_per_trial": files,
        "bytes_per_trial": size,
    }
