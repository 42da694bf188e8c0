"""`odereport archive`: rows, plans, report and environment as one file with its checksum.

The file is what a repository with a DOI takes. Unpacked, its folder `results` is a results folder
that every command reads.
"""

import hashlib
import os
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from analysis.drawing.save import markdown
from analysis.errors import ReportError
from analysis.make import CONSOLE, OK, Reader
from analysis.report import write_report
from sweeps.store import Results, read_newest
from sweeps.store.public_rows import copy_public

ROWS = "results"
# The oldest time that a zip file can hold: equal contents give equal entries.
_TIME = (1980, 1, 1, 0, 0, 0)
# What a row says of the software and the machine that made it.
_ENVIRONMENT = [
    *("code_commit", "code_dirty", "code_hash", "odesweep_version"),
    *("python_version", "torch_version", "device", "cpu_threads", "executor"),
]


def archive(results: Path, out: Path) -> int:
    """Write `out`, a zip file, and `out`.sha256; returns the exit code.

    Raises ReportError if there are no rows, or if `out` exists.
    """
    if out.suffix != ".zip":
        raise ReportError(f"--out {out}: give the name of a zip file")
    if out.exists():
        raise ReportError(f"--out {out} exists; remove it or give another name")
    if not len(Reader(results)("*").runs):
        raise ReportError(f"{results} has no rows of any saved plan; nothing was written")
    out.parent.mkdir(parents=True, exist_ok=True)
    place = out.absolute()
    with tempfile.TemporaryDirectory(prefix=".archive-", dir=place.parent) as name:
        folder = Path(name) / place.stem
        folder.mkdir()
        copy_public(Results(results), Results(folder / ROWS))
        # From inside, so that the report's commands name the folder that readers will have.
        with chdir(folder):
            reader = Reader(Path(ROWS))
            write_report(reader, Path())
            _write_texts(reader)
        unfinished = Path(name) / place.name
        _pack(folder, unfinished)
        with unfinished.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        unfinished.rename(place)
    checksum = place.with_name(f"{place.name}.sha256")
    checksum.write_text(f"{digest}  {place.name}\n", encoding="ascii")
    size = place.stat().st_size / 1e6
    CONSOLE.print(
        f"{out}: {size:.1f} MB, SHA-256 {digest} (also in {checksum.name})", soft_wrap=True
    )
    return OK


def _write_texts(reader: Reader) -> None:
    """README.md and environment.csv, in the current folder."""
    runs = reader("*").runs
    columns = [name for name in _ENVIRONMENT if name in runs]
    counted = Counter(runs[columns].itertuples(index=False, name=None))
    lines = [[*key, count] for key, count in counted.most_common()]
    pd.DataFrame(lines, columns=pd.Index([*columns, "runs"])).to_csv(
        "environment.csv", index=False, lineterminator="\n"
    )
    Path("README.md").write_text("\n".join(_readme(reader)), encoding="utf-8", newline="\n")


def _readme(reader: Reader) -> Iterator[str]:
    yield "# Rows of odesweep\n"
    yield (
        f"Written by odesweep {version('odesweep')} from generation "
        f"{read_newest(Results(ROWS)).number} of these rows.\n"
    )
    yield markdown(pd.DataFrame(list(_studies(reader))))
    yield ("Hours are those of training and tests of the accepted rows, by the machines' clocks.\n")
    yield (
        "- `results/` is a results folder: Parquet rows in `generations/`, grids in `plans/`. "
        "It has no trained weights, logs or events, and names no machine.\n"
        "- `report.html` has verdicts, figures and tables, and needs no network.\n"
        "- `environment.csv` has the versions of code and packages behind the rows, with "
        "numbers of runs.\n"
    )
    commands = ("odereport report --results results", "odereport check --results results")
    yield "\n".join(("```sh", *commands, "```", ""))


def _studies(reader: Reader) -> Iterator[dict[str, str]]:
    data = reader("*")
    for plan in sorted(data.plans, key=lambda one: one.name):
        of_plan = data.trials[data.trials["study"] == plan.study]
        runs = data.runs[data.runs["study"] == plan.study]
        hours = (runs["train_seconds"].sum() + runs["evaluate_seconds"].sum()) / 3600
        yield {
            "study": plan.study,
            "scale": plan.scale,
            "rows": f"{len(runs)} of {len(of_plan)}",
            "outcomes": ", ".join(
                f"{count} {outcome}" for outcome, count in Counter(runs["outcome"]).most_common()
            ),
            "hours": f"{hours:.2f}",
        }


def _pack(folder: Path, out: Path) -> None:
    """Every file below `folder` in the order of the names, each with the same time and rights."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder.parent).as_posix().replace(os.sep, "/")
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            packed.writestr(entry, path.read_bytes())
