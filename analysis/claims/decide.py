"""`odereport check --decide`: how many more seeds would likely decide each undecided claim.

The method assumes that effect and spread stay as observed, and takes the least number of seeds with
which four of five repetitions would decide. A number of seeds decides a part if its interval
excludes the threshold even where the new mean lies z standard errors nearer to it, or farther, than
the observed one; z is the normal quantile of .8^(1/k) for a claim of k parts, as all have to hold.
A region with two ends counts twice.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist

import numpy as np
import pandas as pd

from analysis.check import axis_words, chosen, command
from analysis.claims.claim import Claim, select
from analysis.claims.statistic import Estimate, Estimates
from analysis.claims.verdict import (
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_ENOUGH,
    REPRODUCED,
    Judgement,
    Verdict,
    judge_parts,
    least_seeds,
    weigh,
)
from analysis.make import CONSOLE, INCOMPLETE, OK, Reader
from analysis.rows.data import AXIS, KEY, Data
from analysis.rows.stats import MIN_N_INTERVAL, clopper_pearson, t_interval

# How often the seeds asked for decide, if effect and spread are the observed ones.
POWER = 0.8
# An effect that more seeds than this would have to tell from its threshold is left undecided.
MOST_SEEDS = 30
METHOD = (
    "Seeds: the least number with which four of five repetitions would decide, if effect and "
    f"spread are as observed, at most {MOST_SEEDS} in all. Time: of one slot; measured on rows of "
    "the same cells, otherwise predicted. docs/verdicts.md says how often a verdict errs after "
    "seeds were added."
)


@dataclass(frozen=True)
class Request:
    """What would decide one claim.

    seeds: those that ran. more: further ones, None if MOST_SEEDS in all are not enough. seconds: of
    one slot, for what they train and evaluate. measured: the share of these trials whose cells have
    measured times.
    """

    claim: Claim
    verdict: str
    plan: str
    seeds: int
    more: int | None
    seconds: float = 0.0
    measured: float = 0.0
    commands: tuple[str, ...] = ()


def check(target: str | None, reader: Reader) -> int:
    """Print what would decide each undecided claim, the cheapest first; returns the exit code."""
    asked = [one for claim in select(target) if (one := request(weigh(claim, reader))) is not None]
    for one in sorted(asked, key=lambda one: (one.more is None, one.seconds)):
        about = f"{one.claim.name}: {one.verdict} with {one.seeds} seeds ({one.plan})"
        if one.more is None:
            CONSOLE.print(f"{about}: {MOST_SEEDS} seeds would not decide it")
            continue
        CONSOLE.print(f"{about}: {one.more} more, {_time(one)}")
        for line in one.commands:
            CONSOLE.print(f"  decide with: {line}")
    CONSOLE.print(METHOD if asked else "no claim is inconclusive with the rows here")
    return INCOMPLETE if any(one.commands for one in asked) else OK


def _time(one: Request) -> str:
    units = ((3600, "h"), (60, "min"), (1, "s"))
    unit, name = next(((unit, name) for unit, name in units if one.seconds >= unit), units[-1])
    words = {0.0: "predicted", 1.0: "measured"}
    known = words.get(one.measured, f"{one.measured:.0%} measured, the rest predicted")
    return f"about {one.seconds / unit:.2g} {name} ({known})"


def request(verdict: Verdict) -> Request | None:
    """What would decide this claim; None if it is decided or has no complete rows.

    At its own scale if it was judged there, otherwise at the reduced one.
    """
    at_full = bool(verdict.full.parts)
    found = verdict.full if at_full else verdict.reduced
    if found is None or found.about is None:
        return None
    # Too few seeds completed, though all have run: more would help as well.
    too_few = (
        found.verdict == NOT_ENOUGH
        and found.n >= MIN_N_INTERVAL
        and not len(found.about.missing(verdict.claim.quantity.needs))
    )
    if found.verdict != INCONCLUSIVE and not too_few:
        return None
    return _request(verdict.claim, found, found.about, least_seeds(verdict.claim, not at_full))


def _request(claim: Claim, found: Judgement, about: Data, least: int) -> Request:
    ran = len(set(about.runs["seed"]))
    needed = seeds_needed(claim, found.parts, ran, least)
    nothing = Request(claim, found.verdict, found.plan, ran, None)
    if needed is None:
        return nothing
    planned = about.planned_trials(claim.quantity.needs)
    have = sorted(set(planned["seed"]))
    # Seeds that were planned and did not run yet come first.
    new = [have[-1] + 1 + k for k in range(max(0, needed - len(have)))]
    parts = [
        _study(about, str(study), rows, new) for study, rows in planned.groupby("study", sort=False)
    ]
    costs = pd.concat([cost for cost, _ in parts], ignore_index=True)
    return replace(
        nothing,
        more=len(have) + len(new) - ran,
        seconds=sum(map(float, costs["seconds"])),
        measured=sum(map(float, costs["measured"])) / len(costs),
        commands=tuple(line for _, line in parts),
    )


def _study(
    about: Data, study: str, wanted: pd.DataFrame, new: list[int]
) -> tuple[pd.DataFrame, str]:
    """What the trials of one study cost, and the command for them. new: seeds to add."""
    # Of the whole study, so that the command says which variant is meant.
    trials = about.with_variants.trials.query("study == @study")
    seeds = [f"+seed={new[0]}..{new[-1]}" if len(new) > 1 else f"+seed={new[0]}"] if new else []
    line = command(about, study, "run", [*seeds, *axis_words(trials, wanted)])
    # The command selects the product of the values of its axes.
    for axis, values in chosen(trials, wanted).items():
        trials = trials.loc[trials[AXIS + axis].isin(values)]
    costs = _costs(about.with_variants, trials)
    rows = about.with_variants.runs
    missing = ~costs["trial_id"].isin(rows["trial_id"])
    cells = costs.drop_duplicates("cell_id")
    return pd.concat([costs.loc[missing], *[cells] * len(new)], ignore_index=True), line


def _costs(data: Data, trials: pd.DataFrame) -> pd.DataFrame:
    """The trials with their seconds: as long as the runs of the cell took (measured), or predicted.

    Columns: trial_id, cell_id, seconds, measured.
    """
    tests = data.evaluations.groupby(KEY, as_index=False).agg(tested=("seconds", "sum"))
    runs = data.runs.filter([*KEY, "cell_id", "train_seconds", "evaluate_seconds"])
    runs = runs.merge(tests, on=KEY, how="left").fillna({"evaluate_seconds": 0, "tested": 0})
    took = runs.assign(took=runs["train_seconds"] + runs["evaluate_seconds"] + runs["tested"])
    by_cell = took.groupby("cell_id", as_index=False).agg(took=("took", "mean"))
    rows = trials.filter(["trial_id", "cell_id", "predicted_seconds"]).merge(
        by_cell, on="cell_id", how="left"
    )
    return rows.assign(
        seconds=rows["took"].fillna(rows["predicted_seconds"]), measured=rows["took"].notna()
    )


def seeds_needed(claim: Claim, parts: Estimates, ran: int, least: int) -> int | None:
    """The least number of seeds that likely decides; None if MOST_SEEDS do not.

    parts: as observed with the seeds that `ran`. least: what a verdict asks for.
    """
    ends = sum(map(math.isfinite, claim.holds))
    shift = NormalDist().inv_cdf(POWER ** (1 / max(1, len(parts) * ends)))

    def decides(seeds: int) -> bool:
        nearer, farther = (
            judge_parts(
                claim, {name: expected(one, ran, seeds, z) for name, one in parts.items()}, least
            )
            for z in (-shift, shift)
        )
        certain = [nearer[name] for name in parts if nearer[name] == farther[name]]
        return CONTRADICTED in certain or certain == [REPRODUCED] * len(parts)

    # The more seeds, the narrower the interval and the smaller z standard errors.
    candidates = range(ran + 1, MOST_SEEDS + 1)
    place = bisect_left(candidates, True, key=decides)
    return candidates[place] if place < len(candidates) else None


@cache
def _normal_like(n: int) -> np.ndarray:
    """Quantiles of the normal distribution, scaled to deviation 1. Their mean is 0."""
    places = np.array([NormalDist().inv_cdf((k + 0.5) / n) for k in range(n)])
    return places / places.std(ddof=1)


def expected(one: Estimate, ran: int, seeds: int, z: float) -> Estimate:
    """The estimate with so many seeds, if the mean moves by z standard errors and nothing else.

    Failures stay as frequent as they were.
    """
    n = one.n * seeds // max(1, ran)
    if one.successes is not None:
        share = one.successes / one.n
        moved = share + z * math.sqrt(share * (1 - share) / n)
        count = min(n, max(0, round(moved * n)))
        low, high = clopper_pearson(count, n)
        return one._replace(value=count / n, low=low, high=high, n=n, successes=count)
    if len(one.sample) < MIN_N_INTERVAL:
        return one
    sample = np.array(one.sample)
    deviation = float(sample.std(ddof=1))
    like = sample.mean() + z * deviation / math.sqrt(n) + deviation * _normal_like(n)
    found = Estimate(float(like.mean()), *t_interval(like), n, one.unit, tuple(map(float, like)))
    for function in one.functions:
        found = found.mapped(function)
    return found
