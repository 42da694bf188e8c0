"""An executor of another package passes the contract: docs/new-scheduler.md, which is this one."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from command import TINY, events, odesweep, wait_for
from executor_contract import ExecutorContract, uncut

__all__ = ["uncut"]
HERE = Path(__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "new-scheduler.md"


@pytest.fixture(autouse=True)
def _installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip leaves of a package with an entry point, on the path of every new Python."""
    site = tmp_path_factory.mktemp("site")
    (site / "my_cluster-1.0.dist-info").mkdir()
    [entry] = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    group, line = re.findall(r'\[project\.entry-points\."(.*?)"\]\n(.*?)\n', entry)[0]
    line = line.replace('"', "")
    files = {
        "METADATA": "Metadata-Version: 2.1\nName: my-cluster\nVersion: 1.0\n",
        "entry_points.txt": f"[{group}]\n{line}\n",
    }
    for name, text in files.items():
        (site / "my_cluster-1.0.dist-info" / name).write_text(text)
    path = os.pathsep.join(filter(None, [str(site), str(HERE), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)


@pytest.mark.slow
class TestLocal(ExecutorContract):
    arguments = ("--executor", "local", "--wait")

    def stop(self, driver: subprocess.Popen[str], worker: int, number: signal.Signals) -> None:
        os.kill(worker, number)


def test_the_page_shows_the_scheduler_that_is_tested() -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code == (HERE / "local_scheduler.py").read_text()


def test_without_wait_it_is_in_flight_for_status_run_and_cancel(tmp_path: Path) -> None:
    results, hang = tmp_path / "results", ("faults", "model.fault=hang", "seed=0")
    code, out, err = odesweep("run", *hang, "--executor", "local", results=results)
    assert code == 0, err
    assert "1 of 1 trials queued as 1 job" in out
    worker = wait_for(lambda: events(results, "worker_started"))[0]["pid"]
    try:
        assert "RUNNING" in odesweep("status", "faults", results=results)[1]
        code, out, err = odesweep("run", *hang, results=results)
        assert "nothing to submit" in out, err
        assert "cancelled" in odesweep("cancel", "faults", results=results)[1]
    finally:
        os.killpg(worker, signal.SIGKILL)
    wait_for(lambda: "1 to train" in odesweep("run", *hang, "--dry-run", results=results)[1])


def test_its_name_is_in_the_line_for_a_name_that_is_not_there(tmp_path: Path) -> None:
    code, _, err = odesweep("run", TINY, "--executor", "lokal", results=tmp_path / "results")
    assert (code, "inline, ray, slurm, local" in err) == (2, True)
