"""What a trial costs besides its training.

It runs trials without training through our executors, a plain function trainable of Ray Tune, and
plain submitit. The peers are what most people write: `tune.Tuner` over a function that reports one
number, and submitit with one job per trial. All times are those of whole processes, from the start
to the exit, at two sizes. The slope between the sizes is the marginal cost of one more trial.
Start-up counts more when there are few trials, so the ratio compares a peer's marginal cost with
ours including all of our start-up, which favours the peer.
"""

import logging
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks import slurm
from benchmarks.machine import ratio, show_ratio
from benchmarks.process import OURS_TRIALS, Measured, measure, ours

ROUNDS = 3
FEW, MANY = OURS_TRIALS
# One of our costs and its name in a ratio.
HOW = {"with start-up": "with our start-up", "marginal": "marginal"}


@dataclass(frozen=True)
class Variant:
    """One variant.

    run: trials -> what it took. sizes: the slope is between these two. shown: the size shown with
    start-up. peers: what it is compared with.
    """

    run: Callable[[int], Measured]
    sizes: tuple[int, int]
    shown: int
    peers: tuple[str, ...] = ()


LOCAL = {
    "odesweep inline": Variant(partial(ours, "inline"), (FEW, MANY), FEW, ("Tune function",)),
    "odesweep ray": Variant(partial(ours, "ray"), (FEW, MANY), FEW, ("Tune function",)),
    # Tune starts a process that imports everything for every trial. This takes so long that 20
    # trials are enough to see it.
    "Tune function": Variant(lambda trials: tune(trials), (4, 20), 20),
}
ON_SLURM = {
    "odesweep slurm": Variant(
        slurm.ours_on_slurm, (FEW, MANY), FEW, tuple(f"submitit, {form}" for form in slurm.FORMS)
    ),
    "submitit, array": Variant(partial(slurm.submitit, "array"), (40, FEW), FEW),
    "submitit, array, torch": Variant(partial(slurm.submitit, "array, torch"), (16, 48), 48),
    "submitit, one by one": Variant(partial(slurm.submitit, "one by one"), (16, 48), 48),
}


def tune(trials: int) -> Measured:
    """A plain `tune.Tuner` in a fresh folder. Raises RuntimeError if not every trial ends."""
    return measure(
        trials,
        "from benchmarks.orchestration import plain_tune; plain_tune()",
        [str(trials), "FOLDER"],
        f"{trials} trials, 0 errors",
    )


def plain_tune() -> None:
    """The peer, in a separate process. Arguments: number of trials, folder."""
    import ray
    from ray import tune

    trials, folder = int(sys.argv[1]), sys.argv[2]

    # Defined here, so that it is sent by value and workers need not find this module.
    def no_op(config: dict[str, Any]) -> None:
        tune.report({"score": float(config["x"])})

    ray.init(
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=f"{folder}/ray",
    )
    tuner = tune.Tuner(
        no_op,
        param_space={"x": tune.grid_search(list(range(trials)))},
        run_config=tune.RunConfig(name="plain", storage_path=f"{folder}/results", verbose=0),
    )
    grid = tuner.fit()
    print(f"{len(grid)} trials, {grid.num_errors} errors")
    ray.shutdown()


def main(_argv: list[str]) -> dict[str, Any]:
    """Run and print; returns the numbers."""
    with slurm.devcluster() as why_not:
        if why_not:
            print(f"SLURM's variants are left out: {why_not}", flush=True)
        variants = LOCAL if why_not else LOCAL | ON_SLURM
        measured: dict[str, dict[int, list[Measured]]] = {
            name: {n: [] for n in variant.sizes} for name, variant in variants.items()
        }
        for _ in range(ROUNDS):
            for name, variant in variants.items():
                for trials in variant.sizes:
                    measured[name][trials].append(variant.run(trials))
    return _report(variants, measured)


def _report(
    variants: Mapping[str, Variant], measured: Mapping[str, Mapping[int, list[Measured]]]
) -> dict[str, Any]:
    print(f"no-op trials, medians of {ROUNDS} rounds, whole processes from start to exit")
    found = {name: _numbers(name, variant, measured[name]) for name, variant in variants.items()}
    for name, variant in variants.items():
        mine = found[name]["per_trial"]
        found[name]["ratio"] = {}
        for peer in variant.peers:
            theirs = found[peer]["per_trial"]
            ratios = {
                (what, how): ratio(theirs[what]["marginal"], mine[what][how])
                for what in mine
                for how in mine[what]
            }
            found[name]["ratio"][peer] = {
                f"{what}, {how}": one for (what, how), one in ratios.items()
            }
            print(f"  one more trial of {peer} / one of {name}")
            for what in mine:
                print(
                    f"    {what}: "
                    + ", ".join(
                        f"{show_ratio(ratios[what, how])} {words}" for how, words in HOW.items()
                    )
                )
    return found


def _numbers(name: str, variant: Variant, by_size: Mapping[int, list[Measured]]) -> dict[str, Any]:
    last = by_size[variant.shown][-1]
    per_trial = {"seconds": _per_trial(variant, by_size, lambda one: one.seconds)}
    if last.cpu_seconds is not None:
        per_trial["CPU seconds"] = _per_trial(variant, by_size, lambda one: one.cpu_seconds or 0.0)
    print(
        f"  {name}, {variant.shown} trials: {last.files / last.trials:.2f} files, "
        f"{last.bytes / last.trials / 1000:.1f} kB per trial",
        end="",
    )
    print(f", {last.sbatch} call{'' if last.sbatch == 1 else 's'} of sbatch" if last.sbatch else "")
    for what, values in per_trial.items():
        print(
            f"    {what}: "
            + ", ".join(f"{statistics.median(values[how]) * 1e3:.4g} ms {how}" for how in HOW)
        )
    left = {"files": last.files, "bytes": last.bytes, "sbatch": last.sbatch}
    return {"trials": variant.shown, "per_trial": per_trial, **left}


def _per_trial(
    variant: Variant, by_size: Mapping[int, list[Measured]], value: Callable[[Measured], float]
) -> dict[str, list[float]]:
    few, many = variant.sizes
    slopes = [
        (value(b) - value(a)) / (many - few)
        for a, b in zip(by_size[few], by_size[many], strict=True)
    ]
    return {
        "with start-up": [value(one) / variant.shown for one in by_size[variant.shown]],
        "marginal": slopes,
    }
