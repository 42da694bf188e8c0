"""Predicted cost of trials and evaluations, in seconds of one slot, and how far it was off.

A prediction comes from the first of SOURCES that knows the trial.
"""

import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from odecore.config import Evaluation, TrialSpec
from sweeps.device import Device
from sweeps.errors import UserError
from sweeps.planning.operation_count import (
    counted_evaluation_seconds,
    iterations,
    nfe_per_solve,
    records,
    sample_seconds,
    scored_samples,
    step_seconds,
)
from sweeps.spec import parse

# Where a prediction comes from, for people. rows, timings: of trials with the same net, solver and
# batch. similar: of the same net and batch with another solver or number of steps.
SOURCES = {
    "rows": "finished rows",
    "timings": "`odesweep probe`",
    "similar": "the same nets with other solvers",
    "others": "rows of other devices",
    "roofline": "a count of operations",
}
# What a step costs does not depend on these.
_SIZES = ("train_limit", "test_limit", "train_size", "test_size")


class Error(NamedTuple):
    """How far a source's predictions were off: median of |predicted - taken| / taken, n rows."""

    median: float
    n: int


class _Run(NamedTuple):
    """What one row measured, or the sum of several. spec: of one of them. nfe: of all steps."""

    spec: TrialSpec
    train_seconds: float
    iterations: float
    score_seconds: float
    scored: float
    nfe: float

    @property
    def seconds(self) -> float:
        return self.train_seconds + self.score_seconds

    def plus(self, other: "_Run", sign: int = 1) -> "_Run":
        """The sum, or the difference."""
        numbers = zip(self[1:], other[1:], strict=True)
        return _Run(self.spec, *(one + sign * two for one, two in numbers))

    def correction(self, rate: float) -> float:
        """Measured over counted seconds of a step."""
        blocks = max(1, self.spec.ode_blocks)
        return self.step / step_seconds(self.spec, rate, self.nfe / self.iterations / blocks)

    @property
    def step(self) -> float:
        return self.train_seconds / self.iterations

    @property
    def sample(self) -> float:
        return self.score_seconds / self.scored if self.scored else 0.0


class _Book:
    """Rows by net and batch, then by solver. A group is parsed when first asked for."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[str, Mapping[str, Any], bool]]] = defaultdict(list)
        self._runs: dict[str, dict[str, list[_Run]]] = {}
        self._sums: dict[str, dict[str, _Run]] = {}

    def add(self, row: Mapping[str, Any], *, timing: bool = False) -> None:
        """Another completed run. timing: a short one of `odesweep probe`."""
        group, solver = cost_class(json.loads(row["spec"]))
        self._rows[group].append((solver, row, timing))

    def runs(self, group: str) -> dict[str, list[_Run]]:
        """Solver -> runs."""
        if group not in self._runs:
            found: dict[str, list[_Run]] = defaultdict(list)
            for solver, row, timing in self._rows.get(group, ()):
                if run := _run(row, timing=timing):
                    found[solver].append(run)
            self._runs[group] = dict(found)
        return self._runs[group]

    def sums(self, group: str) -> dict[str, _Run]:
        """Solver -> sum of its runs."""
        if group not in self._sums:
            self._sums[group] = {solver: _sum(runs) for solver, runs in self.runs(group).items()}
        return self._sums[group]


class _Predicted(NamedTuple):
    """seconds: of training with the scores of its curve. scores: measured over counted ones."""

    source: str
    seconds: float
    scores: float


@dataclass
class Costs:
    """Predictions for one device, which get better with more rows.

    Rows need spec, outcome, train_seconds, evaluate_seconds, nfe_forward, device, cpu_threads,
    numerics, and timings also epochs. Rows of stacks are left out: each shares its seconds.
    """

    device: Device = field(default_factory=Device)
    _rows: _Book = field(default_factory=_Book)
    _timings: _Book = field(default_factory=_Book)
    _others: _Book = field(default_factory=_Book)
    # Each seed and evaluation of a cell asks for the same.
    _predicted: dict[str, _Predicted] = field(default_factory=dict)

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Mapping[str, Any]],
        timings: Iterable[Mapping[str, Any]] = (),
        device: Device | None = None,
    ) -> "Costs":
        """Learn from completed runs. timings: rows of `odesweep probe`."""
        costs = cls(device or Device())
        for row in rows:
            costs._add(row, costs._rows)
        for row in timings:
            costs._add(row, costs._timings, timing=True)
        return costs

    def _add(self, row: Mapping[str, Any], book: _Book, *, timing: bool = False) -> None:
        if row["outcome"] != "completed" or not row["train_seconds"]:
            return
        if "stacked" in (row.get("numerics") or ""):
            return
        if self.device.measured(row):
            book.add(row, timing=timing)
        elif self.device.same_kind(row):
            self._others.add(row, timing=timing)

    def train_seconds(self, spec: TrialSpec, cell_id: str) -> float:
        """The whole training, with the scores of its curve."""
        return self._of_cell(spec, cell_id).seconds

    def evaluation_seconds(self, spec: TrialSpec, cell_id: str, evaluation: Evaluation) -> float:
        """The count, corrected by its error for the scores of the trial's curve."""
        counted = counted_evaluation_seconds(spec, evaluation, self.device.rate(spec.precision))
        return self._of_cell(spec, cell_id).scores * counted

    def source(self, spec: TrialSpec, cell_id: str) -> str:
        """Which of SOURCES the prediction comes from."""
        return self._of_cell(spec, cell_id).source

    def errors(self, specs: Iterable[TrialSpec]) -> dict[str, Error]:
        """Source -> how far it was off for finished rows of this device with the nets of `specs`.

        A row is predicted without itself.
        """
        groups = {cost_class(spec.model_dump(mode="json"))[0] for spec in specs}
        found: dict[str, list[float]] = defaultdict(list)
        for group in groups:
            for solver, runs in self._rows.runs(group).items():
                for run in runs:
                    for source in SOURCES:
                        known = self._measured(source, run.spec, (group, solver), run)
                        if known:
                            seconds = _seconds(run, *known)
                            found[source].append(abs(seconds - run.seconds) / run.seconds)
        return {
            source: Error(statistics.median(found[source]), len(found[source]))
            for source in SOURCES
            if source in found
        }

    def _of_cell(self, spec: TrialSpec, cell_id: str) -> _Predicted:
        if cell_id not in self._predicted:
            self._predicted[cell_id] = self._predict(spec)
        return self._predicted[cell_id]

    def _predict(self, spec: TrialSpec) -> _Predicted:
        keys = cost_class(spec.model_dump(mode="json"))
        source, (step, sample) = next(
            (source, known) for source in SOURCES if (known := self._measured(source, spec, keys))
        )
        counted = sample_seconds(spec, self.device.rate(spec.precision))
        return _Predicted(
            source,
            iterations(spec) * step + records(spec) * scored_samples(spec) * sample,
            sample / counted if counted else 1.0,
        )

    def _measured(
        self, source: str, spec: TrialSpec, keys: tuple[str, str], without: _Run | None = None
    ) -> tuple[float, float] | None:
        """Seconds of a step and of the score of a sample. without: a row that does not count."""
        group, solver = keys
        rate = self.device.rate(spec.precision)
        match source:
            case "rows" | "timings":
                book = self._rows if source == "rows" else self._timings
                run = book.sums(group).get(solver)
                if run and without and source == "rows":
                    run = run.plus(without, -1)
                return (run.step, run.sample) if run and run.iterations > 0 else None
            case "similar":
                near = _nearest(spec, solver, self._rows.sums(group), self._timings.sums(group))
                return _scaled(spec, near, rate) if near else None
            case "others":
                sums = self._others.sums(group)
                if run := sums.get(solver):
                    return run.step, run.sample
                near = _nearest(spec, solver, sums)
                return _scaled(spec, near, rate) if near else None
            case _:
                return step_seconds(spec, rate), sample_seconds(spec, rate)


def sources_text(counts: Counter[str]) -> str:
    """How many predictions come from where: "12 from finished rows, 4 from `odesweep probe`"."""
    return ", ".join(
        f"{counts[source]:,} from {words}" for source, words in SOURCES.items() if counts[source]
    )


def errors_text(errors: Mapping[str, Error]) -> str:
    """Median errors by source: "finished rows 8 % (n = 40)"."""
    return ", ".join(
        f"{SOURCES[source]} {100 * error.median:.0f} % (n = {error.n:,})"
        for source, error in errors.items()
    )


def _seconds(run: _Run, step: float, sample: float) -> float:
    return run.iterations * step + run.scored * sample


def _nearest(spec: TrialSpec, solver: str, *sums: Mapping[str, _Run]) -> _Run | None:
    """The run with another solver whose NFE is nearest, by factors."""
    wanted = math.log(max(1, nfe_per_solve(spec.solver)))
    others = [run for one in sums for key, run in one.items() if key != solver]

    def distance(run: _Run) -> float:
        return abs(math.log(max(1, nfe_per_solve(run.spec.solver))) - wanted)

    return min(others, key=distance, default=None)


def _scaled(spec: TrialSpec, run: _Run, rate: float) -> tuple[float, float]:
    """The count for `spec`, corrected by its error for `run`."""
    counted = sample_seconds(run.spec, rate)
    return (
        run.correction(rate) * step_seconds(spec, rate),
        (run.sample / counted if counted else 1.0) * sample_seconds(spec, rate),
    )


def _run(row: Mapping[str, Any], *, timing: bool) -> _Run | None:
    """None for a spec of an older version, and without a measured step."""
    try:
        spec = parse(json.loads(row["spec"]))
    except UserError:
        return None
    steps, nfe = iterations(spec), row["nfe_forward"] or 0
    if not steps:
        return None
    if not timing:
        scored = records(spec) * scored_samples(spec)
        scores = row.get("evaluate_seconds") or 0.0
        return _Run(spec, row["train_seconds"], steps, scores, scored, nfe)
    # The first part warms up: libraries choose their kernels, and a step is captured.
    parts, every = row["epochs"][1:], spec.train.record_every
    if not parts or not every:
        return None
    train = statistics.median(part["train_seconds"] for part in parts) / every
    scores = statistics.median(part["evaluate_seconds"] for part in parts)
    return _Run(spec, train, 1, scores, scored_samples(spec), nfe / steps)


def _sum(runs: Sequence[_Run]) -> _Run:
    total = runs[0]
    for run in runs[1:]:
        total = total.plus(run)
    return total


def cost_class(spec: Mapping[str, Any]) -> tuple[str, str]:
    """Net with batch, and solver. Trials with the same keys cost the same per step."""
    data = {name: value for name, value in spec["data"].items() if name not in _SIZES}
    net = [spec["model"], data, spec["gradient"], spec["train"]["batch_size"]]
    group = [*net, spec.get("precision", "float32")]
    return json.dumps(group, sort_keys=True), json.dumps(spec["solver"], sort_keys=True)
