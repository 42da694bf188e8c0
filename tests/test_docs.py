"""Pages of docs/ that are written by code are fresh; what they tell to type works."""

import os
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path

import pytest

from analysis.make import Reader
from sweeps.store import Results, accepted_runs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MINUTES = 10


def test_the_page_of_public_names_is_fresh() -> None:
    page = runpy.run_path(str(DOCS / "make_api.py"))["page"]()
    assert (DOCS / "api.md").read_text() == page, "run `make docs`"


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of the fenced blocks of a page."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)


def run(folder: Path, *command: str) -> str:
    """What a command prints. It finds the commands of this project and nothing else of it."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60 * MINUTES
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(60 * MINUTES)
def test_the_tutorial_word_by_word(tmp_path: Path) -> None:
    began, said = time.monotonic(), ""
    for language, text in blocks("tutorial.md"):
        if language == "sh":
            said += run(tmp_path, "bash", "-euc", text)
        elif language == "python":
            said += run(tmp_path, sys.executable, "-c", text)
        elif language == "toml":
            (tmp_path / "my_question.toml").write_text(text)
    assert "18 trials in 6 cells" in said
    assert "best cell of each group" in said
    assert "my_question@full: 18 completed" in said
    assert "FlatNode" in said
    page = (DOCS / "tutorial.md").read_text()
    for name in re.findall(r"`(figures/\S+\.png)`", page):
        picture = tmp_path / name
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert "n = 3 per point" in picture.with_suffix(".txt").read_text()
    assert time.monotonic() - began < 60 * MINUTES


@pytest.mark.slow
def test_the_scripts_of_the_examples(tmp_path: Path) -> None:
    said = {
        path.stem: run(tmp_path, sys.executable, str(path))
        for path in sorted((DOCS / "examples").glob("*.py"))
    }
    assert "{'completed': 9}" in said["learning_rate"]
    assert (tmp_path / "figures" / "learning_rate-small_accuracy_test_by_lr.png").exists()
    assert "dopri5: accuracy 0." in said["trained_net"]
    assert re.search(r"batch - none: .* interval .*, n = 4 pairs", said["two_norms"])


@pytest.mark.slow
def test_the_run_of_the_python_page(tmp_path: Path) -> None:
    first = next(text for language, text in blocks("python.md") if language == "python")
    said = run(tmp_path, sys.executable, "-c", first)
    assert "<Plan demo@smoke: 1 pending>" in said
    assert "{'completed': 1}" in said


def test_pages_say_how_many_runs_are_committed() -> None:
    folder = ROOT / "docs" / "results"
    runs = len(accepted_runs(Results(folder), columns=["trial_id"]))
    assert len(Reader(folder).trained("*")) == runs
    for page in (ROOT / "README.md", folder / "README.md", folder / "pages" / "index.md"):
        assert f"{runs} training runs" in page.read_text(), page
