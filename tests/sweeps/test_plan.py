"""The plan: what is left is the declared grid minus what is accepted, whatever is in the rows."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_study import study
from store_rows import make

from odecore.config import lookup
from odecore.config.solver import FixedStep
from odecore.config.solver_methods import FIXED_STEP, REVISIONS
from sweeps.planning.cost import Costs
from sweeps.planning.operation_count import (
    CALLS,
    PASSES,
    iterations,
    nfe_per_solve,
    step_seconds,
)
from sweeps.planning.plan import current_plan, plan, save
from sweeps.spec import flatten, parse
from sweeps.store import Results, axis_words, read_plan
from sweeps.store.write import Writer
from sweeps.study import EvaluationGrid, Exclude, ProbeGrid
from sweeps.study.overrides import Selection, select
from sweeps.worker.rows import evaluation_column

ONE = study(
    grid={"solver.steps": (1, 2, 4)},
    seeds=range(2),
    evaluations=[EvaluationGrid("factors", ("euler", "rk4"), factors=(1, 2))],
    probes=[ProbeGrid("figure", "trajectory", where={"solver.steps": 2})],
)


def row(trial: Any, **given: Any) -> dict[str, Any]:
    """What `plan` reads of the accepted row of a planned trial."""
    return {
        "trial_id": trial.trial_id,
        "cell_id": trial.cell_id,
        "spec": trial.spec.model_dump_json(),
        "outcome": "completed",
        "weights_sha256": "w",
        "weights_kept": True,
        "train_seconds": 10.0,
        "evaluate_seconds": 0.0,
        "nfe_forward": 1000,
        "device": "cpu",
        "cpu_threads": 1,
        "code_hash": "0123456789",
    } | given


def test_nothing_is_done_at_first() -> None:
    current = plan(select(ONE))
    assert len(current.of("pending")) == 6
    assert sum(len(entry.missing_evaluations) for entry in current.entries) == 6 * 4
    assert sum(len(entry.missing_probes) for entry in current.entries) == 2
    assert current.seconds == pytest.approx(sum(entry.seconds for entry in current.entries))
    assert all(entry.submits for entry in current.entries)


@settings(max_examples=30)
@given(st.sets(st.integers(0, 5)), st.sets(st.integers(0, 23)))
def test_what_is_left_is_what_was_not_accepted(done: set[int], evaluated: set[int]) -> None:
    selection = select(ONE)
    pairs = [
        (trial.trial_id, "w", one.eval_id)
        for trial in selection.declared
        for one in trial.evaluations
    ]
    accepted = [row(selection.declared[i]) for i in done]
    current = plan(selection, accepted, {pairs[i] for i in evaluated})
    assert {e.trial.trial_id for e in current.of("pending")} == {
        t.trial_id for i, t in enumerate(selection.declared) if i not in done
    }
    missing = [
        (e.trial.trial_id, "w", one.eval_id)
        for e in current.entries
        for one in e.missing_evaluations
    ]
    trained = {entry["trial_id"] for entry in accepted}
    assert missing == [
        pair for i, pair in enumerate(pairs) if i not in evaluated or pair[0] not in trained
    ]


def test_in_flight_is_neither_pending_nor_submitted() -> None:
    selection = select(ONE)
    current = plan(selection, in_flight={selection.declared[0].trial_id})
    assert [entry.trial.trial_id for entry in current.of("in_flight")] == [
        selection.declared[0].trial_id
    ]
    assert not current.of("in_flight")[0].submits


@pytest.mark.parametrize("outcome", ["diverged", "solver_failed"])
def test_a_run_that_failed_is_done_and_misses_nothing(outcome: str) -> None:
    selection = select(ONE)
    current = plan(
        selection,
        [row(trial, outcome=outcome, weights_sha256=None) for trial in selection.declared],
    )
    assert not any(
        entry.submits or entry.missing_evaluations or entry.missing_probes
        for entry in current.entries
    )


def test_a_trained_net_is_submitted_for_its_missing_evaluations_only() -> None:
    selection = select(ONE)
    every = {
        (trial.trial_id, "w", one.eval_id)
        for trial in selection.declared
        for one in trial.evaluations
    }
    lacking = selection.declared[1]
    done = every - {(lacking.trial_id, "w", lacking.evaluations[0].eval_id)}
    probes = {
        (trial.trial_id, "w", one.probe_id) for trial in selection.declared for one in trial.probes
    }
    current = plan(selection, [row(trial) for trial in selection.declared], done, probes)
    assert [entry.trial.trial_id for entry in current.entries if entry.submits] == [
        lacking.trial_id
    ]
    assert [one.eval_id for entry in current.entries for one in entry.missing_evaluations] == [
        lacking.evaluations[0].eval_id
    ]


def test_another_test_solver_trains_nothing() -> None:
    before = select(ONE)
    accepted = [row(trial) for trial in before.declared]
    done = {
        (trial.trial_id, "w", one.eval_id) for trial in before.declared for one in trial.evaluations
    }
    probes = {
        (trial.trial_id, "w", one.probe_id) for trial in before.declared for one in trial.probes
    }
    current = plan(select(ONE, None, ["+evaluations.solver=heun"]), accepted, done, probes)
    assert not current.of("pending")
    assert {
        one.evaluation.solver.name  # type: ignore[union-attr]
        for entry in current.entries
        for one in entry.missing_evaluations
    } == {"heun"}
    assert sum(len(entry.missing_evaluations) for entry in current.entries) == 6 * 2


def test_a_fixed_component_makes_its_rows_stale_and_their_trials_pending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grid = study(grid={"solver.name": ("euler", "heun")})
    before = select(grid)
    elsewhere = select(grid, None, ["train.iterations=11"])
    accepted = [row(trial) for trial in (*before.declared, *elsewhere.declared)]
    unreadable = row(before.declared[0]) | {
        "trial_id": "older",
        "spec": before.declared[0].spec.model_dump_json().replace('"width"', '"breadth"'),
    }
    monkeypatch.setitem(REVISIONS, "heun", 2)
    current = plan(select(grid), [*accepted, unreadable])
    assert [entry.trial.axes["solver.name"] for entry in current.of("pending")] == ["heun"]
    assert current.stale == {before.declared[1].trial_id: current.of("pending")[0].trial.trial_id}


def test_code_hashes_are_counted_over_the_selected_rows() -> None:
    selection = select(ONE, None, ["seed=0"])
    hashes = ["aaaa", "bbbb", "bbbb", "cccc", "cccc", None]
    accepted = [
        row(trial, code_hash=code) for trial, code in zip(selection.declared, hashes, strict=True)
    ]
    assert plan(selection, accepted).code_hashes == {"aaaa": 1, "bbbb": 1, "cccc": 1}


def _publish(results: Results, trial: Any, **given: Any) -> None:
    facts = {"attempt_id": f"attempt-{trial.trial_id[:8]}", "weights_sha256": "sha"}
    evaluation = trial.evaluations[0]
    writer = Writer(results, f"worker-{trial.trial_id[:8]}")
    writer.add("runs", [make("runs", **_filled(flatten(trial.spec)) | row(trial) | facts | given)])
    writer.add(
        "evaluations",
        [
            make(
                "evaluations",
                trial_id=trial.trial_id,
                eval_id=evaluation.eval_id,
                **facts,
                **{
                    evaluation_column(name): value
                    for name, value in _filled(flatten(evaluation.evaluation)).items()
                },
            )
        ],
    )
    writer.close()


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def test_looking_at_a_folder_counts_accepted_rows_and_their_evaluations(tmp_path: Path) -> None:
    results, selection = Results(tmp_path / "results"), select(ONE)
    assert len(current_plan(results, selection)[0].of("pending")) == 6
    assert not results.path.exists(), "planning must not make folders"
    results.create()
    _publish(results, selection.declared[0])
    _publish(results, selection.declared[1], outcome="crashed")
    current, costs = current_plan(results, selection)
    assert [entry.trial.trial_id for entry in current.of("done")] == [
        selection.declared[0].trial_id
    ]
    assert len(current.of("done")[0].missing_evaluations) == 3
    assert costs.train_seconds(selection.declared[0].spec, selection.declared[0].cell_id) == 10.0


@pytest.mark.parametrize(
    "texts", [(), ("seed=0", "solver.steps=4"), ("+solver.steps=8", "train.batch_size=64")]
)
def test_a_saved_plan_is_the_declared_grid_and_reads_back_the_same(
    tmp_path: Path, texts: tuple[str, ...]
) -> None:
    results, selection = Results(tmp_path), select(ONE, None, texts)
    save(results, selection, Costs())
    saved = read_plan(results, selection.plan_name)
    assert [one["trial_id"] for one in saved.rows()] == [
        trial.trial_id for trial in selection.declared
    ]
    for one, trial in zip(saved.rows(), selection.declared, strict=True):
        assert (one["axes"], one["seed"], one["cell_id"]) == (
            trial.axes,
            trial.spec.seed,
            trial.cell_id,
        )
        assert one["evaluations"] == [{"eval_id": e.eval_id, **e.axes} for e in trial.evaluations]
        assert one["probes"] == [
            {"probe_id": p.probe_id, "name": p.probe.name, **p.axes} for p in trial.probes
        ]
    info = saved.info
    assert (info.name, info.overrides) == (selection.plan_name, selection.overrides)
    assert (info.study, info.reference, info.scale) == ("small", "small", "full")
    assert info.scale_label == "Full scale."


def _reselected(command: str, selection: Selection) -> list[str]:
    import shlex

    name, run, study_name, scale, value, *texts = shlex.split(command)
    assert (name, run, study_name, scale, value) == ("odesweep", "run", "small", "--scale", "full")
    return [trial.trial_id for trial in select(ONE, "full", texts).selected]


def test_the_command_of_a_planned_trial_selects_exactly_it(tmp_path: Path) -> None:
    results, selection = (
        Results(tmp_path),
        select(ONE, None, ["+solver.steps=8", "train.batch_size=64"]),
    )
    save(results, selection, Costs())
    plan = read_plan(results, selection.plan_name)
    for row in plan.rows():
        words = axis_words({**row["axes"], "seed": row["seed"]})
        assert _reselected(plan.info.command("run", *words), selection) == [row["trial_id"]]


def test_excluded_cells_come_with_their_reason() -> None:
    one = study(
        grid={"solver.steps": (1, 2), "model.width": (4, 8)},
        exclude=[Exclude("too wide", where={"model.width": 8})],
    )
    (excluded,) = select(one).excluded
    assert (excluded.reason, len(excluded.cells)) == ("too wide", 2)


def test_iterations_of_epochs() -> None:
    train = {"epochs": 3, "batch_size": 128}
    images = {**ONE.base, "data": {"name": "mnist", "train_limit": 1000}}
    assert iterations(parse(images | {"train": train})) == 3 * 8
    assert iterations(parse(images | {"train": train | {"drop_last": True}})) == 3 * 7
    assert iterations(parse(images | {"train": train, "data": {"name": "cifar10"}})) == 3 * 391


def test_every_fixed_step_solver_and_every_gradient_has_a_cost() -> None:
    assert set(FIXED_STEP) == {
        name for name, record in lookup.SOLVERS.items() if record is FixedStep
    }
    assert set(PASSES) == set(CALLS) == set(lookup.GRADIENTS)


def test_the_adjoint_and_torchdiffeq_are_predicted_to_cost_more() -> None:
    base = {**ONE.base, "solver": {"name": "euler", "steps": 64}}

    def seconds(**given: Any) -> float:
        return step_seconds(parse(base | given))

    own = seconds()
    assert seconds(solver=base["solver"] | {"backend": "torchdiffeq"}) > 1.2 * own
    recomputed, adjoint = (seconds(gradient={"name": name}) for name in ("checkpoint", "adjoint"))
    assert own < recomputed < adjoint


@pytest.mark.parametrize("name", FIXED_STEP)
def test_stages_are_counted_as_the_solvers_count_them(name: str) -> None:
    import torch

    from odecore.solvers import build_fixed_step

    config = FixedStep.model_validate({"name": name, "steps": 3})
    solution = build_fixed_step(config)(lambda _t, x: -x, torch.ones(1, 1))
    assert solution.nfe == nfe_per_solve(config)
