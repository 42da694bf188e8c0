"""What Ott 2021 claims, each with statistic, threshold and least evidence."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis import effects
from analysis.cells import difference, planned_rows
from analysis.claims import Claim, Estimate, above, below, within
from analysis.data import AXIS, COMPLETED, Data, split
from analysis.ott2021 import adaptation, crossing, table1
from analysis.ott2021.fan import margin

PAPER = "ott2021"
SPHERE2, CIFAR10, ADAPTIVE = (
    "ott2021/sphere2-fixed",
    "ott2021/cifar10-fixed",
    "ott2021/cifar10-adaptive",
)
# Ott 2021, section 4: a net depends on its solver where accuracies differ by more.
THRESHOLD = 0.1
TOLERANCES = (0.1, 1e-7)
SECOND_HALF = 0.5


def _name(data: Data) -> str:
    """The data set of a study such as ott2021/cifar10-fixed."""
    return (
        data.trials["study"].iloc[0].partition("/")[2].partition("-")[0]
        if len(data.trials)
        else "sphere2"
    )


def _drop(
    data: Data, trained: Mapping[str, object], solver: str, factor: float, absolute: bool = False
) -> Estimate:
    """Accuracy as trained minus that under another solver or setting, paired, over the nets that trained successfully."""
    rows = planned_rows(data, "evaluations:figure4", "accuracy", "run.accuracy_train").rename(
        columns={"run.accuracy_train": "accuracy_train"}
    )
    rows = split(effects.at(table1.trained(rows, _name(data)), trained), "test.factor")
    own = effects.at(rows, {"test.solver": trained["solver.name"], "test.factor": 1})
    both = difference(
        own, effects.at(rows, {"test.solver": solver, "test.factor": factor}), "accuracy"
    )
    return effects.mean(
        both.assign(accuracy=both["accuracy"].abs()) if absolute else both, "accuracy", "accuracy"
    )


def _beyond(gap: Estimate) -> Estimate:
    """How far a gap lies above the threshold."""
    return gap._replace(
        value=gap.value - THRESHOLD, low=gap.low - THRESHOLD, high=gap.high - THRESHOLD
    )


def _short_of(gap: Estimate) -> Estimate:
    """How far a gap lies below the threshold."""
    return gap._replace(
        value=THRESHOLD - gap.value, low=THRESHOLD - gap.high, high=THRESHOLD - gap.low
    )


def _change_with_steps(data: Data) -> dict[str, Estimate]:
    """Per training solver: change of the accuracy as trained from the coarsest to the finest net along the line fitted over log2 K, by seed."""
    rows = table1.trained(
        planned_rows(data, "runs", "accuracy_test", "accuracy_train"), _name(data)
    )
    rows = rows.loc[rows["outcome"] == COMPLETED]
    found = {}
    for solver in data.order("solver.name"):
        changes = []
        for seed, own in effects.at(rows, {"solver.name": solver}).groupby("seed"):
            places = np.log2(own[AXIS + "solver.steps"].astype(float))
            if len(places) > 2:
                slope = float(np.polyfit(places, own["accuracy_test"].astype(float), 1)[0])
                changes.append({"seed": seed, "outcome": COMPLETED, "change": slope * 8})
        found[solver] = effects.mean(
            pd.DataFrame(changes, columns=["seed", "outcome", "change"]), "change", "accuracy"
        )
    return found


def _coarse_drops(data: Data) -> dict[str, Estimate]:
    coarse = {"solver.name": "euler", "solver.steps": 2}
    tests = {
        "Euler, 4 steps": ("euler", 2),
        "midpoint, 2 steps": ("midpoint", 1),
        "RK4, 2 steps": ("rk4_38", 1),
    }
    return {name: _drop(data, coarse, *test) for name, test in tests.items()}


def _fine_holds(data: Data) -> dict[str, Estimate]:
    fine = {"solver.name": "euler", "solver.steps": 256}
    tests = {
        "Euler, 512 steps": ("euler", 2),
        "midpoint, 256 steps": ("midpoint", 1),
        "RK4, 256 steps": ("rk4_38", 1),
    }
    return {name: _drop(data, fine, *test) for name, test in tests.items()}


def _bracket(data: Data, failing: int, passing: tuple[int, ...]) -> dict[str, Estimate]:
    """`failing` steps depend on the solver, all of `passing` do not; each as the distance from the threshold on the side that is claimed."""
    gaps = {
        steps: _drop(
            data, {"solver.name": "euler", "solver.steps": steps}, "midpoint", 1, absolute=True
        )
        for steps in (failing, *passing)
    }
    return {f"K = {steps} fails" if steps == failing else f"K = {steps} passes": (_beyond if steps == failing else _short_of)(gap)
            for steps, gap in gaps.items()}  # fmt: skip


def _sphere2_bracket(data: Data) -> dict[str, Estimate]:
    return _bracket(data, 64, (128, 256))


def _cifar10_bracket(data: Data) -> dict[str, Estimate]:
    return _bracket(data, 16, (32, 64))


def _tolerance_gap(data: Data, solver: str, tolerance: float, absolute: bool) -> Estimate:
    return _drop(
        data, {"solver.name": solver, "solver.tolerance": tolerance}, "dopri5", 0.1, absolute
    )


def _tolerance_drops(data: Data) -> dict[str, Estimate]:
    return {
        solver: _tolerance_gap(data, solver, TOLERANCES[0], absolute=False)
        for solver in ("fehlberg2", "dopri5")
    }


def _tolerance_bracket(data: Data) -> dict[str, Estimate]:
    parts = {}
    for solver in ("fehlberg2", "dopri5"):
        for tolerance, beyond, word in zip(
            TOLERANCES, (_beyond, _short_of), ("depends", "does not"), strict=True
        ):
            parts[f"{solver} {tolerance:g} {word}"] = beyond(
                _tolerance_gap(data, solver, tolerance, absolute=True)
            )
    return parts


def _adaptation_against_grid(data: Data, name: str, steps: int) -> Estimate:
    """Accuracy of adapted nets minus that of nets trained with the published critical number of Euler steps, paired by seed."""
    adapted = table1.trained(table1.adapted(data, name), name)
    fixed = data.where({"study": f"ott2021/{name}-fixed"})
    if not len(adapted) or not len(fixed.trials):
        return effects.NOTHING
    grid = planned_rows(
        fixed.where({"solver.name": "euler", "solver.steps": steps}),
        "runs",
        "accuracy_test",
        "accuracy_train",
    )
    kept = ["seed", "outcome", "accuracy_test"]
    both = difference(
        adapted.filter(kept),
        table1.trained(grid, name).filter(kept),
        "accuracy_test",
        apart=["study"],
    )
    return effects.mean(both, "accuracy_test", "accuracy")


def _adaptation_sphere2(data: Data) -> Estimate:
    return _adaptation_against_grid(data, "sphere2", 128)


def _adaptation_cifar10(data: Data) -> Estimate:
    return _adaptation_against_grid(data, "cifar10", 32)


def _evaluations_sphere2(data: Data) -> Estimate:
    return effects.mean(
        table1.trained(table1.adapted(data, "sphere2"), "sphere2"), "evaluations", "evaluations"
    )


def _evaluations_cifar10(data: Data) -> Estimate:
    return effects.mean(
        table1.trained(table1.adapted(data, "cifar10"), "cifar10"), "evaluations", "evaluations"
    )


def reversals(steps: pd.Series) -> int:
    """How often a sequence turns from growing to falling or back; equal neighbours count as one."""
    signs = np.sign(np.diff(steps.to_numpy(float)))
    signs = signs[signs != 0]
    return int((signs[1:] != signs[:-1]).sum())


def _oscillation(data: Data) -> dict[str, Estimate]:
    """Per data set: reversals of the number of steps in the second half of the training."""
    rows = data.with_run(data.series("steps"), "outcome", "outcome_iteration").sort_values(
        "iteration"
    )
    rows = rows.loc[rows["iteration"] >= SECOND_HALF * rows["run.outcome_iteration"]]
    found = {}
    for name in data.order("set"):
        own = effects.at(rows, {"set": name})
        turns = [{"seed": seed, "outcome": COMPLETED, "turns": reversals(one["value"])}
                 for seed, one in own.loc[own["run.outcome"] == COMPLETED].groupby("seed")]  # fmt: skip
        found[name] = effects.mean(
            pd.DataFrame(turns, columns=["seed", "outcome", "turns"]), "turns", "reversals"
        )
    return found


def _crossing(data: Data) -> Estimate:
    rows = crossing.fractions(data)
    rows = rows.loc[(rows["pairs"] == "different class") & rows["successful"].astype(bool)]
    return effects.mean(rows.assign(outcome=COMPLETED), "fraction", "of pairs")


def _fan(data: Data) -> dict[str, Estimate]:
    """Margins of the end points, with the sign that is claimed."""
    rows = data.probe("trajectory", "figure3")
    found = {}
    for size, sign, word in zip(
        data.order("solver"), (1, -1), ("separable", "not separable"), strict=False
    ):
        own = effects.at(rows, {"solver": size})
        ends = own.loc[own["step"] == own["step"].max()]
        found[f"{size} {word}"] = (
            effects.exact(sign * margin(ends.filter(["x1", "x2"]), ends["label"]), 1)
            if len(ends)
            else effects.NOTHING
        )
    return found


_PAIR = {"pair": adaptation.PAPERS_PAIR}
_TESTED = ("runs", "evaluations:figure4")
CLAIMS = (
    Claim(
        PAPER, "own-accuracy", "Tested with the solver of training, accuracy does not depend clearly on the step size.", "Figure 4a, b, section 3",
        SPHERE2, _change_with_steps, within(-THRESHOLD, THRESHOLD), "change of accuracy from K = 1 to 256 along a line fitted over log2 K",
        iterations=10_000,
    ),
    Claim(
        PAPER, "coarse-drops", "A coarsely trained net (h = 1/2) loses much accuracy under any finer or better solver.", "Figures 1d and 4a",
        SPHERE2, _coarse_drops, above(THRESHOLD), "accuracy as trained minus accuracy under the other solver",
        where={"solver.name": "euler", "solver.steps": 2}, needs=_TESTED, iterations=10_000,
    ),
    Claim(
        PAPER, "fine-holds", "A finely trained net (h = 1/256) loses no accuracy under a finer or better solver.", "Figures 1c and 4a",
        SPHERE2, _fine_holds, below(THRESHOLD), "accuracy as trained minus accuracy under the other solver",
        where={"solver.name": "euler", "solver.steps": 256}, needs=_TESTED, iterations=10_000,
    ),
    Claim(
        PAPER, "critical-steps-sphere2", "A critical number of Euler steps exists on Sphere2, between 64 and 128.", "Table 1",
        SPHERE2, _sphere2_bracket, above(0.0), "distance of the gap to midpoint from 0.1, on the side that is claimed",
        where={"solver.name": "euler", "solver.steps": (64, 128, 256)}, needs=_TESTED, iterations=10_000,
    ),
    Claim(
        PAPER, "critical-steps-cifar10", "A critical number of Euler steps exists on CIFAR-10, between 16 and 32.", "Table 1",
        CIFAR10, _cifar10_bracket, above(0.0), "distance of the gap to midpoint from 0.1, on the side that is claimed",
        where={"solver.name": "euler", "solver.steps": (16, 32, 64)}, needs=_TESTED, iterations=7_800,
    ),
    Claim(
        PAPER, "critical-tolerance", "A critical tolerance exists on CIFAR-10 for adaptive solvers.", "Figure 4c, d",
        ADAPTIVE, _tolerance_bracket, above(0.0), "distance of the gap to Dopri5 at a tenth of the tolerance from 0.1, on the side that is claimed",
        where={"solver.tolerance": TOLERANCES}, needs=_TESTED, iterations=7_800,
    ),
    Claim(
        PAPER, "fixed-tolerance-fails", "Adaptive solvers with a fixed tolerance do not solve the problem.", "Figure 4c, d, section 3",
        ADAPTIVE, _tolerance_drops, above(THRESHOLD), "accuracy at tolerance 0.1 as trained minus that under Dopri5 at 0.01",
        where={"solver.tolerance": TOLERANCES[0]}, needs=_TESTED, iterations=7_800,
    ),
    Claim(
        PAPER, "adaptation-accuracy-sphere2", "Step adaptation is as accurate as a grid search on Sphere2.", "Table 1",
        (SPHERE2, adaptation.STUDY), _adaptation_sphere2, above(-0.02), "accuracy of adaptation minus that of K = 128", iterations=7_800,
    ),
    Claim(
        PAPER, "adaptation-accuracy-cifar10", "Step adaptation is as accurate as a grid search on CIFAR-10.", "Table 1",
        (CIFAR10, adaptation.STUDY), _adaptation_cifar10, above(-0.02), "accuracy of adaptation minus that of K = 32", iterations=7_800,
    ),
    Claim(
        PAPER, "adaptation-evaluations-sphere2", "Step adaptation costs as much as the grid search's bracket says on Sphere2.", "Table 1",
        adaptation.STUDY, _evaluations_sphere2, within(65, 129), "evaluations of f per iteration", where={"set": "sphere2", **_PAIR},
        iterations=10_000,
    ),
    Claim(
        PAPER, "adaptation-evaluations-cifar10", "Step adaptation costs as much as the grid search's bracket says on CIFAR-10.", "Table 1",
        adaptation.STUDY, _evaluations_cifar10, within(17, 33), "evaluations of f per iteration", where={"set": "cifar10", **_PAIR},
        iterations=7_800,
    ),
    Claim(
        PAPER, "steps-oscillate", "During adaptation the number of steps oscillates.", "Figure 5b, d",
        adaptation.STUDY, _oscillation, above(2), "reversals in the second half of the training", where={"set": ("sphere2", "cifar10"), **_PAIR},
        needs=("runs", "probe_series"), iterations=7_800,
    ),
    Claim(
        PAPER, "coarse-crosses", "Trajectories of a coarsely trained net (h = 1/2) cross.", "section 3",
        SPHERE2, _crossing, above(0.0), "fraction of pairs of different class that cross",
        where={"solver.name": "euler", "solver.steps": 2}, needs=("runs", "probe_trajectory:figure1"), iterations=10_000,
    ),
    Claim(
        PAPER, "fine-does-not-cross", "Trajectories of a finely trained net (h = 1/256) do not cross.", "section 3",
        SPHERE2, _crossing, below(0.001), "fraction of pairs of different class that cross",
        where={"solver.name": "euler", "solver.steps": 256}, needs=("runs", "probe_trajectory:figure1"), iterations=10_000,
    ),
    Claim(
        PAPER, "fan", "Lady Windermere's fan separates the classes with h = 10^-2.5 and not with h = 10^-3.5.",
        "Figure 3a, b (the paper does not print the field's constants; ours were found by a search for this very statement)",
        "ott2021/fan", _fan, above(0.0), "margin between the end points of the classes, with the sign that is claimed",
        needs=("runs", "probe_trajectory:figure3"), scale="smoke", seeds=1,
    ),
)  # fmt: skip
