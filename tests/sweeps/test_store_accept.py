import itertools
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_rows import at, evaluation, make, run, trajectory

from sweeps.store import (
    FINAL_OUTCOMES,
    OUTCOMES,
    SCHEMAS,
    Results,
    StoreView,
    Writer,
    accepted_evaluations,
    accepted_probes,
    accepted_runs,
    write_retraction,
)
from sweeps.store.accept import (
    RUN_COLUMNS,
    accept_all,
    accept_derived,
    accept_runs,
    final_runs,
    standing_runs,
)
from sweeps.store.generations import Manifest
from sweeps.store.read import once_each
from sweeps.store.schema import to_table


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


def _put(results: Results, worker: str = "w", **tables: list[dict[str, Any]]) -> Writer:
    writer = Writer(results, worker)
    for table, rows in tables.items():
        writer.add(table, rows)
    writer.publish()
    return writer


def _accepted(results: Results) -> dict[str, str]:
    table = accepted_runs(results, ["trial_id", "attempt_id"])
    accepted = dict(
        zip(table["trial_id"].to_pylist(), table["attempt_id"].to_pylist(), strict=True)
    )
    view = StoreView(results)
    assert {trial: attempt.attempt_id for trial, attempt in view.accepted.items()} == accepted
    assert view.accepted.keys() == set(accepted)
    return accepted


def test_first_to_finish_is_accepted_then_the_smaller_attempt(results: Results) -> None:
    _put(
        results,
        runs=[run("t1", "b", 1.0), run("t1", "a", 2.0), run("t2", "d", 1.0), run("t2", "c", 1.0)],
    )
    assert _accepted(results) == {"t1": "b", "t2": "c"}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_only_final_outcomes_are_accepted(results: Results, outcome: str) -> None:
    _put(results, runs=[run("t", "a", 1.0, outcome=outcome), run("t", "b", 2.0)])
    assert _accepted(results) == {"t": "a" if outcome in FINAL_OUTCOMES else "b"}


def test_trial_with_nothing_final_has_no_accepted_row_but_its_attempts_are_known(
    results: Results,
) -> None:
    _put(
        results,
        runs=[
            run("t", "b", 2.0, outcome="timed_out"),
            run("t", "a", 3.0, outcome="crashed", fingerprint="f"),
        ],
    )
    assert _accepted(results) == {}
    attempts = StoreView(results).attempts["t"]
    assert [(one.attempt_id, one.outcome) for one in attempts] == [
        ("b", "timed_out"),
        ("a", "crashed"),
    ]
    assert attempts[1].fingerprint == "f"
    assert attempts[1].finished_at == at(3.0)


def test_retraction_gives_way_to_the_next_attempt_and_to_none(results: Results) -> None:
    _put(results, runs=[run("t", "a", 1.0), run("t", "b", 2.0)])
    view = StoreView(results)
    write_retraction(results, attempt_ids=["a"], trial_ids=[], reason="test", command="retry")
    assert _accepted(results) == {"t": "b"}
    assert view.refresh() is True
    assert view.accepted["t"].attempt_id == "b"
    write_retraction(results, attempt_ids=["b"], trial_ids=["t"], reason="test", command="retry")
    assert _accepted(results) == {}
    assert view.refresh() is True
    assert view.accepted == {}
    assert list(view.retractions.restarted_at) == ["t"]


def test_accepted_runs_has_every_column_by_default(results: Results) -> None:
    row = run("t", "a")
    _put(results, runs=[row])
    assert accepted_runs(results).to_pylist() == [row]


def test_evaluations_count_for_accepted_weights_only_and_once(results: Results) -> None:
    _put(
        results,
        runs=[
            run("t1", "a", 1.0),
            run("t1", "b", 2.0),
            run("t2", "c", 1.0, outcome="diverged") | {"weights_sha256": None},
        ],
        evaluations=[
            evaluation("t1", "a", "e1", 9.0, accuracy=0.9),
            evaluation("t1", "z", "e1", 8.0, accuracy=0.8, weights_sha256="weights-a"),
            evaluation("t1", "b", "e1", 1.0, accuracy=0.1),
            evaluation("t1", "b", "e2", 1.0),
            evaluation("t1", "a", "e3", 1.0, outcome="crashed"),
            evaluation("t1", "a", "e4", 1.0, outcome="solver_failed"),
            evaluation("t2", "c", "e1", 1.0),
            evaluation("t2", "a", "e1", 1.0),
        ],
    )
    read = accepted_evaluations(results, ["trial_id", "eval_id", "accuracy"]).to_pylist()
    assert read == [
        {"trial_id": "t1", "eval_id": "e1", "accuracy": 0.8},
        {"trial_id": "t1", "eval_id": "e4", "accuracy": 0.25},
    ]
    assert StoreView(results).done_evaluations == {
        ("t1", "weights-a", "e1"),
        ("t1", "weights-a", "e4"),
    }
    write_retraction(results, attempt_ids=["a"], trial_ids=[], reason="test", command="retry")
    assert StoreView(results).done_evaluations == {
        ("t1", "weights-b", "e1"),
        ("t1", "weights-b", "e2"),
    }


def test_probes_count_for_accepted_weights_only_one_block_each(results: Results) -> None:
    first = trajectory("t", "z", 1.0, points=2, weights_sha256="weights-a")
    _put(
        results,
        runs=[run("t", "a", 1.0), run("t", "b", 2.0)],
        probe_trajectory=[*trajectory("t", "a", 2.0, points=4), *first, *trajectory("t", "b", 0.0)],
        probe_decision_grid=[
            make(
                "probe_decision_grid",
                trial_id="t",
                attempt_id=one,
                weights_sha256=f"weights-{one}",
                probe_id="grid",
            )
            for one in "ab"
        ],
    )
    assert accepted_probes(results, "trajectory").to_pylist() == first
    assert accepted_probes(results, "decision_grid", ["attempt_id"]).to_pylist() == [
        {"attempt_id": "a"}
    ]
    assert StoreView(results).done_probes == {
        ("t", "weights-a", "probe"),
        ("t", "weights-a", "grid"),
    }


@st.composite
def _rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    cases = draw(
        st.lists(
            st.tuples(st.sampled_from("xyz"), st.integers(0, 3), st.sampled_from(OUTCOMES)),
            max_size=12,
        )
    )
    return [
        run(trial, f"a{index}", float(second), outcome=outcome, epochs=[])
        for index, (trial, second, outcome) in enumerate(cases)
    ]


@given(
    rows=_rows(),
    retracted=st.sets(st.sampled_from([f"a{index}" for index in range(12)])),
    order=st.randoms(use_true_random=False),
)
def test_acceptance_is_the_rule_whatever_the_order_and_the_copies(
    rows: list[dict[str, Any]], retracted: set[str], order: Any
) -> None:
    expected: dict[str, dict[str, Any]] = {}
    for row in rows:
        best = expected.get(row["trial_id"])
        if (
            row["outcome"] not in ("completed", "diverged", "solver_failed")
            or row["attempt_id"] in retracted
        ):
            continue
        if best is None or (row["finished_at"], row["attempt_id"]) < (
            best["finished_at"],
            best["attempt_id"],
        ):
            expected[row["trial_id"]] = row
    copies = rows + rows[: len(rows) // 2]
    order.shuffle(copies)
    pieces = [to_table(SCHEMAS["runs"], copies[:3]), to_table(SCHEMAS["runs"], copies[3:])]
    once = once_each("runs", pieces)
    assert once.to_pylist() == sorted(rows, key=lambda row: (row["trial_id"], row["attempt_id"]))
    assert accept_runs(once, retracted).to_pylist() == [
        expected[trial] for trial in sorted(expected)
    ]


@given(
    cases=st.lists(
        st.tuples(
            st.sampled_from("xy"),
            st.sampled_from(["w1", "w2"]),
            st.sampled_from("ef"),
            st.integers(0, 3),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_evaluations_follow_the_rule(cases: list[tuple[str, str, str, int, bool]]) -> None:
    rows = [
        evaluation(
            trial,
            f"a{index}",
            one,
            float(second),
            weights_sha256=weights,
            outcome="completed" if final else "crashed",
        )
        for index, (trial, weights, one, second, final) in enumerate(cases)
    ]
    accepted = pa.table({"trial_id": ["x", "y"], "weights_sha256": ["w1", None]})
    counting = [
        row
        for row in rows
        if (row["trial_id"], row["weights_sha256"], row["outcome"]) == ("x", "w1", "completed")
    ]
    by_evaluation = itertools.groupby(
        sorted(counting, key=lambda row: (row["eval_id"], row["finished_at"], row["attempt_id"])),
        lambda row: row["eval_id"],
    )
    assert accept_derived(
        "evaluations", to_table(SCHEMAS["evaluations"], rows), accepted, set()
    ).to_pylist() == [next(group) for _, group in by_evaluation]


def test_view_reads_each_file_once_and_stays_right_through_a_merge(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = _put(
        results,
        runs=[run("t1", "a")],
        evaluations=[evaluation("t1", "a", "e")],
        probe_trajectory=trajectory("t1", "a"),
    )
    view = StoreView(results)
    before = (view.accepted, view.attempts, view.done_evaluations, view.done_probes)
    reads: list[Path] = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: reads.append(self) or read_bytes(self))
    assert view.refresh() is False
    assert reads == []
    writer.close()
    reads.clear()
    view.refresh()
    assert {path.parent for path in reads} == {
        results.merged(table) for table in ("runs", "evaluations", "probe_trajectory")
    }
    assert (view.accepted, view.attempts, view.done_evaluations, view.done_probes) == before
    _put(results, "other", runs=[run("t2", "b")])
    reads.clear()
    assert view.refresh() is True
    assert len(reads) == 1
    assert view.accepted.keys() == {"t1", "t2"}


def test_view_takes_in_a_file_that_becomes_readable_later(results: Results) -> None:
    _put(results, runs=[run("t", "a")])
    part = next(results.parts("runs").iterdir())
    data = part.read_bytes()
    part.write_bytes(b"")
    view = StoreView(results)
    assert view.accepted == {}
    part.write_bytes(data)
    assert view.refresh() is True
    assert view.accepted.keys() == {"t"}


_ATTEMPTS = st.lists(
    st.tuples(st.sampled_from("tuv"), st.sampled_from("abcdef"), st.integers(0, 5)),
    unique_by=lambda one: one[:2],
)


@given(
    held=_ATTEMPTS,
    new=_ATTEMPTS,
    failed=st.sets(st.sampled_from("abcdef"), max_size=2),
    earlier=st.sets(st.sampled_from("abcdef"), max_size=2),
    later=st.sets(st.sampled_from("abcdef"), max_size=2),
)
def test_deciding_only_what_is_open_decides_as_before(
    held: list[tuple[str, str, int]],
    new: list[tuple[str, str, int]],
    failed: set[str],
    earlier: set[str],
    later: set[str],
) -> None:
    def table(attempts: list[tuple[str, str, int]]) -> pa.Table:
        rows = [
            run(trial, attempt, seconds)
            | {"outcome": "crashed" if attempt in failed else "diverged"}
            for trial, attempt, seconds in attempts
        ]
        return to_table(SCHEMAS["runs"], rows).select(RUN_COLUMNS)

    def keys(rows: pa.Table) -> set[tuple[str, str]]:
        return set(zip(*rows.select(["trial_id", "attempt_id"]).to_pydict().values(), strict=True))

    old = table(held)
    aside = keys(final_runs(old, ())) - keys(accept_runs(old, earlier))
    manifest = Manifest(1, set_aside=tuple(sorted("/".join(key) for key in aside)))
    both = once_each("runs", [old, table(new)])
    expected = accept_runs(both, earlier | later, standing_runs(manifest, [old]))
    found = accept_all([old], table(new), manifest, earlier | later)
    assert len(found) == len(keys(found))
    assert keys(found) == keys(expected)
