"""Checkpoints survive what happens to files."""

import errno
from pathlib import Path
from typing import Any

import pytest
import torch

from odecore.training import checkpointing


def state(iteration: int) -> dict[str, Any]:
    return {
        "iteration": iteration,
        "model": {"w": torch.full((3,), float(iteration))},
        "records": [{"loss": 0.5}],
    }


def test_two_are_kept_and_the_furthest_of_all_attempts_is_read(tmp_path: Path) -> None:
    for iteration in (1, 2, 3, 4):
        checkpointing.save(tmp_path / "a", iteration, state(iteration))
    checkpointing.save(tmp_path / "b", 2, state(2))
    assert len(list((tmp_path / "a").iterdir())) == 2
    found = checkpointing.furthest(tmp_path)
    assert found is not None
    assert found["iteration"] == 4
    assert torch.equal(found["model"]["w"], torch.full((3,), 4.0))
    assert checkpointing.furthest_iteration(tmp_path) == 4


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_one_falls_back_and_says_so(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    checkpointing.save(tmp_path / "a", 1, state(1))
    newest = checkpointing.save(tmp_path / "a", 2, state(2))
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(
        {"truncated": bytes(data[:-20]), "flipped": bytes(data), "empty": b""}[damage]
    )
    found = checkpointing.furthest(tmp_path)
    assert found is not None
    assert found["iteration"] == 1
    assert str(newest) in caplog.text


def test_a_stale_handle_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    checkpointing.save(tmp_path / "a", 1, state(1))
    checkpointing.save(tmp_path / "a", 2, state(2))
    read, seen = Path.read_bytes, set[Path]()

    def stale_first(path: Path) -> bytes:
        if path not in seen:
            seen.add(path)
            raise OSError(errno.ESTALE, "Stale file handle")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", stale_first)
    found = checkpointing.furthest(tmp_path)
    assert found is not None
    assert found["iteration"] == 2
    assert not caplog.text


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert checkpointing.furthest(tmp_path / "missing") is None
    assert checkpointing.furthest_iteration(tmp_path / "missing") == 0


def test_a_disk_that_fails_leaves_the_older_ones_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpointing.save(tmp_path / "a", 1, state(1))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpointing.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpointing.save(tmp_path / "a", 2, state(2))
    assert [p.name.partition("-")[0] for p in (tmp_path / "a").iterdir()] == ["000000000001"]


def test_nothing_but_tensors_and_plain_data_is_unpickled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return (print, ("owned",))

    checkpointing.save(tmp_path / "a", 5, {"iteration": 5, "bad": Payload()})
    assert checkpointing.furthest(tmp_path) is None
    assert "damaged" in caplog.text


def test_remove_takes_the_trials_folder_only_when_it_is_empty(tmp_path: Path) -> None:
    checkpointing.save(tmp_path / "t" / "a", 1, state(1))
    checkpointing.save(tmp_path / "t" / "b", 1, state(1))
    checkpointing.remove(tmp_path / "t" / "a")
    assert (tmp_path / "t" / "b").exists()
    checkpointing.remove(tmp_path / "t" / "b")
    assert not (tmp_path / "t").exists()
