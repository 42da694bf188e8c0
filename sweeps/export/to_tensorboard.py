"""Event files for TensorBoard: a folder per run, its axes as hyperparameters."""

from collections.abc import Sequence
from pathlib import Path

from sweeps.export.runs import ExportedRun
from sweeps.store import label

# Leaves room within the 255 bytes of a file's name.
_LONGEST = 120


def write(runs: Sequence[ExportedRun], folder: Path) -> None:
    """Write `<name>/events.*` for each run. `tensorboard --logdir FOLDER` shows them."""
    from tensorboardX import SummaryWriter
    from tensorboardX.summary import hparams

    for one in runs:
        place = folder / f"{one.name.replace('/', '-')[:_LONGEST]} {one.trial_id[:8]}"
        writer = SummaryWriter(str(place), write_to_disk=True)
        assert writer.file_writer is not None
        settings = {
            axis: value if isinstance(value, str | bool | int | float) else label(value)
            for axis, value in one.axes.items()
        }
        final = {f"final/{name}": value for name, value in one.metrics.items()}
        for summary in hparams(settings | {"outcome": one.outcome}, final):
            writer.file_writer.add_summary(summary, 0, one.started_at.timestamp())
        seconds = (one.finished_at - one.started_at).total_seconds()
        last = max((step for step, _ in one.points()), default=0) or 1
        for step, numbers in one.points():
            at = one.started_at.timestamp() + seconds * step / last
            for name, value in numbers.items():
                writer.add_scalar(name, float(value), step, walltime=at)
        for name, value in final.items():
            writer.add_scalar(name, float(value), last, walltime=one.finished_at.timestamp())
        writer.close()
