import errno
import json
import logging
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_rows import names

from sweeps.errors import InfrastructureError, UserError
from sweeps.store import (
    EventLog,
    EventReader,
    Results,
    clock,
    read_retractions,
    write_retraction,
)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    results = Results(tmp_path / "results")
    results.create()
    return results


def test_events_carry_who_where_when_and_their_fields(results: Results) -> None:
    before = time.time()
    assert EventLog(results, "w1").append(
        "started", trial_id="t", attempt_id="a", resume_iteration=None
    )
    (event,) = EventReader(results).poll()
    assert before <= event.pop("at") <= time.time()
    assert event.pop("host")
    assert event == {
        "worker": "w1",
        "pid": os.getpid(),
        "event": "started",
        "trial_id": "t",
        "attempt_id": "a",
        "resume_iteration": None,
    }
    assert names(results.events) == ["w1.jsonl"]


@pytest.mark.parametrize("wrong", [-3600.0, 3600.0])
def test_all_machines_agree_on_the_time_whatever_their_clocks_say(
    results: Results, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    right = time.time
    EventLog(results, "w1").append("a")
    monkeypatch.setattr(clock, "_behind", {})
    monkeypatch.setattr(clock.time, "time", lambda: right() + wrong)
    EventLog(results, "w2").append("b")
    write_retraction(results, attempt_ids=[], trial_ids=["t"], reason="r", command="c")
    monkeypatch.undo()
    at = [event["at"] for event in EventReader(results).poll()]
    at.append(read_retractions(results).restarted_at["t"])
    assert at == pytest.approx([right()] * 3, abs=5)


def test_poll_gives_each_event_once_over_all_files_oldest_first(results: Results) -> None:
    first, second = EventLog(results, "w1"), EventLog(results, "w2")
    reader = EventReader(results)
    assert reader.poll() == []
    second.append("a")
    first.append("b", sync=False)
    second.append("c")
    assert [event["event"] for event in reader.poll()] == ["a", "b", "c"]
    assert reader.poll() == []
    first.append("d")
    assert [event["event"] for event in reader.poll()] == ["d"]


def test_the_ends_of_a_file_are_its_first_event_and_all_since_the_last_start(
    results: Results,
) -> None:
    log, short = EventLog(results, "long"), EventLog(results, "short")
    log.append("worker_started", sync=False)
    for trial in range(40):
        log.append("started", sync=False, trial_id=f"t{trial}", attempt_id="a")
        for _ in range(trial):
            log.append("heartbeat", sync=False, trial_id=f"t{trial}", text="x" * 100)
    short.append("started", trial_id="s", attempt_id="a")
    reader = EventReader(results, ends=True)
    read = [(one["event"], one.get("trial_id")) for one in reader.poll()]
    assert read == [
        ("worker_started", None),
        ("started", "t39"),
        *[("heartbeat", "t39")] * 39,
        ("started", "s"),
    ]
    log.append("finished", trial_id="t39")
    EventLog(results, "new").append("worker_started")
    assert [one["event"] for one in reader.poll()] == ["finished", "worker_started"]
    assert len(reader.whole_since(0.0)) == len(EventReader(results).poll())
    assert reader.whole_since(4e9) == []


def test_the_ends_of_a_file_hold_every_trial_of_its_last_stack(results: Results) -> None:
    log = EventLog(results, "long")
    log.append("worker_started", sync=False)
    for trial in range(300):
        log.append("started", sync=False, trial_id=f"t{trial}", attempt_id="a")
        log.append("finished", sync=False, trial_id=f"t{trial}")
    for trial in range(40):
        log.append("started", sync=False, trial_id=f"s{trial}", attempt_id="a")
    log.append("heartbeat", sync=False, trial_id="s39")
    read = [one.get("trial_id") for one in EventReader(results, ends=True).poll()]
    assert read == [None, *(f"s{trial}" for trial in range(40)), "s39"]


def test_numbers_json_cannot_write_become_null(results: Results) -> None:
    EventLog(results, "w").append(
        "heartbeat", loss=float("nan"), seconds_per_iteration=float("inf"), iteration=3
    )
    (event,) = EventReader(results).poll()
    assert (event["loss"], event["seconds_per_iteration"], event["iteration"]) == (None, None, 3)


def test_torn_last_line_waits_and_is_read_when_it_is_whole(
    results: Results, caplog: pytest.LogCaptureFixture
) -> None:
    whole = line("checkpoint", 1.0) + b"\n"
    path = results.events / "w.jsonl"
    path.write_bytes(whole + whole[:10])
    reader = EventReader(results)
    assert len(reader.poll()) == 1
    assert reader.poll() == []
    with path.open("ab") as file:
        file.write(whole[10:])
    assert len(reader.poll()) == 1
    assert not caplog.records


GARBAGE = [
    b"",
    b"{",
    b"\xff\xfe\x00",
    b"[]",
    b"null",
    b'"text"',
    b"3",
    b'{"at": 1}',
    b'{"event": "x"}',
    b'{"event": 3, "at": 1}',
    b'{"event": "x", "at": "1"}',
    b'{"event": "x", "at": 1, "worker": "w", "host": "h"}',
    b'{"event": "started", "at": 1, "worker": "w", "host": "h", "pid": 1, "trial_id": "t"}',
    b'{"event": "x", "at": 1, "worker": "w", "host": "h", "pid": 1, "iteration": "a"}',
]


def line(event: str, at: float) -> bytes:
    return json.dumps({"at": at, "event": event, "worker": "w", "host": "h", "pid": 1}).encode()


@pytest.mark.parametrize(
    "garbage", [*GARBAGE, b'{"event": "x", "at": NaN}', b"[" * 100_000, b"a\rb"]
)
def test_garbage_line_is_skipped_with_one_warning_naming_file_and_line(
    results: Results, caplog: pytest.LogCaptureFixture, garbage: bytes
) -> None:
    good = line("checkpoint", 1.0)
    path = results.events / "w.jsonl"
    path.write_bytes(b"\n".join([good, garbage, good, b""]))
    with caplog.at_level(logging.WARNING, logger="odesweep"):
        assert len(EventReader(results).poll()) == 2
        assert len(EventReader(results).poll()) == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"skipped line 2 of {path}: not an event"
    ]


@given(cuts=st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_reader_gives_every_event_once_however_the_bytes_arrive(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    results = Results(tmp_path_factory.mktemp("events") / "results")
    results.create()
    data = b"".join(line(f"e{index}", float(index)) + b"\n" for index in range(8))
    reader, read = EventReader(results), []
    start = 0
    for cut in [*cuts, len(data)]:
        with (results.events / "w.jsonl").open("ab") as file:
            file.write(data[start : start + cut])
        start += cut
        read += [event["event"] for event in reader.poll()]
    assert read == [f"e{index}" for index in range(8)]


def test_failed_append_is_a_warning_and_the_next_goes_to_a_new_file(
    results: Results, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = EventLog(results, "w")
    assert log.append("a")
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:10]))
        assert log.append("b") is False
    assert "event b of worker w was not recorded" in caplog.text
    assert log.append("c")
    assert names(results.events) == ["w.2.jsonl", "w.jsonl"]
    assert [event["event"] for event in EventReader(results).poll()] == ["a", "c"]


def test_full_disk_never_raises_and_leaves_no_heap_of_empty_files(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(results, "w")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert [log.append("a") for _ in range(5)] == [False] * 5
    assert names(results.events) == []
    assert log.append("b")
    assert [event["event"] for event in EventReader(results).poll()] == ["b"]


def test_unsynced_file_is_not_written_on(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(results, "w")

    def failing(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        assert log.append("a") is False
        assert log.append("b", sync=False) is True
    log.append("c")
    assert names(results.events) == ["w.2.jsonl", "w.jsonl"]


def test_file_left_by_an_earlier_process_of_the_same_name_is_never_written_on(
    results: Results,
) -> None:
    (results.events / "w.jsonl").write_bytes(b'{"at": 1.0, "ev')
    EventLog(results, "w").append("a")
    assert (results.events / "w.jsonl").read_bytes() == b'{"at": 1.0, "ev'
    assert [event["event"] for event in EventReader(results).poll()] == ["a"]


def test_missing_folder_is_no_event_and_a_file_in_its_place_is_one_line(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    assert EventReader(results).poll() == []
    results.path.mkdir()
    results.events.write_text("")
    with pytest.raises(
        InfrastructureError,
        match=r"^cannot read .*events: Not a directory; check permissions and the disk$",
    ):
        EventReader(results).poll()


def test_worker_name_cannot_leave_the_folder(results: Results) -> None:
    with pytest.raises(UserError, match="is not a valid name"):
        EventLog(results, "../w")
