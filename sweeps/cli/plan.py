"""`odesweep plan`: the grid, its progress, its cost, and what `run` would submit."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.cli import (
    DEFAULT_RESULTS,
    BudgetOption,
    FirstOption,
    JsonOption,
    KeepWeightsOption,
    OverridesArgument,
    ResultsOption,
    SampleOption,
    SampleSeedOption,
    ScaleOption,
    StudyArgument,
    command_line,
    shell_completion,
)
from sweeps.cli.output import console, count, duration, table

if TYPE_CHECKING:
    from sweeps.device import Device
    from sweeps.planning.cost import Costs
    from sweeps.planning.forecast import Forecast
    from sweeps.planning.plan import Entry, Plan
    from sweeps.profiles import Profile
    from sweeps.spec import TrialSpec

# The largest stack that is proposed: what the benchmarks measure.
STACK = 20


def plan(
    study: StudyArgument,
    overrides: OverridesArgument = None,
    scale: ScaleOption = None,
    sample: SampleOption = None,
    sample_seed: SampleSeedOption = None,
    first: FirstOption = None,
    save: Annotated[
        bool, typer.Option("--save", help="Also write the plan file, as `run` does.")
    ] = False,
    results: ResultsOption = DEFAULT_RESULTS,
    keep_weights: KeepWeightsOption = None,
    budget: BudgetOption = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            help=(
                "The profile that `run` will get: its device decides the predicted cost, "
                "keep_weights the disk space, and cpus and gpus how far a budget reaches."
            ),
            autocompletion=shell_completion.profile_names,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a study's grid: its progress, the cost of the rest, and what it leaves on disk.

    Trials are done, running, pending or stale.

    stale: the result is from an older version of a component.
    """
    from sweeps.device import of_profile
    from sweeps.inspection.status import in_flight
    from sweeps.keep_weights import effective
    from sweeps.planning.plan import current_plan, forecast_of
    from sweeps.planning.plan import save as save_plan
    from sweeps.profiles import load
    from sweeps.store import Results
    from sweeps.studies import find
    from sweeps.study.overrides import select
    from sweeps.study.sample import draw

    folder = Results(results)
    selection = draw(select(find(study), scale, overrides or ()), sample, sample_seed)
    slot = load(profile)
    keep = effective(selection.study.keep_weights, slot.keep_weights, keep_weights)
    device = of_profile(slot) if profile else None
    current, costs = current_plan(folder, selection, in_flight(folder), device)
    current = current.with_first(first or ())
    disk = forecast_of(selection, costs, keep)
    buys = _buys(current, budget, slot) if budget else {}
    path = save_plan(folder, selection, costs, study) if save else None
    if as_json:
        more = {"disk": disk.as_dict(), "saved": str(path) if path else None}
        print(json.dumps(summary(current) | cost(current, costs) | buys | more, indent=1))
    else:
        words = (*(overrides or ()), *(("--profile", profile) if profile else ()))
        probe = command_line("probe", study, *words, scale=scale, results=results)
        _show(current, disk, costs, probe, out_of_reach(current, study, scale, results))
        if buys:
            print(
                f"budget: {budget} begins about {buys['budget_trials']} of "
                f"{count(buys['trials_to_submit'], 'trial')}, by their predicted times"
            )
        if path:
            print(f"saved: {path}")


def _buys(current: "Plan", budget: str, profile: "Profile") -> dict[str, int]:
    """How many trials begin within a budget, the first and the longest before others."""
    from sweeps.device import of_profile
    from sweeps.planning.budget import parse

    device = of_profile(profile)
    bought = parse(budget, profile.cpus, device.share if device.gpu else 0)
    left = [entry for entry in current.entries if entry.submits]
    left.sort(key=lambda entry: (not entry.first, -entry.seconds))
    trials = bought.begun([entry.seconds for entry in left])
    return {"budget_trials": trials, "trials_to_submit": len(left)}


def summary(current: "Plan") -> dict[str, Any]:
    """The plan in numbers, with every selected trial."""
    selection = current.selection
    return {
        "study": selection.study.name,
        "scale": selection.scale,
        "plan": selection.plan_name,
        "overrides": list(selection.overrides),
        "declared_trials": len(selection.declared),
        "trials": len(current.entries),
        "cells": len({entry.trial.cell_id for entry in current.entries}),
        "done": len(current.of("done")),
        "in_flight": len(current.of("in_flight")),
        "pending": len(current.of("pending")),
        "stale": current.stale,
        "first": sum(entry.first and entry.submits for entry in current.entries),
        "evaluate_only": sum(entry.submits for entry in current.of("done")),
        "missing_evaluations": sum(len(entry.missing_evaluations) for entry in current.entries),
        "missing_probes": sum(len(entry.missing_probes) for entry in current.entries),
        "out_of_reach": current.out_of_reach[0],
        "predicted_seconds": current.seconds,
        "code_hashes": current.code_hashes,
        "excluded": [
            {"reason": one.reason, "cells": list(one.cells)} for one in selection.excluded
        ],
        "entries": [_entry(entry) for entry in current.entries],
    }


def _entry(entry: "Entry") -> dict[str, Any]:
    return {
        "trial_id": entry.trial.trial_id,
        "cell_id": entry.trial.cell_id,
        "axes": entry.trial.axes,
        "seed": entry.trial.spec.seed,
        "state": entry.state,
        "outcome": entry.outcome,
        "missing_evaluations": [
            one.axes | {"eval_id": one.eval_id} for one in entry.missing_evaluations
        ],
        "missing_probes": [
            one.axes | {"name": one.probe.name, "probe_id": one.probe_id}
            for one in entry.missing_probes
        ],
        "predicted_seconds": entry.seconds,
        "predicted_from": entry.source,
    }


def cost(current: "Plan", costs: "Costs") -> dict[str, Any]:
    """The predicted cost of what is left, in hours of the device, and how far predictions were off.

    errors: source of predictions -> median relative error on n finished rows.
    """
    device = costs.device
    return {
        "cost": {
            "device": str(device),
            f"{device.unit}_hours": current.seconds * device.share / 3600,
            "from": dict(_sources(current)),
            "errors": {
                source: error._asdict() for source, error in costs.errors(_specs(current)).items()
            },
        }
    }


def _sources(current: "Plan") -> Counter[str]:
    """Source of predictions -> trials that are left."""
    return Counter(entry.source for entry in current.entries if entry.submits)


def _specs(current: "Plan") -> list["TrialSpec"]:
    return list({entry.trial.cell_id: entry.trial.spec for entry in current.entries}.values())


def _cost_lines(current: "Plan", costs: "Costs", probe: str) -> list[str]:
    """Where the prediction comes from, how far such predictions were off, and what helps.

    probe: the command that measures.
    """
    from sweeps.planning.cost import errors_text, sources_text

    counts = _sources(current)
    if not counts:
        return []
    lines = [f"predicted for {costs.device}: {sources_text(counts)}"]
    if errors := costs.errors(_specs(current)):
        lines.append(f"median error on finished rows: {errors_text(errors)}")
    if counts["roofline"] and costs.device.gpu:
        lines.append("a count is a lower bound: small nets use only part of a GPU")
    if counts["roofline"] or counts["others"]:
        lines.append(f"`{probe}` measures 20 steps of each net and solver, for a better prediction")
    if stacks := _stacks(current):
        most = min(max(stacks), STACK)
        lines.append(
            f"{count(sum(stacks), 'trial')} can train {most} at a time as one batched step, in a "
            f"half to a quarter of their time: `run --stack {most}`"
        )
    return lines


def _stacks(current: "Plan") -> list[int]:
    """The sizes of the stacks that the trials to train can form, without trials that stay alone."""
    from odecore.config.stacks import stack_key

    # The key of one trial is that of all seeds of its cell.
    cells: dict[str, list[Entry]] = {}
    for one in current.of("pending"):
        cells.setdefault(one.trial.cell_id, []).append(one)
    sizes: Counter[str] = Counter()
    for trials in cells.values():
        if key := stack_key(trials[0].trial.spec):
            sizes[key] += len(trials)
    return [size for size in sizes.values() if size > 1]


def out_of_reach(current: "Plan", reference: str, scale: str | None, results: Path) -> str | None:
    """What cannot be computed without training again, and the commands for that; None if nothing.

    reference, scale, results: as the command line has them.
    """
    (items, nets), words = current.out_of_reach, current.selection.overrides
    if not items:
        return None
    return (
        f"out of reach: {count(items, 'evaluation or probe', 'evaluations or probes')} of "
        f"{count(nets, 'net')} whose weights were not kept; to train them again: "
        f"`{command_line('retry', reference, '--without-weights', scale=scale, results=results)}`, "
        f"then `{command_line('run', reference, *words, scale=scale, results=results)}`"
    )


def _show(current: "Plan", disk: "Forecast", costs: "Costs", probe: str, lost: str | None) -> None:
    """Print the plan. probe: the command that measures. lost: what is out of reach."""
    from rich.markup import escape

    out = console()
    study, numbers = current.selection.study, summary(current)
    out.print(f"[bold]{current.selection.plan_name}[/bold]  {escape(study.title)}")
    out.print(
        f"question: {study.question}\nexpected: {study.expected}\nscale:    "
        f"{study.scales[current.selection.scale].label}",
        markup=False,
    )
    if study.fidelity:
        out.print(f"fidelity: {study.fidelity}", markup=False)
    if current.selection.overrides:
        out.print(f"overridden: {' '.join(current.selection.overrides)}", markup=False)
    out.print(_table(current, costs.device))
    left_out = (
        f" of the {numbers['declared_trials']:,} declared"
        if numbers["declared_trials"] > numbers["trials"]
        else ""
    )
    out.print(
        f"{count(numbers['trials'], 'trial')}{left_out} in {count(numbers['cells'], 'cell')}: "
        f"{_states(numbers)}"
    )
    out.print(
        f"missing: {count(numbers['missing_evaluations'], 'evaluation')}, "
        f"{count(numbers['missing_probes'], 'probe')}"
    )
    if lost:
        out.print(lost, markup=False)
    submitted = [count(numbers["pending"], "trial") + " to train"] if numbers["pending"] else []
    submitted += (
        [count(numbers["evaluate_only"], "trained net") + " to evaluate"]
        if numbers["evaluate_only"]
        else []
    )
    takes = f": about {costs.device.amount(current.seconds)}" if submitted else ""
    first = f"; {numbers['first']} of them first" if any(e.first for e in current.entries) else ""
    out.print(f"`run` would submit {' and '.join(submitted) or 'nothing'}{takes}{first}")
    for line in _cost_lines(current, costs, probe):
        out.print(line, markup=False)
    for line in disk.lines():
        out.print(line)
    if current.stale:
        out.print(
            f"stale: {count(len(current.stale), 'accepted row')} outdated by a bug fix; their "
            "trials are pending again"
        )
    if len(current.code_hashes) > 1:
        shares = ", ".join(f"{n} from {code[:8]}" for code, n in current.code_hashes.items())
        out.print(
            f"code: the {numbers['done']} accepted rows come from {len(current.code_hashes)} "
            f"versions of the code ({shares})"
        )
    for one in current.selection.excluded:
        out.print(f"excluded: {count(len(one.cells), 'cell')}: {one.reason}", markup=False)


def _table(current: "Plan", device: "Device") -> Any:
    """Per value of every axis: trials, their states, what is missing, and the cost of the rest."""
    from rich.markup import escape

    numbers = [*(name for name, _ in _COLUMNS), f"left, 1 {device.unit}"]
    found = table(("axis", "value"), numbers)
    for axis, values in by_axis(current).items():
        for index, (value, entries) in enumerate(values.items()):
            found.add_row(
                escape(axis) if index == 0 else "",
                escape(value),
                *(show(entries) for _, show in _COLUMNS),
                duration(device.share * sum(one.seconds for one in entries if one.submits)),
            )
    return found


def by_axis(current: "Plan") -> dict[str, dict[str, list["Entry"]]]:
    """Axis (and `seed`) -> value as text -> its entries, in the study's order."""
    from sweeps.store import label

    found: dict[str, dict[str, list[Entry]]] = {axis: {} for axis in current.selection.study.grid}
    for entry in current.entries:
        for axis, value in (*entry.trial.axes.items(), ("seed", entry.trial.spec.seed)):
            found.setdefault(axis, {}).setdefault(label(value), []).append(entry)
    return found


_COLUMNS = (
    ("trials", lambda entries: str(len(entries))),
    ("done", lambda entries: str(sum(entry.state == "done" for entry in entries))),
    ("running", lambda entries: str(sum(entry.state == "in_flight" for entry in entries))),
    ("pending", lambda entries: str(sum(entry.state == "pending" for entry in entries))),
    (
        "missing evaluations",
        lambda entries: str(sum(len(entry.missing_evaluations) for entry in entries)),
    ),
)


def _states(numbers: dict[str, Any]) -> str:
    return (
        f"{numbers['done']:,} done, {numbers['in_flight']:,} running, {numbers['pending']:,} "
        f"pending, {len(numbers['stale']):,} stale"
    )
