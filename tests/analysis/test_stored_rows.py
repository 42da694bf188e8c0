"""Rows that were really trained, at smoke scale, stored here.

Every figure and table gives the numbers that are stored beside them.
"""

from pathlib import Path

import pandas as pd
import pytest

from analysis.check import find, select
from analysis.drawing.save import save_table
from analysis.make import Reader

STORED = Path(__file__).with_name("stored")
EXPECTED = {
    path.name.removesuffix("-smoke.csv"): path
    for path in sorted((STORED / "expected").glob("*.csv"))
}


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(STORED / "results", plan=None, scale="smoke")


def test_most_figures_and_tables_have_stored_numbers() -> None:
    known = {value.name.replace("/", "_") for value in select(None, "FIGURES", "TABLES")}
    assert EXPECTED.keys() <= known
    assert len(EXPECTED) >= 30


@pytest.mark.parametrize("name", EXPECTED)
def test_numbers_are_the_stored_ones(name: str, reader: Reader, tmp_path: Path) -> None:
    paper, _, rest = name.partition("_")
    value = find(f"{paper}/{rest}")
    numbers = value.table(reader(value.study))
    # Written and read back, as the stored ones were.
    written, _ = save_table(numbers, pd.DataFrame(), "", tmp_path / name)
    pd.testing.assert_frame_equal(pd.read_csv(written), pd.read_csv(EXPECTED[name]), rtol=1e-9)
