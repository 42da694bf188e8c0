"""`odesweep gc`: what goes, what stays, and that no death and no running trial loses anything."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from command import odesweep
from store_rows import run

from odecore.data import cache
from sweeps.execute.scheduler import Setup
from sweeps.gc import CACHE, CODE, WEIGHTS, collect
from sweeps.slurm import commands
from sweeps.slurm.commands import ArrayTask, NoAnswer
from sweeps.slurm.paths import job_folder
from sweeps.slurm.submit import script
from sweeps.store import (
    EventLog,
    Results,
    Sent,
    Writer,
    accepted_runs,
    write_sent,
    write_submission,
)
from sweeps.store.schema import SUBMISSION
from sweeps.store.submissions import METADATA
from sweeps.worker import weights

DAYS = 2 * 24 * 3600.0
CHECKPOINTS, UNFINISHED = "checkpoints of accepted trials", "unfinished files"
USED, UNUSED = "0123456789abcdef", "fedcba9876543210"
SHA = "a" * 64
CONTENT = b"content"


def nothing(_seconds: float) -> None:
    """Do not wait."""


def piles(
    results: Results, wait: Callable[[float], None] = nothing, **given: Any
) -> dict[str, int]:
    """Kind -> how many."""
    found = collect(results, wait=wait, **{"delete": True} | given)
    return {pile.kind: pile.count for pile in found}


def age(*places: Path) -> None:
    """Make everything in these folders two days older."""
    for place in places:
        for path in (place, *place.rglob("*")):
            then = path.stat().st_mtime - DAYS
            os.utime(path, (then, then))


def tree(results: Results) -> set[str]:
    """All files of the folder and its state, without the store's own new rows."""
    return {
        str(path.relative_to(results.path.parent))
        for place in (results.path, results.state)
        for path in place.rglob("*")
        if path.is_file()
    }


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """A folder with garbage of every kind, two days old, beside what has to stay.

    Trial `done` is accepted with weights SHA, `open` has no row.
    """
    monkeypatch.setattr(commands, "squeue", lambda _users=(): [])
    results = Results(tmp_path / "results")
    writer = Writer(results, "w")
    writer.add("runs", [run("done", "a") | {"weights_sha256": SHA, "weights_kept": True}])
    writer.close()
    for name in (f"done-{SHA[:16]}", "done-0123456789abcdef", "open-0123456789abcdef"):
        put(results.weights / f"{name}.safetensors")
    for trial in ("done", "open"):
        put(results.checkpoints / trial / "a" / "1.pt")
    for copy in (USED, UNUSED):
        put(results.state / "code" / copy / "sweeps" / "x.py")
    put(results.plans / ".killed.tmp")
    put(results.state / "code" / ".killed.tmp" / "sweeps" / "x.py")
    monkeypatch.setenv("ODESWEEP_CACHE", str(results.path / "cache"))
    images = np.zeros((2, 1, 2, 2), dtype=np.uint8)
    stored = cache.Stored(
        {part: images if part.endswith("x") else np.zeros(2, np.int64) for part in cache.PARTS}, {}
    )
    cache.load("mnist-0", lambda: stored, lambda _: None)
    queue(results)
    age(results.path, results.state)
    return results


def queue(results: Results) -> str:
    """A submission to a queue with the trial `queued`, whose job 71 runs the code USED."""
    row: dict[str, Any] = dict.fromkeys(SUBMISSION.names, 0)
    row |= {"trial_id": "queued", "spec": "{}", "train": True, "evaluations": [], "probes": []}
    row |= {"axes": None}
    metadata: dict[str, str] = dict.fromkeys(METADATA, "s")
    metadata |= {"executor": "slurm", "created_at": "2026-01-01T00:00:00+00:00"}
    submission = write_submission(results, [row], metadata, {"shards": 1, "slots": 1})
    write_sent(results, submission, Sent("71", "me"))
    text = script(results, submission, "s", Setup(), 1)
    path = put(job_folder(results, submission) / "71_submission.sh")
    # The copy of today's code stands for USED.
    path.write_text(re.sub(r"/code/[0-9a-f]{16}", f"/code/{USED}", text))
    return submission


def running_job(monkeypatch: pytest.MonkeyPatch, results: Results) -> None:
    """Squeue shows job 71."""
    [comment] = [path.stem for path in results.submissions.glob("*.parquet")]
    task = ArrayTask("71", 0, "RUNNING", "n1", "", comment)
    monkeypatch.setattr(commands, "squeue", lambda _users=(): [task])


ALL = {CODE: 2, CACHE: 1, WEIGHTS: 2, CHECKPOINTS: 1, UNFINISHED: 2}
KEPT = {
    f"results/weights/done-{SHA[:16]}.safetensors",
    "results.state/checkpoints/open/a/1.pt",
}


def test_a_dry_run_says_what_would_go_and_deletes_nothing(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(results)
    with monkeypatch.context() as patch:
        # Nothing can be written.
        for module in ("sweeps.gc", "sweeps.store.clock"):
            patch.setattr(f"{module}.folder_clock", Mock(side_effect=OSError(30, "read-only")))
        assert piles(results, delete=False) == ALL
    assert tree(results) == before
    squeue = put(results.path.parent / "bin" / "squeue", b"#!/bin/sh\n")
    squeue.chmod(0o755)
    path = f"{squeue.parent}:{os.environ['PATH']}"
    code, out, err = odesweep("gc", results=results.path, PATH=path)
    assert code == 0, err
    said = dict(line.split(" (") for line in out.splitlines()[:-1])
    assert said.keys() == {f"would delete {kind}: {count}" for kind, count in ALL.items()}
    assert said[f"would delete {WEIGHTS}: 2"] == f"{2 * len(CONTENT)} bytes)"
    assert out.splitlines()[-1] == (
        f"nothing was deleted yet; `odesweep gc --delete --results {results.path}` does it"
    )
    assert tree(results) == before


def test_delete_takes_what_the_dry_run_said_and_nothing_else(results: Results) -> None:
    before = tree(results)
    assert piles(results) == ALL
    gone = before - tree(results)
    assert not gone & KEPT
    assert {path.partition("/")[2].partition("/")[0] for path in gone} == {
        *("cache", "checkpoints", "code", "plans", "weights")
    }
    assert accepted_runs(results, ["trial_id"])["trial_id"].to_pylist() == ["done"]
    assert piles(results) == {}


def test_nothing_younger_than_a_day_goes(results: Results) -> None:
    for path in results.path.parent.rglob("*"):
        os.utime(path)
    assert piles(results) == {}


def test_the_code_of_a_queued_or_running_job_stays(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    running_job(monkeypatch, results)
    assert piles(results)[CODE] == 1
    assert (results.state / "code" / USED / "sweeps" / "x.py").is_file()


def test_all_code_stays_while_nobody_knows_what_a_job_runs(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    running_job(monkeypatch, results)
    for path in results.state.rglob("*.sh"):
        path.unlink()
    assert CODE not in piles(results, delete=False)

    def silent(_users: Any = ()) -> None:
        raise NoAnswer("no answer")

    monkeypatch.setattr(commands, "squeue", silent)
    assert CODE not in piles(results, delete=False)


def test_nothing_of_a_running_trial_goes(results: Results) -> None:
    """Not even its old weights and checkpoints, nor images that it may have mapped."""
    for trial in ("open", "done"):
        log = EventLog(results, f"busy-{trial}")
        log.append("started", trial_id=trial, attempt_id="b", resume_iteration=0)
    assert piles(results) == {CODE: 2, UNFINISHED: 2}


def test_no_weights_go_while_a_file_of_rows_cannot_be_read(results: Results) -> None:
    """It may be the file that names them, and may be repaired."""
    [path] = results.merged("runs").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    before = set(results.weights.iterdir())
    assert piles(results).keys() == {CODE, CACHE, UNFINISHED}
    assert set(results.weights.iterdir()) == before
    path.write_bytes(whole)
    assert piles(results)[WEIGHTS] == 2
    assert (results.weights / f"done-{SHA[:16]}.safetensors").is_file()


def test_what_is_needed_again_between_two_looks_stays(results: Results) -> None:
    """A second attempt ends with the weights that the first one left, and publishes its row."""

    def publish(_seconds: float) -> None:
        writer = Writer(results, "late")
        row = run("open", "b") | {"weights_sha256": "0123456789abcdef" + "0" * 48}
        writer.add("runs", [row | {"weights_kept": True}])
        writer.close()

    # Its checkpoint is that of an accepted trial now, but was not at the first look.
    assert piles(results, wait=publish) == ALL | {WEIGHTS: 1}
    assert (results.weights / "open-0123456789abcdef.safetensors").is_file()
    assert (results.checkpoints / "open" / "a" / "1.pt").is_file()


def test_weights_that_an_attempt_finds_are_young_again(results: Results) -> None:
    data = b"weights"
    sha256 = weights.sha256_of(data)
    path = put(results.weights / f"open-{sha256[:16]}.safetensors", data)
    age(path)
    weights.publish(results.path, "open", data)
    assert piles(results)[WEIGHTS] == 2
    assert path.is_file()


@pytest.mark.parametrize("steps", range(2, 20, 2))
def test_a_death_in_the_middle_loses_nothing(
    results: Results, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """It dies before any of its calls that delete something."""
    left = steps

    class Death(BaseException):
        pass

    def dies(real: Callable[..., None]) -> Callable[..., None]:
        def step(*arguments: Any, **given: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Death
            real(*arguments, **given)

        return step

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", dies(os.unlink))
        patched.setattr(os, "rmdir", dies(os.rmdir))
        with pytest.raises(Death):
            piles(results)
    assert tree(results) >= KEPT
    assert accepted_runs(results, ["trial_id"])["trial_id"].to_pylist() == ["done"]
    # A copy of the code or an image set is there as a whole or not at all.
    for place in (results.state / "code", results.path / "cache"):
        for path in place.iterdir():
            whole = (path / "sweeps" / "x.py").exists() or (path / "facts.json").exists()
            assert whole or path.name.startswith(".") or path.suffix == ".lock"
    age(results.path, results.state)
    piles(results)
    assert piles(results) == {}
    assert tree(results) >= KEPT
