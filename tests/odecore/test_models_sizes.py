"""Every size that a paper prints is the size here, or says why not; and the page in the docs is
what the code says.
"""

import importlib.util
import re
from pathlib import Path

import pytest

from odecore.models.sizes import Size, sizes

SIZES = sizes()


def rounds_to(count: int, printed: str) -> bool:
    """Whether a count is what a text such as "37k" or "2.2M" rounds or cuts off."""
    match = re.fullmatch(r"(\d+)(\.\d+)?([kM])", printed)
    assert match, f"not a size: {printed}"
    unit = {"k": 1_000, "M": 1_000_000}[match[3]] / 10 ** max(0, len(match[2] or "") - 1)
    digits = int((match[1] + (match[2] or "")).replace(".", ""))
    return digits in (int(count / unit), round(count / unit))


@pytest.mark.parametrize("size", SIZES, ids=[f"{size.label} {size.data}" for size in SIZES])
def test_printed_sizes_are_ours_or_explained(size: Size) -> None:
    if isinstance(size.printed, int):
        assert size.here == size.printed
    elif size.printed is not None:
        assert size.note or rounds_to(size.here, size.printed)
        if size.note.startswith("norm parameters are not"):
            assert rounds_to(size.without_norms, size.printed)


def test_rounding_is_told_from_another_number() -> None:
    assert rounds_to(36_088, "36k")
    assert rounds_to(34_618, "35k")
    assert rounds_to(2_186_920, "2.2M")
    assert not rounds_to(38_100, "37k")


def test_the_page_in_the_docs_is_up_to_date() -> None:
    path = Path(__file__).parents[2] / "docs" / "make_models.py"
    spec = importlib.util.spec_from_file_location("make_models", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run `make docs`"
