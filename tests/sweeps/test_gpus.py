"""GPUs and MIG slices: what nvidia-smi lists, and what each slot's process gets.

The texts have the format of `nvidia-smi -L` in NVIDIA's Multi-Instance GPU User Guide (Getting
Started, Device Enumeration), https://docs.nvidia.com/datacenter/tesla/mig-user-guide/. Up to driver
R460 the id of a slice is MIG-GPU-<id of the GPU>/<GPU instance>/<compute instance>.
"""

import os
import subprocess
import sys
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest
from command import TINY, events

from sweeps.execute.scheduler import Setup
from sweeps.planning.plan import current_plan
from sweeps.profiles import Profile
from sweeps.slurm.scheduler import Slurm
from sweeps.store import Results, write_submission
from sweeps.studies import find
from sweeps.study.overrides import select
from sweeps.worker import gpus
from sweeps.worker.gpus import misplaced, of_slots, parse, usable
from sweeps.worker.tasks import Task

A100 = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-b16bc3a7-bc23-e1b0-cfb4-1a5d2a8b4c70)
"""
A100_MIG = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 1c.3g.20gb  Device  1: (UUID: MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-b16bc3a7-bc23-e1b0-cfb4-1a5d2a8b4c70)
"""
H100 = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-8d6a4f2e-0c4b-91aa-7d1e-5a0f3d7b6c21)\n"
H100_MIG = (
    H100
    + """\
  MIG 1g.10gb+me  Device  0: (UUID: MIG-3fff3a97-95a9-5046-9053-4c0da3d1add7)
  MIG 2g.20gb     Device  1: (UUID: MIG-dcf43e8e-5d19-5fa8-8b1d-8aaca1e467f0)
"""
)
OLD_DRIVER = """\
GPU 0: A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
  MIG 3g.20gb Device 0: (UUID: MIG-GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77/1/0)
"""
FIRST, SECOND = (
    "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f",
    "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb",
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (A100, {"NVIDIA A100-SXM4-40GB": []}),
        (A100_MIG, {"NVIDIA A100-SXM4-40GB": ["3g.20gb", "1c.3g.20gb"]}),
        (H100, {"NVIDIA H100 80GB HBM3": []}),
        (H100_MIG, {"NVIDIA H100 80GB HBM3": ["1g.10gb+me", "2g.20gb"]}),
        (OLD_DRIVER, {"A100-SXM4-40GB": ["3g.20gb"]}),
        ("No devices found.\n", {}),
        ("", {}),
    ],
    ids=["A100", "A100 with MIG", "H100", "H100 with MIG", "driver R450", "none", "nothing"],
)
def test_what_nvidia_smi_lists(text: str, found: dict[str, list[str]]) -> None:
    gpus = parse(text)
    assert {gpu.name for gpu in gpus} == found.keys()
    assert [one.profile for gpu in gpus for one in gpu.slices] == [*chain(*found.values())]
    assert all(one.uuid.startswith("MIG-") for gpu in gpus for one in gpu.slices)


@pytest.mark.parametrize(
    ("text", "visible", "entries"),
    [
        (A100, None, ["0", "1"]),
        (A100, "1", ["1"]),
        (A100, "GPU-b16b", ["GPU-b16b"]),
        (A100_MIG, None, [FIRST, SECOND, "1"]),
        (A100_MIG, "0", [FIRST, SECOND]),
        (A100_MIG, "GPU-5d5b", [FIRST, SECOND]),
        (A100_MIG, f"{SECOND}", [SECOND]),
        (A100_MIG, f"{SECOND},{FIRST},{SECOND}", [SECOND, FIRST]),
        (A100_MIG, "1,-1,0", ["1"]),
        (A100_MIG, "", []),
        ("", "0,1", ["0", "1"]),
        ("", None, []),
    ],
)
def test_a_gpu_with_slices_is_replaced_by_them(
    text: str, visible: str | None, entries: list[str]
) -> None:
    assert usable(parse(text), visible) == entries


def stand_in(folder: Path, text: str) -> str:
    """PATH with an nvidia-smi that prints this text for -L, and fails otherwise."""
    (folder / "bin").mkdir()
    script = f"#!/bin/sh\n[ \"$*\" = -L ] || exit 9\ncat <<'END'\n{text}END\n"
    (folder / "bin" / "nvidia-smi").write_text(script)
    (folder / "bin" / "nvidia-smi").chmod(0o755)
    return f"{folder / 'bin'}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("text", "visible", "slots", "expected"),
    [
        (A100, None, 4, ["0", "0", "1", "1"]),
        (A100, "1", 2, [None, None]),
        (A100, None, 1, [None]),
        (A100_MIG, "0", 2, [FIRST, SECOND]),
        (A100_MIG, "0", 4, [FIRST, FIRST, SECOND, SECOND]),
        (A100_MIG, "0", 1, [FIRST]),
        (A100_MIG, SECOND, 2, [SECOND, SECOND]),
        (A100, "0,1,2,3,4,5,6,7", 16, [str(number // 2) for number in range(16)]),
        (A100, "", 2, [None, None]),
    ],
)
def test_slots_divide_the_gpus_and_slices_of_a_task(
    text: str,
    visible: str | None,
    slots: int,
    expected: list[str | None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", stand_in(tmp_path, text))
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert of_slots(slots, environment) == expected


def test_without_nvidia_smi_torch_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "listing", lambda: "")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert of_slots(4, {}) == ["0", "0", "1", "1"]
    assert of_slots(1, {}) == [None]


@pytest.mark.parametrize(
    ("wanted", "count", "uuid", "words"),
    [
        (FIRST, 1, "5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77", None),
        (FIRST, 0, None, "sees 0 GPUs"),
        ("GPU-5d5b", 1, "5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77", None),
        ("GPU-5d5b", 1, "b16bc3a7-bc23-e1b0-cfb4-1a5d2a8b4c70", "is on GPU-b16bc3a7"),
        ("GPU-5d5b", 2, "5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77", "sees 2 GPUs"),
        ("1", 1, "b16bc3a7-bc23-e1b0-cfb4-1a5d2a8b4c70", None),
        ("1", 0, None, None),
        ("1", 2, "b16bc3a7-bc23-e1b0-cfb4-1a5d2a8b4c70", "sees 2 GPUs"),
    ],
)
def test_a_process_that_is_on_another_gpu_says_so(
    wanted: str, count: int, uuid: str | None, words: str | None
) -> None:
    why = misplaced(wanted, count, uuid)
    assert words in why if words and why else why == words


def test_the_processes_of_a_task_get_a_slice_each_and_none_trains_on_the_processor_instead(
    tmp_path: Path,
) -> None:
    """Four slots on two slices that nvidia-smi lists. CUDA has neither of them here."""
    results = Results(tmp_path / "results")
    results.create()
    selection = select(find(TINY), None, [])
    tasks = [Task.from_entry(entry) for entry in current_plan(results, selection)[0].entries]
    shards = [[task] for task in tasks]
    setup = Setup(profile=Profile(slots=4))
    metadata = {
        "study": "tiny",
        "scale": "paper",
        "executor": "slurm",
        "command": "c",
        "created_at": "2026-01-01T00:00:00+00:00",
    }
    rows = [task.to_row(number, 0) for number, task in enumerate(tasks)]
    settings = Slurm(results, setup).settings(shards)
    submission = results.submissions / f"{write_submission(results, rows, metadata, settings)}"
    call = "import sys; from sweeps.slurm.task import run_task; run_task(sys.argv[1], 0)"
    done = subprocess.run(
        [sys.executable, "-c", call, f"{submission}.parquet"],
        env=os.environ
        | {
            "PATH": stand_in(tmp_path, A100_MIG),
            "CUDA_VISIBLE_DEVICES": "0",
            "SLURM_JOB_ID": "71",
        },
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 3, done.stderr
    reasons = [event["reason"] for event in events(results.path, "worker_ended")]
    assert Counter(reason.rpartition(" ")[2] for reason in reasons) == {FIRST: 2, SECOND: 2}
    assert all("has the wrong GPU: it sees 0 GPUs, not only MIG-" in reason for reason in reasons)
