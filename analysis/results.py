"""A results folder for scripts and notebooks: its rows as data frames, its studies as pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.drawing.figure import Figure
from analysis.drawing.save import compose_figure, png, save_figure
from analysis.make import Reader
from analysis.plot.chart import Wish, chart
from analysis.plot.command import find_plan, picture_name, rows_of, stem
from analysis.plot.figures import figure
from analysis.plot.names import Names
from analysis.plot.page import page
from analysis.rows.data import Data
from sweeps.store import label
from sweeps.store.frames import one_type

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure
    from torch import nn

DOTS_PER_INCH = 150


@dataclass(frozen=True)
class Picture:
    """A picture of a study. Notebooks show it.

    numbers: what it draws, tidy. caption: with n, interval, scale, failed and missing runs.
    """

    name: str
    numbers: pd.DataFrame
    caption: str
    _figure: Figure

    def figure(self) -> "MplFigure":
        """The picture and its caption as a new figure of matplotlib."""
        return compose_figure(self._figure, self.numbers, self.caption)

    def save(self, folder: str | PathLike[str] = ".") -> list[Path]:
        """Write PNG, PDF, CSV and caption into the folder; returns their paths."""
        return save_figure(self._figure, self.numbers, self.caption, Path(folder) / stem(self.name))

    def _repr_png_(self) -> bytes:
        return png(self._figure, self.numbers, self.caption, DOTS_PER_INCH)


class Results:
    """A results folder, read once.

    A study is given by its name or its file, then with what was added to it (`+seed=3`), or by a
    plan's name such as my_study@small. Frames have the axes of the study as columns `axis.<name>`.
    Where a number is missing they have NaN, so that Arrow and Polars take them as they are:
    `pyarrow.table(frame)`, `polars.DataFrame(frame)`. Each method raises ReportError in one line
    for a name that the folder does not have.
    """

    def __init__(self, path: str | PathLike[str], scale: str | None = None) -> None:
        self._reader = Reader(Path(path), None, scale)
        self.plans: list[str] = self._reader.folder.plan_names

    def runs(self, study: str) -> pd.DataFrame:
        """One row per planned trial that has an accepted run, with all columns of `runs`."""
        return one_type(self._data(study).runs)

    def epochs(self, study: str) -> pd.DataFrame:
        """One row per run and epoch recorded, with the outcome of the run as `run.outcome`."""
        return one_type(self._data(study).epochs)

    def evaluations(self, study: str) -> pd.DataFrame:
        """One row per accepted evaluation, with its solver and with its run as `run.<column>`."""
        return one_type(self._data(study).evaluations)

    def load_model(self, trial: str) -> "nn.Module":
        """The trained net of a trial, on the CPU, in eval mode; see `sweeps.load_model`.

        trial: its id, or at least the first 4 digits of it. It needs torch.
        """
        import sweeps

        return sweeps.load_model(trial, self._reader.folder.path)

    def plot(
        self,
        study: str,
        *,
        y: str | None = None,
        x: str | None = None,
        hue: str | None = None,
        col: str | Sequence[str] = (),
        kind: str | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> Picture:
        """One picture, as `odereport plot` draws it; what is None is chosen for the study.

        where: axis -> the value or values to show.
        """
        cols = (col,) if isinstance(col, str) else tuple(col)
        wish = Wish(y=y, x=x, hue=hue, col=cols, kind=kind)
        data, words = self._data(study), _words(where)
        data = Names(data).where(words)
        name = f"{self._plan(study)}/{picture_name(wish, words) or 'plot'}"
        return _picture(data, figure(data, chart(data, wish), name, words))

    def page(self, study: str, where: Mapping[str, Any] | None = None) -> list[Picture]:
        """The pictures of `odereport plot STUDY` that have anything to show."""
        words = _words(where)
        data = Names(self._data(study)).where(words)
        name = "_".join([self._plan(study), *words])
        drawn = [one for one in page(data, name, words) if isinstance(one, Figure)]
        return [_picture(data, one) for one in drawn if len(one.table(data))]

    def _plan(self, study: str) -> str:
        return find_plan(self._reader.folder, study, self._reader.scale)

    def _data(self, study: str) -> Data:
        return rows_of(self._reader, study, self._plan(study)).with_variants


def _picture(data: Data, value: Figure) -> Picture:
    numbers = value.table(data)
    return Picture(value.name, numbers, value.caption(data, numbers), value)


def _words(where: Mapping[str, Any] | None) -> list[str]:
    return [
        f"{key}={','.join(map(label, value)) if isinstance(value, list | tuple) else label(value)}"
        for key, value in (where or {}).items()
    ]
