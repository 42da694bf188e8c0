"""`odesweep status`: the progress of all saved plans or of one study, or the state of one trial."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.cli import (
    DEFAULT_RESULTS,
    AnyScaleOption,
    JsonOption,
    ResultsOption,
    existing,
    shell_completion,
)
from sweeps.cli.output import console, count, duration, table

if TYPE_CHECKING:
    from sweeps.inspection.status import StudyStatus, Watch

Beat = dict[str, Any]

# Reading the results folder is fast, but on a network disk it takes some time.
REFRESH_SECONDS = 2.0
# An axis with more values is one line.
MOST_VALUES = 200
# So many running trials have a line of their own while one watches.
MOST_RUNNING = 20
BLOCKS = "▁▂▃▄▅▆▇█"
SPARK_WIDTH = 30


def status(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[STUDY|TRIAL]",
            help="A study, or at least the first 4 digits of a trial's id. Default: all saved "
            "plans.",
            autocompletion=shell_completion.study_names,
        ),
    ] = None,
    scale: AnyScaleOption = None,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Keep the display up to date until Ctrl-C or until nothing is pending."
        ),
    ] = False,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Show the progress of a study: done, running, failed and pending trials, and the expected end.

    With --watch also the training loss of each running trial, as its heartbeats tell it. For one
    trial: explain its state.
    """
    import pyarrow as pa

    from sweeps.inspection.explain import explain
    from sweeps.inspection.status import Watch, is_id, study_name
    from sweeps.store import Results, list_plans

    # At a million runs other allocators of pyarrow keep 0.4 GB that nobody uses (measured).
    pa.set_memory_pool(pa.system_memory_pool())
    folder = existing(results) if target else Results(results)
    # A trial's state follows from all of its events.
    state = Watch(folder, overview=not (target and is_id(target)))
    trial = state.find_trial(target) if target else None
    if trial:
        facts = explain(state, trial)
        print(json.dumps(facts.as_dict(), indent=1) if as_json else "\n".join(facts.lines()))
        return
    plans = state.find_plans(study_name(target), scale) if target else list_plans(state.results)
    if as_json:
        print(json.dumps([as_dict(state.study(plan)) for plan in plans], indent=1))
    elif watch:
        _watch(state, plans)
    elif not plans:
        print(f"no saved plans in {state.results.path}; `odesweep run STUDY` makes one")
    else:
        details = target is not None
        studies = [state.study(plan, axes=details) for plan in plans]
        console().print(_view(studies, details=details))


def as_dict(study: "StudyStatus") -> dict[str, Any]:
    """The status in numbers, with every trial."""
    counts = {state: study.count(state) for state in ("done", "running", "failed", "pending")}
    outcomes = {"done": study.outcomes("done"), "failed": study.outcomes("failed")}
    return {
        "plan": study.plan,
        "workers": study.workers,
        "eta_seconds": study.eta_seconds,
        "notes": study.notes,
        "queued": sum(trial.queued is not None for trial in study.trials),
        **counts,
        "outcomes": outcomes,
        "missing_evaluations": int(study.missing_evaluations.sum()),
        "missing_probes": int(study.missing_probes.sum()),
        "out_of_reach": int(study.out_of_reach.sum()),
        "trials": [asdict(trial) for trial in study.trials],
    }


def _watch(state: "Watch", plans: list[str]) -> None:
    from rich.live import Live

    def refreshed() -> "list[StudyStatus]":
        state.refresh()
        return [state.study(plan) for plan in plans]

    with Live(_view(refreshed(), details=True), auto_refresh=False) as live:
        while True:
            studies = refreshed()
            live.update(_view(studies, details=True, beats=state.beats), refresh=True)
            if not any(study.count("pending") or study.count("running") for study in studies):
                return
            time.sleep(REFRESH_SECONDS)


def _view(
    studies: list["StudyStatus"], details: bool, beats: Mapping[str, list[Beat]] | None = None
) -> Any:
    from rich.console import Group

    return Group(
        *(
            part
            for study in studies
            for part in (
                _headline(study),
                *([_table(study)] if details else []),
                *(running_lines(study, beats) if beats is not None else []),
            )
        )
    )


def running_lines(study: "StudyStatus", beats: Mapping[str, list[Beat]]) -> list[str]:
    """A line per running trial: how far it is, and how its training loss went since its start."""
    from rich.markup import escape

    from sweeps.store import axis_words

    running = [trial for trial in study.trials if trial.state == "running"]
    lines = []
    for trial in running[:MOST_RUNNING]:
        known = beats.get(trial.trial_id, [])
        words = escape(" ".join(axis_words(trial.axes)))
        if not known:
            lines.append(f"  {words}  started")
            continue
        last, losses = known[-1], [beat["loss"] for beat in known]
        loss = "nan" if last["loss"] is None else f"{last['loss']:.4g}"
        place = f"iteration {last['iteration']}/{last['iterations']}"
        lines.append(f"  {words}  {place}, loss {loss}  {sparkline(losses)}")
    if more := len(running) - MOST_RUNNING:
        lines += [f"  and {more} more"] * (more > 0)
    return lines


def sparkline(values: Sequence[float | None]) -> str:
    """Numbers as a line of blocks, from the smallest to the largest; ? where there is none."""
    every = -(-len(values) // SPARK_WIDTH) or 1
    shown = values[::-1][::every][::-1]
    there = [value for value in shown if value is not None]
    low, high = min(there, default=0.0), max(there, default=0.0)
    step = (high - low) / (len(BLOCKS) - 1) or 1.0
    return "".join("?" if value is None else BLOCKS[round((value - low) / step)] for value in shown)


def _headline(study: "StudyStatus") -> str:
    from rich.markup import escape

    outcomes = _words(study.outcomes("done"), "completed")
    parts = [f"{study.count('done'):,} of {count(len(study.states), 'trial')} done{outcomes}"]
    for state in ("running", "failed", "pending"):
        if number := study.count(state):
            why = _words(study.outcomes(state)) if state == "failed" else ""
            parts.append(f"{number:,} {state}{why}")
    if missing := study.missing_of_done:
        items = count(missing, "evaluation or probe", "evaluations or probes")
        parts.append(f"{items} of trained nets missing")
    if lost := study.out_of_reach.sum():
        parts.append(f"{lost:,} out of reach, as weights were not kept")
    if study.eta_seconds is not None:
        parts.append(f"{count(study.workers, 'worker')}, about {duration(study.eta_seconds)} to go")
    return "\n".join(
        [f"[bold]{study.plan}[/bold]  " + ", ".join(parts), *(escape(note) for note in study.notes)]
    )


def _words(outcomes: dict[str, int], usual: str = "") -> str:
    named = [f"{n:,} {outcome}" for outcome, n in outcomes.items() if outcome != usual]
    return f" ({', '.join(named)})" if named else ""


def _table(study: "StudyStatus") -> Any:
    import numpy as np
    from rich.markup import escape

    columns = study.columns()
    found = table(("axis", "value"), ("trials", *columns))
    for axis, places_of in study.saved.by_axis().items():
        if len(places_of) > MOST_VALUES:
            everything = np.arange(len(study.states))
            places_of = {f"{len(places_of):,} values": everything}
        for index, (value, places) in enumerate(places_of.items()):
            numbers = [int(column[places].sum()) for column in columns.values()]
            found.add_row(
                escape(axis) if index == 0 else "",
                escape(value),
                str(len(places)),
                *(str(number) if number else "·" for number in numbers),
            )
    return found
