"""`odesweep top`: the best cells of a study."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli import (
    DEFAULT_RESULTS,
    JsonOption,
    ResultsOption,
    SavedScaleOption,
    StudyArgument,
    existing,
    shell_completion,
)
from sweeps.cli.output import console, count, table

if TYPE_CHECKING:
    from sweeps.inspection.top import Ranked, Ranking


def top(
    study: StudyArgument,
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help="A number of a run, such as accuracy_test, loss_test, nfe_forward or "
            "train_seconds.",
            autocompletion=shell_completion.metrics,
        ),
    ] = "accuracy_test",
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="An axis: show the best cell of each of its values. Repeat."),
    ] = None,
    number: Annotated[
        int, typer.Option("-n", "--number", min=1, help="At most so many cells.")
    ] = 10,
    scale: SavedScaleOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Show the best cells of a study, with n and the 95 % interval of the mean over seeds.

    Nothing but seeds is averaged. Failed runs are counted, not averaged.
    """
    from sweeps.inspection.status import Watch
    from sweeps.inspection.top import rank

    watch = Watch(existing(results))
    plan = watch.find_plan(study, scale)
    ranking = rank(watch.results, plan, metric, group or (), target=study)
    if as_json:
        print(json.dumps(asdict(ranking) | {"cells": list(map(asdict, ranking.cells))}, indent=1))
    else:
        _show(ranking, number, grouped=bool(group))


def _show(ranking: "Ranking", number: int, *, grouped: bool) -> None:
    from rich.markup import escape

    from sweeps.store import label

    out = console()
    shown = ranking.cells[:number]
    if not shown:
        out.print(f"{ranking.plan}: no run with {ranking.metric} yet", markup=False)
        return
    order = "largest" if ranking.larger_is_better else "smallest"
    kind = "best cell of each group" if grouped else "best cells"
    words = f" with {' '.join(ranking.added)}" if ranking.added else ""
    out.print(f"{ranking.plan}{words}: {kind}, {order} {ranking.metric} first", markup=False)
    axes = list(dict.fromkeys(axis for one in shown for axis in one.axes))
    more = {
        "failed": any(one.failed for one in shown),
        "missing": any(one.missing for one in shown),
        "best of": grouped,
    }
    said = [name for name, is_shown in more.items() if is_shown]
    best = table([*map(escape, axes)], (ranking.metric, "95 % interval", "n", *said))
    for one in shown:
        facts = {"failed": one.failed, "missing": one.missing, "best of": count(one.of, "cell")}
        best.add_row(
            *(escape(label(one.axes[axis])) if axis in one.axes else "-" for axis in axes),
            f"{one.mean:.4g}",
            _interval(one),
            str(one.n),
            *(str(facts[name]) for name in said),
        )
    out.print(best)
    left = len(ranking.cells) - len(shown)
    notes = [f"{left} more"] if left else []
    notes += [f"{count(ranking.without_value, 'cell')} without a value"] * bool(
        ranking.without_value
    )
    if any(one.low is None for one in shown):
        notes.append("no interval below 3 seeds")
    notes.append("the best of many cells looks better than it is: confirm it with new seeds")
    if ranking.left_out:
        notes.append(f"left out, because they change the study: {', '.join(ranking.left_out)}")
    out.print("; ".join(notes), markup=False)


def _interval(one: "Ranked") -> str:
    return "-" if one.low is None or one.high is None else f"{one.low:.4g} to {one.high:.4g}"
