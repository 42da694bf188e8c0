"""Second-order neural ODEs as first-order systems.

SONODE (Norcliffe et al. 2020), heavy-ball HBNODE and GHBNODE (Xia et al. 2021).
"""

import math
from typing import Any, Literal, Self

from pydantic import PositiveInt, model_validator

from odecore.config.backbone import BackboneSection, three_convolutions
from odecore.config.model import Work


class SecondOrderNode(BackboneSection):
    """State [h; m] of twice `channels` channels.

    dynamics: of the generalized heavy ball the authors' code has two forms. `ghbnode`, their MNIST
    script, trains the spring constant softplus(xi) from 2.13 on; `ghbnode_fixed`, their CIFAR-10
    script, keeps it at 1.5. start: `network` computes m(0) and the appended channels of h(0) from
    the image (authors' code), `zeros` appends zeros, `image` starts m as h, at the image itself,
    with no channels appended to either (Zheng 2024, code of Table 2).
    """

    builder = "odecore.models.second_order_node:build"
    name: Literal["second_order_node"] = "second_order_node"
    dynamics: Literal["sonode", "hbnode", "ghbnode", "ghbnode_fixed"] = "hbnode"
    channels: PositiveInt
    start: Literal["network", "zeros", "image"] = "network"

    @model_validator(mode="after")
    def _network_has_a_width(self) -> Self:
        if self.start == "network" and self.width is None:
            raise ValueError(
                f"model.start = network needs model.width, which model.backbone = {self.backbone} "
                "does not have; use model.start = zeros"
            )
        return self

    def state_channels(self, shape: tuple[int, ...]) -> int:
        """See `BackboneSection.state_channels`."""
        return self.channels

    def check(self, spec: Any) -> None:
        """The state must hold the image."""
        super().check(spec)
        name, channels = spec.data.name, spec.data.shape[0]
        if self.start == "image" and self.channels != channels:
            raise ValueError(
                f"model.start = image needs as many model.channels as {name} has, "
                f"{channels}, not {self.channels}"
            )
        if self.channels < channels:
            raise ValueError(
                f"model.channels = {self.channels} cannot hold the {channels} channels of {name}"
            )

    def operations(self, shape: tuple[int, ...], classes: int) -> Work:
        """See `Model.operations`."""
        channels, places = self.channels, math.prod(shape[1:])
        seen = 2 * channels if self.dynamics == "sonode" else channels
        inside = self.field_operations(seen, channels, shape)
        start = 0
        if self.start == "network":
            start = three_convolutions(shape[0], self.width or 0, 2 * channels, places)
        return Work(inside, start + channels * places * classes)

    def weights(self, shape: tuple[int, ...], classes: int) -> int:
        """See `Model.weights`."""
        channels, places = self.channels, math.prod(shape[1:])
        seen = 2 * channels if self.dynamics == "sonode" else channels
        start = 0
        if self.start == "network":
            start = three_convolutions(shape[0], self.width or 0, 2 * channels, 1)
        return self.field_weights(seen, channels, shape) + start + channels * places * classes
