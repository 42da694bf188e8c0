"""What a Mac lacks is taken away, call by call; the base install, inline and Ray do without."""

import importlib
import os
import signal
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from command import TINY, odesweep, runs

from odecore.training.records import peak_memory_bytes
from sweeps import stop_signals
from sweeps.cpus import available_cpus
from sweeps.doctor.probe import mounted
from sweeps.execute.worker import default_threads, host_name
from sweeps.planning.shards import local_slots
from sweeps.profiles import Profile
from sweeps.worker.attempts import process_alive
from sweeps.worker.rows import device_name


def test_without_sched_getaffinity_all_cpus_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert available_cpus() == default_threads() == local_slots(Profile()) == os.cpu_count()
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cpus() == 1


def test_without_sigpwr_the_other_signals_still_stop() -> None:
    known = signal.Signals
    fewer = {name: one for name, one in known.__members__.items() if name != "SIGPWR"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signal, "Signals", type("Signals", (dict,), {"__members__": fewer})(fewer))
        names = [one.name for one in importlib.reload(stop_signals).STOP_SIGNALS]
    assert "SIGPWR" not in names
    assert {"SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU"} <= set(names)
    importlib.reload(stop_signals)


def test_without_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    read, exists = Path.read_text, Path.exists

    def no_text(path: Path, *arguments: Any, **given: Any) -> str:
        if str(path).startswith("/proc"):
            raise FileNotFoundError(path)
        return read(path, *arguments, **given)

    monkeypatch.setattr(Path, "read_text", no_text)
    monkeypatch.setattr(
        Path, "exists", lambda path, **given: str(path)[:5] != "/proc" and exists(path, **given)
    )
    host = os.uname().nodename
    assert process_alive(host, os.getpid()) is True
    assert process_alive(host, 2**22 + 1) is False
    assert device_name(torch.device("cpu")).startswith("cpu")
    assert mounted(tmp_path) == ("unknown", "/")
    assert host_name()


def test_a_mac_counts_memory_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cpu")
    here = peak_memory_bytes(device)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert peak_memory_bytes(device) == pytest.approx(here / 1024, rel=0.1)


# Every Python of the command begins with this. For files of /proc it looks who asks: libraries and
# Ray itself are those of Linux here.
TAKE_AWAY = textwrap.dedent(
    """
    import builtins, os, pathlib, signal, sys
    taken = os.environ["TAKEN"].split()
    OURS = ("odecore.", "sweeps.", "analysis.")

    def ours():
        frame, depth = sys._getframe(2), 0
        while frame is not None and depth < 4:
            if frame.f_globals.get("__name__", "").startswith(OURS):
                return True
            frame, depth = frame.f_back, depth + 1
        return False

    def refusing(function, answer):
        def called(path, *arguments, **given):
            if str(path).startswith("/proc") and ours():
                if answer is None:
                    raise FileNotFoundError(2, "No such file or directory", str(path))
                return answer
            return function(path, *arguments, **given)
        return called

    if "sched_getaffinity" in taken:
        del os.sched_getaffinity
    if "SIGPWR" in taken:
        members = {k: v for k, v in signal.Signals.__members__.items() if k != "SIGPWR"}
        del signal.SIGPWR
        signal.Signals._member_map_ = members
        signal.Signals._member_names_ = list(members)
    if "proc" in taken:
        builtins.open = refusing(open, None)
        pathlib.Path.read_text = refusing(pathlib.Path.read_text, None)
        pathlib.Path.exists = refusing(pathlib.Path.exists, False)
    if "prctl" in taken:
        import ctypes

        load = ctypes.CDLL

        class Without:
            def __init__(self, library):
                self.library = library
            def __getattr__(self, name):
                if name == "prctl" and ours():
                    raise AttributeError(name)
                return getattr(self.library, name)

        ctypes.CDLL = lambda name, *a, **k: Without(load(name, *a, **k)) if name is None else load(
            name, *a, **k)
    """
)
CALLS = ("sched_getaffinity", "SIGPWR", "proc", "prctl")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("taken", "executor"),
    # Ray itself needs /proc here.
    [*((call, "inline") for call in CALLS), ("sched_getaffinity SIGPWR prctl", "ray")],
)
def test_a_sweep_without(taken: str, executor: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(TAKE_AWAY)
    results = tmp_path / "results"
    without = {
        "TAKEN": taken,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
    }
    command = ("run", TINY, "--executor", executor, "--limit", "2")
    code, out, err = odesweep(*command, results=results, **without)
    assert (code, "2 completed" in out) == (0, True), err
    assert [row["outcome"] for row in runs(results)] == ["completed"] * 2
    for looking in ("status", "doctor") if "proc" in taken else ("status",):
        code, out, err = odesweep(looking, results=results, **without)
        assert "Traceback" not in err
        assert code in (0, 1, 3), err
