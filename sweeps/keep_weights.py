"""Which trained nets keep their weights: a study says it, a profile or the command line overrides.

A net whose weights are not kept is evaluated and probed before its row is published. If that is cut
short, its weights are kept after all, as the rest of the plan needs them.
"""

from typing import TYPE_CHECKING, Literal, get_args

from sweeps.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from odecore.config import TrialSpec

Keep = Literal["ode", "all", "none"]
KEEP: tuple[Keep, ...] = get_args(Keep)
# For messages and help.
WORDS = {
    "ode": "nets with an ODE",
    "all": "all nets",
    "none": "no net",
}


def choice(word: str, where: str) -> Keep:
    """The choice called `word`. where: what was given. Raises UserError if there is none."""
    for known in KEEP:
        if word == known:
            return known
    raise UserError(f"{where} = {word!r}{did_you_mean(word, KEEP)}; choose from {', '.join(KEEP)}")


def keeps(keep: Keep, spec: "TrialSpec") -> bool:
    """Whether a net of `spec` keeps its weights."""
    return keep == "all" or (keep == "ode" and spec.ode_blocks > 0)


def effective(study: Keep, profile: Keep | None = None, given: str | None = None) -> Keep:
    """The choice of the command line, otherwise of the profile, otherwise of the study.

    given: the word on the command line. Raises UserError if it is not a choice.
    """
    return profile or study if given is None else choice(given, "--keep-weights")
