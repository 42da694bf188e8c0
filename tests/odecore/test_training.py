"""The training loop: results, outcomes, and cuts that leave no trace."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from odecore import data as datasets
from odecore.config import TrialSpec
from odecore.models import build_model
from odecore.training import checkpointing
from odecore.training.evaluate import score
from odecore.training.fit import Training, batches_per_epoch
from odecore.training.streams import generator

CPU = torch.device("cpu")
EULER = {"name": "euler", "steps": 3}
DOPRI5 = {"name": "dopri5", "tolerance": 1e-3}
TIMES = {"train_seconds", "evaluate_seconds", "peak_memory_bytes"}


def make(train: dict[str, Any] | None = None, **sections: Any) -> Training:
    values: dict[str, Any] = {
        "data": {"name": "spheres", "train_size": 100, "test_size": 50},
        "model": {"name": "flat_node", "width": 4},
        "solver": EULER,
        "train": {"optimizer": {"name": "adam", "lr": 1e-2}, "batch_size": 32, "iterations": 11, "record_every": 4} | (train or {}),
    }
    spec = TrialSpec.model_validate(values | sections)
    return Training(spec, datasets.load(spec.data, None), CPU)


def without_times(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in record.items() if name not in TIMES} for record in records]


@pytest.mark.parametrize("solver", [EULER, DOPRI5], ids=lambda s: s["name"])
@pytest.mark.parametrize("optimizer", [{"name": "adam", "lr": 1e-2}, {"name": "sgd", "lr": 0.1, "momentum": 0.9}], ids=lambda o: o["name"])
def test_a_run_cut_after_any_step_ends_bit_for_bit_like_one_never_cut(tmp_path: Path, solver: dict[str, Any], optimizer: dict[str, Any]) -> None:
    whole = make({"optimizer": optimizer}, solver=solver)
    assert whole.run(lambda _: False) == "completed"
    state = None
    for cut in (1, 4, 7, 10):
        piece = make({"optimizer": optimizer}, solver=solver)
        if state is not None:
            piece.load_state(state)
        assert piece.run(lambda training, cut=cut: training.iteration == cut) is None
        checkpointing.save(tmp_path / "trial" / f"attempt{cut}", piece.iteration, piece.state())
        state = checkpointing.furthest(tmp_path / "trial")
        assert state is not None
        assert state["iteration"] == cut
    last = make({"optimizer": optimizer}, solver=solver)
    assert state is not None
    last.load_state(state)
    assert last.run(lambda _: False) == "completed"
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, last.model.state_dict()[name]), name
    assert without_times(whole.records) == without_times(last.records)
    assert (whole.evaluations_forward, whole.evaluations_backward) == (last.evaluations_forward, last.evaluations_backward)


def test_records_come_at_their_interval_and_at_the_end() -> None:
    training = make()
    training.run(lambda _: False)
    assert [record["iteration"] for record in training.records] == [4, 8, 11]
    assert [record["evaluations_forward"] for record in training.records] == [12, 12, 9]
    by_epoch = make({"iterations": None, "epochs": 2, "record_every": None})
    by_epoch.run(lambda _: False)
    assert [(record["iteration"], record["epoch"]) for record in by_epoch.records] == [(4, 1), (8, 2)]


def test_every_sample_is_seen_once_an_epoch_in_an_order_of_the_seed_alone() -> None:
    first, second = make(), make(solver=DOPRI5)
    seen = []
    for _ in range(4):
        x, _ = first._batch()  # pyright: ignore[reportPrivateUsage]
        assert torch.equal(x, second._batch()[0])  # pyright: ignore[reportPrivateUsage]
        seen.append(x)
        first.step()
        second.step()
    assert torch.equal(torch.cat(seen).sort(0).values, first.data.train_x.sort(0).values)


def test_loss_falls_and_the_last_row_is_the_score_of_the_final_model() -> None:
    training = make({"iterations": 120, "record_every": 40})
    training.run(lambda _: False)
    assert training.records[-1]["loss_train"] < training.records[0]["loss_train"]
    again = score(training.model, training.data, "test", batch_size=7)
    assert again.accuracy == training.records[-1]["accuracy_test"]
    assert again.loss == pytest.approx(training.records[-1]["loss_test"], rel=1e-6)


def test_an_exploding_run_is_diverged_with_its_step() -> None:
    training = make({"optimizer": {"name": "sgd", "lr": 1e30}})
    assert training.run(lambda _: False) == "diverged"
    assert training.iteration < 5
    assert training.detail


def test_a_solver_that_hits_its_cap_is_solver_failed() -> None:
    training = make(solver={"name": "dopri5", "tolerance": 1e-6, "max_evaluations": 9})
    assert training.run(lambda _: False) == "solver_failed"
    assert training.iteration == 0
    assert "evaluations" in (training.detail or "")


def test_the_papers_accuracy_divisor_caps_a_perfect_score() -> None:
    training = make(data={"name": "spheres", "test_size": 1000}, fidelity={"accuracy_divisor": "batch_size"}, train={"batch_size": 128})
    head = training.model.head
    assert isinstance(head, torch.nn.Linear)
    training.data.test_y.fill_(1)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([0.0, 1.0]))
    # 1,000 points are 7 full batches of 128 and one of 104 (Ott 2021, code): (7 + 104/128) / 8.
    assert training.score_split("test").accuracy == pytest.approx((7 + 104 / 128) / 8)
    assert score(training.model, training.data, "test", batch_size=128).accuracy == 1.0


def test_a_batch_larger_than_the_data_with_drop_last_is_refused() -> None:
    assert (batches_per_epoch(100, 32, True), batches_per_epoch(100, 32, False)) == (3, 4)
    with pytest.raises(ValueError, match="leaves no batch"):
        make({"batch_size": 128, "drop_last": True})


def test_streams_are_independent_of_each_other() -> None:
    draws = {name: torch.rand(4, generator=generator(0, *name)) for name in (("order", 0), ("order", 1), ("init", "a"), ("init", "b"))}
    assert len({tuple(values.tolist()) for values in draws.values()}) == 4
    assert torch.equal(torch.rand(4, generator=generator(0, "order", 1)), draws["order", 1])
    assert not torch.equal(torch.rand(4, generator=generator(1, "order", 1)), draws["order", 1])


def test_cells_of_one_seed_share_initial_values() -> None:
    specs = [make(solver=solver).spec for solver in (EULER, DOPRI5)]
    states = [build_model(spec).state_dict() for spec in specs]
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    assert not math.isclose(
        states[0]["head.weight"][0, 0].item(), build_model(specs[0].model_copy(update={"seed": 1})).state_dict()["head.weight"][0, 0].item()
    )
