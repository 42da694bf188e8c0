"""The options that `odesweep run` and `odesweep evaluate` were given."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The values that were given; the help of each option explains it.

    train: whether pending trials are trained. If not, only missing evaluations and probes are
    computed. probe: train 20 steps of each net and solver instead, to learn what they cost.
    """

    study: str
    overrides: list[str]
    executor: str
    scale: str | None
    sample: int | None
    sample_seed: int | None
    limit: int | None
    threads: int | None
    data_root: Path | None
    profile: str | None
    address: str | None
    wait: bool
    resubmit: bool
    verbose: bool
    pdb: bool
    eager: bool
    slots: str | None
    dry_run: bool
    train: bool
    keep_weights: str | None = None
    probe: bool = False
