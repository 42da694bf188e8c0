"""The name of each planned trial's net in the thesis, and its look in figures."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from analysis.drawing.style import sequential_colours
from analysis.rows.data import AXIS, KEY, Data

D1, D2, D3, D4, D5, D6, D7, D8 = (f"gladzik2019/d{number}" for number in range(1, 9))
D7_ADAM = f"{D7}-adam"
# Study and labels of the axes -> the net's name. Empty: this figure or table does not have it.
Name = Callable[[str, Mapping[str, Any]], str]
DIRECT, ADJOINT = "ODENet without adjoint", "ODENet adjoint"


def by_gradient(_study: str, axes: Mapping[str, Any]) -> str:
    """D1, D2: the two ODENets."""
    return f"ODENet {axes['gradient']}"


def by_net(_study: str, axes: Mapping[str, Any]) -> str:
    """D3, D5: the axis has the name."""
    return axes["net"]


def by_smallest_net(study: str, axes: Mapping[str, Any]) -> str:
    """D3 without the larger residual nets and the ODENet trained without the adjoint."""
    net = by_net(study, axes)
    return net if net in ("ResNet2", ADJOINT) else ""


def by_blocks(study: str, axes: Mapping[str, Any]) -> str:
    """D4: the ODENets of D3 with one block beside those with two."""
    if study.endswith("d4"):
        return f"2 blocks, {axes['gradient']}"
    return (
        f"1 block, {axes['net'].removeprefix('ODENet ')}"
        if axes["net"] in (DIRECT, ADJOINT)
        else ""
    )


def by_tolerance(_study: str, axes: Mapping[str, Any]) -> str:
    """D6: tighter tolerances."""
    return f"tolerance {axes['solver.tolerance']:.0e}"


def by_optimizer(study: str, axes: Mapping[str, Any]) -> str:
    """D7 and D8, and Adam at a learning rate that trains."""
    if study.endswith("d7"):
        return axes["net"]
    return f"ODENet {axes['gradient']}, Adam{' 1e-3' if study.endswith('d7-adam') else ''}"


def planned(data: Data, name: Name) -> pd.DataFrame:
    """study, trial_id, seed and net of each planned trial with a name, in the plan's order."""
    axes = {
        column: column.removeprefix(AXIS)
        for column in data.trials.columns
        if column.startswith(AXIS)
    }
    found = [
        name(str(row["study"]), {axis: row[column] for column, axis in axes.items()})
        for row in data.trials.to_dict("records")
    ]
    trials = data.trials.filter([*KEY, "seed"]).assign(net=found)
    return trials.loc[trials["net"] != ""].reset_index(drop=True)


# Nets share no colour with a normalization of other figures. The adjoint is dotted.
_COLOUR_OF = {
    "ResNet2": 2,
    "ResNet4": 3,
    "ResNet8": 4,
    "2 blocks": 3,
    "tolerance 1e-05": 3,
    "Adam 1e-3": 2,
    "Adam": 1,
}


def line_style(net: str) -> dict[str, Any]:
    """Colour, line style and label of a net."""
    place = next((index for part, index in _COLOUR_OF.items() if part in net), 0)
    style: Any = "-" if "adjoint" not in net or "without adjoint" in net else (0, (1, 1))
    return {"color": sequential_colours(5)[place], "linestyle": style, "label": net}
