"""The chaos run: a hundred trials, 20 of them with checkpoints.

Meanwhile tasks, nodes, SLURM and the disk fail.
"""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from calls import cancel_all, left_running
from chaos import ENOUGH, REAL, SLEEPING, Chaos
from command import events, science, start
from small_disk import mounted

from sweeps.store import Results, accepted_runs

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("cluster")]
pytest.importorskip("submitit", reason="submitit is not installed")
# More seeds of each of the two studies, for the longer runs.
LONGER = ("+seed=10..14",)


def uncut(folder: Path, *extra: str) -> dict[str, tuple[Any, ...]]:
    """The same trials, never cut, by processes that share them."""
    results = folder / "uncut" / "results"
    drivers = [
        start("run", study, *extra, "--threads", "1", results=results)
        for study in (SLEEPING, SLEEPING, SLEEPING, REAL, REAL)
    ]
    for driver in drivers:
        _, err = driver.communicate(timeout=400)
        assert driver.returncode == 0, err
    return science(results)


@pytest.fixture
def disk(cluster: Any, tmp_path: Path) -> Iterator[Path]:
    """Small, and seen by all hosts."""
    with mounted(cluster.folder / f"disk-{uuid4().hex[:8]}", "size=200m") as folder:
        yield folder
        cancel_all(folder)


def check(chaos: Chaos, expected: dict[str, tuple[Any, ...]]) -> None:
    """One accepted row per trial, bit-identical to the uninterrupted one, and nothing runs on.

    It also checks that the failures were real.
    """
    assert science(chaos.results) == expected
    accepted = accepted_runs(Results(chaos.results)).to_pylist()
    assert len(accepted) == len(expected)
    assert not left_running(chaos.disk)
    starts = Counter(event["trial_id"] for event in events(chaos.results, "started"))
    # On a full disk the start of an attempt may go unrecorded.
    unrecorded = sum(entry["way"] == "disk full" for entry in chaos.log)
    assert all(1 <= row["attempts"] <= starts[row["trial_id"]] + unrecorded for row in accepted)
    assert len(chaos.hits()) >= ENOUGH, "too few ways to die ended a running attempt"
    assert chaos.resumed(), "nothing went on from a checkpoint"


@pytest.mark.parametrize(
    ("seed", "seconds", "extra"),
    [
        (0, 110.0, ()),
        *(pytest.param(seed, 240.0, LONGER, marks=pytest.mark.slow) for seed in range(1, 6)),
    ],
    ids=[f"seed {seed}" for seed in range(6)],
)
@pytest.mark.timeout(1800)
def test_chaos(
    cluster: Any, disk: Path, tmp_path: Path, seed: int, seconds: float, extra: tuple[str, ...]
) -> None:
    expected = uncut(tmp_path, *extra)
    chaos = Chaos(cluster, disk, tmp_path, seed, extra)
    try:
        chaos.rage(seconds)
        chaos.calm()
        check(chaos, expected)
    except BaseException:
        # The disk is about to go, and its rows, events and logs say why.
        shutil.copytree(chaos.results, tmp_path / "kept", ignore_dangling_symlinks=True)
        raise
    finally:
        # Shown when it fails, or with -s.
        print(chaos.story())
