"""`odesweep run --wait`: what is sent again after a scheduler ended jobs for good."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from sweeps.store import EventReader, Results

if TYPE_CHECKING:
    from sweeps.planning.plan import Entry
    from sweeps.study.overrides import Selection

# Whether a trial is accepted, what is missing of it, and its furthest checkpoint.
Standing = tuple[bool, int, int, int]


class Again:
    """Finds what is left of trials that were cut short, and stops where nothing advances.

    entries: the trials that are waited for, as they are when they are sent.
    """

    def __init__(
        self, results: Results, selection: "Selection", entries: Sequence["Entry"], *, train: bool
    ) -> None:
        self.results, self.selection, self.train = results, selection, train
        self._known = _standings(results, entries)
        self._sent = False

    def left(self, trial_ids: Collection[str]) -> list["Entry"]:
        """What is to be sent of the trials that were cut short.

        Nothing if none of them has advanced since they were last sent: the same would happen again.
        """
        mine = self._entries(trial_ids)
        now = _standings(self.results, mine)
        if all(self._known[trial] == standing for trial, standing in now.items()):
            return []
        self._known |= now
        left = [one for one in mine if self._submits(one)]
        self._sent = self._sent or bool(left)
        return left

    def all_done(self) -> bool:
        """Whether trials were sent again and nothing of any trial is left."""
        return self._sent and not any(map(self._submits, self._entries(self._known)))

    def _entries(self, trial_ids: Collection[str]) -> list["Entry"]:
        from sweeps.planning.plan import current_plan

        current, _ = current_plan(self.results, self.selection)
        wanted = self._known.keys() & set(trial_ids)
        return [entry for entry in current.entries if entry.trial.trial_id in wanted]

    def _submits(self, entry: "Entry") -> bool:
        return entry.submits and (self.train or entry.state == "done")


def _standings(results: Results, entries: Sequence["Entry"]) -> dict[str, Standing]:
    furthest: dict[str, int] = defaultdict(int)
    for event in EventReader(results).poll() if entries else ():
        if event["event"] in ("checkpoint", "interrupted"):
            trial = event["trial_id"]
            furthest[trial] = max(furthest[trial], event.get("iteration") or 0)
    return {
        one.trial.trial_id: (
            one.state == "done",
            len(one.missing_evaluations),
            len(one.missing_probes),
            furthest[one.trial.trial_id],
        )
        for one in entries
    }
