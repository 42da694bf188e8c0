"""Writers, a merge after every few slices, and readers at the same time, in separate processes."""

import itertools
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from store_rows import evaluation, names, run, trajectory

import sweeps.store.read as read_module
from sweeps.store import (
    EventLog,
    EventReader,
    Results,
    StoreView,
    Writer,
    accepted_probes,
    read_table,
)

WORKERS, SLICES = 8, 4


def _write(path: Path, host: str) -> None:
    """Workers one after another.

    Each publishes a few slices of rows and ends, which merges them.
    """
    results = Results(path)
    log = EventLog(results, host)
    for number in range(WORKERS):
        writer = Writer(results, f"{host}-{number}")
        for part in range(SLICES):
            trial, attempt = f"t-{host}-{number:02d}-{part}", f"a{part}"
            writer.add("runs", [run(trial, attempt)])
            writer.add("probe_trajectory", trajectory(trial, attempt, points=2))
            writer.add("evaluations", [evaluation(trial, attempt, "e")])
            writer.publish()
            log.append("finished", sync=False, trial_id=trial)
            time.sleep(0.02)
        writer.close()


def test_reader_neither_loses_a_row_it_has_seen_nor_shows_one_twice(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    results.create()
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write, args=(results.path, host)) for host in ("x", "y")]
    for writer in writers:
        writer.start()
    view, events = StoreView(results), EventReader(results)
    finished: list[str] = []
    seen: set[str] = set()
    reads = 0
    while any(writer.is_alive() for writer in writers):
        finished += [event["trial_id"] for event in events.poll()]
        rows = read_table(results, "runs", ["trial_id"])["trial_id"].to_pylist()
        assert len(rows) == len(set(rows))
        assert seen | set(finished) <= set(rows)
        seen |= set(rows)
        points = read_table(results, "probe_trajectory", ["trial_id"])["trial_id"].to_pylist()
        assert len(points) == 4 * len(set(points))
        view.refresh()
        assert seen <= view.accepted.keys()
        reads += 1
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert reads >= 5
    finished += [event["trial_id"] for event in events.poll()]
    assert sorted(finished) == read_table(results, "runs", ["trial_id"])["trial_id"].to_pylist()
    assert len(set(finished)) == len(finished) == 2 * WORKERS * SLICES
    view.refresh()
    assert view.accepted.keys() == set(finished)
    assert (
        {trial for trial, *_ in view.done_evaluations}
        == {trial for trial, *_ in view.done_probes}
        == set(finished)
    )
    assert accepted_probes(results, "trajectory").num_rows == 4 * len(finished)
    assert names(results.parts("runs")) == []


@pytest.mark.parametrize("moment", range(8))
def test_merge_between_any_two_steps_of_a_reader_hides_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    results, steps = Results(tmp_path / "results"), itertools.count()
    writer = Writer(results, "w")
    for index in range(3):
        writer.add("runs", [run(f"t{index}", "a")])
        writer.publish()

    def merging_first(step: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*given: Any) -> Any:
            if next(steps) == moment:
                writer.close()
            return step(*given)

        return wrapped

    for step in ("list_files", "load"):
        monkeypatch.setattr(read_module, step, merging_first(getattr(read_module, step)))
    assert read_table(results, "runs", ["trial_id"])["trial_id"].to_pylist() == ["t0", "t1", "t2"]
    assert next(steps) > min(moment, 4)
