"""Every number of parameters known of Gusak's, Gladzik's and the dense nets; models are built
without memory for their values.
"""

from typing import Any

import pytest
import torch
from torch import nn

from odecore import gradients, solvers
from odecore.config import TrialSpec, lookup
from odecore.models import parameter_count
from odecore.models.dense import Dense
from odecore.models.groupnorm_odenet import GroupnormOdenet
from odecore.models.ode_block import ode_blocks


def build(data: str, has_ode: bool, **model: Any) -> nn.Module:
    solver = {"name": "euler", "steps": 1} if has_ode else None
    values = {"data": {"name": data}, "model": model, "solver": solver, "train": {"epochs": 1}}
    spec = TrialSpec.model_validate(values)
    parts = (
        (solvers.build(spec.solver), gradients.build(spec.gradient))
        if spec.solver
        else (None, None)
    )
    with torch.device("meta"):
        return lookup.MODELS[spec.model.name].load()(
            spec.model, spec.data.shape, spec.data.classes, *parts
        )


# Layers, norm of the ODE blocks, parameters with widths 16 and 64. The first layer has batch norm,
# and so have residual blocks.
GUSAK = [
    (4, "batch", 5_306, 76_490),
    (4, "layer", 5_306, 76_490),
    (4, "none", 5_242, 76_234),
    (4, "spectral", 5_242, 76_234),
    (4, "weight", 5_274, 76_362),
    (10, "batch", 43_226, 676_682),
    (10, "layer", 43_226, 676_682),
    (10, "none", 43_034, 675_914),
    (10, "spectral", 43_034, 675_914),
    (10, "weight", 43_130, 676_298),
]


@pytest.mark.parametrize(("layers", "norm", "narrow", "wide"), GUSAK)
def test_gusak_odenets(layers: int, norm: str, narrow: int, wide: int) -> None:
    slots = {"ode_norm": norm} | ({"residual_norm": "batch"} if layers == 10 else {})
    counts = [
        parameter_count(
            build("cifar10", True, name="stacked_odenet", layers=layers, width=width, **slots)
        )
        for width in (16, 64)
    ]
    assert counts == [narrow, wide]


@pytest.mark.parametrize(("layers", "narrow", "wide"), [(4, 5_306, 76_490), (10, 43_226, 676_682)])
def test_gusak_resnets_equal_odenets_with_batch_norm(layers: int, narrow: int, wide: int) -> None:
    slots = {"kind": "residual", "residual_norm": "batch"}
    counts = [
        parameter_count(
            build("cifar10", False, name="stacked_odenet", layers=layers, width=width, **slots)
        )
        for width in (16, 64)
    ]
    assert counts == [narrow, wide]


def gladzik(data: str, kind: str, blocks: int) -> GroupnormOdenet:
    model = build(data, kind == "ode", name="groupnorm_odenet", kind=kind, blocks=blocks)
    assert isinstance(model, GroupnormOdenet)
    return model


GREY, CIFAR10, CIFAR100 = (
    ("mnist", "qmnist", "fashion_mnist"),
    ("cifar10",),
    ("cifar100", "cifar100-subset"),
)
GLADZIK = [
    ("ode", 1, {GREY: 208_266, CIFAR10: 209_418, CIFAR100: 215_268}),
    ("ode", 2, {GREY: 283_658, CIFAR10: 284_810, CIFAR100: 290_660}),
    ("residual", 2, {GREY: 280_842, CIFAR10: 281_994, CIFAR100: 287_844}),
    ("residual", 4, {GREY: 428_810, CIFAR10: 429_962, CIFAR100: 435_812}),
    ("residual", 8, {GREY: 724_746, CIFAR10: 725_898, CIFAR100: 731_748}),
]
GLADZIK_CASES = [
    (kind, blocks, name, count)
    for kind, blocks, by_data in GLADZIK
    for names, count in by_data.items()
    for name in names
]


@pytest.mark.parametrize(("kind", "blocks", "data", "parameters"), GLADZIK_CASES)
def test_gladzik_nets(kind: str, blocks: int, data: str, parameters: int) -> None:
    assert parameter_count(gladzik(data, kind, blocks)) == parameters


@pytest.mark.parametrize(
    ("data", "downsampling", "head"),
    [("mnist", 132_096, 778), ("cifar10", 133_248, 778), ("cifar100", 133_248, 6_628)],
)
def test_parts_of_gladzik_nets(data: str, downsampling: int, head: int) -> None:
    ode, residual = gladzik(data, "ode", 1), gladzik(data, "residual", 2)
    for model in (ode, residual):
        assert parameter_count(model.downsampling) == downsampling
        assert parameter_count(model.norm) + parameter_count(model.head) == head
    assert parameter_count(ode_blocks(ode)[0].field) == 75_392
    assert [parameter_count(block) for block in residual.stages] == [73_984, 73_984]


# p layers of 500 x 500 without norm and bias.
ENORM = {
    1: 1_791_000,
    3: 2_291_000,
    5: 2_791_000,
    7: 3_291_000,
    9: 3_791_000,
    11: 4_291_000,
    13: 4_791_000,
    15: 5_291_000,
    17: 5_791_000,
    19: 6_291_000,
}


@pytest.mark.parametrize("layers", ENORM)
@pytest.mark.parametrize("bias", [False, True], ids=["no_bias", "bias"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_dense_nets(layers: int, bias: bool, norm: str) -> None:
    model = build("cifar10", False, name="dense", layers=layers, bias=bias, norm=norm)
    assert isinstance(model, Dense)
    with_norm = 1000 * (layers + 1) if norm == "batch" else 0
    with_bias = 500 * (layers + 1) + 10 if bias else 0
    assert parameter_count(model) == ENORM[layers] + with_norm + with_bias
