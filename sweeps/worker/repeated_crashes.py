"""Repeated crashes: trials that crash with the same fingerprint stop the rest of a submission."""

from datetime import datetime
from typing import Any

from sweeps.spec import TrialSpec, flatten
from sweeps.store import Submission
from sweeps.worker.attempts import History

SAME_CRASHES_ALLOWED = 3


def crashed_alike(history: History, submission: Submission, here: str) -> tuple[str, str] | None:
    """The fingerprint that several trials share since they were submitted.

    It comes with a line that names what these trials have in common. here: this host's name. If all
    crashes are on one host while others work, or before another host was tried, the cause is that
    host and not the trials.
    """
    since = datetime.fromisoformat(submission.metadata["created_at"]).timestamp()
    for fingerprint, host_of in history.crashes(since).items():
        hosts = set(host_of.values())
        if len(host_of) < SAME_CRASHES_ALLOWED or (
            len(hosts) == 1 and (hosts != {here} or history.went_well(since) - hosts)
        ):
            continue
        everybody = {
            row["trial_id"]: flatten(TrialSpec.model_validate_json(row["spec"]))
            for row in submission.rows()
        }
        crashed = [everybody[trial] for trial in host_of if trial in everybody]
        if len(crashed) >= SAME_CRASHES_ALLOWED:
            words = shared_values(crashed, list(everybody.values()))
            return (
                fingerprint,
                (
                    f"stopped early: {len(crashed)} trials crashed with the same error "
                    f"({fingerprint}); they share {words}"
                ),
            )
    return None


def shared_values(crashed: list[dict[str, Any]], everybody: list[dict[str, Any]]) -> str:
    """The spec values that all crashed trials share and not all trials have, as "name=value, …"."""
    shared = {
        name: value
        for name, value in crashed[0].items()
        if all(flat.get(name) == value for flat in crashed)
        and not all(flat.get(name) == value for flat in everybody)
    }
    return (
        ", ".join(f"{name}={value}" for name, value in shared.items())
        or "no value that the other trials lack"
    )
