import errno
import logging
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from store_rows import at, make, names, run, trajectory

import sweeps.store.read as read_module
from sweeps.errors import InfrastructureError
from sweeps.store import SCHEMAS, TABLES, Results, SchemaError, StoreView, Writer, read_table
from sweeps.store.files import encode_table
from sweeps.store.schema import FILLED, VERSION, to_table

GOLDEN = Path(__file__).parents[1] / "data" / "store_v1"


@pytest.fixture
def results(tmp_path: Path) -> Results:
    results = Results(tmp_path / "results")
    results.create()
    return results


def _publish(
    results: Results, table: str, rows: list[dict[str, object]], worker: str = "w"
) -> Path:
    before = set(names(results.parts(table)))
    writer = Writer(results, worker)
    writer.add(table, rows)
    writer.publish()
    return results.parts(table) / (set(names(results.parts(table))) - before).pop()


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("table", TABLES)
def test_round_trip_of_every_column(results: Results, table: str, close: bool) -> None:
    rows = [make(table, trial_id=f"t{index}", finished_at=at(index)) for index in range(3)]
    rows[1] |= {name: None for name in SCHEMAS[table].names if name not in FILLED[table]}
    writer = Writer(results, "w")
    writer.add(table, rows[:2])
    writer.publish()
    writer.add(table, rows[2:])
    writer.publish()
    if close:
        writer.close()
    read = read_table(results, table)
    assert read.to_pylist() == rows
    assert read.schema.equals(SCHEMAS[table])


def test_nan_stays_nan_and_null_stays_null(results: Results) -> None:
    _publish(results, "runs", [run("t", "a", loss_test=float("nan"), loss_train=None)])
    row = read_table(results, "runs", ["loss_test", "loss_train"]).to_pylist()[0]
    assert row["loss_test"] != row["loss_test"]
    assert row["loss_train"] is None


def test_units_and_version_stand_in_the_file(results: Results) -> None:
    path = _publish(results, "runs", [run("t", "a")])
    schema = pq.read_schema(path)
    assert schema.metadata[b"odesweep_schema"] == str(VERSION).encode()
    assert schema.field("train_seconds").metadata[b"unit"] == b"s"


def test_columns_ids_and_order(results: Results) -> None:
    for trial, attempt in [("b", "2"), ("a", "9"), ("b", "1"), ("c", "0")]:
        _publish(results, "runs", [run(trial, attempt)])
    read = read_table(results, "runs", ["attempt_id", "trial_id"], ids={"b", "a", "other"})
    assert read.column_names == ["attempt_id", "trial_id"]
    assert list(zip(*read.to_pydict().values(), strict=True)) == [
        ("9", "a"),
        ("1", "b"),
        ("2", "b"),
    ]
    assert read_table(results, "runs", ids=[]).num_rows == 0
    with pytest.raises(SchemaError, match="table runs has no column accuracy; there are: trial_id"):
        read_table(results, "runs", ["accuracy"])


def test_nothing_there_is_an_empty_table_and_makes_no_folder(tmp_path: Path) -> None:
    for table in TABLES:
        assert read_table(Results(tmp_path / "none"), table).schema.equals(SCHEMAS[table])
    assert names(tmp_path) == []


def _damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "flipped bit":
        middle = data.index(b"text")
        data = data[:middle] + b"tExt" + data[middle + 4 :]
    path.write_bytes(
        {
            "empty": b"",
            "half": data[: len(data) // 2],
            "headless": data[len(data) // 2 :],
            "text": b"PAR1 not really PAR1",
        }.get(how, data)
    )


@pytest.mark.parametrize(
    "how", ["empty", "half", "headless", "text", "flipped bit", "foreign", "odd version"]
)
def test_damaged_file_is_skipped_with_one_warning_that_names_it(
    results: Results, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    good = _publish(results, "runs", [run("good", "a")])
    bad = _publish(results, "runs", [run("bad", "b")])
    if how == "foreign":
        pq.write_table(pa.table({"trial_id": ["bad"]}), bad)
    elif how == "odd version":
        pq.write_table(pa.table({"trial_id": ["bad"]}, metadata={"odesweep_schema": "one"}), bad)
    else:
        _damage(bad, how)
    with caplog.at_level(logging.WARNING, logger="odesweep"):
        for _ in range(2):
            assert read_table(results, "runs")["trial_id"].to_pylist() == ["good"]
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert str(bad) in lines[0]
    assert str(good) not in lines[0]
    assert "\n" not in lines[0]


def test_file_being_written_is_not_looked_at(
    results: Results, caplog: pytest.LogCaptureFixture
) -> None:
    _publish(results, "runs", [run("t", "a")])
    (results.parts("runs") / ".0123.tmp").write_bytes(b"PAR1")
    (results.merged("runs") / ".0124.parquet").write_bytes(b"PAR1")
    assert read_table(results, "runs").num_rows == 1
    assert not caplog.records


def _write(path: Path, table: pa.Table, version: int) -> None:
    pq.write_table(table.replace_schema_metadata({"odesweep_schema": str(version)}), path)


def test_newer_version_is_one_line_with_what_to_do(results: Results) -> None:
    newer = results.merged("runs") / "newer.parquet"
    _write(newer, to_table(SCHEMAS["runs"], [run("t", "a")]), version=VERSION + 1)
    for read in (lambda: read_table(results, "runs"), lambda: StoreView(results)):
        with pytest.raises(InfrastructureError) as caught:
            read()
        assert (
            str(caught.value)
            == f"{newer} has results schema version {VERSION + 1}, this odesweep reads up to "
            f"version {VERSION}; upgrade odesweep or use other --results"
        )
        assert caught.value.exit_code == 3


def test_columns_an_older_file_lacks_are_null_and_its_own_extra_ones_ignored(
    results: Results,
) -> None:
    rows = to_table(SCHEMAS["runs"], [run("t", "a")])
    epochs = pa.array([[{"iteration": 7, "loss_train": 0.5}]])
    older = (
        rows.drop_columns(["fingerprint", "epochs"])
        .append_column("epochs", epochs)
        .append_column("gone", pa.array([1]))
    )
    _write(results.parts("runs") / "older.parquet", older, version=1)
    row = read_table(results, "runs").to_pylist()[0]
    assert row["fingerprint"] is None
    assert row["outcome"] == "completed"
    assert row["epochs"] == [
        {field.name: None for field in SCHEMAS["runs"].field("epochs").type.value_type}
        | {"iteration": 7, "loss_train": 0.5}
    ]


def test_golden_file_of_version_1_still_reads() -> None:
    results = Results(GOLDEN)
    row = read_table(results, "runs").to_pylist()[0]
    assert (row["trial_id"], row["outcome"], row["solver_steps"], row["finished_at"]) == (
        "0" * 31 + "1",
        "completed",
        64,
        at(60),
    )
    assert [(epoch["iteration"], epoch["loss_train"]) for epoch in row["epochs"]] == [
        (100, 0.5),
        (200, 0.25),
    ]
    assert read_table(results, "evaluations", ["eval_id", "correct"]).to_pylist() == [
        {"eval_id": "e" * 32, "correct": 950}
    ]
    assert read_table(results, "probe_trajectory", ["point", "x1"]).to_pylist() == [
        {"point": 0, "x1": 0.5},
        {"point": 1, "x1": -1.5},
    ]
    assert read_table(results, "probe_decision_grid", ["x2", "p1"]).to_pylist() == [
        {"x2": -2.0, "p1": 0.75}
    ]


def test_copy_in_parts_and_merged_is_one_row_and_a_probe_stays_whole(results: Results) -> None:
    rows = [run("t", "a"), run("t", "b")]
    block = trajectory("t", "a") + trajectory("t", "b")
    for table, given in (("runs", rows), ("probe_trajectory", block)):
        part = _publish(results, table, given)
        (results.merged(table) / "copy.parquet").write_bytes(part.read_bytes())
    assert read_table(results, "runs").to_pylist() == rows
    assert read_table(results, "probe_trajectory").to_pylist() == block


def test_attempt_published_twice_counts_once_by_its_first_end(results: Results) -> None:
    _publish(results, "runs", [run("t", "a", 20.0)], "later")
    _publish(results, "runs", [run("t", "a", 10.0)], "first")
    _publish(results, "probe_trajectory", trajectory("t", "a", 20.0, points=5), "later")
    _publish(results, "probe_trajectory", trajectory("t", "a", 10.0, points=2), "first")
    assert read_table(results, "runs", ["finished_at"]).to_pylist() == [{"finished_at": at(10)}]
    assert read_table(results, "probe_trajectory").to_pylist() == trajectory(
        "t", "a", 10.0, points=2
    )


def test_block_of_rows_that_spans_row_groups_stays_whole(results: Results) -> None:
    block = trajectory("t", "a", points=10)
    data = to_table(SCHEMAS["probe_trajectory"], block).replace_schema_metadata(
        {"odesweep_schema": "1"}
    )
    pq.write_table(data, results.merged("probe_trajectory") / "w.parquet", row_group_size=7)
    assert read_table(results, "probe_trajectory").to_pylist() == block


@pytest.fixture
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_module, "RESTART_WAITS_SECONDS", (0.0,) * 5)


@pytest.mark.usefixtures("_no_waits")
@pytest.mark.parametrize("number", [errno.ENOENT, errno.ESTALE])
def test_listed_file_that_has_gone_starts_the_listing_again(
    results: Results, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    part = _publish(results, "runs", [run("t", "a")])
    rest = _publish(results, "runs", [run("t", "b")], "other")
    load, reads = read_module.load, []

    def merged_meanwhile(path: Path, *given: object) -> pa.Table | None:
        reads.append(path)
        if path == part:
            part.rename(results.merged("runs") / part.name)
            raise OSError(number, os.strerror(number), str(path))
        return load(path, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(read_module, "load", merged_meanwhile)
    assert read_table(results, "runs", ["attempt_id"])["attempt_id"].to_pylist() == ["a", "b"]
    assert reads.count(rest) == 1


@pytest.mark.usefixtures("_no_waits")
def test_after_five_restarts_it_says_so_instead_of_a_partial_answer(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = _publish(results, "runs", [run("t", "a")])
    tries = []

    def always_gone(path: Path, *_: object) -> None:
        tries.append(path)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))

    monkeypatch.setattr(read_module, "load", always_gone)
    with pytest.raises(
        InfrastructureError, match=f"changes faster than it can be read .*{part.name}"
    ):
        read_table(results, "runs")
    assert len(tries) == 6


def test_failing_disk_is_one_line_and_not_a_missing_row(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = _publish(results, "runs", [run("t", "a")])

    def failing(self: Path) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(self))

    monkeypatch.setattr(Path, "read_bytes", failing)
    with pytest.raises(
        InfrastructureError,
        match=rf"^cannot read {part}: Input/output error; check permissions and the disk$",
    ):
        read_table(results, "runs")


def test_folder_that_is_a_file_is_one_line(results: Results) -> None:
    results.parts("runs").rmdir()
    results.parts("runs").write_text("")
    with pytest.raises(InfrastructureError, match=r"cannot read .*parts/runs: Not a directory"):
        read_table(results, "runs")


def test_encoded_tables_are_the_same_for_few_and_many_rows() -> None:
    for count in (1, 300):
        table = to_table(
            SCHEMAS["evaluations"],
            [make("evaluations", trial_id=str(index)) for index in range(count)],
        )
        assert pq.read_table(pa.BufferReader(encode_table(table))).equals(table)
