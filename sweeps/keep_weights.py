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


def checked(choice: str, where: str) -> Keep:
    """The choice. where: what was given, for the message. Raises UserError for any other word."""
    for known in KEEP:
        if choice == known:
            return known
    raise UserError(
        f"{where} = {choice!r}{did_you_mean(choice, KEEP)}; choose from {', '.join(KEEP)}"
    )


def keeps(choice: Keep, spec: "TrialSpec") -> bool:
    """Whether a net of `spec` keeps its weights."""
    return choice == "all" or (choice == "ode" and spec.ode_blocks > 0)


def effective(study: Keep, profile: Keep | None = None, given: str | None = None) -> Keep:
    """The choice of the command line, otherwise of the profile, otherwise of the study.

    given: the word on the command line. Raises UserError if it is not a choice.
    """
    return profile or study if given is None else checked(given, "--keep-weights")
