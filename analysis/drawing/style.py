"""The look of every figure: one colour per normalization, one marker per solver, sizes, fonts."""

from typing import TYPE_CHECKING, Any

from odecore.config.data import IMAGE_SETS
from odecore.config.norm import NORMS, EquiNorm
from odecore.config.solver_methods import METHODS

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.typing import ColorType
else:  # matplotlib is loaded when something is drawn
    Axes = Any

COLUMN_INCHES = 3.3
FULL_INCHES = 6.8

# By the norm's name in the spec, in `odecore.config.norm`. Okabe and Ito (2008), "Color Universal
# Design", without its yellow, which is pale on white, and four more. Under normal, protanopic and
# deuteranopic sight (Machado et al. 2009) every two differ as much as any two of the original
# eight.
NORM_COLOURS = {name: norm.colour for name, norm in NORMS.items()} | {
    "enorm": EquiNorm.colour,
    "enorm+batch": EquiNorm.batch_colour,
}
NORM_LABELS = {name: norm.label for name, norm in NORMS.items()} | {
    "enorm": EquiNorm.label,
    "enorm+batch": EquiNorm.batch_label,
}
# Two classes, which also differ in greyscale.
CLASS_COLOURS = ("#0072B2", "#E69F00")
PLAIN_COLOUR = "#0072B2"  # if colour has no meaning

# Published values look the same everywhere: no colour of ours, no line.
PUBLISHED: dict[str, Any] = {
    "color": "black",
    "linestyle": "none",
    "marker": "d",
    "markersize": 4,
    "markerfacecolor": "white",
    "markeredgewidth": 0.8,
    "zorder": 5,
}

SOLVER_MARKERS = {method.name: method.marker for method in METHODS}
SOLVER_LABELS = {method.name: method.label for method in METHODS}

DATA_LABELS = {name: image_set.label for name, image_set in IMAGE_SETS.items()}

SETTINGS: dict[str, Any] = {
    # shipped with matplotlib, so that figures are the same everywhere
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 0.9,
    "lines.markersize": 4,
    "pdf.fonttype": 42,  # embedded as TrueType: text can be selected, and journals require it
    "savefig.dpi": 300,
}


def data_label(name: str, dimension: float | None) -> str:
    """The data set as the papers write it.

    dimension: of the spheres, None or NaN otherwise.
    """
    if name == "spheres" and dimension is not None and dimension == dimension:
        return f"Sphere{dimension:.0f}"
    return DATA_LABELS.get(name, name)


def sequential_colours(count: int) -> list[tuple[float, float, float]]:
    """`count` colours in an order that is clear to colour-blind readers and in greyscale.

    They are viridis without its pale end.
    """
    import numpy as np
    from matplotlib import colormaps

    return [
        tuple(colormaps["viridis"](position)[:3])
        for position in np.linspace(0.0, 0.82, max(count, 1))
    ]


def lighter(colour: "ColorType", share: float = 0.45) -> tuple[float, float, float]:
    """The colour mixed with `share` of white.

    It is opaque, so that overlapping markers keep the colour of the legend.
    """
    from matplotlib.colors import to_rgb

    red, green, blue = ((1 - share) * part + share for part in to_rgb(colour))
    return red, green, blue
