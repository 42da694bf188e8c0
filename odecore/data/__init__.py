"""Data sets, kept in memory; `odecore.config.lookup.DATA` lists the names."""

from pathlib import Path

from odecore.config import lookup
from odecore.config.data import DataConfig
from odecore.data.dataset import DataMissing, Dataset

__all__ = ["DataMissing", "Dataset", "load"]


def load(config: DataConfig, root: Path | None) -> Dataset:
    """The data set that `config` names. root: folder of data files or None. Raises DataMissing."""
    return lookup.DATA[config.name].load()(config, root)
