"""How often trials write checkpoints, when many share one results folder."""

from pathlib import Path
from typing import cast

import pytest

from sweeps.cli import submit
from sweeps.execute.scheduler import Setup
from sweeps.limits import Limits
from sweeps.profiles import Profile
from sweeps.slurm.scheduler import Slurm
from sweeps.store import Results
from sweeps.worker.tasks import Task


class Notes:
    """Keeps what a run tells."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.parametrize(
    ("profile", "shards", "seconds"),
    [
        ({}, [15], 15.0),
        ({}, [128], 128.0),
        ({}, [100, 60], 160.0),
        ({"throttle": 16, "slots": 4}, [100, 60], 124.0),
        ({"cpus": 4, "slots": "auto"}, [40], 160.0),
        ({"checkpoint_dir": "/tmp"}, [128], 15.0),
    ],
)
def test_a_results_folder_gets_at_most_one_checkpoint_a_second(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    profile: dict[str, object],
    shards: list[int],
    seconds: float,
) -> None:
    given = Profile.model_validate(profile)
    setup = Setup(
        profile=given, checkpoint_dir=Path(given.checkpoint_dir) if given.checkpoint_dir else None
    )
    place = Slurm(Results(tmp_path / "results"), setup)
    submissions, told = [[[cast("Task", None)] * 8] * count for count in shards], Notes()
    submit._space_checkpoints(place, submissions, told)  # pyright: ignore
    slots = place.at_once(submissions)
    assert place.setup.limits == Limits(checkpoint_seconds=seconds)
    assert slots / seconds <= 1 or place.setup.checkpoint_dir
    assert [f"{slots} trials may run at once" in line for line in told.lines] == (
        [True] if seconds > 15 else []
    )
    monkeypatch.setenv("ODESWEEP_CHECKPOINT_SECONDS", "2")
    submit._space_checkpoints(place, submissions, told)  # pyright: ignore
    assert place.setup.limits == Limits(checkpoint_seconds=2.0)
