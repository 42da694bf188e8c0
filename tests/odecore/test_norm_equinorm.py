"""ENorm against the report's diagonal matrices, its invariants, its fixed point, and units that are
dead.
"""

from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from odecore.config.norm import EquiNorm
from odecore.norms.equinorm import balance


def net(
    sizes: list[int], seed: int = 0, bias: bool = False
) -> tuple[list[Tensor], list[Tensor] | None]:
    """He-initialized weights (out, in) in float64, and random biases."""
    generator = torch.Generator().manual_seed(seed)
    weights = [
        torch.randn(outputs, inputs, generator=generator, dtype=torch.float64) * (2 / inputs) ** 0.5
        for inputs, outputs in pairwise(sizes)
    ]
    biases = [
        torch.randn(len(weight), generator=generator, dtype=torch.float64) for weight in weights
    ]
    return weights, biases if bias else None


def forward(weights: list[Tensor], biases: list[Tensor] | None, x: Tensor) -> Tensor:
    for index, weight in enumerate(weights):
        x = x @ weight.T + (biases[index] if biases else 0)
        x = x.relu() if index + 1 < len(weights) else x
    return x


def literal(weights: list[Tensor], biases: list[Tensor] | None, config: EquiNorm) -> None:
    """The report's way: a diagonal matrix D_k for each pair, W_k-1 <- D_k W_k-1 and W_k <- W_k
    D_k^-1, one unit after the other.
    """
    for _ in range(config.cycles):
        for k in range(1, len(weights) if config.last_layer else len(weights) - 1):
            entries = []
            for unit in range(len(weights[k - 1])):
                leaving = sum(value**2 for value in weights[k][:, unit].tolist()) ** 0.5
                entering = sum(value**2 for value in weights[k - 1][unit].tolist()) ** 0.5
                entries.append((leaving / (config.c * entering)) ** 0.5)
            diagonal = torch.diag(torch.tensor(entries, dtype=torch.float64))
            weights[k - 1] = diagonal @ weights[k - 1]
            weights[k] = weights[k] @ torch.linalg.inv(diagonal)
            if biases:
                biases[k - 1] = diagonal @ biases[k - 1]


SIZES = st.lists(st.integers(1, 7), min_size=3, max_size=6)
CONFIGS = st.builds(
    EquiNorm, c=st.sampled_from([0.5, 1.0, 1.2]), cycles=st.integers(1, 3), last_layer=st.booleans()
)


@settings(max_examples=20)
@given(sizes=SIZES, seed=st.integers(0, 99), bias=st.booleans(), config=CONFIGS)
def test_balanced_as_in_the_report_and_the_function_stays(
    sizes: list[int], seed: int, bias: bool, config: EquiNorm
) -> None:
    weights, biases = net(sizes, seed, bias)
    expected, expected_biases = net(sizes, seed, bias)
    x = torch.randn(8, sizes[0], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    before = forward(weights, biases, x)
    assert balance(weights, biases, config) == 0
    literal(expected, expected_biases, config)
    torch.testing.assert_close(
        [*weights, *(biases or [])], [*expected, *(expected_biases or [])], rtol=1e-12, atol=1e-12
    )
    torch.testing.assert_close(
        forward(weights, biases, x),
        before,
        rtol=1e-12,
        atol=1e-12 * (1 + before.abs().max().item()),
    )


def test_frobenius_norms_of_the_report() -> None:
    # p = 5 on 3072 inputs with 10 classes, 60 cycles; the chain is 1.2 from layer to layer and
    # depends on the draw in the third digit only.
    weights, _ = net([3072, *[500] * 6, 10])
    before = [weight.norm().item() for weight in weights]
    balance(weights, None, EquiNorm(cycles=60))
    chain = [weight.norm().item() for weight in weights]
    assert chain == pytest.approx(
        [13.755, 16.506, 19.807, 23.768, 28.522, 34.226, 41.071], rel=0.02
    )
    ratios = [later / earlier for earlier, later in pairwise(chain)]
    assert ratios == pytest.approx([1.2] * 6, rel=1e-4)
    assert abs(before[-1] / before[-2] - 1.2) > 0.5
    for earlier, later in pairwise(weights):
        torch.testing.assert_close(later.norm(dim=0), 1.2 * earlier.norm(dim=1), rtol=1e-3, atol=0)


def test_cycles_are_repeated_calls() -> None:
    (once, _), (thrice, _) = net([4, 5, 6, 3]), net([4, 5, 6, 3])
    for _ in range(3):
        balance(once, None, EquiNorm())
    balance(thrice, None, EquiNorm(cycles=3))
    assert all(torch.equal(*pair) for pair in zip(once, thrice, strict=True))


def test_the_last_layer_can_be_left_alone() -> None:
    weights, _ = net([4, 5, 6, 3])
    last, first = weights[-1].clone(), weights[0].clone()
    balance(weights, None, EquiNorm(last_layer=False))
    assert torch.equal(weights[-1], last)
    assert not torch.allclose(weights[0], first)


@pytest.mark.parametrize("side", ["incoming", "outgoing", "both"])
def test_dead_units(side: str) -> None:
    def damaged() -> list[Tensor]:
        weights, _ = net([4, 5, 6, 3])
        if side != "outgoing":
            weights[1][2] = 0
        if side != "incoming":
            weights[2][:, 2] = 0
        return weights

    broken = damaged()
    assert balance(broken, None, EquiNorm()) == 0
    assert any(weight.isnan().any() for weight in broken)
    weights, x = damaged(), torch.randn(5, 4, dtype=torch.float64)
    before = forward(weights, None, x)
    assert balance(weights, None, EquiNorm(dead_units="skip", cycles=2)) == 2
    torch.testing.assert_close(forward(weights, None, x), before)
    alive = [0, 1, 3, 4, 5]
    balance(weights, None, EquiNorm(dead_units="skip", cycles=50))
    torch.testing.assert_close(weights[2].norm(dim=0)[alive], 1.2 * weights[1].norm(dim=1)[alive])


def test_parameters_are_balanced_in_place_and_outside_the_graph() -> None:
    values, biases = net([4, 5, 3], bias=True)
    weights: list[Any] = [torch.nn.Parameter(value.float()) for value in values]
    shifts: list[Any] = [torch.nn.Parameter(value.float()) for value in biases or []]
    before = [weight.detach().clone() for weight in weights]
    balance(weights, shifts, EquiNorm())
    assert all(weight.grad_fn is None and weight.requires_grad for weight in (*weights, *shifts))
    assert not any(torch.equal(*pair) for pair in zip(weights, before, strict=True))
