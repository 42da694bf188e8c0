"""Whether the data sets of the shipped studies exist. Workers never download."""

from collections.abc import Iterator
from dataclasses import replace

from sweeps.doctor.finding import Finding, Situation, good, warn

# At most this many of the studies that need a data set are named.
SHOWN = 3


def data_sets(situation: Situation) -> Iterator[Finding]:
    """One line per data set that is read from files; those of the study if one was named."""
    from odecore.config.data import how_to_get, missing_files
    from sweeps.studies import studies
    from sweeps.study.grid import expand

    users: dict[str, dict[str, None]] = {}
    missing: dict[str, list[str]] = {}
    for study in studies().values():
        for scale in study.scales:
            # Seeds, evaluations and probes need no other data.
            bare = replace(study.at_scale(scale), seeds=(0,), evaluations=(), probes=())
            for config in dict.fromkeys(trial.spec.data for trial in expand(bare)):
                # Without a folder, every data set that is read from files is missing; this tells
                # which these are.
                if missing_files(config, None):
                    users.setdefault(config.name, {})[study.name] = None
                    missing[config.name] = missing_files(config, situation.data_root)
    needed = situation.needed
    for name, names in users.items():
        if needed and name not in needed.data:
            continue
        more = len(names) - SHOWN
        wanted = f"needed by {', '.join([*names][:SHOWN])}{f' and {more} more' if more > 0 else ''}"
        if not missing[name]:
            yield good(f"data {name}", f"complete in {situation.data_root}; {wanted}")
            continue
        text = (
            f"{missing[name][0]} is not in {situation.data_root}"
            if situation.data_root
            else "no data folder is given"
        )
        yield warn(f"data {name}", f"{text}; {wanted}", how_to_get(name, next(iter(names))))
