"""Normalizations, each by its config.

Output norms act on features, weight norms on the layers before them, ENorm on the whole net.
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, Union

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from odecore.config.section import Choice, Section, added_later, by_name


class Norm(Choice):
    """A normalization of the outputs or the weights of a layer, as one record.

    To add one, add a subclass here and its function in `odecore.norms`. The spec, the registry and
    the legends follow from it.

    name: in specs, a Literal with itself as default. label, colour: in figures.
    builder: "module:function" with the signature build(config, layer) -> (layer, norm).
    state_enters_training: each use in training changes a state that the next use computes with, so
    that a second pass is another function.
    """

    label: ClassVar[str]
    colour: ClassVar[str]
    state_enters_training: ClassVar[bool] = False

    @property
    def numbers_per_channel(self) -> int:
        """How many numbers it saves for each channel; zero where these are few."""
        return 0


class NoNorm(Norm):
    """No normalization."""

    label = "none"
    colour = "#000000"
    builder = "odecore.norms.outputs:none"
    name: Literal["none"] = "none"


class Batch(Norm):
    """Batch normalization with one running mean and variance for all times.

    Zheng 2024 calls it Pop-TI BN; `pop_ti` is accepted as a name too.
    """

    label = "batch (Pop-TI)"
    colour = "#E69F00"
    builder = "odecore.norms.outputs:batch"
    name: Literal["batch"] = "batch"


class MiniBatch(Norm):
    """Batch normalization with the batch's own statistics, also at test.

    Zheng 2024 calls it Mini-batch BN. A result depends on its test batch.
    """

    label = "mini-batch"
    colour = "#D55E00"
    builder = "odecore.norms.outputs:mini_batch"
    name: Literal["mini_batch"] = "mini_batch"


class Layer(Norm):
    """GroupNorm with one group (Gusak 2020, code).

    Statistics are per sample, scale and shift per channel.
    """

    label = "layer"
    colour = "#56B4E9"
    builder = "odecore.norms.outputs:layer"
    name: Literal["layer"] = "layer"


class Group(Norm):
    """GroupNorm (Wu & He 2018); `groups` must divide the number of channels."""

    label = "group"
    colour = "#DDCC77"
    builder = "odecore.norms.outputs:group"
    name: Literal["group"] = "group"
    groups: PositiveInt = 32


class Instance(Norm):
    """GroupNorm with one channel per group: instance normalization with scale and shift."""

    label = "instance"
    colour = "#661100"
    builder = "odecore.norms.outputs:instance"
    name: Literal["instance"] = "instance"


class Weight(Norm):
    """Weight normalization w = g v / |v|, one gain per output channel (Salimans & Kingma 2016)."""

    label = "weight"
    colour = "#009E73"
    builder = "odecore.norms.weights:weight"
    name: Literal["weight"] = "weight"


class Spectral(Norm):
    """Spectral normalization, one power iteration per call in training (Miyato et al. 2018)."""

    label = "spectral"
    colour = "#CC79A7"
    state_enters_training = True
    builder = "odecore.norms.weights:spectral"
    name: Literal["spectral"] = "spectral"


class TemporalBatch(Norm):
    """Temporal adaptive batch normalization (Zheng 2024, Algorithm 1).

    grid_size: M, the number of intervals of [0, 1]. momentum: eta of the running statistics.
    penalty: weight of |gamma - 1|^2 + |alpha|^2 in the loss.

    The fields below are forms of the released code; their first values are those of the paper.
    statistics `exact` is in the paper too.
    grid: `closed` is t_m = m / M, m = 0 .. M; `half_open` has no point at 1.
    mirrored: between two points the weights of the linear interpolation are exchanged, for all that
    is read and for the momentum.
    skip_first_visit: the first evaluation near a grid point leaves its statistics as they are.
    statistics: how running statistics follow those of the batch, see `odecore.norms.statistics`;
    each of the last three goes with one interpolation.
    penalty_over: the sum over channels, or their mean.
    """

    label = "TA-BN"
    colour = "#0072B2"
    builder = "odecore.norms.temporal:ta_bn"
    name: Literal["ta_bn"] = "ta_bn"
    grid_size: PositiveInt = 100
    interpolation: Literal["linear", "cubic_spline", "kernel", "gaussian_process"] = "linear"
    momentum: float = Field(default=0.1, gt=0, le=1)
    penalty: NonNegativeFloat = 1e-4
    grid: Literal["closed", "half_open"] = added_later(neutral="closed")
    mirrored: bool = added_later(neutral=False)
    skip_first_visit: bool = added_later(neutral=False)
    statistics: Literal["neighbours", "exact", "kernel", "descent", "refit"] = added_later(
        neutral="neighbours"
    )
    penalty_over: Literal["sum", "channel_mean"] = added_later(neutral="sum")

    @property
    def numbers_per_channel(self) -> int:
        """Scale, shift, mean and variance at each point of the grid."""
        return 4 * (self.grid_size + (self.grid == "closed"))

    @model_validator(mode="after")
    def _forms_fit(self) -> Self:
        if self.grid == "half_open" and self.grid_size == 1:
            raise ValueError("a ta_bn with grid = half_open needs grid_size = 2 or more")
        if self.mirrored and self.interpolation != "linear":
            raise ValueError("a ta_bn with mirrored = true needs interpolation = linear")
        if self.skip_first_visit and self.statistics != "neighbours":
            raise ValueError("a ta_bn with skip_first_visit = true needs statistics = neighbours")
        needed = {
            "kernel": "kernel",
            "descent": "cubic_spline",
            "refit": "gaussian_process",
        }.get(self.statistics, self.interpolation)
        if self.interpolation != needed:
            raise ValueError(
                f"a ta_bn with statistics = {self.statistics} needs interpolation = {needed}"
            )
        return self


class EquiNorm(Section):
    """ENorm (Stock et al. 2019; ENorm 2019, section 2 and code).

    After each optimizer step, rows and columns of consecutive weights are balanced. c: column norm
    over row norm at the fixed point. cycles: passes over the layers per step. last_layer: balance
    the last weight too, as the report does and the original code does not. dead_units: a unit
    without weights gives NaN, as in the report, or is left out and counted.
    """

    label: ClassVar[str] = "ENorm"
    colour: ClassVar[str] = "#882255"
    # With batch norm as well.
    batch_label: ClassVar[str] = "ENorm + BN"
    batch_colour: ClassVar[str] = "#332288"

    c: PositiveFloat = 1.2
    cycles: PositiveInt = 1
    last_layer: bool = True
    dead_units: Literal["nan", "skip"] = "nan"


def _written_short(value: Any) -> Any:
    """Accept `layer` for {"name": "layer"}, and `pop_ti` for `batch`."""
    if isinstance(value, str):
        value = {"name": value}
    if isinstance(value, dict) and value.get("name") == "pop_ti":
        value = {**value, "name": "batch"}
    return value


# In the order of listings and legends.
NORMS = by_name(Norm)
# A type checker cannot read the subclasses, so it sees their base class.
if TYPE_CHECKING:
    NormConfig = Norm
else:
    NormConfig = Annotated[
        Annotated[Union[tuple(NORMS.values())], Field(discriminator="name")],  # noqa: UP007
        BeforeValidator(_written_short),
    ]


def check_groups(norm: Norm, key: str, *channels: int) -> None:
    """Check the groups of the group norm at `key`.

    Raises ValueError unless they divide each of these numbers of channels.
    """
    if isinstance(norm, Group) and any(count % norm.groups for count in channels):
        raise ValueError(
            f"{key}.groups = {norm.groups} does not divide {', '.join(map(str, channels))} "
            "channels; choose a common divisor"
        )
