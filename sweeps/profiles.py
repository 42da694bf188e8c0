"""Profiles: what one slot of a machine or cluster gets, in a TOML file."""

import os
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from sweeps.errors import UserError

FOLDER = Path("~/.config/odesweep/profiles")


class Profile(BaseModel):
    """One slot: `cpus` (threads of its trials), `gpus` (may be a fraction). slots: how many at once; null for as many as fit.

    trials_per_shard: fixed length of shards; null balances them by predicted time.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    cpus: PositiveInt = 1
    gpus: float = Field(default=0.0, ge=0)
    slots: PositiveInt | None = None
    trials_per_shard: PositiveInt | None = None


def load(name: str | None) -> Profile:
    """The profile in the file `name`, or NAME.toml in ~/.config/odesweep/profiles; without a name one CPU a slot. Raises UserError."""
    if name is None:
        return Profile()
    path = Path(name) if name.endswith(".toml") or os.sep in name else FOLDER.expanduser() / f"{name}.toml"
    try:
        return Profile.model_validate(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        there = ", ".join(sorted(one.stem for one in FOLDER.expanduser().glob("*.toml"))) or "none"
        raise UserError(f"no profile {path}; profiles in {FOLDER}: {there}; or give the path of a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"profile {path} is not TOML: {error}") from None
    except OSError as error:
        raise UserError(f"profile {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(f"profile {path}: {key}: {first['msg'].lower()}; keys are {', '.join(Profile.model_fields)}") from None
