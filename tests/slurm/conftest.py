"""The fixture `cluster`.

A real SLURM of four hosts, used if it runs, otherwise started for the session.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from calls import cancel_all
from cluster import Cluster, devcluster

# Tests of the executor share helpers with those of the other executors.
sys.path.append(str(Path(__file__).parents[1] / "sweeps"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The devcluster, with SLURM_CONF set for every process that a test starts.

    Skips without root or SLURM's packages.
    """
    found_running = devcluster("status")[0] == 0
    if not found_running:
        code, _, complaint = devcluster("start")
        if "needs root" in complaint or "not found; as root" in complaint:
            pytest.skip(complaint.strip())
        assert code == 0, complaint
    try:
        code, exports, complaint = devcluster("env")
        assert code == 0, complaint
        os.environ["SLURM_CONF"] = exports.strip().partition("=")[2]
        yield Cluster(os.environ["SLURM_CONF"])
    finally:
        os.environ.pop("SLURM_CONF", None)
        if not found_running:
            code, _, complaint = devcluster("stop")
            assert code == 0, complaint


@pytest.fixture(autouse=True)
def _tidy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Jobs of the test's results folders end with it, and what it broke is repaired."""
    yield
    if "cluster" in request.fixturenames:
        cancel_all(tmp_path)
        request.getfixturevalue("cluster").tidy()
