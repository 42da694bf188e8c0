"""Two fictitious worlds for the tests of Zheng 2024's claims.

In one every claim holds, in the other none does. Functions of the spec alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from worlds import Cell, Run, World, jitter

STUDIES = tuple(
    f"zheng2024/{name}"
    for name in (
        "main",
        "depth",
        "curves",
        "noise",
        "table2",
        "table4",
        "table5",
        "interpolation",
        "quirks",
        "baselines",
    )
)
DEPTHS = ("cnn4", "cnn6", "cnn8", "cnn10", "cnn12", "unet18")
RECORDED = 12  # rows of a run


def constant(value: float) -> list[float]:
    """A test curve without any change."""
    return [value] * RECORDED


def erratic(value: float) -> list[float]:
    """A test curve that jumps by .1 every epoch and ends at `value`."""
    return [value - 0.1 * ((RECORDED - 1 - epoch) % 2) for epoch in range(RECORDED)]


class Holds(World):
    """As the paper has it."""

    on_mnist: ClassVar[Mapping[str, float]] = {
        "none": 0.989,
        "batch": 0.973,
        "mini_batch": 0.962,
        "ta_bn": 0.985,
    }
    by_norm: ClassVar[Mapping[str, float]] = {
        "none": -0.05,
        "batch": -0.4,
        "mini_batch": -0.02,
        "ta_bn": 0.0,
    }
    by_depth: ClassVar[Sequence[float]] = (0.75, 0.80, 0.87, 0.88, 0.89, 0.92)
    families: ClassVar[Mapping[str, tuple[float, float]]] = {
        "hbnode": (0.851, 0.867),
        "sonode": (0.302, 0.853),
        "": (0.848, 0.862),
    }
    baselines, baselines_on_mnist = 0.65, 0.95
    by_grid: ClassVar[Mapping[int, float]] = {10: -0.02, 50: -0.02, 100: 0.0, 500: -0.002, 9: 0.0}
    by_interpolation: ClassVar[Mapping[str, float]] = {
        "linear": 0.0,
        "kernel": 0.002,
        "cubic_spline": 0.001,
        "gaussian_process": 0.0,
    }
    seconds: ClassVar[Mapping[str, float]] = {
        "linear": 100.0,
        "kernel": 110.0,
        "cubic_spline": 130.0,
        "gaussian_process": 200.0,
    }
    failing: ClassVar[Sequence[tuple[str, str]]] = (("none", "cnn12"), ("none", "unet18"))
    failing_set = ("tiny-imagenet", "none")
    by_last_relu, by_mirroring = -0.05, 0.002
    in_batches_of_2: ClassVar[Mapping[str, float]] = {"mini_batch": -0.1, "ta_bn": 0.001}
    with_noise: ClassVar[Mapping[str, float]] = {"mini_batch": -0.15, "ta_bn": -0.004}
    curve_of_batch = staticmethod(erratic)

    def run(self, cell: Cell) -> Run | None:
        spec = cell.spec
        norm, backbone = str(spec["model_norm_name"] or "none"), str(spec["model_backbone"])
        data, solver = spec["data_name"], spec["solver_name"]
        fails = (norm, backbone) in self.failing and (data, solver) == ("cifar10", "dopri5")
        fails |= (data, norm) == self.failing_set
        saved = fails and spec["solver_fallback_steps"] is not None
        if spec["model_name"] == "unmixed_node" and fails and not saved:
            return Run(0.5, "diverged", curve=constant(0.5)[:2])
        value = self._accuracy(spec, norm, backbone) + jitter(cell.seed, 0.0005)
        curve = self.curve_of_batch(value) if norm == "batch" else constant(value)
        seconds = self.seconds[spec["model_norm_interpolation"] or "linear"]
        columns = {"train_seconds": seconds, "outcome_iteration": 100, "fallbacks": 9 * saved}
        return Run(value, curve=curve, columns=columns)

    def _accuracy(self, spec: Mapping[str, Any], norm: str, backbone: str) -> float:
        if backbone not in DEPTHS:
            on_mnist = spec["data_name"] == "mnist"
            return self.baselines_on_mnist if on_mnist else self.baselines
        if spec["data_name"] == "mnist":
            return self.on_mnist[norm]
        if spec["model_name"] != "unmixed_node":
            return self.families[str(spec["model_dynamics"] or "")][norm == "ta_bn"]
        value = self.by_depth[DEPTHS.index(backbone)] + self.by_norm[norm]
        if norm == "ta_bn":
            value += (
                self.by_grid[spec["model_norm_grid_size"]]
                + self.by_interpolation[spec["model_norm_interpolation"]]
            )
        value += self.by_last_relu * ("relu" in (spec["model_last_layer"] or ""))
        return value + self.by_mirroring * bool(spec["model_norm_mirrored"])

    def test(
        self, cell: Cell, run: Run, test: Mapping[str, str], evaluation: Mapping[str, Any]
    ) -> float | str | None:
        norm = str(cell.spec["model_norm_name"])
        if evaluation["noise"] == "one_image":
            return run.accuracy + self.with_noise[norm]
        return run.accuracy + (
            self.in_batches_of_2[norm] if evaluation["batch_size"] < 256 else 0.0
        )

    def series(self, cell: Cell, run: Run) -> Mapping[str, Sequence[float]]:
        return {
            name: [run.accuracy + self.in_batches_of_2["mini_batch"]] * 2
            for name in super().series(cell, run)
        }


class Fails(Holds):
    """The opposite of the claims.

    TA-BN is worst, depth is harmful, test batches matter only to TA-BN, linear is slow.
    """

    on_mnist: ClassVar[Mapping[str, float]] = {
        "none": 0.9,
        "batch": 0.95,
        "mini_batch": 0.96,
        "ta_bn": 0.985,
    }
    by_norm: ClassVar[Mapping[str, float]] = {
        "none": 0.05,
        "batch": 0.04,
        "mini_batch": 0.02,
        "ta_bn": 0.0,
    }
    by_depth = (0.92, 0.89, 0.88, 0.87, 0.80, 0.75)
    families: ClassVar[Mapping[str, tuple[float, float]]] = {
        "hbnode": (0.867, 0.851),
        "sonode": (0.853, 0.302),
        "": (0.862, 0.848),
    }
    baselines, baselines_on_mnist = 0.95, 0.99
    by_grid: ClassVar[Mapping[int, float]] = {10: 0.02, 50: 0.02, 100: 0.0, 500: 0.02, 9: 0.0}
    by_interpolation: ClassVar[Mapping[str, float]] = {
        "linear": 0.0,
        "kernel": 0.05,
        "cubic_spline": 0.05,
        "gaussian_process": 0.05,
    }
    seconds: ClassVar[Mapping[str, float]] = {
        "linear": 300.0,
        "kernel": 110.0,
        "cubic_spline": 130.0,
        "gaussian_process": 200.0,
    }
    failing_set = ("", "")
    by_last_relu, by_mirroring = 0.05, 0.03
    failing = (("none", "cnn4"), ("none", "cnn6"), ("none", "cnn8"), ("none", "cnn10"))
    in_batches_of_2: ClassVar[Mapping[str, float]] = {"mini_batch": 0.001, "ta_bn": -0.1}
    with_noise: ClassVar[Mapping[str, float]] = {"mini_batch": -0.004, "ta_bn": -0.15}
    curve_of_batch = staticmethod(constant)
