"""What `plan` forecasts of the disk, against what a run really leaves there."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from command import TINY, odesweep
from tiny import BOTH
from tiny import TINY as STUDY

from odecore import gradients, solvers
from odecore.config import lookup
from odecore.config.catalog import catalog
from odecore.config.gradient import Backprop
from odecore.config.solver import FixedStep
from odecore.models.sizes import DATA, MODEL
from sweeps.keep_weights import Keep
from sweeps.limits import Limits
from sweeps.planning.forecast import Size, forecast, size_text
from sweeps.store import TABLES, Results
from sweeps.study import Study
from sweeps.study.overrides import select

# A forecast is right within this factor.
FACTOR = 2.0


def taken(files: Iterable[Path]) -> Size:
    sizes = [path.stat().st_size for path in files]
    return Size(sum(sizes), len(sizes))


def close(seen: Size, foreseen: Size) -> bool:
    return seen.files == foreseen.files and (
        foreseen.bytes / FACTOR <= seen.bytes <= FACTOR * foreseen.bytes
    )


@pytest.mark.parametrize(
    ("study", "keep", "weights"), [(STUDY, "ode", 4), (BOTH, "all", 2), (BOTH, "ode", 1)]
)
def test_a_run_leaves_what_was_forecast(
    tmp_path: Path, study: Study, keep: Keep, weights: int
) -> None:
    reference, results = TINY.replace(":tiny", f":{study.name}"), Results(tmp_path / "results")
    code, _, err = odesweep("run", reference, "--keep-weights", keep, results=results.path)
    assert code == 0, err
    trials = select(study).declared
    foreseen = forecast(trials, keep, [0.1] * len(trials), Limits())
    assert foreseen.weights.files == weights
    assert close(taken(results.weights.iterdir()), foreseen.weights)
    rows = [path for table in TABLES for path in results.merged(table).iterdir()]
    assert close(taken(rows), foreseen.rows)
    assert close(taken(results.checkpoints.glob("*/*/*")), foreseen.checkpoints)


def test_the_size_of_every_model_is_known_without_torch() -> None:
    parts = (solvers.build(FixedStep(name="euler", steps=1)), gradients.build(Backprop()))
    wrong = []
    for entry in catalog():
        data, config = DATA.validate_python(entry.data), MODEL.validate_python(entry.model)
        with torch.device("meta"):
            model = lookup.MODELS[config.name].load()(
                config, data.shape, data.classes, *(parts if config.ode_blocks else (None, None))
            )
        numbers = sum(value.numel() for value in model.state_dict().values())
        if config.weights(data.shape, data.classes) != pytest.approx(numbers, rel=0.2):
            wrong.append(entry)
    assert not wrong


def test_long_trainings_have_few_checkpoints_at_a_time_and_short_ones_one_each() -> None:
    trials = select(STUDY).declared
    short, hour = (
        forecast(trials, "ode", [seconds] * len(trials), Limits()) for seconds in (0.1, 3600.0)
    )
    assert short.checkpoints.files == len(trials)
    # Of the one that runs and of the one before it: its state, and its end.
    assert hour.checkpoints.files == 4
    assert hour.checkpoints.bytes > short.checkpoints.bytes
    assert hour.loose_rows.files == 3 * len(trials)
    assert hour.most(slots=1).files == 4 + 3 * len(trials) + 4
    # However many slots there are, no trial has more than two.
    assert hour.most(slots=1000).files == 4 + 3 * len(trials) + 2 * len(trials)


def test_plan_says_it_in_two_lines(tmp_path: Path) -> None:
    both = TINY.replace(":tiny", ":both")
    lines = odesweep("plan", both, results=tmp_path)[1].splitlines()
    [disk] = [line for line in lines if line.startswith("disk: ")]
    assert "in 1 file (kept: nets with an ODE); rows about" in disk
    [checkpoints] = [line for line in lines if line.startswith("checkpoints: ")]
    assert "odesweep gc" in checkpoints
    shown = odesweep("run", both, "--dry-run", "--keep-weights", "none", results=tmp_path)[1]
    assert "disk: weights none (kept: no net)" in shown


def test_sizes_as_people_read_them() -> None:
    assert [size_text(size) for size in (0, 999, 12_400, 3.44e6, 945e6, 1.2e9, 5e12)] == [
        "0 bytes",
        "999 bytes",
        "12 kB",
        "3.4 MB",
        "945.0 MB",
        "1.2 GB",
        "5.0 TB",
    ]
