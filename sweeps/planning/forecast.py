"""How much a study leaves on disk: weights, rows and checkpoints, from its trials alone.

Sizes of rows are measured ones: they are right within a factor of two.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from odecore.config import ProbeConfig, TrialSpec
from odecore.config.evaluation import DecisionGrid, LayerStatistics, Trajectory
from odecore.config.train import Adam, AdamW, RmsProp, Sgd
from odecore.training.checkpointing import KEPT
from sweeps.keep_weights import WORDS, Keep, keeps
from sweeps.limits import Limits
from sweeps.planning.operation_count import nfe_per_solve, records
from sweeps.study.grid import PlannedTrial

# Of a Parquet file of this table without rows, and of each row.
FILE_BYTES = {"runs": 34_000, "evaluations": 6_000, "probe": 3_000}
ROW_BYTES = {"runs": 550, "evaluations": 60, "probe": 10}
# Of a point of a run's curve, in the row and in the checkpoint of a finished training.
POINT_BYTES, CHECKPOINT_POINT_BYTES = 38, 350
# Of a checkpoint besides its numbers, and of a file of weights.
CHECKPOINT_BYTES, WEIGHTS_BYTES = 8_000, 1_000
NUMBER_BYTES = 4
# Channels of all layers of a right-hand side, for the rows of layer statistics.
CHANNELS = 400


class Size(NamedTuple):
    """What something takes on disk."""

    bytes: int = 0
    files: int = 0


@dataclass(frozen=True)
class Forecast:
    """What the trials of a plan leave, when all of them are done.

    weights: of the nets that keep theirs. rows: of one worker, which merges its files at its end.
    loose_rows: at most, while each trial has its own files. checkpoints: at most, for each slot,
    while it runs and until they are deleted. all_checkpoints: if none is ever deleted.
    """

    keep_weights: Keep
    weights: Size
    rows: Size
    loose_rows: Size
    checkpoints: Size
    all_checkpoints: Size

    def most(self, slots: int = 1) -> Size:
        """All of it at most, while `slots` trials run at the same time."""
        between = Size(
            min(slots * self.checkpoints.bytes, self.all_checkpoints.bytes),
            min(slots * self.checkpoints.files, self.all_checkpoints.files),
        )
        parts = (self.weights, self.loose_rows, between)
        return Size(sum(one.bytes for one in parts), sum(one.files for one in parts))

    def lines(self) -> tuple[str, str]:
        """For people: what stays, and what there is in between."""
        weights, rows, loose, checkpoints = map(
            _words, (self.weights, self.rows, self.loose_rows, self.checkpoints)
        )
        stays = (
            f"disk: weights {weights} (kept: {WORDS[self.keep_weights]}); rows about {rows}, "
            f"at most {loose} until workers merge theirs"
        )
        between = (
            f"checkpoints: at most {checkpoints} for each trial that runs at the same time; "
            "`odesweep gc --delete` deletes what is left of them"
        )
        return stays, between

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        sizes = ("weights", "rows", "loose_rows", "checkpoints")
        named = {name: getattr(self, name)._asdict() for name in sizes}
        named["checkpoints_per_slot"] = named.pop("checkpoints")
        return {"keep_weights": self.keep_weights, **named}


def size_text(size: float) -> str:
    """Bytes as people read them: 12 kB, 3.4 MB, 1.2 TB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.{0 if unit in ('bytes', 'kB') else 1}f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def _words(size: Size) -> str:
    return (
        f"{size_text(size.bytes)} in {size.files:,} file{'' if size.files == 1 else 's'}"
        if size.files
        else "none"
    )


class _Trial(NamedTuple):
    """Of one trial. rows: table -> how many. finished, state: bytes of its checkpoints."""

    weights: int
    rows: Mapping[str, int]
    points: int
    finished: int
    state: int


def forecast(
    trials: Sequence[PlannedTrial], keep: Keep, seconds: Iterable[float], limits: Limits
) -> Forecast:
    """What `trials` leave.

    seconds: predicted, of the training of each. limits: of their workers.
    """
    cells: dict[str, _Trial] = {}
    for trial in trials:
        if trial.cell_id not in cells:
            cells[trial.cell_id] = _of(trial)
    each = [cells[trial.cell_id] for trial in trials]
    kept = [one.weights for one, trial in zip(each, trials, strict=True) if keeps(keep, trial.spec)]
    rows = sum((Counter(one.rows) for one in each), Counter[str]())
    content = sum(n * ROW_BYTES[_kind(table)] for table, n in rows.items())
    content += POINT_BYTES * sum(one.points for one in each)
    files = Counter(table for one in each for table in one.rows)
    return Forecast(
        keep,
        Size(sum(kept), len(kept)),
        Size(content + _empty(dict.fromkeys(files, 1)), len(files)),
        Size(content + _empty(files), files.total()),
        *_checkpoints(each, list(seconds), limits),
    )


def _checkpoints(
    each: Sequence[_Trial], seconds: Sequence[float], limits: Limits
) -> tuple[Size, Size]:
    """At most, of one slot (of the trial that runs and those that ended just before), and of all.

    seconds: predicted, of each training.
    """
    if not each:
        return Size(), Size()
    mean = sum(seconds) / len(seconds)
    alive = len(each)
    if mean > 0:
        alive = min(alive, 1 + math.ceil(limits.checkpoint_kept_seconds / mean))
    # A training writes no checkpoint of its state before its first pause is over.
    states = KEPT - 1 if max(seconds) > limits.checkpoint_seconds else 0
    sizes = sorted((one.finished + states * one.state for one in each), reverse=True)
    return (
        Size(sum(sizes[:alive]), (1 + states) * alive),
        Size(sum(sizes), (1 + states) * len(each)),
    )


def _of(trial: PlannedTrial) -> _Trial:
    spec = trial.spec
    weights = WEIGHTS_BYTES + NUMBER_BYTES * spec.model.weights(spec.data.shape, spec.data.classes)
    points = records(spec)
    probes = Counter[str]()
    for planned in trial.probes:
        probes[f"probe_{planned.probe.name}"] += _probe_rows(spec, planned.probe)
    evaluations = {"evaluations": len(trial.evaluations)} if trial.evaluations else {}
    return _Trial(
        weights,
        {"runs": 1, **evaluations, **probes},
        points,
        weights + CHECKPOINT_BYTES + CHECKPOINT_POINT_BYTES * points,
        (1 + _numbers_of_optimizer(spec)) * weights + CHECKPOINT_BYTES,
    )


def _numbers_of_optimizer(spec: TrialSpec) -> int:
    """Numbers that the optimizer keeps for each weight."""
    match spec.train.optimizer:
        case Adam() | AdamW():
            return 2
        case RmsProp():
            return 1
        case Sgd(momentum=momentum):
            return 1 if momentum else 0


def _probe_rows(spec: TrialSpec, probe: ProbeConfig) -> int:
    match probe:
        case Trajectory():
            steps = getattr(probe.solver, "steps", nfe_per_solve(probe.solver))
            return probe.points * (1 + steps)
        case DecisionGrid():
            return probe.resolution**2
        case LayerStatistics():
            return CHANNELS * nfe_per_solve(probe.solver)
        case _:
            return records(spec) * (1 + len(spec.train.also_test))


def _kind(table: str) -> str:
    return "probe" if table.startswith("probe_") else table


def _empty(files: Mapping[str, int]) -> int:
    return sum(n * FILE_BYTES[_kind(table)] for table, n in files.items())
