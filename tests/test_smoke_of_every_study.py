"""Smoke scale of every study, for real, in one results folder.

Then every figure and table from those rows.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sweeps.store import Results, accepted_runs
from sweeps.studies import studies

DATA = os.environ.get("ODESWEEP_DATA")
# Smoke scales that cannot fill it, by name.
NOTHING_TO_SHOW: set[str] = set()


def command(module: str, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a command line of ours."""
    code = f"from {module} import main; main()"
    environment = os.environ | ({"ODESWEEP_DATA": DATA} if DATA else {})
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not DATA, reason="needs MNIST, Fashion-MNIST and CIFAR-10: set ODESWEEP_DATA")
def test_every_study_runs_and_every_figure_and_table_is_made(tmp_path: Path) -> None:
    results = tmp_path / "r"
    names = [
        study.name for study in studies().values() if "smoke" in study.scales and not study.testing
    ]
    for name in names:
        code, text = command(
            "sweeps.cli", "run", name, "--scale", "smoke", "--results", str(results)
        )
        assert code == 0, f"{name}: {text}"
    outcomes = Counter(accepted_runs(Results(results), ["outcome"])["outcome"].to_pylist())
    print(json.dumps(outcomes))
    assert outcomes["completed"] >= 0.8 * outcomes.total()

    out = tmp_path / "out"
    for kind in ("figures", "tables"):
        _, text = command(
            "analysis.cli", kind, "--scale", "smoke", "--results", str(results), "--out", str(out)
        )
        # Of the lines that begin with a name: a table may have "left out" in its cells.
        empty = set(re.findall(r"^(\S+/\S+): (?:nothing to show|left out)", text, re.MULTILINE))
        assert empty == NOTHING_TO_SHOW, text
    assert len(list(out.glob("*.png"))) >= 39
    assert len(list(out.glob("*.md"))) >= 27
