"""The training loop: records, outcomes and their details."""

import math

import pytest
import torch
from trainings import DOPRI5, IMAGES, make, run

from odecore.training.evaluate import score
from odecore.training.fit import batches_per_epoch
from odecore.training.streams import generator


def test_records_come_at_their_interval_and_at_the_end() -> None:
    training = make()
    training.run(lambda _: False)
    assert [record["iteration"] for record in training.records] == [4, 8, 11]
    assert [record["nfe_forward"] for record in training.records] == [12, 12, 9]
    by_epoch = make({"iterations": None, "epochs": 2, "record_every": None})
    by_epoch.run(lambda _: False)
    assert [(record["iteration"], record["epoch"]) for record in by_epoch.records] == [
        (4, 1),
        (8, 2),
    ]


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
    training = make(
        data={"name": "spheres", "test_size": 1000},
        fidelity={"accuracy_divisor": "batch_size"},
        train={"batch_size": 128},
    )
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
    draws = {
        name: torch.rand(4, generator=generator(0, *name))
        for name in (("order", 0), ("order", 1), ("init", "a"), ("init", "b"))
    }
    assert len({tuple(values.tolist()) for values in draws.values()}) == 4
    assert torch.equal(torch.rand(4, generator=generator(0, "order", 1)), draws["order", 1])
    assert not torch.equal(torch.rand(4, generator=generator(1, "order", 1)), draws["order", 1])


def test_nothing_to_train_is_completed_with_one_row_of_the_test_split() -> None:
    fan = {
        "data": {"name": "fan"},
        "model": {"name": "windermere_fan"},
        "solver": {"name": "euler", "steps": 316},
    }
    training = make({"iterations": 0, "record_every": None}, **fan)
    assert training.run(lambda _: False) == "completed"
    (row,) = training.records
    assert (
        row["iteration"],
        row["epoch"],
        row["learning_rate"],
        row["bias_gradient_norm_max"],
    ) == (0, 0, None, None)
    assert (
        row["accuracy_test"] == score(training.model, training.data, "test", batch_size=4).accuracy
    )
    assert math.isnan(row["loss_train"])
    assert row["nfe_forward"] == 0
    # A resume of it has nothing left to do.
    again = make({"iterations": 0, "record_every": None}, **fan)
    again.load_state(training.state())
    assert run(again).records == training.records


def test_other_scores_are_series_and_their_time_is_counted() -> None:
    also = (
        {"label": "train", "split": "train"},
        {"label": "few", "split": "train", "limit": 7, "batch_size": 3},
    )
    training = run(make({"also_test": also}))
    assert [iteration for iteration, name, _ in training.series if name == "accuracy.train"] == [
        4,
        8,
        11,
    ]
    last = {name: value for iteration, name, value in training.series if iteration == 11}
    assert set(last) == {
        f"{name}.{label}"
        for name in ("accuracy", "loss", "evaluate_seconds")
        for label in ("train", "few")
    }
    assert (
        last["accuracy.train"]
        == score(training.model, training.data, "train", batch_size=32).accuracy
    )
    assert last["loss.few"] == pytest.approx(
        score(training.model, training.data, "train", batch_size=7, limit=7).loss
    )
    assert sum(row["evaluate_seconds"] for row in training.records) == pytest.approx(
        training.evaluate_seconds
    )
    also_seconds = sum(
        value for _, name, value in training.series if name.startswith("evaluate_seconds")
    )
    assert 0 < also_seconds < training.evaluate_seconds


def test_the_largest_gradient_of_a_bias_is_recorded() -> None:
    training = make({"iterations": 3, "record_every": 3})
    largest = 0.0
    for _ in range(3):
        training.step()
        gradients = [
            p.grad
            for name, p in training.model.named_parameters()
            if name.endswith("bias") and p.grad is not None
        ]
        assert len(gradients) == 4
        largest = max(largest, *(gradient.norm().item() for gradient in gradients))
    run(training)
    # The three steps are the whole training, so the row is closed by no further one.
    assert training.records == []
    again = run(make({"iterations": 3, "record_every": 3}))
    assert again.records[0]["bias_gradient_norm_max"] == pytest.approx(largest)
    assert 0 < largest <= again.records[0]["gradient_norm_max"]


def test_nets_without_bias_have_no_bias_gradient() -> None:
    model = {"name": "dense", "layers": 1, "width": 4}
    assert (
        run(make({"iterations": 2}, data=IMAGES, model=model, solver=None)).records[0][
            "bias_gradient_norm_max"
        ]
        is None
    )


def test_an_output_that_cannot_be_tested_at_the_end_has_not_completed() -> None:
    # The last test batch has one image, and mini-batch statistics of one value do not exist.
    model = {"name": "dense", "layers": 1, "width": 4, "norm": "mini_batch"}
    training = make(
        {"iterations": 2, "batch_size": 3},
        data=IMAGES | {"test_limit": 10},
        model=model,
        solver=None,
    )
    assert training.run(lambda _: False) == "solver_failed"
    assert "more than one value per channel" in (training.detail or "")
