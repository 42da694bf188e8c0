"""From a results folder to `Data`: the plans and their accepted rows, joined by id.

It does not know how a grid is made, only what was planned.
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

import sweeps.store as store
from analysis.errors import ReportError
from analysis.rows.data import AXIS, KEY, Data
from sweeps.store import PlanInfo, label
from sweeps.store.arrow_compute import pc

# The scales of the papers' studies, the largest first.
SCALES = ("paper", "small", "smoke")
EVERY_STUDY = "*"
# Field of a planned evaluation or probe -> its column; settings of a solver are called as in
# `runs`.
_TEST_AXES = {
    "grid": "test.grid",
    "solver": "test.solver",
    "factor": "test.factor",
    "steps": "test.solver_steps",
    "tolerance": "test.solver_tolerance",
}


_Plan = tuple[PlanInfo, list[dict[str, Any]]]


class NoPlan(ReportError):
    """None of the studies has a saved plan.

    commands: those that make one. advice: what else helps, begins with "; ".
    """

    def __init__(self, reason: str, *commands: str, advice: str = "") -> None:
        made_by = f"; to make it: {' && '.join(commands)}" if commands else ""
        super().__init__(f"{reason}{made_by}{advice}")
        self.reason = reason
        self.commands = list(commands)
        self.advice = advice


class Folder:
    """A results folder that is read once for any number of figures.

    Each table is read when first needed.
    """

    def __init__(self, results: Path | str) -> None:
        self.path = str(results)
        self._results = store.Results(results)
        if not self._results.path.is_dir():
            raise ReportError(
                f"no results folder {results}; give the one that `odesweep run` wrote to with "
                "--results"
            )
        self._probes: dict[str, pd.DataFrame] = {}
        self._plans: dict[str, _Plan] = {}

    def generation(self) -> int:
        """The number of the newest generation that `odesweep compact` made; 0 before the first."""
        return self._generation

    @cached_property
    def _generation(self) -> int:
        return store.read_newest(self._results).number

    @cached_property
    def plan_names(self) -> list[str]:
        """Names of the saved plans."""
        return store.list_plans(self._results)

    def plan(self, name: str) -> _Plan:
        """A saved plan and its rows."""
        if name not in self._plans:
            saved = store.read_plan(self._results, name)
            self._plans[name] = saved.info, saved.rows()
        return self._plans[name]

    def runs(self) -> pd.DataFrame:
        """Accepted runs without their epochs.

        Reading the nested column costs far more than all others together.
        """
        return self._runs

    @cached_property
    def _runs(self) -> pd.DataFrame:
        return store.accepted_runs(
            self._results, [name for name in store.SCHEMAS["runs"].names if name != "epochs"]
        ).to_pandas()

    def attempts(self) -> pd.DataFrame:
        """Every attempt that has a row, accepted or not, in short."""
        names = [
            "trial_id",
            "attempt_id",
            "outcome",
            "outcome_detail",
            "fingerprint",
            "finished_at",
        ]
        return store.read_table(self._results, "runs", names).to_pandas()

    def epochs(self) -> pd.DataFrame:
        """Epochs of accepted runs, one row each."""
        return self._epochs

    @cached_property
    def _epochs(self) -> pd.DataFrame:
        table = store.accepted_runs(self._results, ["trial_id", "epochs"])
        nested: Any = table["epochs"].combine_chunks()
        rows = pa.Table.from_struct_array(pc.list_flatten(nested)).to_pandas()
        rows.insert(
            0,
            "trial_id",
            table["trial_id"].take(pc.list_parent_indices(nested)).to_pandas().to_numpy(),
        )
        return rows

    def evaluations(self) -> pd.DataFrame:
        """Accepted evaluations."""
        return self._evaluations

    @cached_property
    def _evaluations(self) -> pd.DataFrame:
        return store.accepted_evaluations(self._results).to_pandas()

    def probe(self, name: str) -> pd.DataFrame:
        """Accepted rows of one probe."""
        if name not in self._probes:
            self._probes[name] = store.accepted_probes(self._results, name).to_pandas()
        return self._probes[name]


def load(
    folder: Folder | Path | str,
    studies: str | Sequence[str],
    plan: str | None = None,
    scale: str | None = None,
    added: str | None = None,
) -> Data:
    """The rows of these studies' plans, or of the plan `plan`.

    A plan of one of the studies stands in for that one; a plan of another study stands in for all.
    scale: only plans of that scale. Of studies with an axis `variant` the cells as printed in the
    paper; `Data.with_variants` has all. added: also the trials that ran, and their tests, by larger
    plans whose overrides all begin with this: "+" for any, "+seed=" for further seeds alone.
    Raises ReportError when there is no such folder or plan, and the store's own one-line errors
    when it cannot be read.
    """
    folder = folder if isinstance(folder, Folder) else Folder(folder)
    wanted = [studies] if isinstance(studies, str) else list(studies)
    if plan is not None:
        study = plan.partition("@")[0]
        wanted = [plan if one == study else one for one in wanted] if study in wanted else [plan]
    names = _every(folder, scale) if wanted == [EVERY_STUDY] else _choose(folder, wanted, scale)
    chosen = [folder.plan(name) for name in names.values()]
    larger: list[PlanInfo] = []
    if added and plan is None:
        chosen, larger = _with_added(folder, chosen, added)
    data = Data(
        plans=tuple(plan for plan, _ in chosen),
        results=folder.path,
        trials=_frame(
            [row for plan, rows in chosen for row in _trials(plan, rows)],
            *KEY,
            "cell_id",
            "seed",
            "axes",
            "predicted_seconds",
            "added",
        ),
        tests=_frame(
            [row for plan, rows in chosen for row in _items(plan, rows, "evaluations", "eval_id")],
            *KEY,
            "eval_id",
            "axes",
            *_TESTS,
        ),
        probes=_frame(
            [
                row
                for plan, rows in chosen
                for row in _items(plan, rows, "probes", "probe_id", "name")
            ],
            *KEY,
            "probe_id",
            *_PROBES,
        ),
        source=folder,
        larger=tuple(larger),
        unplanned=tuple(one for one in wanted if one not in names and one != EVERY_STUDY),
    )
    return data if wanted == [EVERY_STUDY] else data.printed()


_TESTS = list(_TEST_AXES.values())
_PROBES = ["name", "axes", *_TESTS]


def _with_added(
    folder: Folder, chosen: Sequence[_Plan], word: str
) -> tuple[list[_Plan], list[PlanInfo]]:
    """The plans with what larger ones add to them (`PlanInfo.adds_to`), and these larger ones."""
    found, used = list[_Plan](), list[PlanInfo]()
    for info, declared in chosen:
        others = [folder.plan(one) for one in folder.plan_names if one.startswith(f"{info.name}+")]
        larger = [(other, rows) for other, rows in others if other.adds_to(info.name, word)]
        there = set(folder.runs()["trial_id"]) if larger else set()
        found.append((info, store.with_added(declared, [rows for _, rows in larger], there)))
        used += [other for other, _ in larger]
    return found, used


def _every(folder: Folder, scale: str | None) -> dict[str, str]:
    """Every study that has a plan -> its plan.

    The plan is of the scale given, otherwise of the first of SCALES that the study has, otherwise
    any.
    """
    known = [
        name
        for name in folder.plan_names
        if "+" not in name and scale in (None, name.partition("@")[2])
    ]
    if not known:
        at_scale = f" at scale {scale}" if scale else ""
        raise NoPlan(
            f"no plan of any study{at_scale} in {folder.path}",
            f"odesweep plan STUDY --save --results {folder.path}",
        )
    order = by_preference(name.partition("@")[2] for name in known)
    return {
        name.partition("@")[0]: name
        for name in sorted(
            known, key=lambda name: order.index(name.partition("@")[2]), reverse=True
        )
    }


def by_preference(scales: Iterable[str]) -> list[str]:
    """The scales in the order in which they are read if none is named.

    paper, small, others such as those of a study of one's own, and smoke last: it is no result.
    """
    found = list(dict.fromkeys(scales))
    first = [scale for scale in SCALES if scale in found and scale != "smoke"]
    last = [scale for scale in found if scale == "smoke"]
    return [*first, *(scale for scale in found if scale not in SCALES), *last]


def _choose(folder: Folder, wanted: Sequence[str], scale: str | None) -> dict[str, str]:
    """The studies or plans that were asked for -> the plan to read.

    Several studies are read at one scale: the first of `by_preference` that any of them has.
    """
    exact = {one: one for one in wanted if one in folder.plan_names}
    others = [one for one in wanted if one not in exact]
    scales = {
        one: {
            name.partition("@")[2]: name
            for name in folder.plan_names
            if name.partition("@")[0] == one and "+" not in name
        }
        for one in others
    }
    for one in (
        (scale,) if scale else by_preference(one for known in scales.values() for one in known)
    ):
        if scale is None and one not in SCALES and _unclear(scales.values()):
            break
        if any(one in known for known in scales.values()):
            return exact | {study: known[one] for study, known in scales.items() if one in known}
    found = exact
    for study, known in scales.items():
        if scale is None and len(known) == 1:
            found |= {study: next(iter(known.values()))}
        elif scale is None and known:
            raise ReportError(
                f"several plans of {study} in {folder.path}; name one with --plan: "
                f"{', '.join(known.values())}"
            )
    if not found:
        what = " or ".join(wanted) + (f" at scale {scale}" if scale else "")
        study, at_scale = wanted[0].partition("@")[0], ["--scale", scale] if scale else []
        words = ["odesweep", "plan", study, *at_scale, "--save", "--results", folder.path]
        there = (
            f"; plans here, for --plan: {', '.join(folder.plan_names)}" if folder.plan_names else ""
        )
        raise NoPlan(f"no plan of {what} in {folder.path}", shlex.join(words), advice=there)
    return found


def _unclear(scales: Iterable[Mapping[str, str]]) -> bool:
    """Whether a study has several scales that nobody ranked."""
    return any(len(set(known) - set(SCALES)) > 1 for known in scales)


def _trials(plan: PlanInfo, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"study": plan.study, "added": False, **row, "axes": _text(row["axes"])}
        | {AXIS + name: value for name, value in row["axes"].items()}
        for row in rows
    ]


def _items(
    plan: PlanInfo, rows: list[dict[str, Any]], kind: str, *keys: str
) -> list[dict[str, Any]]:
    return [
        {
            "study": plan.study,
            "trial_id": row["trial_id"],
            **{key: item[key] for key in keys},
            "axes": _test_text(item),
        }
        | {column: _value(item[axis]) for axis, column in _TEST_AXES.items()}
        for row in rows
        for item in row[kind]
    ]


def _value(value: Any) -> Any:
    """What stands in a frame for a field of a planned test.

    Lists as tuples, null as an empty text.
    """
    return "" if value is None else tuple(value) if isinstance(value, list) else value


def _test_text(item: dict[str, Any]) -> str:
    values = {axis: item[axis] for axis in _TEST_AXES if item[axis] not in (None, [])}
    return " ".join(
        f"{axis}={','.join(map(label, value if isinstance(value, list) else [value]))}"
        for axis, value in values.items()
    )


def _frame(rows: list[dict[str, Any]], *columns: str) -> pd.DataFrame:
    """A frame with these columns even without rows, and the trial axes.

    A trial that lacks an axis has an empty text there; the others keep their numbers.
    """
    axes = dict.fromkeys(name for row in rows for name in row if name.startswith(AXIS))
    lacking = dict.fromkeys(axes, "")
    return pd.DataFrame([lacking | row for row in rows], columns=[*columns, *axes])


def _text(axes: dict[str, Any]) -> str:
    return " ".join(store.axis_words(axes))
