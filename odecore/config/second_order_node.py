"""Second-order neural ODEs as first-order systems: SONODE (Norcliffe et al. 2020), heavy-ball HBNODE and GHBNODE (Xia et al. 2021)."""

from typing import Literal, Self

from pydantic import PositiveInt, model_validator

from odecore.config.backbone import BackboneSection


class SecondOrderNode(BackboneSection):
    """State [h; m] of twice `channels` channels.

    start: `network` computes m(0) and the appended channels of h(0) from the image (authors' code), `zeros` appends zeros (Zheng 2024, Table 2).
    """

    name: Literal["second_order_node"] = "second_order_node"
    dynamics: Literal["sonode", "hbnode", "ghbnode"] = "hbnode"
    channels: PositiveInt
    start: Literal["network", "zeros"] = "network"

    @model_validator(mode="after")
    def _network_has_a_width(self) -> Self:
        if self.start == "network" and self.width is None:
            raise ValueError(
                f"model.start = network needs model.width, which model.backbone = {self.backbone} has not; use model.start = zeros"
            )
        return self
