"""Shell completion: all values to choose from; typer offers those that begin like the word.

No function here loads torch.
"""

from collections.abc import Iterable

import typer


def study_names() -> Iterable[str]:
    """Names of the studies that are shipped."""
    from sweeps.studies import studies

    return studies()


def scale_names(ctx: typer.Context) -> Iterable[str]:
    """Scales of the study on the command line, or of all studies if none is given yet."""
    from sweeps.studies import studies

    known = studies()
    # When the typed line ends with `--scale`, click leaves the words before it in `args`.
    words = [word for word in (*ctx.params.values(), *ctx.args) if isinstance(word, str)]
    chosen = [known[word] for word in words if word in known] or known.values()
    return dict.fromkeys(scale for study in chosen for scale in study.scales)


def profile_names() -> Iterable[str]:
    """Names of the profiles that are shipped or in the user's own folder."""
    from sweeps.profiles import names

    return names()


def executor_names() -> Iterable[str]:
    """Names of the executors."""
    from sweeps.execute.registry import executors

    return executors()


def keep_weights() -> Iterable[str]:
    """The choices of `--keep-weights`."""
    from sweeps.keep_weights import KEEP

    return KEEP


def metrics() -> Iterable[str]:
    """Numbers of runs that `odesweep top` ranks by."""
    from sweeps.inspection.top import NAMES

    return NAMES
