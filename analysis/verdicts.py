"""From claims and rows to verdicts.

One number: reproduced if its whole interval lies where the claim holds, contradicted if none of it does, inconclusive if it straddles the
threshold; not enough data if it rests on fewer seeds than the claim asks for, or has no interval. Several numbers: every one has to hold, so
reproduced only if all are; contradicted as soon as one is; otherwise not enough data if one lacks data, else inconclusive. Intervals are not
widened for their number: requiring all makes "reproduced" strict, while each part of a true claim is contradicted by chance at most once in 40.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.check import examine, filling_commands
from analysis.claims import Claim, Estimate, Region
from analysis.data import Data
from analysis.make import Reader
from analysis.read import SCALES, NoPlan

REPRODUCED, CONTRADICTED, INCONCLUSIVE, NOT_ENOUGH = (
    "reproduced",
    "contradicted",
    "inconclusive",
    "not enough data",
)
VERDICTS = (REPRODUCED, CONTRADICTED, INCONCLUSIVE, NOT_ENOUGH)
# Which part decides about several numbers, the first that any has.
_DECIDES = (CONTRADICTED, NOT_ENOUGH, INCONCLUSIVE, REPRODUCED)


@dataclass(frozen=True)
class Judgement:
    """What one plan's rows say. parts: name -> estimate (the name is empty for a claim of one number). plan: the plans' names."""

    verdict: str = NOT_ENOUGH
    parts: dict[str, Estimate] = field(default_factory=dict)
    plan: str = ""
    failures: dict[str, int] = field(default_factory=dict)

    def deciding(self, claim: Claim) -> tuple[str, Estimate] | None:
        """The part with the worst verdict, of several the one nearest to the threshold or farthest beyond."""
        ranked = [
            (
                _DECIDES.index(judge_one(one, claim.holds, claim.seeds)),
                _margin(one, claim.holds),
                name,
            )
            for name, one in self.parts.items()
        ]
        name = min(ranked)[2] if ranked else None
        return None if name is None else (name, self.parts[name])


@dataclass(frozen=True)
class Verdict:
    """A claim with what rows of at least its scale, epochs and seeds say, and apart from it what smaller runs say (None without any).

    missing: cells without a row, one line each. commands: what makes them.
    """

    claim: Claim
    full: Judgement
    reduced: Judgement | None
    missing: list[str]
    commands: list[str]

    @property
    def shown(self) -> Judgement:
        """Whose numbers to print: the full-scale ones if there are any."""
        return self.full if self.full.parts or self.reduced is None else self.reduced


def judge_one(estimate: Estimate, holds: Region, seeds: int) -> str:
    """The verdict on one number; see the module docstring."""
    value, low, high, n, _ = estimate
    if n < seeds or any(number != number for number in (value, low, high)):
        return NOT_ENOUGH
    both = abs(holds.low) != float("inf") and abs(holds.high) != float("inf")
    inside = (
        (holds.low <= low and high <= holds.high)
        if both
        else (holds.low < low and high < holds.high)
    )
    if inside:
        return REPRODUCED
    outside = (
        (high < holds.low or low > holds.high) if both else (high <= holds.low or low >= holds.high)
    )
    return CONTRADICTED if outside else INCONCLUSIVE


def judge(claim: Claim, data: Data) -> Judgement:
    """What these rows say about the claim, whatever their scale."""
    own = data.where(claim.where)
    if not len(own.runs):
        return Judgement(plan=data.names)
    found = claim.statistic(own)
    parts = {"": found} if isinstance(found, Estimate) else dict(found)
    verdicts = {judge_one(one, claim.holds, claim.seeds) for one in parts.values()}
    verdict = next((one for one in _DECIDES if one in verdicts), NOT_ENOUGH)
    return Judgement(verdict, parts, data.names, own.failures(claim.needs))


def weigh(claim: Claim, reader: Reader) -> Verdict:
    """The claim judged on the largest scale that there is, and on the largest below its own."""
    enough = SCALES[: SCALES.index(claim.scale) + 1]
    full, full_data, reduced = Judgement(), None, None
    for scale in (None,) if reader.plan or reader.scale else SCALES:
        try:
            data = reader(claim.study, scale)
        except NoPlan:
            continue
        if _is_full(claim, data, enough):
            if full_data is None:
                full, full_data = judge(claim, data), data
        elif reduced is None or reduced.verdict == NOT_ENOUGH:
            reduced = judge(claim, data)
    if full_data is None:
        command = [f"{one} --results {reader.folder.path}" for one in claim.commands]
        return Verdict(
            claim,
            full,
            reduced,
            [f"no plan of {study} at scale {claim.scale}" for study in claim.studies],
            command,
        )
    own = full_data.where(claim.where)
    commands = [
        f"odesweep run {study} --scale {claim.scale} --results {reader.folder.path}"
        for study in full_data.unplanned
    ]
    return Verdict(
        claim,
        full,
        reduced,
        examine(own, claim.needs).cells,
        [*filling_commands(full_data, own.missing(claim.needs)), *commands],
    )


def _is_full(claim: Claim, data: Data, enough: tuple[str, ...]) -> bool:
    """Whether these rows are at the claim's scale or above: by the plan, by what was trained, and without overrides other than more values."""
    if any(
        plan.scale not in enough or any(not one.startswith("+") for one in plan.overrides)
        for plan in data.plans
    ):
        return False
    runs = data.where(claim.where).runs
    if "data_source" in runs and "generated" in set(runs["data_source"]):
        return False
    wanted = {"train_epochs": claim.epochs, "train_iterations": claim.iterations}
    return all(
        least is None or all(done >= least for done in runs[column])
        for column, least in wanted.items()
    )


def _margin(estimate: Estimate, holds: Region) -> float:
    """How far inside the region the estimate lies; negative outside."""
    value = estimate.value
    return min(value - holds.low, holds.high - value) if value == value else float("-inf")


def row(verdict: Verdict) -> dict[str, Any]:
    """A verdict as one flat row, for CSV, JSON and the report; numbers are those of the part that decides, `parts` says all."""
    claim, shown = verdict.claim, verdict.shown
    name, one = shown.deciding(claim) or ("", Estimate(float("nan"), float("nan"), float("nan"), 0))
    return {
        "paper": claim.paper,
        "key": claim.key,
        "statement": claim.statement,
        "source": claim.source,
        "measure": claim.measure,
        "holds": str(claim.holds),
        "verdict": verdict.full.verdict,
        "at_reduced_scale": verdict.reduced.verdict if verdict.reduced else "",
        "part": name,
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "n": one.n,
        "unit": one.unit,
        "parts": "; ".join(part_text(name, one) for name, one in shown.parts.items()),
        "failures": ", ".join(f"{n} {outcome}" for outcome, n in shown.failures.items()),
        "plan": shown.plan,
        "least": least_text(claim),
        "missing": "; ".join(verdict.missing),
        "command": " && ".join(verdict.commands or claim.commands),
    }


def part_text(name: str, one: Estimate) -> str:
    """An estimate in words, such as name: 0.012 [0.004, 0.020] (n = 5)."""
    label = f"{name}: " if name else ""
    unit = f" {one.unit}" if one.unit else ""
    if one.value != one.value:
        return f"{label}no value (n = {one.n})"
    interval = f" [{one.low:.4g}, {one.high:.4g}]" if one.low == one.low else ""
    return f"{label}{one.value:.4g}{interval}{unit} (n = {one.n})"


def least_text(claim: Claim) -> str:
    """The least evidence that decides, such as "paper scale, 3 seeds, 128 epochs"."""
    amounts: Mapping[str, int | None] = {"epochs": claim.epochs, "iterations": claim.iterations}
    return ", ".join(
        [
            f"{claim.scale} scale",
            f"{claim.seeds} seeds",
            *(f"{n:,} {unit}" for unit, n in amounts.items() if n),
        ]
    )
