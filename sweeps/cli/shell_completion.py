"""Shell completion: the values that begin like the typed word. No function here loads torch."""

import typer


def study_names(incomplete: str) -> list[str]:
    """Names of the studies that are shipped."""
    from sweeps.studies import studies

    return [name for name in studies() if name.startswith(incomplete)]


def scale_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Scales of the study on the command line, or of all studies if none is given yet."""
    from sweeps.studies import studies

    known = studies()
    # When the typed line ends with `--scale`, click leaves the words before it in `args`.
    words = [word for word in (*ctx.params.values(), *ctx.args) if isinstance(word, str)]
    chosen = [known[word] for word in words if word in known] or known.values()
    names = dict.fromkeys(scale for study in chosen for scale in study.scales)
    return [name for name in names if name.startswith(incomplete)]


def profile_names(incomplete: str) -> list[str]:
    """Names of the profiles that are shipped or in the user's own folder."""
    from sweeps.profiles import names

    return [name for name in names() if name.startswith(incomplete)]


def executor_names(incomplete: str) -> list[str]:
    """Names of the executors."""
    from sweeps.execute.registry import executors

    return [name for name in executors() if name.startswith(incomplete)]


def keep_weights(incomplete: str) -> list[str]:
    """The choices of `--keep-weights`."""
    from sweeps.keep_weights import KEEP

    return [choice for choice in KEEP if choice.startswith(incomplete)]


def metrics(incomplete: str) -> list[str]:
    """Numbers of runs that `odesweep top` ranks by."""
    from sweeps.inspection.top import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]
