"""`odereport plot STUDY` of every shipped study: a page of pictures without an error."""

from pathlib import Path

import pytest
from drawn import assert_no_text_is_cut
from synthetic import Cell, Run, World, jitter, write

from analysis.drawing.figure import Figure
from analysis.drawing.save import compose_figure
from analysis.plot.page import page
from analysis.rows.read import load
from sweeps.studies import studies
from sweeps.study import Study

STUDIES = [study for study in studies().values() if not study.testing]


class Failing(World):
    """Accuracies that differ by cell; one cell in seven diverges, one in eleven is missing."""

    def run(self, cell: Cell) -> Run | None:
        place = sum(map(ord, "".join(cell.axes.values())))
        nfe = 1000 + 10 * int(cell.spec["solver_steps"] or 7)
        if place % 11 == 0:
            return None
        outcome = "diverged" if place % 7 == 0 else "completed"
        accuracy = 0.5 + place % 40 / 100 + jitter(cell.seed)
        return Run(accuracy, outcome, columns={"nfe_forward": nfe})


@pytest.mark.parametrize(
    "study",
    [
        pytest.param(study, id=study.name, marks=() if place % 6 == 2 else pytest.mark.exhaustive)
        for place, study in enumerate(STUDIES)
    ],
)
def test_the_page_of_a_study_has_pictures_with_numbers_and_captions(
    study: Study, tmp_path: Path
) -> None:
    write(tmp_path / "results", study, Failing())
    data = load(tmp_path / "results", study.name).with_variants
    pictures = list(page(data, study.name))
    drawn = [one for one in pictures if isinstance(one, Figure)]
    assert len(drawn) == len(pictures), "a picture was left out"
    names = [one.name.removeprefix(f"{study.name}/") for one in drawn]
    assert {"curves", "outcomes", "cost"} <= set(names)
    for figure in drawn:
        numbers = figure.table(data)
        assert len(numbers), figure.name
        caption = figure.caption(data, numbers)
        assert f"Plan {study.name}@smoke" in caption
        assert "nan" not in caption.split()
        made = compose_figure(figure, numbers, caption)
        assert any(ax.has_data() for ax in made.axes)
        assert_no_text_is_cut(made)
