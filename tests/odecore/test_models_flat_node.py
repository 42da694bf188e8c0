"""Ott's net: its parameters, its field against plain layers, and its initial values."""

import hashlib
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from odecore.config import TrialSpec
from odecore.config.models.flat_node import LONGEST_DENSE
from odecore.models import build_model, parameter_count
from odecore.models.fields import ConvField1d, ConvField2d, FieldModule, LinearField
from odecore.models.flat_node import FlatNode


def spec(
    data: dict, width: int = 32, seed: int = 0, kind: str = "conv", **solver: Any
) -> TrialSpec:
    return TrialSpec.model_validate(
        {
            "data": data,
            "model": {"name": "flat_node", "width": width, "kind": kind},
            "solver": solver or {"name": "euler", "steps": 2},
            "train": {"iterations": 1},
            "seed": seed,
        }
    )


def build(
    data: dict, width: int = 32, seed: int = 0, kind: str = "conv", **solver: Any
) -> FlatNode:
    model = build_model(spec(data, width, seed, kind, **solver))
    assert isinstance(model, FlatNode)
    return model


@pytest.mark.parametrize("dimension", [2, 3, 10, 900])
def test_parameters_on_spheres(dimension: int) -> None:
    model = build({"name": "spheres", "dimension": dimension})
    assert parameter_count(model.block) == 3201
    assert parameter_count(model) == 3201 + 2 * dimension + 2
    assert model(torch.rand(3, dimension)).shape == (3, 2)
    assert (model.depth_layers, model.blocks) == (4, 1)


def test_parameters_on_two_dimensional_spheres_are_the_papers() -> None:
    assert parameter_count(build({"name": "spheres"})) == 3207


@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [("mnist", (1, 28, 28), 155_819), ("cifar10", (3, 32, 32), 179_213)],
)
def test_parameters_on_images_are_the_papers(
    name: Any, shape: tuple[int, ...], parameters: int
) -> None:
    model = build({"name": name}, width=128)
    assert parameter_count(model) == parameters
    assert model(torch.rand(2, *shape)).shape == (2, 10)


def test_parts_on_cifar10_are_the_papers() -> None:
    model = build({"name": "cifar10"}, width=128)
    assert (parameter_count(model.block), parameter_count(model.head)) == (148_483, 30_730)


@pytest.mark.parametrize(
    ("data", "features", "classes"),
    [({"name": "spheres", "dimension": 3}, 3, 2), ({"name": "mnist"}, 784, 10)],
)
def test_linear_kind_is_three_linear_layers_on_the_flat_input(
    data: dict, features: int, classes: int
) -> None:
    model = build(data, width=16, kind="linear", name="euler", steps=3)
    d, w = features, 16
    assert parameter_count(model) == (d * w + w) + (w * w + w) + (w * d + d) + (
        d * classes + classes
    )
    assert (model.depth_layers, model.blocks) == (4, 1)
    state = {name: value.double() for name, value in model.state_dict().items()}

    def linear(x: Tensor, at: str) -> Tensor:
        return x @ state[f"{at}.weight"].T + state[f"{at}.bias"]

    x0 = torch.rand(5, *((features,) if classes == 2 else (1, 28, 28)), dtype=torch.float64)
    z = x0.reshape(5, features)
    for _ in range(3):
        hidden = linear(
            linear(z, "block.field.linear_in").clamp(min=0), "block.field.linear_mid"
        ).clamp(min=0)
        z = z + linear(hidden, "block.field.linear_out") / 3
    model = model.double()
    torch.testing.assert_close(model(x0), linear(z, "head"), rtol=1e-12, atol=1e-12)
    assert model.block(x0).shape == x0.shape


def plain_layers(field: ConvField1d) -> nn.Sequential:
    width = field.conv_in.out_channels
    layers = nn.Sequential(
        nn.Conv1d(1, width, 1),
        nn.ReLU(),
        nn.Conv1d(width, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv1d(width, 1, 1),
    )
    layers.load_state_dict(dict(zip(layers.state_dict(), field.state_dict().values(), strict=True)))
    return layers.to(field.conv_in.weight.dtype)


def derivatives(
    f: Callable[[Tensor], Tensor], x: Tensor, parameters: list[nn.Parameter]
) -> list[Tensor]:
    x = x.clone().requires_grad_()
    out = f(x)
    return [out.detach(), *torch.autograd.grad(out.square().sum(), [x, *parameters])]


@pytest.mark.parametrize("bind", ["bind", "bind_dense", "bind_convolutions"])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 10, 17])
@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_field_is_the_plain_stack_of_layers(
    bind: str, length: int, dtype: torch.dtype, within: float
) -> None:
    torch.manual_seed(0)
    field = ConvField1d(length, 32).to(dtype)
    layers = plain_layers(field)
    x = torch.randn(7, length, dtype=dtype)
    f = getattr(field, bind)()
    ours = derivatives(lambda x: f(0.5, x), x, list(field.parameters()))
    theirs = derivatives(lambda x: layers(x.unsqueeze(1)).squeeze(1), x, list(layers.parameters()))
    for mine, expected in zip(ours, theirs, strict=True):
        # Relative to the largest entry: sums are taken in another order.
        torch.testing.assert_close(
            mine, expected, rtol=0, atol=within * max(1.0, expected.abs().max().item())
        )


def test_the_choice_of_form_is_by_length() -> None:
    for length, form in ((LONGEST_DENSE, "bind_dense"), (LONGEST_DENSE + 1, "bind_convolutions")):
        field = ConvField1d(length, 8)
        x = torch.randn(2, length)
        assert torch.equal(field(0.0, x), getattr(field, form)()(0.0, x))


def test_image_field_is_the_plain_stack_of_layers() -> None:
    torch.manual_seed(0)
    field = ConvField2d(3, 16)
    layers = nn.Sequential(field.conv_in, nn.ReLU(), field.conv_mid, nn.ReLU(), field.conv_out)
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(field(0.0, x), layers(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("field", "shape"),
    [
        (ConvField1d(2, 8), (2,)),
        (ConvField1d(LONGEST_DENSE + 1, 8), (LONGEST_DENSE + 1,)),
        (ConvField2d(1, 8), (1, 4, 4)),
        (LinearField(6, 8), (6,)),
    ],
    ids=["dense", "conv1d", "conv2d", "linear"],
)
def test_slopes_keep_the_type_of_the_state_under_autocast(
    field: FieldModule, shape: tuple[int, ...]
) -> None:
    x = torch.randn(2, *shape)
    exact = field(0.0, x)
    with torch.autocast("cpu", torch.bfloat16):
        slope = field(0.0, x)
    assert slope.dtype == torch.float32
    assert not torch.equal(slope, exact)  # bfloat16 was used inside
    torch.testing.assert_close(slope, exact, rtol=0, atol=0.05 * exact.abs().max().item())


def test_model_is_euler_steps_and_a_linear_layer() -> None:
    model = build({"name": "spheres", "dimension": 3}, name="euler", steps=4)
    layers = plain_layers(model.block.field)  # type: ignore[arg-type]
    x = x0 = torch.randn(5, 3)
    for _ in range(4):
        x = x + layers(x.unsqueeze(1)).squeeze(1) / 4
    torch.testing.assert_close(model(x0), model.head(x), rtol=1e-5, atol=1e-6)


def test_the_state_is_exactly_the_parameters() -> None:
    model = build({"name": "spheres"})
    assert list(model.state_dict()) == [name for name, _ in model.named_parameters()]


def test_initial_values_depend_on_seed_and_name_alone() -> None:
    def values(model: nn.Module) -> dict[str, Tensor]:
        return {name: parameter.detach() for name, parameter in model.named_parameters()}

    torch.manual_seed(1)
    first = values(build({"name": "spheres"}, seed=3))
    torch.manual_seed(2)
    again = values(
        build({"name": "spheres", "dimension": 10}, seed=3, name="dopri5", tolerance=1e-2)
    )
    other = values(build({"name": "spheres"}, seed=4))
    for name in first:
        if name != "head.weight":  # its shape follows the dimension
            assert torch.equal(first[name], again[name]), name
        assert torch.equal(first[name], other[name]) == name.endswith("bias"), name


def test_initial_values_are_kaiming_normal() -> None:
    model = build({"name": "mnist"}, width=128)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif parameter.numel() > 5000:
            fan_in = parameter[0].numel()
            assert parameter.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.05), name
            assert abs(parameter.mean().item()) < 0.05 * parameter.std().item(), name


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"),
    reason="torch draws normal numbers in other bits on this CPU type",
)
@pytest.mark.parametrize(
    ("data", "width", "seed", "recorded"),
    [
        ({"name": "spheres"}, 32, 0, "a95bdfe4ce9083e6d7fb32c1892ec733"),
        ({"name": "spheres", "dimension": 3}, 8, 7, "519682dda9cf80c5fd99ea15d871406a"),
        ({"name": "mnist"}, 8, 1, "c9f4c33779745af43e8e63f95b43bfbb"),
    ],
    ids=["sphere2", "sphere3", "mnist"],
)
def test_initial_values_are_those_of_rows_that_exist_already(
    data: dict, width: int, seed: int, recorded: str
) -> None:
    """Recorded before other models existed. A change here makes every stored result of this model
    another trial's: raise its revision.
    """
    digest = hashlib.sha256()
    for name, parameter in build(data, width, seed).named_parameters():
        digest.update(name.encode())
        digest.update(parameter.detach().numpy().tobytes())
    assert digest.hexdigest()[:32] == recorded
