"""Two clusters run the halves of one study, and their results folders become one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from calls import SOON, slurm_arguments
from cluster import FOLDER, devcluster
from command import drawn, odesweep, start

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.usefixtures("cluster")]
pytest.importorskip("submitit", reason="submitit is not installed")
SMOKE = ("run", "demo", "--scale", "smoke")


@pytest.fixture
def second_cluster() -> Iterator[str]:
    """SLURM_CONF of another devcluster, which knows nothing of the first."""
    folder = f"{FOLDER}-second"
    code, _, complaint = devcluster("start", folder=folder)
    assert code == 0, complaint
    try:
        yield devcluster("env", folder=folder)[1].strip().partition("=")[2]
    finally:
        code, _, complaint = devcluster("stop", folder=folder)
        assert code == 0, complaint


def test_halves_of_two_clusters_give_every_number_of_the_whole(
    second_cluster: str, tmp_path: Path
) -> None:
    sent = (*slurm_arguments(tmp_path, SOON), "--wait")
    whole, both = tmp_path / "whole", tmp_path / "both"
    halves = {"euler": tmp_path / "a", "rk4_38": tmp_path / "b"}
    elsewhere: list[dict[str, str]] = [{}, {"SLURM_CONF": second_cluster}]
    running = [
        start(*SMOKE, f"solver.name={solver}", *sent, results=folder, **environment)
        for (solver, folder), environment in zip(halves.items(), elsewhere, strict=True)
    ]
    assert odesweep(*SMOKE, results=whole)[0] == 0
    for process in running:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    merge = ("merge", *map(str, halves.values()), "--into", str(both))
    code, out, err = odesweep(*merge)
    assert code == 0, err
    assert out.count("2 runs") == 2
    assert drawn(both, tmp_path / "drawn") == drawn(whole, tmp_path / "one")
    code, out, err = odesweep("status", "demo", results=both)
    assert code == 0, err
    assert "4 of 4 trials done" in out
    # The jobs of other clusters are none of this folder's.
    assert "SLURM" not in out
