"""The cache of decoded images when several want the same entry at the same time: threads, whose
locks exclude each other too, and processes.
"""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_images import write

from odecore.data import cache
from odecore.data.cache import Stored


def stored(value: int) -> Stored:
    arrays = {part: np.full(3, value) for part in cache.PARTS}
    return Stored(arrays, {"sha256": str(value)})


def simultaneous(read: Any, count: int = 6) -> list[Stored]:
    found: list[Stored] = []
    threads = [
        threading.Thread(target=lambda: found.append(cache.load("set", read, lambda _arrays: None)))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_one_makes_it_while_others_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODESWEEP_CACHE", str(tmp_path))
    (tmp_path / ".set.left_by_a_killed_process").mkdir()
    made: list[int] = []

    def read() -> Stored:
        made.append(1)
        time.sleep(0.2)
        return stored(len(made))

    assert [one.facts["sha256"] for one in simultaneous(read)] == ["1"] * 6
    assert len(made) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "set.lock"]


def test_without_locks_whoever_is_second_takes_the_firsts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setenv("ODESWEEP_CACHE", str(tmp_path))
    monkeypatch.setattr(cache.fcntl, "flock", no_locks)
    made: list[int] = []

    def read() -> Stored:
        made.append(1)
        time.sleep(0.2)
        return stored(7)

    found = simultaneous(read)
    assert len(made) > 1, "nobody could wait"
    assert all(
        isinstance(one.arrays["train_x"], np.memmap) and one.facts == {"sha256": "7"}
        for one in found
    )
    assert not caplog.records
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "set.lock"]


PROCESS = """
import os, sys, pathlib
from odecore import data
from odecore.config.data import IMAGE_SETS, Images
from odecore.data import readers
IMAGE_SETS["cifar100-subset"] = IMAGE_SETS["cifar100-subset"]._replace(train_size=40, test_size=20)
reader = readers.READERS["cifar100-subset"]
def read(root, split):
    with open(sys.argv[2], "a") as file: file.write(split + "\\n")
    return reader.read(root, split)
readers.READERS["cifar100-subset"] = reader._replace(read=read)
sys.stdin.readline()
print(data.load(Images(name="cifar100-subset"), pathlib.Path(sys.argv[1])).sha256)
"""


@pytest.mark.slow
def test_processes_that_start_at_once_read_the_files_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODESWEEP_CACHE", str(tmp_path / "cache"))
    write("cifar100-subset", tmp_path / "data", monkeypatch)
    log = tmp_path / "log"
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "data"), str(log)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    assert len({process.communicate(timeout=200)[0] for process in processes}) == 1
    assert log.read_text().split() == ["train", "test"]
