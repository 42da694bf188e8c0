"""Every registered figure, table and claim, on smoke rows of every study.

Drawn in full, readable, and independent of how rows lie in files.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from drawn import assert_no_text_is_cut
from synthetic import Cell, Run, World, jitter, write

from analysis.check import find, select
from analysis.claims.claim import all_claims
from analysis.claims.verdict import VERDICTS, weigh
from analysis.drawing.save import compose_figure
from analysis.make import Reader
from analysis.papers import PAPERS
from analysis.rows.data import Data
from sweeps.studies import studies
from sweeps.study import Study

FIGURES, TABLES = ([value.name for value in select(None, kind)] for kind in ("FIGURES", "TABLES"))
CLAIMS = [claim.name for claim in all_claims()]
STUDIES = [study for study in studies().values() if not study.testing]
# Panels that stay empty at smoke scale, with the reason; the docs list them too.
EMPTY_PANELS: dict[str, str] = {}


class Plausible(World):
    """Accuracies that differ by cell and fall with coarser tests."""

    def __init__(self, low: float = 0.5) -> None:
        self.low = low

    def run(self, cell: Cell) -> Run | None:
        place = sum(map(ord, "".join(cell.axes.values()))) % 40 / 100
        evaluations = 1000 + 10 * int(cell.spec["solver_steps"] or 7)
        return Run(self.low + place + jitter(cell.seed), columns={"nfe_forward": evaluations})

    def test(self, cell: Cell, run: Run, test: Any, evaluation: Any) -> float | str | None:
        return run.accuracy - 0.1 / (1 + (evaluation.get("test_solver_steps") or 4))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Smoke rows of every study; the same rows in other files and another order; another world.

    Plans without rows.
    """
    root = tmp_path_factory.mktemp("every")
    for study in STUDIES:
        write(root / "rows", study, Plausible())
        write(root / "permuted", study, Plausible(), shuffled=True)
        write(root / "other", study, Plausible(0.3))
        write(root / "empty", study, save_only=True)
    return {path.name: path for path in root.iterdir() if not path.name.endswith(".state")}


class Numbers:
    """The numbers of figures and tables in one folder, each made once."""

    def __init__(self, results: Path) -> None:
        self.reader = Reader(results)
        self._made: dict[str, pd.DataFrame] = {}

    def __call__(self, name: str) -> tuple[Data, pd.DataFrame]:
        value = find(name)
        data = self.reader(value.study)
        assert not value.not_planned(data), "no study plans what it needs"
        if name not in self._made:
            self._made[name] = value.table(data)
        return data, self._made[name]


@pytest.fixture(scope="module")
def worlds(folders: dict[str, Path]) -> dict[str, Numbers]:
    return {name: Numbers(path) for name, path in folders.items()}


@pytest.fixture
def closed() -> Iterator[None]:
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.mark.parametrize("name", FIGURES)
def test_every_panel_has_a_mark_and_no_text_is_cut(
    name: str, worlds: dict[str, Numbers], closed: None
) -> None:
    data, numbers = worlds["rows"](name)
    value = find(name)
    assert len(numbers), "no numbers from complete rows"
    figure = compose_figure(value, numbers, value.caption(data, numbers))
    panels = [ax for ax in figure.axes if ax.axison]
    empty = [number for number, ax in enumerate(panels) if not _marks(ax)]
    assert not empty or name in EMPTY_PANELS, (
        f"panels {empty} of {len(panels)} are empty; give it panels that count what the numbers "
        "have"
    )
    assert_no_text_is_cut(figure)


def _marks(ax: Any) -> bool:
    lines = [
        line
        for line in ax.lines
        if pd.notna(pd.Series(line.get_ydata(orig=True), dtype=object)).any()
    ]
    return bool(lines or ax.collections or ax.patches or ax.images)


@pytest.mark.parametrize("name", [*FIGURES, *TABLES])
def test_captions_say_scale_and_completeness(name: str, worlds: dict[str, Numbers]) -> None:
    data, numbers = worlds["rows"](name)
    caption = find(name).caption(data, numbers)
    # As Python writes a number that is missing; authors write NaN.
    assert "nan" not in caption.split()
    assert "Missing:" not in caption
    assert "@smoke" in caption or "plans:" in caption
    if name in TABLES:
        shown = find(name).readable(numbers)
        assert len(shown)
        assert all(isinstance(value, str) for value in shown.to_numpy().ravel())


@pytest.mark.parametrize("name", [*FIGURES, *TABLES])
def test_permuted_part_files_change_nothing(name: str, worlds: dict[str, Numbers]) -> None:
    _, numbers = worlds["rows"](name)
    data, again = worlds["permuted"](name)
    pd.testing.assert_frame_equal(numbers, again, check_exact=True)
    assert find(name).caption(data, again)


@pytest.mark.parametrize("name", [*FIGURES, *TABLES])
def test_another_world_moves_our_numbers_and_no_published_one(
    name: str, worlds: dict[str, Numbers]
) -> None:
    _, numbers = worlds["rows"](name)
    _, other = worlds["other"](name)
    published = [column for column in numbers.columns if column.startswith("published")]
    for column in published:
        assert set(numbers[column].dropna()) == set(other[column].dropna())
    if published and "mean" in numbers:
        assert not numbers["mean"].equals(other["mean"])


@pytest.mark.parametrize("name", [*FIGURES, *TABLES])
def test_plans_without_rows_are_no_error(name: str, worlds: dict[str, Numbers]) -> None:
    data, numbers = worlds["empty"](name)
    if len(numbers):
        assert find(name).caption(data, numbers)


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_is_judged_with_and_without_rows(name: str, worlds: dict[str, Numbers]) -> None:
    (claim,) = [claim for claim in all_claims() if claim.name == name]
    assert set(claim.studies) <= {study.name for study in STUDIES}, "no such study"
    for place in ("rows", "empty"):
        found = weigh(claim, worlds[place].reader)
        assert found.full.verdict in VERDICTS
        assert claim.evidence.scale == "smoke" or found.full.verdict == "not enough data"
        assert found.commands or not found.missing
    axes = {axis for study in STUDIES if study.name in claim.studies for axis in study.grid}
    assert set(claim.where) <= {*axes, "study"}, "no such axis"
    values = {
        axis: (wanted if isinstance(wanted, tuple) else (wanted,))
        for axis, wanted in claim.where.items()
        if axis != "study"
    }
    for axis, wanted in values.items():
        there = {
            value
            for study in STUDIES
            if study.name in claim.studies
            for value in study.grid.get(axis, ())
        }
        # Of several studies one may lack the axis.
        there |= {""} if len(claim.studies) > 1 else set()
        assert set(wanted) <= there | set(map(str, there)), f"{axis} has no {set(wanted) - there}"


def test_names_of_claims_are_unique_and_their_sources_given() -> None:
    assert len(set(CLAIMS)) == len(CLAIMS)
    for claim in all_claims():
        assert claim.paper in PAPERS
        assert claim.source
        assert claim.statement.endswith(".")


def test_names_of_figures_and_tables_are_unique_and_of_their_paper() -> None:
    names = [*FIGURES, *TABLES]
    assert len(set(names)) == len(names)
    papers = list(dict.fromkeys(name.partition("/")[0] for name in names))
    assert set(papers) <= set(PAPERS)


@pytest.mark.parametrize("study", STUDIES[::9], ids=lambda study: study.name)
def test_a_plan_of_another_study_is_read_or_refused(study: Study, folders: dict[str, Path]) -> None:
    """What such a plan lacks is declared, and never a KeyError."""
    reader = Reader(folders["empty"], plan=study.name)
    for value in select(None, "FIGURES", "TABLES"):
        data = reader(value.study)
        if not value.not_planned(data):
            value.table(data)
