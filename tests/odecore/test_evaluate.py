"""Evaluations of kept weights: against loops by hand, in every precision, with noise, and what they
leave behind.
"""

import math
from typing import Any

import pytest
import torch
from torch.nn import functional
from trainings import IMAGES, make, run

from odecore.config import Evaluation
from odecore.models.ode_block import ode_blocks
from odecore.training.evaluate import evaluate, one_image_of_noise, score
from odecore.training.fit import Training
from odecore.training.streams import generator

STACKED = {"name": "stacked_odenet", "layers": 4, "width": 4, "ode_norm": "ta_bn"}
FINE = {"name": "rk4", "steps": 5}


def evaluation(**values: Any) -> Evaluation:
    return Evaluation.model_validate({"solver": None} | values)


@pytest.fixture
def trained() -> Training:
    """After 6 of 20 steps, tested there."""
    training = make(
        {"iterations": 20, "batch_size": 8, "record_every": 6},
        data=IMAGES | {"test_limit": 11},
        model=STACKED,
    )
    training.run(lambda training: training.iteration == 6)
    return training


def test_no_solver_means_the_training_one(trained: Training) -> None:
    found = evaluate(trained.model, trained.data, evaluation(batch_size=8))
    assert found.accuracy == trained.records[-1]["accuracy_test"]
    assert found.loss == trained.records[-1]["loss_test"]
    # Three Euler steps for two batches.
    assert (found.nfe, found.batches, found.samples) == (6, 2, 11)
    other = evaluate(trained.model, trained.data, evaluation(solver=FINE, batch_size=8))
    assert other.nfe == 40
    assert other.loss != found.loss


def test_no_solver_is_an_adapted_one_as_it_ended() -> None:
    training = run(make({"iterations": 50, "record_every": 50}, solver={"name": "adapted_euler"}))
    steps = [value for _, name, value in training.series if name == "steps"]
    assert steps[-1] != steps[0]
    assert evaluate(training.model, training.data, evaluation(batch_size=50)).nfe == steps[-1]


def test_a_model_without_ode_is_evaluated_without_solver() -> None:
    training = make(data=IMAGES, model={"name": "dense", "layers": 1, "width": 4}, solver=None)
    found = evaluate(training.model, training.data, evaluation(split="train", limit=5))
    with torch.no_grad():
        logits = training.model.eval()(training.data.inputs(training.data.train_x[:5]))
    assert found.correct == int((logits.argmax(1) == training.data.train_y[:5]).sum())
    assert found.loss == pytest.approx(
        functional.cross_entropy(logits, training.data.train_y[:5]).item()
    )
    assert (found.samples, found.nfe) == (5, 0)


def test_float64_is_computed_in_float64_and_undone_exactly(trained: Training) -> None:
    model, data = trained.model, trained.data
    trained.step()
    before = {
        name: (value, value.clone()) for name, value in model.state_dict(keep_vars=True).items()
    }
    gradients = [p.grad for p in model.parameters()]
    assert all(gradient is not None for gradient in gradients)
    storage = [p.data_ptr() for p in model.parameters()]
    seen: list[torch.dtype] = []
    hook = ode_blocks(model)[0].register_forward_hook(
        lambda _block, _inputs, output: seen.append(output.dtype)
    )
    found = evaluate(model, data, evaluation(solver=FINE, precision="float64"))
    hook.remove()
    assert set(seen) == {torch.float64}
    after = model.state_dict(keep_vars=True)
    for name, (value, copy) in before.items():
        assert after[name] is value, name
        assert value.dtype == copy.dtype
        assert torch.equal(value, copy), name
    assert all(
        p.grad is gradient for p, gradient in zip(model.parameters(), gradients, strict=True)
    )
    assert [p.data_ptr() for p in model.parameters()] == storage
    # The training goes on as if nothing had been.
    twin = make(
        {"iterations": 20, "batch_size": 8, "record_every": 6},
        data=IMAGES | {"test_limit": 11},
        model=STACKED,
    )
    while twin.iteration < 8:
        twin.step()
    trained.step()
    assert trained.iteration == 8
    for one, other in zip(model.parameters(), twin.model.parameters(), strict=True):
        assert torch.equal(one, other)
    single = evaluate(model, data, evaluation(solver=FINE))
    assert found.loss == pytest.approx(single.loss, rel=0.05)


def test_float64_has_more_digits(trained: Training) -> None:
    model, data = trained.model, trained.data
    found = evaluate(model, data, evaluation(precision="float64"))
    with torch.no_grad():
        model.eval().double()
        exact = functional.cross_entropy(
            model(data.inputs(data.test_x).double()), data.test_y
        ).item()
    assert found.loss == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_precisions_agree_roughly(trained: Training, precision: str) -> None:
    exact = evaluate(trained.model, trained.data, evaluation(precision="float64")).loss
    assert evaluate(
        trained.model, trained.data, evaluation(precision=precision)
    ).loss == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("batch_size", [1, 2, 11, 256])
def test_batches_do_not_matter_to_ta_bn_at_test(trained: Training, batch_size: int) -> None:
    found = evaluate(trained.model, trained.data, evaluation(batch_size=batch_size))
    assert found.loss == pytest.approx(trained.records[-1]["loss_test"], rel=1e-5)
    assert found.batches == math.ceil(11 / batch_size)


def test_the_mode_comes_back(trained: Training) -> None:
    trained.model.train()
    evaluate(trained.model, trained.data, evaluation())
    assert trained.model.training
    trained.model.eval()
    evaluate(trained.model, trained.data, evaluation())
    assert not trained.model.training


def test_one_image_of_each_batch_is_uniform_noise(trained: Training) -> None:
    x = trained.data.inputs(trained.data.test_x)
    mean, deviation = x.mean(), x.std(correction=0)
    places = []
    for index in range(60):
        noisy = one_image_of_noise(x, mean, deviation, index)
        changed = [place for place in range(len(x)) if not torch.equal(noisy[place], x[place])]
        assert len(changed) == 1
        places += changed
        noise = noisy[changed[0]]
        # 3,072 draws of U(-b, b) with deviation b / sqrt(3).
        assert noise.std().item() == pytest.approx(10 * deviation.item(), rel=0.05)
        assert noise.mean().item() == pytest.approx(mean.item(), abs=deviation.item())
        assert (noise - mean).abs().max() <= math.sqrt(3) * 10 * deviation * 1.0001
    assert len(set(places)) > 6
    assert torch.equal(x, trained.data.inputs(trained.data.test_x))
    assert torch.equal(
        one_image_of_noise(x, mean, deviation, 3), one_image_of_noise(x, mean, deviation, 3)
    )


def test_a_noisy_score_is_that_of_the_noisy_batches(trained: Training) -> None:
    found = evaluate(trained.model, trained.data, evaluation(noise="one_image", batch_size=4))
    x = trained.data.inputs(trained.data.test_x)
    loss = 0.0
    with torch.no_grad():
        for index, (part, labels) in enumerate(
            zip(x.split(4), trained.data.test_y.split(4), strict=True)
        ):
            stream = generator(0, "noise", index)
            place = int(torch.randint(len(part), (), generator=stream))
            part = part.clone()
            part[place] = x.mean() + 10 * x.std(correction=0) * math.sqrt(3) * (
                2 * torch.rand(part.shape[1:], generator=stream) - 1
            )
            loss += functional.cross_entropy(
                trained.model.eval()(part), labels, reduction="sum"
            ).item()
    assert found.loss == pytest.approx(loss / 11, rel=1e-4)
    assert found.loss != evaluate(trained.model, trained.data, evaluation(batch_size=4)).loss


def test_a_batch_without_statistics_has_no_score() -> None:
    model = {"name": "dense", "layers": 1, "width": 4, "norm": "mini_batch"}
    training = make(data=IMAGES | {"test_limit": 11}, model=model, solver=None)
    found = evaluate(training.model, training.data, evaluation(batch_size=5))
    assert (found.outcome, found.correct) == ("solver_failed", 0)
    assert "more than one value per channel" in (found.detail or "")
    assert math.isnan(found.accuracy)
    assert evaluate(training.model, training.data, evaluation(batch_size=6)).outcome == "completed"


def test_the_cap_of_evaluations_is_a_failure_not_an_exception(trained: Training) -> None:
    capped = {"name": "dopri5", "tolerance": 1e-6, "max_evaluations": 8}
    found = evaluate(trained.model, trained.data, evaluation(solver=capped))
    assert found.outcome == "solver_failed"
    assert "max_evaluations" in (found.detail or "")
    # And the model has its own solver again.
    assert (
        evaluate(trained.model, trained.data, evaluation(batch_size=8)).loss
        == trained.records[-1]["loss_test"]
    )


def test_an_infinite_loss_is_diverged() -> None:
    training = make()
    with torch.no_grad():
        for p in training.model.parameters():
            p.fill_(math.inf)
    assert score(training.model, training.data, "test", batch_size=50).outcome == "diverged"
