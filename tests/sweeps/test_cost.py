"""Predicted cost: which rows it comes from, in which unit, and how far it was off."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from small_study import study
from test_plan import row

from sweeps.cli import main
from sweeps.device import Device, of_profile
from sweeps.planning.cost import SOURCES, Costs
from sweeps.planning.operation_count import (
    counted_train_seconds,
    records,
    sample_seconds,
    scored_samples,
)
from sweeps.planning.plan import current_plan
from sweeps.planning.timing import STEPS, timed
from sweeps.profiles import Profile, load
from sweeps.spec import parse
from sweeps.store import Results, accepted_runs
from sweeps.studies import find, studies
from sweeps.study.overrides import select

H200 = Device(True, "H200", share=0.5)
GPU = {"device": "NVIDIA H200", "cpu_threads": 6}
GRID = study(grid={"solver.steps": (1, 2, 4)}, seeds=range(2))


def roofline(spec: Any, device: Device) -> float:
    """Steps and scores, from the count."""
    rate = device.rate(spec.precision)
    scores = records(spec) * scored_samples(spec) * sample_seconds(spec, rate)
    return counted_train_seconds(spec, rate) + scores


def timing(spec: Any, step: float, **given: Any) -> dict[str, Any]:
    """A row of `odesweep probe` whose steps took `step` seconds, after a slow first part."""
    parts = [
        {"train_seconds": 5 * step * (9 if i == 0 else 1), "evaluate_seconds": 0.0}
        for i in range(4)
    ]
    short = timed(select(study(base=spec.model_dump(mode="json", exclude={"seed"})))).selected[0]
    return row(short, epochs=parts, train_seconds=60 * step, nfe_forward=STEPS) | given


def test_rows_replace_the_count_of_operations() -> None:
    first, again, *_, other, _ = select(GRID).declared
    costs = Costs.from_rows([row(first, train_seconds=10.0), row(again, train_seconds=20.0)])
    assert costs.train_seconds(first.spec, first.cell_id) == 15.0
    assert costs.source(first.spec, first.cell_id) == "rows"
    assert costs.source(other.spec, other.cell_id) == "similar"
    wider = parse({**GRID.base, "model": {"name": "flat_node", "width": 64}})
    assert costs.source(wider, "wider") == "roofline"
    assert costs.train_seconds(wider, "wider") == pytest.approx(roofline(wider, Device()))
    failed = Costs.from_rows([row(first, outcome="diverged", train_seconds=0.1)])
    assert failed.source(first.spec, first.cell_id) == "roofline"


def test_another_number_of_steps_costs_in_proportion() -> None:
    one, *_, four, _ = select(study(grid={"solver.steps": (8, 16, 32)})).declared * 2
    spec = one.spec
    costs = Costs.from_rows(
        [row(one, train_seconds=3 * counted_train_seconds(spec), nfe_forward=8 * 10)]
    )
    assert costs.train_seconds(four.spec, four.cell_id) == pytest.approx(
        3 * counted_train_seconds(four.spec), rel=0.05
    )


def test_sources_are_asked_in_their_order() -> None:
    trial = select(GRID).declared[0]
    seconds = {}
    for name, rows, timings in (
        ("rows", [row(trial, train_seconds=4.0, **GPU)], [timing(trial.spec, 0.2, **GPU)]),
        ("timings", [row(trial, train_seconds=4.0)], [timing(trial.spec, 0.2, **GPU)]),
        ("others", [row(trial, train_seconds=4.0, device="NVIDIA A100")], []),
        ("roofline", [row(trial, train_seconds=4.0)], [timing(trial.spec, 0.2)]),
    ):
        costs = Costs.from_rows(rows, timings, H200)
        assert costs.source(trial.spec, trial.cell_id) == name
        seconds[name] = costs.train_seconds(trial.spec, trial.cell_id)
    assert seconds["rows"] == seconds["others"] == 4.0
    assert seconds["timings"] == pytest.approx(10 * 0.2), "the first part is left out"
    assert seconds["roofline"] == pytest.approx(roofline(trial.spec, H200))


def test_threads_of_a_slot_without_a_gpu_count() -> None:
    trial = select(GRID).declared[0]
    rows = [row(trial, train_seconds=4.0, cpu_threads=2)]
    for threads, source in ((2, "rows"), (None, "rows"), (1, "others")):
        costs = Costs.from_rows(rows, device=Device(threads=threads))
        assert costs.source(trial.spec, trial.cell_id) == source


def test_errors_are_those_of_finished_rows_without_themselves() -> None:
    first, again, *_ = select(GRID).declared
    rows = [row(first, train_seconds=10.0), row(again, train_seconds=20.0)]
    costs = Costs.from_rows(rows, [timing(first.spec, 1.5)])
    errors = costs.errors([first.spec])
    assert errors["rows"] == (pytest.approx((1.0 + 0.5) / 2), 2)
    assert errors["timings"] == (pytest.approx((0.5 + 0.25) / 2), 2)
    assert set(errors) == {"rows", "timings", "roofline"} <= set(SOURCES)
    alone = Costs.from_rows(rows[:1])
    assert "rows" not in alone.errors([first.spec])


def test_devices_of_profiles() -> None:
    assert of_profile(load("h200")) == H200
    a100 = of_profile(load("a100"))
    assert (a100.gpu, a100.name, a100.share, a100.unit) == (True, "a100", 0.25, "GPU")
    assert a100.amount(3600 * 10) == "2.5 GPU-hours"
    assert of_profile(Profile(cpus=2)).amount(90) == "3 core-minutes"
    assert H200.rate("bf16") > H200.rate("float32") > a100.rate("float32")


def test_a_probe_is_short_and_each_step_that_costs_the_same_is_timed_once() -> None:
    for one in studies().values():
        selection = select(one)
        short = timed(selection).selected
        assert len(short) <= len({trial.cell_id for trial in selection.selected})
        assert all(trial.spec.train.iterations == STEPS for trial in short)
        assert not any(trial.evaluations or trial.probes for trial in short)
    rates = study(grid={"train.optimizer.lr": (0.1, 0.01), "solver.steps": (1, 2)}, seeds=range(3))
    assert len(timed(select(rates)).selected) == 2


REAL = (
    ("ott2021/sphere2-fixed", "--scale", "smoke", "train.iterations=80"),
    ("ott2021/sphere2-adaptive", "--scale", "smoke", "train.iterations=80"),
    (
        "gusak2020/figure1",
        "--scale",
        "smoke",
        "data.source=generated",
        "data.train_limit=256",
        "model.ode_norm=layer",
    ),
)


@pytest.mark.slow
def test_after_a_probe_the_cost_of_real_trials_is_right_within_a_quarter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seconds of this thread: what a trial takes on an idle machine, also on one that is busy.
    monkeypatch.setattr(time, "perf_counter", time.thread_time)
    results = Results(tmp_path / "results")
    for command in ("probe", "run"):
        for arguments in REAL:
            options = ("--threads", "1", "--pdb", "--results", str(results.path))
            with pytest.raises(SystemExit) as ended:
                main([command, *arguments, *options])
            assert ended.value.code == 0
    costs = current_plan(results, select(find("demo")))[1]
    specs = [parse(json.loads(text)) for text in accepted_runs(results)["spec"].to_pylist()]
    error = costs.errors(specs)["timings"]
    assert error.n == len(specs) >= 8
    assert error.median <= 0.25
