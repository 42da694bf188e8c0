"""Ott's flat neural ODE (Ott 2021, code): the ODE acts on the input itself, then one linear layer."""

from typing import Literal

from pydantic import PositiveInt

from odecore.config.section import Section, added_later


class FlatNode(Section):
    """conv(c, width, 1) - ReLU - conv(width, width, 3) - ReLU - conv(width, c, 1) as right-hand side; 1-D on spheres, 2-D on images.

    width: 32 for spheres, 128 for images in the paper. init: Kaiming normal, biases 0.
    kind `linear`: the code's linear_odenet, three linear layers d - width - width - d with ReLU between, not used in the published commands.
    """

    name: Literal["flat_node"] = "flat_node"
    width: PositiveInt = 32
    kind: Literal["conv", "linear"] = added_later(neutral="conv")
