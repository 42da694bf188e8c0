"""From claims and rows to verdicts; docs/verdicts.md has the rule's error rates.

One number: reproduced if its 95 % interval lies where the claim holds, contradicted if it lies
outside, inconclusive if it straddles the threshold; not enough data if it rests on fewer seeds than
the claim asks for, or has no interval. So each verdict is a one-sided test at 2.5 %. A claim that
two things are equal has a region with two ends, its margin, and is reproduced by two one-sided
tests (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15): the interval lies between them.

Several numbers: every one has to hold, so reproduced only if all are, which needs no correction;
contradicted as soon as one is, at the level of Holm's first step (Holm 1979), an interval of 1 -
.05 / parts; otherwise not enough data if one lacks data, else inconclusive.
"""

from dataclasses import dataclass, field
from math import inf, isnan
from typing import Any

from analysis.check import examine, filling_commands
from analysis.claims.claim import Claim, Region
from analysis.claims.statistic import NOTHING, Estimate, Estimates, estimates
from analysis.make import Reader
from analysis.rows.data import AXIS, Data
from analysis.rows.read import SCALES, NoPlan
from analysis.rows.stats import MIN_N_INTERVAL

REPRODUCED, CONTRADICTED, INCONCLUSIVE, NOT_ENOUGH = VERDICTS = (
    "reproduced",
    "contradicted",
    "inconclusive",
    "not enough data",
)
# How often verdicts may err on a claim whose truth lies at its threshold.
ERROR = 0.05
# Which part decides about several numbers, the first that any has.
_DECIDES = (CONTRADICTED, NOT_ENOUGH, INCONCLUSIVE, REPRODUCED)


@dataclass(frozen=True)
class Judgement:
    """The verdict of one plan's rows.

    parts: name -> estimate (the name is empty for a claim of one number). plan: the plans' names.
    about: the trials that the claim is about, None without rows. seeds: the least of a verdict;
    None for the claim's own.
    """

    verdict: str = NOT_ENOUGH
    parts: Estimates = field(default_factory=dict)
    plan: str = ""
    failures: dict[str, int] = field(default_factory=dict)
    about: Data | None = field(default=None, compare=False, repr=False)
    seeds: int | None = None

    @property
    def n(self) -> int:
        """The smallest n of its parts."""
        return min((one.n for one in self.parts.values()), default=0)

    def deciding(self, claim: Claim) -> tuple[str, Estimate]:
        """The part with the worst verdict.

        Of several, the one that is nearest to the threshold or farthest beyond it.
        """
        verdicts = judge_parts(claim, self.parts, self.seeds)

        def rank(part: tuple[str, Estimate]) -> tuple[int, float, str]:
            name, one = part
            inside = min(one.value - claim.holds.low, claim.holds.high - one.value)
            return _DECIDES.index(verdicts[name]), -inf if isnan(one.value) else inside, name

        return min(self.parts.items(), key=rank, default=("", NOTHING))


@dataclass(frozen=True)
class Verdict:
    """A claim with the verdict of rows of at least its scale, epochs and seeds.

    Separately, the verdict of smaller runs (None without any). missing: cells without a row, one
    line each. commands: those that compute them.
    """

    claim: Claim
    full: Judgement
    reduced: Judgement | None
    missing: list[str]
    commands: list[str]

    @property
    def shown(self) -> Judgement:
        """The verdict whose numbers to print: the full-scale one if there is any."""
        return self.full if self.full.parts or self.reduced is None else self.reduced


def judge_one(estimate: Estimate, holds: Region, seeds: int, parts: int = 1) -> str:
    """The verdict on one number of so many parts; see the module docstring.

    The ends of a region with two ends belong to it.
    """
    if estimate.n < seeds or isnan(estimate.value + estimate.low + estimate.high):
        return NOT_ENOUGH
    two_ends = -inf < holds.low and holds.high < inf
    low, high = estimate.low, estimate.high
    if two_ends and holds.low <= low and high <= holds.high:
        return REPRODUCED
    if not two_ends and holds.low < low and high < holds.high:
        return REPRODUCED
    low, high = estimate.interval(1 - ERROR / parts)
    outside = high < holds.low or low > holds.high
    at_the_end = not two_ends and (high == holds.low or low == holds.high)
    return CONTRADICTED if outside or at_the_end else INCONCLUSIVE


def judge_parts(claim: Claim, parts: Estimates, seeds: int | None = None) -> dict[str, str]:
    """The verdict on each part. seeds: the least, if not the claim's own."""
    seeds = claim.evidence.seeds if seeds is None else seeds
    known = sum(one.n >= seeds and not isnan(one.low) for one in parts.values())
    return {name: judge_one(one, claim.holds, seeds, known) for name, one in parts.items()}


def _about(claim: Claim, data: Data) -> Data:
    """The trials that the claim is about. A plan that lacks an axis is at its empty value."""
    if "variant" in claim.where:
        data = data.with_variants
    where = claim.where.items()
    return data.where(
        {axis: at for axis, at in where if AXIS + axis in data.trials or "" not in at}
    )


def judge_all(claim: Claim, parts: Estimates, seeds: int | None = None) -> str:
    """The verdict on all parts together. seeds: as in `judge_parts`."""
    verdicts = judge_parts(claim, parts, seeds).values()
    return next((word for word in _DECIDES if word in verdicts), NOT_ENOUGH)


def least_seeds(claim: Claim, reduced: bool) -> int:
    """The seeds that a verdict needs: the claim's own, at reduced scale at most three."""
    return min(claim.evidence.seeds, MIN_N_INTERVAL) if reduced else claim.evidence.seeds


def judge(claim: Claim, data: Data, reduced: bool = False) -> Judgement:
    """The verdict of these rows on the claim, whatever their scale.

    reduced: they are below the claim's scale; see `least_seeds`.
    """
    own = _about(claim, data)
    if not len(own.runs):
        return Judgement(plan=data.names)
    parts = {
        name: one.limited(claim.quantity.ends)._replace(unit=one.unit or claim.quantity.unit)
        for name, one in estimates(claim.statistic, claim.quantity.of(own)).items()
    }
    seeds = least_seeds(claim, reduced)
    verdict = judge_all(claim, parts, seeds)
    return Judgement(verdict, parts, data.names, own.failures(claim.quantity.needs), own, seeds)


def weigh(claim: Claim, reader: Reader) -> Verdict:
    """The claim judged on the largest scale with rows, and on the largest below its own.

    Not on smaller ones where the claim says that they cannot show it.
    """
    full, reduced = None, None
    for scale in (None,) if reader.plan or reader.scale else SCALES:
        try:
            data = reader(claim.study, scale, added="+seed=")
        except NoPlan:
            continue
        if _is_full(claim, data):
            full = full or data
        elif claim.at_any_scale and (reduced is None or reduced.verdict == NOT_ENOUGH):
            reduced = judge(claim, data, reduced=True)
    folder, scale, needs = reader.folder.path, claim.evidence.scale, claim.quantity.needs
    if full is None:
        missing = [f"no plan of {study} at scale {scale}" for study in claim.studies]
        commands = [f"{command} --results {folder}" for command in claim.commands]
        return Verdict(claim, Judgement(), reduced, missing, commands)
    own = _about(claim, full)
    commands = [
        *filling_commands(full, own.missing(needs)),
        *(f"odesweep run {study} --scale {scale} --results {folder}" for study in full.unplanned),
    ]
    return Verdict(claim, judge(claim, full), reduced, examine(own, needs).cells, commands)


def _is_full(claim: Claim, data: Data) -> bool:
    """Whether these rows are at the claim's scale or above.

    By the plan, by what was trained, and without overrides other than more values.
    """
    least = claim.evidence
    enough = SCALES[: SCALES.index(least.scale) + 1]
    if any(
        plan.scale not in enough or any(not one.startswith("+") for one in plan.overrides)
        for plan in data.plans
    ):
        return False
    runs = _about(claim, data).runs
    if "data_source" in runs and "generated" in set(runs["data_source"]):
        return False
    wanted = {"train_epochs": least.epochs, "train_iterations": least.iterations}
    return all(amount is None or (runs[name] >= amount).all() for name, amount in wanted.items())


def row(verdict: Verdict) -> dict[str, Any]:
    """A verdict as one flat row, for CSV, JSON and the report.

    Numbers are those of the part that decides; `parts` has all.
    """
    claim, shown = verdict.claim, verdict.shown
    name, one = shown.deciding(claim)
    texts = ("paper", "key", "statement", "source", "measure")
    return {
        **{text: getattr(claim, text) for text in texts},
        "holds": str(claim.holds),
        "verdict": verdict.full.verdict,
        "at_reduced_scale": verdict.reduced.verdict if verdict.reduced else "",
        "n_at_reduced_scale": verdict.reduced.deciding(claim)[1].n if verdict.reduced else 0,
        "part": name,
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "n": one.n,
        "unit": one.unit,
        "p": _p(one, claim.holds),
        "superiority": one.superiority,
        "parts": "; ".join(part_text(name, one) for name, one in shown.parts.items()),
        "failures": ", ".join(f"{n} {outcome}" for outcome, n in shown.failures.items()),
        "plan": shown.plan,
        "least": str(claim.evidence),
        "missing": "; ".join(verdict.missing),
        "command": " && ".join(verdict.commands or claim.commands),
    }


def _p(one: Estimate, holds: Region) -> float:
    """One-sided p of the sign-flip test, small if the claim holds.

    For a region with two ends it is the larger one.
    """
    ends = [(holds.low, 1)] * (holds.low > -inf) + [(holds.high, -1)] * (holds.high < inf)
    return max(one.sign_flip_p(end, sign) for end, sign in ends)


def part_text(name: str, one: Estimate) -> str:
    """An estimate in words, such as name: 0.012 [0.004, 0.020] (n = 5, P(A > B) = 0.93)."""
    label = f"{name}: " if name else ""
    if isnan(one.value):
        return f"{label}no value (n = {one.n})"
    interval = "" if isnan(one.low) else f" [{one.low:.4g}, {one.high:.4g}]"
    unit = f" {one.unit}" if one.unit else ""
    larger = "" if isnan(one.superiority) else f", P(A > B) = {one.superiority:.3g}"
    return f"{label}{one.value:.4g}{interval}{unit} (n = {one.n}{larger})"
