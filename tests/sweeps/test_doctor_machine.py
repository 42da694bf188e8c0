"""What doctor says of GPUs, threads and limits of this machine."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sweeps.doctor import Situation, machine
from sweeps.doctor.finding import TorchProbe

GPU = ["NVIDIA H200, 570.86"]
NONE = {"version": "2.15.0", "cuda": "13.0", "devices": [], "why": "", "trouble": None}
H200 = NONE | {"devices": ["NVIDIA H200"]}


@pytest.mark.parametrize(
    ("driver", "seen", "level", "words"),
    [
        (None, NONE, "ok", "no GPU here; trials run on the CPU"),
        ([], NONE, "ok", "no GPU here"),
        (None, None, "ok", "no GPU here"),
        (GPU, H200, "ok", "torch sees 1: NVIDIA H200, driver 570.86"),
        (None, H200, "ok", "torch sees 1"),
        (
            GPU,
            H200 | {"trouble": "RuntimeError: no kernel image"},
            "error",
            "but cannot compute on it: RuntimeError: no kernel image",
        ),
        (
            GPU,
            NONE,
            "warning",
            (
                "the driver sees 1 (NVIDIA H200, 570.86), torch sees none; "
                "torch is built for CUDA 13.0"
            ),
        ),
        (
            GPU,
            NONE | {"why": "driver too old (found version 12080)"},
            "warning",
            "built for CUDA 13.0: driver too old (found version 12080)",
        ),
        (GPU, NONE | {"cuda": None}, "warning", "torch is built for no CUDA"),
        (GPU, None, "warning", "torch cannot be imported"),
        (
            "couldn't communicate with the driver",
            NONE,
            "warning",
            "nvidia-smi fails: couldn't communicate",
        ),
    ],
)
def test_gpus(
    driver: list[str] | str | None, seen: dict[str, Any] | None, level: str, words: str
) -> None:
    found = machine.compare_gpus(driver, seen, None)
    assert found.level == level
    assert words in found.text


def test_a_hidden_gpu_names_the_variable_that_hides_it() -> None:
    found = machine.compare_gpus(GPU, NONE, "")
    assert "CUDA_VISIBLE_DEVICES is ''" in found.text
    assert found.remedy == "unset CUDA_VISIBLE_DEVICES"


def test_the_variable_is_not_blamed_for_a_torch_without_cuda_or_an_old_driver() -> None:
    for seen in (NONE | {"cuda": None}, NONE | {"why": "driver too old"}):
        assert "CUDA_VISIBLE_DEVICES" not in machine.compare_gpus(GPU, seen, "0").text


# What torch does beside a driver that is too old, and on a GPU that it has no code for.
OLD_DRIVER = """
def is_available():
    warnings.warn(
        "CUDA initialization: The NVIDIA driver on your system is too old (found version 12080). "
        "(Triggered internally at x.cpp:1.)"
    )
    return False
"""
NO_CODE = """
def is_available(): return True
def device_count(): return 1
def get_device_name(device): return "NVIDIA K80"
"""


@pytest.mark.parametrize(
    ("cuda", "expected"),
    [
        (
            OLD_DRIVER,
            {
                "devices": [],
                "why": "CUDA initialization: The NVIDIA driver on your system is too old (found "
                "version 12080).",
                "trouble": None,
            },
        ),
        (
            NO_CODE,
            {
                "devices": ["NVIDIA K80"],
                "why": "",
                "trouble": "RuntimeError: no kernel image is available",
            },
        ),
    ],
    ids=["old-driver", "old-gpu"],
)
def test_torch_is_asked_in_its_own_words(
    cuda: str, expected: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torchvision", "torchdiffeq"):
        (tmp_path / f"{name}.py").touch()
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "cuda.py").write_text(f"import warnings\n{cuda}")
    lines = (
        "from types import SimpleNamespace",
        "from torch import cuda",
        "__version__ = '2.15.0+cu130'",
        "version = SimpleNamespace(cuda='13.0')",
    )
    fails = "def ones(*_, **__): raise RuntimeError('no kernel image is\\n available')\n"
    (tmp_path / "torch" / "__init__.py").write_text("\n".join([*lines, fails]))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    answer, why = TorchProbe().answer()
    assert answer is not None, why
    assert 0 < answer.pop("seconds") < 60
    assert answer == {"version": "2.15.0+cu130", "cuda": "13.0"} | expected


def test_mps_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", raising=False)
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    assert machine.mps() is None
    (tmp_path / "control").touch()
    assert machine.mps() == f"its control daemon is in {tmp_path}"
    monkeypatch.setenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "50")
    assert machine.mps() == "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE = 50"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo 'NVIDIA H200, 570.86'; echo 'NVIDIA H200, 570.86'", GPU * 2),
        ("echo 'NVIDIA-SMI has failed'; exit 9", "NVIDIA-SMI has failed"),
        ("exit 9", "exit code 9"),
    ],
)
def test_what_nvidia_smi_says(
    script: str, expected: list[str] | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert machine.driver_gpus() == expected


@pytest.mark.parametrize(
    ("value", "level"),
    [(None, "ok"), ("1", "ok"), ("100000", "warning"), ("many", "error"), ("0", "error")],
)
def test_threads(
    value: str | None, level: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS") if value is None else monkeypatch.setenv(
        "OMP_NUM_THREADS", value
    )
    [found] = machine.threads(Situation(tmp_path, None))
    assert found.level == level


def test_few_open_files_and_no_shared_memory_are_warned_about(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from sweeps.doctor import machine, Situation; s = "
        "Situation(Path(), None);"
        "print(*machine.open_files(s), *machine.shared_memory(s, Path('/nothing/here')), sep='\\n')"
    )
    done = subprocess.run(
        ["sh", "-c", 'ulimit -n 1000; exec "$0" -c "$1"', sys.executable, script],
        capture_output=True,
        text=True,
        check=True,
    )
    files, memory = done.stdout.splitlines()
    assert "WARNING" in files
    assert "at most 1000" in files
    assert "WARNING" in memory
