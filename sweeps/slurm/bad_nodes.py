"""Nodes on which everything fails while trials succeed elsewhere.

New and waiting tasks avoid them.
"""

import contextlib
import socket
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sweeps.notify import Notifier
from sweeps.slurm.commands import ArrayTask, NoAnswer, ask
from sweeps.slurm.inflight import task_of_worker
from sweeps.store import FINAL_OUTCOMES, Results, Submission

# This many failures without a success make a node bad. After this time it may be used again.
FAILURES = 3
MEMORY_SECONDS = 86400.0
_FAILED_TASKS = frozenset(("FAILED", "NODE_FAIL", "BOOT_FAIL"))


def bad_nodes(
    events: Iterable[Mapping[str, Any]], queued: Iterable[ArrayTask], now: float
) -> list[str]:
    """Hosts with at least FAILURES failures and no success, if another host had a success.

    events: of any executor; only those of SLURM tasks count. queued: the user's tasks in squeue,
    for those that failed before they wrote an event.
    """
    good: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    spoke: set[tuple[str, int]] = set()
    for event in events:
        if now - event["at"] > MEMORY_SECONDS or not (place := task_of_worker(event["worker"])):
            continue
        if event["event"] == "worker_started":
            spoke.add((event.get("submission_id", ""), place[0]))
        elif event["event"] == "finished":
            # A trial that is given up after deaths elsewhere is not the fault of this node.
            good[event["host"]] += event.get("outcome") in FINAL_OUTCOMES
            failed[event["host"]] += event.get("outcome") == "crashed" and event.get(
                "fingerprint"
            ) not in ("killed", "hung")
        elif event["event"] == "died" or (
            event["event"] == "interrupted" and event.get("cause") == "infrastructure"
        ):
            failed[event["host"]] += 1
    for task in queued:
        failed[task.node] += task.state in _FAILED_TASKS and (task.comment, task.index) not in spoke
    if not good.total():
        return []
    return sorted(host for host, n in failed.items() if host and n >= FAILURES and not good[host])


def exclude_nodes(job_id: str, nodes: list[str]) -> None:
    """Keep the array's queued tasks off these nodes, if SLURM agrees."""
    with contextlib.suppress(NoAnswer):
        ask("scontrol", "update", f"JobId={job_id}", f"ExcNodeList={','.join(nodes)}")


def tell_excluded(results: Results, submission: Submission, nodes: Iterable[str]) -> None:
    """Tell the address in the command's profile, if there is one, of each node once."""
    notifier = Notifier.of(results, submission)
    for node in nodes:
        notifier.tell("node_excluded", f"{node} is excluded: everything failed there", node)


def bad_nodes_if_here(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """The bad nodes, if this is one of them."""
    nodes = bad_nodes(events, (), time.time())
    return (
        nodes
        if socket.gethostname().partition(".")[0] in {node.partition(".")[0] for node in nodes}
        else []
    )
