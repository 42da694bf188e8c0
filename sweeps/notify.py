"""`notify` of a profile: a web address that hears once of what happened to a study.

The address may hold a secret: it stays in the profile, and no message, log or file has it.
"""

import http.client
import json
import logging
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sweeps.errors import UserError
from sweeps.run_settings import RunSettings
from sweeps.store import (
    EventReader,
    Results,
    Submission,
    list_submissions,
    read_sent,
    settings_of,
)
from sweeps.store.files import publish_first
from sweeps.worker.shard import BUDGET_USED

TRIES, ANSWER_SECONDS, PAUSE_SECONDS = 3, 5.0, 1.0
_LOG = logging.getLogger("odesweep")


def post(address: str, message: Mapping[str, Any]) -> str | None:
    """Send a message as JSON; None once it is taken, otherwise why not, without the address."""
    why = None
    for number in range(TRIES):
        if number:
            time.sleep(PAUSE_SECONDS)
        try:
            request = urllib.request.Request(
                address,
                json.dumps(message).encode(),
                {"Content-Type": "application/json", "User-Agent": "odesweep"},
            )
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS):
                return None
        except urllib.error.HTTPError as error:
            why = f"HTTP status {error.code}"
            if error.code < 500 and error.code != 429:
                break
        except (OSError, ValueError, http.client.HTTPException) as error:
            # The text of an error may hold the address.
            why = type(getattr(error, "reason", error)).__name__
    return why


@dataclass(frozen=True)
class Notifier:
    """Tells the address of a command's profile, if it has one, each thing once.

    profile: the file with the address; None if there is none. Nothing here ever raises.
    """

    results: Results
    study: str
    command_id: str
    profile: str | None

    @classmethod
    def of(cls, results: Results, submission: Submission) -> "Notifier":
        """That of the command which sent a submission."""
        run = RunSettings.read(submission.settings())
        return cls(results, submission.metadata["study"], run.command_id, run.notify_profile)

    def tell(self, event: str, text: str, about: str = "") -> None:
        """Tell it, unless somebody has. event: done, stopped_early or node_excluded."""
        if self.profile is None:
            return
        mark = (
            self.results.state
            / "notified"
            / "-".join(filter(None, [self.command_id, event, about]))
        )
        try:
            mark.parent.mkdir(parents=True, exist_ok=True)
            if not publish_first(mark, uuid4().hex.encode()):
                return
            why = self._send(
                {"text": f"odesweep {self.study}: {text}", "study": self.study, "event": event}
            )
            if why:
                # Perhaps another machine reaches it.
                mark.unlink(missing_ok=True)
                _LOG.warning("notify: %s was not told (%s); the sweep goes on", event, why)
        except Exception as error:
            _LOG.warning("notify: %s was not told (%s)", event, type(error).__name__)

    def tell_end(self, stopped: str | None) -> None:
        """Tell that the study was stopped early, or that its last shard has ended.

        stopped: why the shard that has just ended stopped before its work was done.
        """
        if self.profile is None:
            return
        try:
            if stopped is None:
                if counts := self._ended():
                    self.tell("done", counts)
            elif stopped.startswith(("stopped early", BUDGET_USED)):
                self.tell("stopped_early", stopped)
        except Exception as error:
            _LOG.warning("notify: the end was not told (%s)", type(error).__name__)

    def _send(self, message: Mapping[str, Any]) -> str | None:
        from sweeps.profiles import load

        try:
            address = load(self.profile).notify
        except UserError:
            return "the profile cannot be read here"
        return post(address.get_secret_value(), message) if address else None

    def _ended(self) -> str | None:
        """How the command's trials ended, if every shard of its submissions has no work left."""
        slots: dict[tuple[str, int], int] = {}
        workers: dict[tuple[str, int, int], str] = {}
        endings: dict[str, str] = {}
        outcomes: dict[str, str] = {}
        mine: set[str] = set()
        for event in EventReader(self.results).poll():
            worker = event["worker"]
            if event["event"] == "worker_started" and event.get("command_id") == self.command_id:
                mine.add(worker)
                shard = event["submission_id"], event["shard"]
                # Several slots may divide it.
                slots[shard] = event.get("slots", 1)
                workers[*shard, event.get("slot", 0)] = worker
            elif worker in mine and event["event"] == "worker_ended":
                endings[worker] = event["reason"]
            elif worker in mine and event["event"] == "finished":
                outcomes[event["trial_id"]] = event["outcome"]
        for submission, metadata in list_submissions(self.results).items():
            settings = settings_of(metadata)
            if settings.get("command_id") != self.command_id:
                continue
            sent = read_sent(self.results, submission)
            if sent is not None and sent.job_id is None:
                continue  # the scheduler refused it
            for shard in range(len(settings["first"])):
                for slot in range(slots.get((submission, shard), 1)):
                    if endings.get(workers.get((submission, shard, slot), "")) != "done":
                        return None
        counts = Counter(outcomes.values()).most_common()
        return ", ".join(f"{n} {outcome}" for outcome, n in counts) or "nothing was left to do"
