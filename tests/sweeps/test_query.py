import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import odesweep
from small_study import study
from store_rows import evaluation, run, trajectory

from sweeps.cli import main
from sweeps.errors import InfrastructureError, UserError
from sweeps.planning.cost import Costs
from sweeps.planning.plan import save
from sweeps.store import (
    SCHEMAS,
    Results,
    Writer,
    accepted_evaluations,
    accepted_probes,
    accepted_runs,
    read_table,
    write_retraction,
)
from sweeps.store.compact import compact
from sweeps.store.query import VIEWS, query
from sweeps.store.to_python import rows as rows_of
from sweeps.store.to_python import values
from sweeps.study.overrides import select

NOT_ALL = "the columns do not fit in 80 characters, so that some are cut or left out; use --csv"
WHEN = ("parts", "generation", "both", "copies", "earlier copies")


def _put(results: Results, worker: str, **tables: list[dict[str, Any]]) -> None:
    writer = Writer(results, worker)
    for table, rows in tables.items():
        writer.add(table, rows)
    writer.publish()


def _fill(results: Results, seconds: float = 0.0) -> None:
    """Two trials, one of them with a duplicate and a crash, and rows of their and other weights."""
    runs = [
        run("t", "b", seconds + 1),
        run("t", "c", seconds + 2),
        run("t", "a", seconds, outcome="crashed"),
        run("u", "d", solver_steps=7),
    ]
    evaluations = [evaluation("t", one, "e", seconds) for one in "bc"]
    _put(
        results,
        f"w{seconds}",
        runs=runs,
        evaluations=evaluations,
        probe_trajectory=[*trajectory("t", "b", seconds), *trajectory("t", "c", seconds)],
    )


@pytest.fixture(params=WHEN)
def results(request: pytest.FixtureRequest, tmp_path: Path) -> Results:
    results = Results(tmp_path / "results")
    _fill(results, 5.0)
    if request.param != "parts":
        compact(results)
    if request.param == "both":
        _put(
            results,
            "later",
            runs=[run("v", "f")],
            evaluations=[evaluation("v", "f", "e")],
            probe_trajectory=trajectory("v", "f"),
        )
    if request.param in ("copies", "earlier copies"):
        _fill(results, 5.0 if request.param == "copies" else 4.0)
    return results


def _same(found: pa.Table, expected: pa.Table) -> None:
    """The same rows; the order of SQL's is its own, and its times have no zone."""

    def texts(table: pa.Table) -> list[str]:
        return sorted(
            str([str(value).removesuffix("+00:00") for value in row.values()])
            for row in rows_of(table)
        )

    assert found.column_names == expected.column_names
    assert texts(found) == texts(expected)


def test_views_have_the_rows_that_count(results: Results) -> None:
    runs = accepted_runs(results)
    _same(query(results, "FROM runs"), runs.drop_columns("epochs"))
    _same(query(results, "FROM evaluations"), accepted_evaluations(results))
    _same(query(results, "FROM probe_trajectory"), accepted_probes(results, "trajectory"))
    everything = read_table(results, "runs").drop_columns("epochs")
    accepted = set(runs["attempt_id"].to_pylist())
    _same(
        query(results, "FROM attempts"),
        everything.append_column(
            "accepted", [[one in accepted for one in everything["attempt_id"].to_pylist()]]
        ),
    )


def test_epochs_are_rows_with_what_they_belong_to(results: Results) -> None:
    found = query(
        results,
        "SELECT trial_id, attempt_id, solver_steps, seed, iteration, loss_train FROM epochs",
    ).to_pylist()
    expected = [
        {key: row[key] for key in ("trial_id", "attempt_id", "solver_steps", "seed")}
        | {key: epoch[key] for key in ("iteration", "loss_train")}
        for row in accepted_runs(results).to_pylist()
        for epoch in row["epochs"]
    ]
    assert sorted(map(str, found)) == sorted(map(str, expected))
    assert query(results, "FROM epochs LIMIT 1").column_names == VIEWS["epochs"]


def test_plans_say_whose_a_trial_is(tmp_path: Path) -> None:
    results = Results(tmp_path)
    for texts in ([], ["+seed=3"]):
        save(results, select(study(seeds=(0,)), None, texts), Costs())
    first, *_ = select(study(seeds=(0,))).declared
    _put(results, "w", runs=[run(first.trial_id, "b")])
    asked = "SELECT study, scale, plan, axes['seed'] AS seed, outcome FROM plans"
    found = query(results, f"{asked} LEFT JOIN runs USING (trial_id) WHERE plan = 'small@full'")
    done = {"study": "small", "scale": "full", "plan": "small@full", "seed": "0"}
    assert found.to_pylist() == [done | {"outcome": "completed"}]
    counted = query(results, "SELECT count(*) AS n FROM runs JOIN plans USING (trial_id)")
    assert counted.to_pylist() == [{"n": 2}]
    with pytest.raises(UserError, match="study is in plans: FROM runs JOIN plans USING"):
        query(results, "SELECT study FROM runs")


def test_a_flipped_bit_in_a_generation_is_one_line(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    _fill(results)
    compact(results)
    (path,) = results.generations("runs").iterdir()
    column = next(
        chunk
        for number in range(pq.read_schema(path).names.index("epochs"))
        if (chunk := pq.read_metadata(path).row_group(0).column(number)).path_in_schema
        == "accuracy_test"
    )
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size - 1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InfrastructureError, match=f"{path.name} is damaged .sha256.; restore it"):
        query(results, "SELECT avg(accuracy_test) FROM runs")


def test_sql_joins_filters_and_times(results: Results) -> None:
    joined = "SELECT r.trial_id, count(*) AS n FROM runs r JOIN epochs e USING (trial_id)"
    chosen = "WHERE r.finished_at >= '2026-01-01' AND r.solver_steps = 7 GROUP BY ALL"
    assert query(results, f"{joined} {chosen}").to_pylist() == [{"trial_id": "u", "n": 2}]
    assert query(results, "SELECT 1 AS one").to_pylist() == [{"one": 1}]
    assert query(results, "show tables;")["name"].to_pylist() == sorted(VIEWS)


def test_retracted_row_gives_way(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    _fill(results)
    compact(results)
    write_retraction(results, attempt_ids=["b"], trial_ids=[], reason="test", command="retry")
    assert query(results, "SELECT attempt_id FROM runs WHERE trial_id = 't'").to_pylist() == [
        {"attempt_id": "c"}
    ]
    assert query(results, "SELECT DISTINCT attempt_id FROM probe_trajectory").to_pylist() == [
        {"attempt_id": "c"}
    ]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "SELECT accuracy FROM runs",
            (
                "Binder Error.*accuracy_test.*views: runs, attempts, epochs, .*; `DESCRIBE runs` "
                "lists the columns of runs"
            ),
        ),
        (
            "SELECT * FROM trials",
            "Catalog Error: Table with name trials does not exist; views: runs, attempts",
        ),
        ("SELEC 1", "Parser Error.*views: runs"),
        ("SELECT 1; SELECT 2", "a query is one SELECT, this is SELECT, SELECT; views: runs"),
        ("", "a query is one SELECT, this is nothing"),
        ("DROP VIEW runs", "a query is one SELECT, this is DROP"),
        ("COPY runs TO 'out.csv'", "a query is one SELECT, this is COPY"),
        ("SELECT 'x'::INT", "Conversion Error"),
    ],
)
def test_bad_sql_is_one_line(tmp_path: Path, sql: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        query(Results(tmp_path), sql)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["it's", "a[1]", "what?"])
def test_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    results = Results(tmp_path / name)
    _fill(results)
    compact(results)
    assert query(results, "SELECT count(*) AS n FROM epochs").to_pylist() == [{"n": 4}]


def test_generation_that_lacks_a_column_of_today_reads_null_there(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    _fill(results)
    held = compact(results).manifest.paths(results, "runs")[0]
    pq.write_table(pq.read_table(held).drop_columns("numerics"), held)
    assert query(results, "SELECT DISTINCT numerics, outcome FROM runs").to_pylist() == [
        {"numerics": None, "outcome": "completed"}
    ]


def test_sql_opens_no_file_and_sees_no_variable(tmp_path: Path) -> None:
    _fill(Results(tmp_path))
    compact(Results(tmp_path))
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    secret = pa.table({"a": [1]})
    for source in (f"read_csv('{tmp_path}/secret.csv')", f"'{tmp_path}/secret.csv'", "secret"):
        with pytest.raises(UserError, match=r"Permission Error|does not exist"):
            query(Results(tmp_path), f"SELECT * FROM {source}, runs")
    assert secret.num_rows == 1


def test_without_duckdb_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UserError, match=r"pip install 'odesweep\[query\]'"):
        query(Results(tmp_path), "SELECT 1")


def _call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    out, err = capsys.readouterr()
    return int(str(ended.value.code)), out, err


def test_command_prints_a_table_json_and_csv(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Results(tmp_path / "results")
    _fill(results)
    given = (
        "query",
        (
            "SELECT trial_id, finished_at, 'nan'::DOUBLE AS x, [1, NULL] AS list FROM runs "
            "ORDER BY ALL"
        ),
        "--results",
        str(results.path),
    )
    expected = [
        {"trial_id": one, "finished_at": f"2026-01-01T00:00:0{at}", "x": None, "list": [1, None]}
        for one, at in (("t", 1), ("u", 0))
    ]
    code, out, _ = _call(capsys, *given, "--json")
    assert (code, json.loads(out)) == (0, expected)
    code, out, _ = _call(capsys, *given, "--csv")
    assert (code, next(csv.DictReader(io.StringIO(out)))["finished_at"]) == (
        0,
        "2026-01-01T00:00:01",
    )
    code, out, _ = _call(capsys, *given)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["trial_id", "t", "u", "2"]
    # Nothing is left out or cut, however wide, and nothing is taken for markup.
    columns = ", ".join(f"repeat('{n}', 100) AS c{n}" for n in range(9))
    wide = ("query", f"SELECT {columns}, '[b]' AS b", *given[2:])
    code, out, _ = _call(capsys, *wide)
    head, row, _ = out.splitlines()
    assert head.split() == [*(f"c{n}" for n in range(9)), "b"]
    assert row.split() == [*(str(n) * 100 for n in range(9)), "[b]"]
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    for words, lines in ((given, ["2 rows"]), (wide, ["1 row", NOT_ALL])):
        code, out, _ = _call(capsys, *words)
        assert [code, *out.splitlines()[-len(lines) :]] == [0, *lines]
        assert (NOT_ALL in out) == (words == wide)


def test_wrong_use_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = _call(capsys, "query", "SELECT 1", "--json", "--csv", "--results", str(tmp_path))
    assert (code, err) == (2, "odesweep: --json and --csv exclude each other; give one\n")


def test_rows_that_memory_cannot_hold_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, memory = Results(tmp_path / "results"), tmp_path / "meminfo"
    _fill(results, 5.0)
    memory.write_text("MemTotal:  9 kB\nMemAvailable:   1 kB\n")
    monkeypatch.setattr("sweeps.store.query._MEMORY", memory)
    assert len(query(results, "SELECT trial_id FROM runs"))
    monkeypatch.setattr("sweeps.store.query._SMALL_BYTES", 0)
    with pytest.raises(UserError, match=r"are not compacted.*0 GB are free.*odesweep compact"):
        query(results, "SELECT trial_id FROM runs")
    memory.write_text("MemAvailable: 99999999 kB\n")
    assert len(query(results, "SELECT epoch FROM epochs"))
    compact(results)
    memory.write_text("MemAvailable: 1 kB\n")
    assert len(query(results, "SELECT trial_id FROM runs"))


def test_compact_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = Results(tmp_path / "results")
    _fill(results)
    given = ("--results", str(results.path))
    assert (
        _call(capsys, "compact", "--dry-run", *given)[1]
        == "would take in 3 new files after generation 0\n"
    )
    assert not results.manifests.exists()
    code, out, _ = _call(capsys, "compact", *given)
    assert code == 0
    assert out.startswith(
        f"generation 1 of {results.path}: 4 runs, 2 evaluations, 12 probe_trajectory ("
    )
    assert (
        _call(capsys, "compact", "--prune", *given)[1]
        == "nothing new since generation 1\nnothing to prune\n"
    )
    bad = results.parts("runs") / "bad.parquet"
    bad.write_bytes(b"PAR1")
    said = _call(capsys, "compact", *given)[1]
    assert said == "nothing new since generation 1\nleft 1 damaged file where it is\n"
    bad.unlink()
    for table in SCHEMAS:
        for data in results.generations(table).iterdir():
            data.write_bytes(b"PAR1")
    code, out, err = _call(capsys, "compact", *given)
    assert (code, out, err.count("\n")) == (3, "", 1)


def test_commands_load_no_pandas(tmp_path: Path) -> None:
    results = Results(tmp_path / "results")
    _fill(results)
    blocked = tmp_path / "blocked" / "pandas.py"
    blocked.parent.mkdir()
    blocked.write_text("raise SystemExit('pandas was imported')")
    for command in (("compact",), ("status",), ("query", "SELECT count(*) FROM epochs", "--csv")):
        code, out, err = odesweep(*command, results=results.path, PYTHONPATH=str(blocked.parent))
        assert (code, err) == (0, ""), out


def test_values_are_what_arrow_says(tmp_path: Path) -> None:
    for table in SCHEMAS:
        empty = pa.Table.from_arrays(
            [pa.nulls(2, field.type) for field in SCHEMAS[table]], schema=SCHEMAS[table]
        )
        assert rows_of(empty) == empty.to_pylist()
    nested = pa.list_(
        pa.struct(
            [
                pa.field("axes", pa.map_(pa.string(), pa.int64())),
                pa.field("at", pa.timestamp("us", "UTC")),
            ]
        )
    )
    column = pa.array(
        [
            [{"axes": [("a", 1), ("b", None)], "at": 5}, None],
            None,
            [],
            [{"axes": None, "at": None}],
        ],
        nested,
    )
    for part in (column, column.slice(1), pa.chunked_array([column, column.slice(0, 1)])):
        assert values(part) == part.to_pylist(maps_as_pydicts="strict")
    naive = pa.array([1, None], pa.timestamp("us"))
    assert values(naive) == naive.to_pylist()
