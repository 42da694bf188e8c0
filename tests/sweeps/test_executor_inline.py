"""Executor inline: the contract, and the debugger."""

import signal
from pathlib import Path

import pytest
from command import COMMAND, odesweep
from executor_contract import ExecutorContract, uncut

__all__ = ["uncut"]


class TestInline(ExecutorContract):
    arguments = ("--executor", "inline")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR2], ids=lambda n: n.name)
    def test_other_signals_mean_the_same(
        self, tmp_path: Path, uncut: Path, number: signal.Signals
    ) -> None:
        self.check_signal(tmp_path / "results", uncut, number)


def test_pdb_stops_at_the_exception_in_this_process(tmp_path: Path) -> None:
    import subprocess

    command = [
        *COMMAND,
        "run",
        "faults",
        "model.fault=raise",
        "seed=0",
        "--pdb",
        "--results",
        str(tmp_path / "results"),
    ]
    done = subprocess.run(
        command, input="p fault\nq\n", capture_output=True, text=True, timeout=100
    )
    assert "(Pdb)" in done.stdout
    assert "'raise'" in done.stdout
    assert "planted fault" in done.stderr


def test_verbose_shows_what_the_worker_prints(tmp_path: Path) -> None:
    code, _, err = odesweep(
        "run", "idle", "data.draw=0", "--limit", "1", "-v", results=tmp_path / "results"
    )
    assert code == 0
    assert "completed at iteration 10" in err
