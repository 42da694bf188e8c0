"""Normalizations, each by its config. Output norms act on features, weight norms on the layers before them, ENorm on the whole net."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from odecore.config.section import Section


class NoNorm(Section):
    """No normalization."""

    name: Literal["none"] = "none"


class Batch(Section):
    """Batch normalization with one running mean and variance for all times, which Zheng 2024 calls Pop-TI BN; also understood as `pop_ti`."""

    name: Literal["batch"] = "batch"


class MiniBatch(Section):
    """Batch normalization with the batch's own statistics, at test too (Zheng 2024, Mini-batch BN): a result depends on its test batch."""

    name: Literal["mini_batch"] = "mini_batch"


class Layer(Section):
    """GroupNorm with one group: statistics per sample, scale and shift per channel (Gusak 2020, code)."""

    name: Literal["layer"] = "layer"


class Group(Section):
    """GroupNorm (Wu & He 2018); `groups` must divide the number of channels."""

    name: Literal["group"] = "group"
    groups: PositiveInt = 32


class Instance(Section):
    """GroupNorm with one channel a group: instance normalization with scale and shift."""

    name: Literal["instance"] = "instance"


class Weight(Section):
    """Weight normalization w = g v / |v|, one gain per output channel (Salimans & Kingma 2016)."""

    name: Literal["weight"] = "weight"


class Spectral(Section):
    """Spectral normalization, one power iteration per evaluation in training (Miyato et al. 2018)."""

    name: Literal["spectral"] = "spectral"


class TemporalBatch(Section):
    """Temporal adaptive batch normalization (Zheng 2024, Algorithm 1): statistics, scale and shift on a grid of times.

    grid_size: M, the number of intervals of [0, 1]. momentum: eta of the running statistics.
    penalty: weight of |gamma - 1|^2 + |alpha|^2 in the loss.
    """

    name: Literal["ta_bn"] = "ta_bn"
    grid_size: PositiveInt = 100
    interpolation: Literal["linear", "cubic_spline", "kernel", "gaussian_process"] = "linear"
    momentum: float = Field(default=0.1, gt=0, le=1)
    penalty: NonNegativeFloat = 1e-4


class EquiNorm(Section):
    """ENorm: after each optimizer step, rows and columns of consecutive weights are balanced (ENorm 2019, section 3).

    c: column norm over row norm at the fixed point. cycles: passes over the layers per step. last_layer: balance the last weight too, as the
    report does and the original code does not. dead_units: a unit without weights gives NaN, as in the report, or is left out and counted.
    """

    c: PositiveFloat = 1.2
    cycles: PositiveInt = 1
    last_layer: bool = True
    dead_units: Literal["nan", "skip"] = "nan"


def _written_short(value: Any) -> Any:
    """`layer` for {"name": "layer"}, and `pop_ti` for what is `batch` here."""
    if isinstance(value, str):
        value = {"name": value}
    if isinstance(value, dict) and value.get("name") == "pop_ti":
        value = {**value, "name": "batch"}
    return value


_Any = NoNorm | Batch | MiniBatch | Layer | Group | Instance | Weight | Spectral | TemporalBatch
NormConfig = Annotated[
    Annotated[_Any, Field(discriminator="name")], BeforeValidator(_written_short)
]


def check_groups(norm: _Any, key: str, *channels: int) -> None:
    """Raises ValueError unless the groups of a group norm at `key` divide each of these numbers of channels."""
    if isinstance(norm, Group) and any(count % norm.groups for count in channels):
        raise ValueError(
            f"{key}.groups = {norm.groups} does not divide {', '.join(map(str, channels))} channels; choose a common divisor"
        )
