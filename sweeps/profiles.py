"""Profiles: what one slot of a machine or cluster gets, in a TOML file."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
)

from sweeps.errors import UserError
from sweeps.execute.registry import executors, load_object
from sweeps.keep_weights import Keep

FOLDER = Path("~/.config/odesweep/profiles")
ROOT = Path(__file__).parents[1]

Value = str | int | float | bool


class Profile(BaseModel):
    """One slot: `cpus` (threads of its trials) and `gpus` (may be a fraction).

    device: part of the name of its GPU or processor as rows have it, such as H200, to predict
    its cost from their times; null for any, or for the GPU that the scheduler's options name.
    slots: how many at once; null for as many as fit, auto for what a short measurement finds
    best (in a task of a queue, whose cpus and gpus are then `cpus` and `gpus`). stack: how many
    trials of one shape a slot may train as one batched step. trials_per_shard: fixed length of
    shards; null balances them by predicted time. keep_weights: which trained nets keep their
    weights; null for what the study says. checkpoint_dir: a folder on a disk of the node for
    checkpoints, which come to the results folder when a trial is told to stop; may name
    variables of the node. For executors with a queue, `slots` is how many trials one task runs
    side by side (on its GPU, or divided among its GPUs), throttle how many tasks run at once,
    setup the lines of shell before Python starts, container the Apptainer image in which tasks
    run, python the Python that they use (in the container, if there is one). notify: a web
    address that hears of the end of a study, perhaps with a secret token. options: every other
    key of the file, the options of the scheduler's own command.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    cpus: PositiveInt = 1
    gpus: float = Field(default=0.0, ge=0)
    device: str | None = Field(default=None, min_length=1)
    slots: PositiveInt | Literal["auto"] | None = None
    stack: PositiveInt = 1
    trials_per_shard: PositiveInt | None = None
    keep_weights: Keep | None = None
    checkpoint_dir: str | None = Field(default=None, min_length=1)
    throttle: PositiveInt | None = None
    setup: tuple[str, ...] = ()
    container: str | None = Field(default=None, min_length=1)
    python: str | None = Field(default=None, min_length=1)
    notify: SecretStr | None = None
    options: dict[str, Value] = Field(default_factory=dict)

    @field_validator("notify")
    @classmethod
    def _is_web_address(cls, address: SecretStr | None) -> SecretStr | None:
        if address and not re.fullmatch(r"https?://\S+", address.get_secret_value()):
            raise ValueError("give an address that begins with https:// or http://")
        return address

    @property
    def slot_count(self) -> int | None:
        """`slots`, if it is a number."""
        return None if self.slots == "auto" else self.slots


OWN_KEYS = tuple(name for name in Profile.model_fields if name != "options")


def load(name: str | None) -> Profile:
    """The profile in the file `name`, or NAME.toml of the user's or of those that odesweep ships.

    Without a name, one CPU a slot. Raises UserError.
    """
    if name is None:
        return Profile()
    path = path_of(name)
    try:
        return parse(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        shipped = "; ".join(f"in {folder}: {_listed(folder)}" for folder in _shipped())
        raise UserError(
            f"no profile {path}; in {FOLDER}: {_listed(FOLDER.expanduser())}; those that odesweep "
            f"ships, {shipped}; or give the path of a TOML file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"profile {path} is not TOML: {error}") from None
    except OSError as error:
        raise UserError(f"profile {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        keys = f"keys are {', '.join(OWN_KEYS)} and the options of a scheduler"
        raise UserError(f"profile {path}: {key}: {first['msg'].lower()}; {keys}") from None
    except ValueError as error:
        raise UserError(f"profile {path}: {error}") from None


def names() -> list[str]:
    """Profiles that can be named without a path."""
    folders = (FOLDER.expanduser(), *_shipped())
    return sorted({path.stem for folder in folders for path in folder.glob("*.toml")})


def _listed(folder: Path) -> str:
    return ", ".join(sorted(path.stem for path in folder.glob("*.toml"))) or "none"


def parse(values: Mapping[str, Any]) -> Profile:
    """A profile from a TOML file's values.

    Keys that are not `Profile`'s own must pass the check of one executor. Raises ValueError, one
    line, for a key or value that cannot be meant.
    """
    own = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in values.items()
        if key in OWN_KEYS
    }
    others = {key: value for key, value in values.items() if key not in OWN_KEYS}
    return Profile.model_validate(own | {"options": _checked(others)})


def _checked(options: Mapping[str, Any]) -> dict[str, Value]:
    problems: list[ValueError] = []
    for executor in executors().values():
        if executor.profile_check:
            try:
                return load_object(executor.profile_check)(options)
            except ValueError as error:
                problems.append(error)
    raise problems[0]


def _shipped() -> list[Path]:
    return [ROOT / one.profiles for one in executors().values() if one.profiles]


def path_of(name: str) -> Path:
    """The file of a profile, whether it exists or not."""
    if name.endswith(".toml") or os.sep in name:
        return Path(name)
    own = FOLDER.expanduser() / f"{name}.toml"
    shipped = [path for folder in _shipped() if (path := folder / f"{name}.toml").is_file()]
    return shipped[0] if shipped and not own.exists() else own
