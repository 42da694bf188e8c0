"""The cost of the sweep: hours, NFE and speed.

Speed comes only from undisturbed runs.
"""

import pandas as pd

from analysis.drawing.caption import scale_only
from analysis.drawing.figure import Table
from analysis.rows.cells import alone
from analysis.rows.data import KEY, Data
from analysis.rows.read import EVERY_STUDY

TOTAL = "all studies"
TEXT = (
    "Hours: of training, its own tests, and later evaluations, summed over resumed attempts; on a "
    "GPU they count as GPU-hours, elsewhere as "
    "core-hours (seconds times threads). Evaluations: of the right-hand side. Speed: medians over "
    "runs that had the machine to themselves and "
    "were never resumed ({timed} of {runs}). A trial that serves several studies counts in each, "
    "once in the total.{left}"
)


def table(data: Data) -> pd.DataFrame:
    """One row per study and one for all.

    Columns: runs, gpu_hours, core_hours, nfe_forward, nfe_backward, timed runs and their medians.
    """
    if not len(data.runs):
        return pd.DataFrame()
    runs, tests = data.runs, data.evaluations
    parts = [
        (study, rows, tests.loc[tests["study"] == study])
        for study, rows in runs.groupby("study", sort=False)
    ]
    parts.append(
        (TOTAL, runs.drop_duplicates("trial_id"), tests.drop_duplicates(["trial_id", "eval_id"]))
    )
    return pd.DataFrame([_row(str(study), *rows) for study, *rows in parts])


def _row(study: str, runs: pd.DataFrame, tests: pd.DataFrame) -> dict[str, object]:
    trained = runs.assign(
        seconds=runs["train_seconds"].fillna(0) + runs["evaluate_seconds"].fillna(0)
    )
    seconds = pd.concat(
        [rows.filter(["seconds", "device", "cpu_threads"]) for rows in (trained, tests)],
        ignore_index=True,
    )
    on_cpu = seconds["device"].astype(str).str.startswith("cpu")
    timed = runs.loc[alone(runs)]
    per_nfe = timed["train_seconds"] / (
        timed["nfe_forward"] + timed["nfe_backward"].fillna(0)
    ).where(lambda n: n > 0)
    return {
        "study": study,
        "runs": len(runs),
        "gpu_hours": float(seconds.loc[~on_cpu, "seconds"].sum()) / 3600,
        "core_hours": float(
            (seconds["seconds"] * seconds["cpu_threads"].fillna(1)).loc[on_cpu].sum()
        )
        / 3600,
        "nfe_forward": _total(runs, "nfe_forward"),
        "nfe_backward": _total(runs, "nfe_backward"),
        "tests": len(tests),
        "n": len(timed),
        "train_seconds_median": float(timed["train_seconds"].median()),
        "seconds_per_nfe_median": float(per_nfe.median()),
        "samples_per_second_median": float(timed["samples_per_second"].median()),
        "peak_memory_bytes_max": max(
            (float(peak) for peak in runs["peak_memory_bytes"] if peak == peak),
            default=float("nan"),
        ),
    }


def _total(rows: pd.DataFrame, column: str) -> int:
    return sum(int(count) for count in rows[column] if count == count)


def _fields(data: Data, numbers: pd.DataFrame) -> dict[str, object]:
    total = numbers.loc[numbers["study"] == TOTAL].iloc[0]
    remaining = data.trials.loc[
        ~pd.MultiIndex.from_frame(data.trials.filter(KEY)).isin(
            pd.MultiIndex.from_frame(data.runs.filter(KEY))
        )
    ]
    left = (
        f" Still to run: {len(remaining)} trials, predicted to take "
        f"{remaining['predicted_seconds'].sum() / 3600:.3g} hours one after another."
        if len(remaining)
        else ""
    )
    return {"timed": total["n"], "runs": total["runs"], "left": left}


def readable(numbers: pd.DataFrame) -> pd.DataFrame:
    """Hours and counts with few digits; a dash if nothing was timed."""
    formats = {
        "study": ("study", "{}"),
        "runs": ("runs", "{:,}"),
        "GPU-hours": ("gpu_hours", "{:.3g}"),
        "core-hours": ("core_hours", "{:.3g}"),
        "NFE forward": ("nfe_forward", "{:,}"),
        "NFE backward": ("nfe_backward", "{:,}"),
        "tests": ("tests", "{:,}"),
        "timed runs": ("n", "{}"),
        "train s, median": ("train_seconds_median", "{:.3g}"),
        "ms per NFE, median": ("seconds_per_nfe_median", "{:.3g}"),
        "samples/s, median": ("samples_per_second_median", "{:.3g}"),
        "peak GB": ("peak_memory_bytes_max", "{:.2f}"),
    }
    scaled = numbers.assign(
        seconds_per_nfe_median=numbers["seconds_per_nfe_median"] * 1e3,
        peak_memory_bytes_max=numbers["peak_memory_bytes_max"] / 1e9,
    )
    rows = scaled.to_dict("records")
    return pd.DataFrame(
        [
            {
                title: "-" if row[name] != row[name] else text.format(row[name])
                for title, (name, text) in formats.items()
            }
            for row in rows
        ]
    )


TABLE = Table(
    name="running/cost",
    study=EVERY_STUDY,
    numbers=table,
    text=TEXT,
    fields=_fields,
    notes=scale_only,
    readable=readable,
)
