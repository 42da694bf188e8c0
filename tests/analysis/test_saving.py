"""Files of figures: all there, the same bytes twice, ink on them, the numbers beside."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import net, realistic
from matplotlib.image import imread

from analysis.check import find
from analysis.drawing.figure import Figure
from analysis.drawing.save import save_figure, save_table
from analysis.rows.data import Data

FIGURES = ("figure1", "figure2", "figure4")


def of_ott(name: str) -> Figure:
    return find(f"ott2021/{name}")


def assert_same(csv: Path, numbers: pd.DataFrame) -> None:
    texts = pd.read_csv(csv, dtype=str, keep_default_na=False)
    assert list(texts.columns) == list(numbers.columns)
    for column in numbers.columns:
        if pd.api.types.is_numeric_dtype(numbers[column]) and not pd.api.types.is_bool_dtype(
            numbers[column]
        ):
            # Python's float reads back exactly what was printed.
            values = [float(text or "nan") for text in texts[column]]
            np.testing.assert_array_equal(values, numbers[column].to_numpy(float))
        else:
            assert list(texts[column]) == [
                "" if value != value else str(value) for value in numbers[column]
            ]


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_saved_with_numbers_and_caption(
    name: str, paper_like: Data, tmp_path: Path
) -> None:
    figure = of_ott(name)
    numbers = figure.table(paper_like)
    caption = figure.caption(paper_like, numbers)
    paths = save_figure(figure, numbers, caption, tmp_path / "out" / name)
    assert [path.suffix for path in paths] == [".png", ".pdf", ".csv", ".txt"]
    assert_same(paths[2], numbers)
    assert paths[3].read_text() == caption + "\n"
    pixels = imread(paths[0])[..., :3]
    assert pixels.shape[1] == round(figure.size_inches[0] * 300)
    # Ink in the panels' upper half and in the caption's strip at the bottom, none on the outermost
    # rows and columns.
    assert (pixels[: pixels.shape[0] // 2] < 0.9).any(axis=2).mean() > 0.001
    assert (pixels[-round(0.3 * 300) :] < 0.9).any(axis=2).mean() > 0.01
    for edge in (pixels[0], pixels[-1], pixels[:, -1]):
        assert (edge == 1).all()


@pytest.mark.parametrize("name", FIGURES)
def test_caption_says_n_interval_scale_and_plan(name: str, paper_like: Data) -> None:
    figure = of_ott(name)
    caption = figure.caption(paper_like, figure.table(paper_like))
    assert re.search(r"n = \d", caption)
    assert "interval" in caption
    assert "Plan ott2021/sphere2-fixed@paper: Paper scale: the paper's own setting." in caption


def test_overrides_stand_in_the_caption(make: Callable[..., Data]) -> None:
    data = make([net("euler", 2, 0, {("euler", 2): 0.5})], overrides=("train.iterations=10",))
    figure = of_ott("figure4")
    assert "Overridden: train.iterations=10." in figure.caption(data, figure.table(data))


def test_same_numbers_make_the_same_bytes(tmp_path: Path) -> None:
    data = realistic((2,), seeds=1)
    figure = of_ott("figure4")
    numbers = figure.table(data)
    first, second = (
        save_figure(figure, numbers, figure.caption(data, numbers), tmp_path / name)
        for name in ("one", "two")
    )
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def axes_of(figure: Figure, numbers: pd.DataFrame) -> list[Any]:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(*figure.shape(numbers), squeeze=False)
    figure.draw(numbers, list(axes.flat))
    return list(axes.flat)


@pytest.mark.parametrize(("data_name", "top"), [("cifar10", 0.7), ("mnist", 1.1), ("spheres", 1.1)])
def test_accuracy_axis_fits_the_data(make: Callable[..., Data], data_name: str, top: float) -> None:
    import matplotlib.pyplot as plt

    data = make(
        [net("euler", 2, 0, {("euler", 2): 0.5})],
        data_name=data_name,
        dimension=2 if data_name == "spheres" else None,
    )
    figure = of_ott("figure4")
    axes = axes_of(figure, figure.table(data))
    assert [ax.get_ylim() for ax in axes] == [(0, top), (0, top)]
    plt.close("all")


def test_two_seeds_are_drawn_as_two_points_and_three_with_a_bar(make: Callable[..., Data]) -> None:
    import matplotlib.pyplot as plt

    figure = of_ott("figure4")
    drawn = {}
    for n in (2, 3):
        data = make([net("euler", 2, seed, {("euler", 2): 0.8 + 0.05 * seed}) for seed in range(n)])
        left = axes_of(figure, figure.table(data))[0]
        drawn[n] = (
            sorted(float(y) for line in left.lines for y in line.get_ydata()),
            len(left.collections),
        )
    plt.close("all")
    assert drawn[2] == (pytest.approx([0.8, 0.85]), 0)
    assert drawn[3] == (pytest.approx([0.85]), 1)


def test_table_is_saved_as_csv_and_markdown(tmp_path: Path) -> None:
    numbers = pd.DataFrame({"K": [2, 64], "gap": [0.1 + 0.2, 0.0]})
    shown = numbers.map(lambda value: f"{value:.2f}")
    csv, markdown = save_table(numbers, shown, "A caption.", tmp_path / "t")
    assert_same(csv, numbers)
    assert (
        markdown.read_text()
        == "| K | gap |\n| --- | --- |\n| 2.00 | 0.30 |\n| 64.00 | 0.00 |\n\nA caption.\n"
    )
