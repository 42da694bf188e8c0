"""Executor inline: the contract, and the debugger."""

import fcntl
import os
import pty
import re
import shlex
import signal
import subprocess
import termios
from pathlib import Path

import pytest
from command import COMMAND, LONG, TINY, events, odesweep, runs, science, wait_for
from executor_contract import OFTEN, ExecutorContract, uncut

from sweeps.execute import auto_slots
from sweeps.execute.signals import stop_on_signals
from sweeps.planning.plan import plan
from sweeps.profiles import Profile
from sweeps.stop_signals import STOP_SIGNALS
from sweeps.studies import find
from sweeps.study.overrides import select
from sweeps.worker.tasks import Task

__all__ = ["uncut"]


class TestInline(ExecutorContract):
    arguments = ("--executor", "inline")

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "number", [signal.SIGINT, signal.SIGUSR2, signal.SIGHUP], ids=lambda n: n.name
    )
    def test_other_signals_mean_the_same(
        self, tmp_path: Path, uncut: Path, number: signal.Signals
    ) -> None:
        self.check_signal(tmp_path / "results", uncut, number)


class Slots(ExecutorContract):
    arguments = ("--executor", "inline", "--slots", "2")


@pytest.mark.slow
def test_several_slots_stop_and_go_on_as_one_does(tmp_path: Path, uncut: Path) -> None:
    Slots().check_signal(tmp_path / "results", uncut, signal.SIGTERM)


@pytest.mark.slow
def test_auto_measures_processes_side_by_side(tmp_path: Path) -> None:
    results = tmp_path / "results"
    code, _, err = odesweep("run", TINY, "--slots", "auto", results=results)
    assert code == 0, err
    assert re.search(r"slots = auto: \d \(steps per second with 1: [\d.e+]+, 2: ", err)


def test_auto_takes_what_makes_most_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = {1: 10.0, 2: 18.0, 4: 17.0}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(6))
    monkeypatch.setattr(auto_slots, "measure", lambda *_, **__: measured)
    tasks = [Task.from_entry(entry) for entry in plan(select(find("demo"))).entries]
    profile, line = auto_slots.with_measured_slots(Profile(), tasks, None, eager=False)
    assert (profile.slots, profile.cpus) == (2, 3)
    assert line == "slots = auto: 2 (steps per second with 1: 10, 2: 18, 4: 17)"
    assert auto_slots.with_measured_slots(Profile(), tasks[:1], None, eager=False)[0].slots == 1


def test_auto_measures_no_other_cluster(tmp_path: Path) -> None:
    there = ("--executor", "ray", "--address", "127.0.0.1:1", "--slots", "auto")
    code, _, err = odesweep("run", TINY, *there, results=tmp_path / "results")
    assert code == 2
    assert 'slots = "auto" measures this machine, and these trials run elsewhere' in err


def test_every_catchable_signal_that_ends_a_process_asks_for_a_stop() -> None:
    # Those that tell of a bug, that are in use, or that do not end a process by themselves.
    others = (
        "ILL TRAP ABRT BUS FPE SEGV SYS ALRM VTALRM PROF PIPE XFSZ STKFLT IO POLL CHLD CLD CONT"
    )
    others += " TSTP TTIN TTOU URG WINCH KILL STOP RTMIN RTMAX"
    names = {number.name for number in signal.Signals} - {f"SIG{name}" for name in others.split()}
    assert {number.name for number in STOP_SIGNALS} == names
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    with stop_on_signals() as request:
        os.kill(os.getpid(), signal.SIGHUP)
        assert request.cause() == "SIGHUP"
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals() as request:
            os.kill(os.getpid(), signal.SIGHUP)
            assert request.cause() is None
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_a_terminal_that_closes_costs_nothing(tmp_path: Path, uncut: Path) -> None:
    results = tmp_path / "results"
    terminal, inside = pty.openpty()
    driver = subprocess.Popen(
        [*COMMAND, "run", LONG, "--results", str(results)],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env=os.environ | OFTEN,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(inside)
    wait_for(lambda: events(results, "checkpoint"))
    os.close(terminal)
    assert driver.wait(60) == 1
    assert {event["cause"] for event in events(results, "interrupted")} == {"SIGHUP"}
    assert odesweep("run", LONG, results=results)[0] == 0
    assert science(results) == science(uncut)


def test_readers_that_go_away_stop_nothing(tmp_path: Path) -> None:
    results = tmp_path / "results"
    idle = ["run", "idle", "data.draw=0", "--slots", "2", "--results", str(results)]
    command = shlex.join([*COMMAND, *idle])
    script = f"({command}; echo $? > {tmp_path}/code) 2>&1 | true"
    subprocess.run(["bash", "-c", script], timeout=100, check=True)
    wait_for((tmp_path / "code").exists)
    assert wait_for((tmp_path / "code").read_text) == "0\n"
    assert len(runs(results)) == 10
    assert not any(row["timing_valid"] for row in runs(results))


def test_pdb_stops_at_the_exception_in_this_process(tmp_path: Path) -> None:
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
