"""A study at one scale: the trials of its plan, and those that were added later."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from sweeps.store import Results, list_plans, read_plan, with_added


@dataclass(frozen=True)
class Whole:
    """trials: rows of the plan, then the added ones. added: the overrides that added them.

    left_out: plans of the same study and scale that change it, so that their rows are others.
    """

    trials: list[dict[str, Any]]
    added: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def whole(results: Results, target: str, plan: str, there: Set[str]) -> Whole:
    """What `target` means, whose plan is `plan`: its own name means that plan alone.

    there: trials with an accepted row. Raises the errors of `read_plan`.
    """
    declared = read_plan(results, plan).rows()
    if target == plan:
        return Whole(declared)
    others = [name for name in list_plans(results) if name.startswith(f"{plan}+")]
    saved = [read_plan(results, name) for name in others]
    larger = [one for one in saved if one.info.adds_to(plan)]
    words = dict.fromkeys(word for one in larger for word in one.info.overrides)
    left_out = [one.info.name for one in saved if not one.info.adds_to(plan)]
    trials = with_added(declared, [one.rows() for one in larger], there)
    return Whole(trials, tuple(words), tuple(left_out))
