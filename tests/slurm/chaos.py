"""Chaos: failures that a seeded generator draws, which hit running tasks, and a log of the hits.

The log must prove that the failures were real. The draws repeat with the seed; what they hit
depends on the time.
"""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from calls import Calls, local_pid, slurm, slurm_arguments, states
from command import children, events, odesweep
from small_disk import fill

from sweeps.slurm.inflight import task_of_worker

STUDIES = SLEEPING, REAL = [
    f"{Path(__file__).with_name('slurm_studies.py')}:{name}"
    for name in ("chaos-sleeping", "chaos-real")
]
PROFILE = 'partition = "low"\ntime = 10\nsignal = "USR2@60"\ntrials_per_shard = 4\nthrottle = 4\n'
LOST = (
    '/usr/bin/sbatch "$@" > /dev/null; echo "sbatch: error: Socket timed out on send/recv '
    'operation" >&2; exit 1'
)
# What SLURM takes to find out that a node is gone (12 s here) and to give its task to another, with
# room to spare.
CUT_SECONDS, SHORT_SECONDS = 17.0, 4.0
# So many ways have to end a running attempt.
ENOUGH = 5


@dataclass
class Victim:
    """A trial that runs in a task.

    Its worker, the worker's host, and the trial's furthest checkpoint.
    """

    worker: str
    host: str
    pid: int
    trial_id: str
    attempt_id: str
    iteration: int = 0

    @property
    def task(self) -> str:
        """As SLURM names it."""
        return self.worker.split("-")[-2].partition(".")[0]


@dataclass
class Chaos:
    """One run of it.

    disk: where the results are, small enough to be filled. extra: overrides that make the studies
    longer.
    """

    cluster: Any
    disk: Path
    folder: Path
    seed: int
    extra: tuple[str, ...] = ()
    log: list[dict[str, Any]] = field(default_factory=list)
    repairs: list[tuple[float, Callable[[], object]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.results = self.disk / "results"
        self.profile = slurm_arguments(self.folder, PROFILE)
        self.environment = {
            "ODESWEEP_CHECKPOINT_SECONDS": "0.1",
            "ODESWEEP_TEST_LATE_ENTRIES_SECONDS": str(self.random.choice((0, 2))),
        }
        self.lossy = Calls(self.folder, {"sbatch": LOST}).environment

    def submit(self, *, lost: bool = False) -> None:
        """The user's command for both studies: what is not done and not in flight is queued."""
        for study in STUDIES:
            code, _, err = odesweep(
                "run",
                study,
                *self.extra,
                *self.profile,
                results=self.results,
                **self.environment,
                **(self.lossy if lost else {}),
            )
            assert code in (0, 1), err

    def rage(self, seconds: float) -> None:
        """Cause failures for this long, or until every trial has a row.

        Every few seconds another kind of failure, each kind once before any comes again. Up to
        twice as long if the machine is slow.
        """
        deck: list[str] = []
        end, submit_at = time.monotonic() + seconds, 0.0
        while time.monotonic() < end or (
            time.monotonic() < end + seconds and (len(self.hits()) < ENOUGH or not self.resumed())
        ):
            self._repair(time.monotonic())
            if time.monotonic() >= submit_at and not (self.disk / "filler").exists():
                self.submit(lost=self.random.random() < 0.3)
                submit_at = time.monotonic() + 15.0
            if not any(
                task
                for task, state in states().items()
                if state in ("RUNNING", "PENDING", "COMPLETING", "REQUEUED")
            ):
                if all(
                    code == 0 for code, _, _ in (self._plan_is_done(study) for study in STUDIES)
                ):
                    break
                submit_at = 0.0
            elif victim := self._victim():
                deck = deck or self.random.sample(sorted(WAYS), len(WAYS))
                self._strike(deck.pop(), victim)
            time.sleep(self.random.uniform(0.5, 2.0))
        self._repair(float("inf"))

    def calm(self) -> None:
        """No more failures: run the same command until it says that everything is done.

        Trials that were given up are retried.
        """
        said: list[str] = []
        for _ in range(6):
            codes: list[int] = []
            for study in STUDIES:
                for outcome in ("crashed", "timed_out"):
                    odesweep("retry", study, "--outcome", outcome, results=self.results)
                code, out, err = odesweep(
                    "run",
                    study,
                    *self.extra,
                    *self.profile,
                    "--wait",
                    results=self.results,
                    **self.environment,
                )
                codes.append(code)
                said.append(f"{study}: {code}\n{out}{err}")
            if not any(codes):
                return
        raise AssertionError("not done after six calm rounds:\n" + "\n".join(said))

    def hits(self) -> dict[str, int]:
        """Way -> how often the attempt it was meant for came to no end of its own."""
        ended = self._ended()
        found: dict[str, int] = {}
        for entry in self.log:
            if entry["way"] not in COST_NOTHING and entry["attempt_id"] not in ended:
                found[entry["way"]] = found.get(entry["way"], 0) + 1
        return found

    def resumed(self) -> list[dict[str, Any]]:
        """Starts from a checkpoint, of trials that were hit before."""
        hit = {entry["trial_id"]: entry["at"] for entry in reversed(self.log)}
        started = events(self.results, "started")
        return [
            one
            for one in started
            if one["resume_iteration"] and one["at"] > hit.get(one["trial_id"], float("inf"))
        ]

    def story(self) -> str:
        """The log, for whoever has to find out what went wrong."""
        return "\n".join(
            [
                f"seed {self.seed}, {self.environment}",
                *map(json.dumps, self.log),
                f"hits {self.hits()}, resumed {len(self.resumed())}",
            ]
        )

    def _plan_is_done(self, study: str) -> tuple[int, str, str]:
        code, out, err = odesweep("plan", study, *self.extra, "--json", results=self.results)
        return code or int(json.loads(out)["pending"] > 0), out, err

    def _repair(self, now: float) -> None:
        due = [repair for at, repair in self.repairs if at <= now]
        self.repairs = [(at, repair) for at, repair in self.repairs if at > now]
        for repair in due:
            repair()
        self.cluster.resume_drained()

    def _victim(self) -> Victim | None:
        """Something that runs; rather a trial that has a checkpoint."""
        alive = self._running()
        better = [one for one in alive if one.iteration]
        return (
            self.random.choice(sorted(better or alive, key=lambda one: one.worker))
            if alive
            else None
        )

    def _running(self) -> list[Victim]:
        running = {task for task, state in states().items() if state == "RUNNING"}
        found: dict[str, Victim] = {}
        for event in events(self.results):
            worker = event["worker"]
            if event["event"] == "started" and task_of_worker(worker):
                found[worker] = Victim(
                    worker,
                    event["host"],
                    event["pid"],
                    event["trial_id"],
                    event["attempt_id"],
                    event["resume_iteration"],
                )
            elif event["event"] == "checkpoint" and worker in found:
                found[worker].iteration = event["iteration"]
            elif event["event"] in ENDS:
                found.pop(worker, None)
        return [
            one
            for one in found.values()
            if one.task in running and one.host not in self.cluster.cut_off
        ]

    def _strike(self, way: str, victim: Victim) -> None:
        try:
            WAYS[way](self, victim)
        except (AssertionError, OSError, IndexError, subprocess.SubprocessError) as missed:
            self.log.append(
                {"at": time.time(), "missed": way, "why": str(missed)}
                | {"way": way, "attempt_id": "", "trial_id": ""}
            )
            return
        self.log.append({"at": time.time(), "way": way} | asdict(victim))

    def _ended(self) -> set[str]:
        running, ended = {}, set()
        for event in events(self.results):
            if event["event"] == "started":
                running[event["worker"]] = event["attempt_id"]
            elif event["event"] == "finished":
                ended.add(running.get(event["worker"]))
        return ended


ENDS = ("finished", "interrupted", "died", "worker_ended")


def preempt(chaos: Chaos, victim: Victim) -> None:
    """A job of the partition above takes the whole node."""
    job = slurm(
        "sbatch",
        "--parsable",
        "-p",
        "high",
        "-w",
        victim.host,
        "--exclusive",
        "-o",
        "/dev/null",
        "--wrap",
        "sleep 2",
    ).strip()
    chaos.repairs.append((time.monotonic() + 20, lambda: chaos.cluster.try_slurm("scancel", job)))


def kill_trial(_chaos: Chaos, victim: Victim) -> None:
    """SIGKILL, as the kernel sends it when memory is short."""
    os.kill(children(local_pid(victim.host, victim.pid))[-1], signal.SIGKILL)


def kill_shard(_chaos: Chaos, victim: Victim) -> None:
    """SIGKILL of the process that SLURM started."""
    os.kill(local_pid(victim.host, victim.pid), signal.SIGKILL)


def cut(chaos: Chaos, victim: Victim) -> None:
    """The node's cable pulled; its task goes on there, and anew elsewhere."""
    chaos.cluster.cut(victim.host)
    chaos.repairs.append((time.monotonic() + CUT_SECONDS, lambda: chaos.cluster.heal(victim.host)))


def kill_slurmd(chaos: Chaos, victim: Victim) -> None:
    """The daemon of its node."""
    chaos.cluster.kill_slurmd(victim.host)
    chaos.repairs.append(
        (time.monotonic() + SHORT_SECONDS, lambda: chaos.cluster.start_slurmd(victim.host))
    )


def full_disk(chaos: Chaos, _victim: Victim) -> None:
    """No room for anything, for some seconds."""
    fill(chaos.disk / "filler")
    chaos.repairs.append(
        (time.monotonic() + SHORT_SECONDS, lambda: (chaos.disk / "filler").unlink(missing_ok=True))
    )


def _tell(*command: str) -> Callable[[Chaos, Victim], None]:
    # A task that is just ending is asked again and again, for a minute and a half: it is none that
    # runs.
    return lambda _chaos, victim: (
        subprocess.run([*command, victim.task], check=True, capture_output=True, timeout=8) and None
    )


WAYS: dict[str, Callable[[Chaos, Victim], None]] = {
    "preemption": preempt,
    "scancel": _tell("scancel"),
    "SIGUSR2": _tell("scancel", "--signal=USR2"),
    "requeue": _tell("scontrol", "requeue"),
    "SIGKILL of the trial": kill_trial,
    "SIGKILL of the shard": kill_shard,
    "node cut off": cut,
    "SIGKILL of slurmd": kill_slurmd,
    "controller restarted": lambda chaos, _victim: chaos.cluster.restart_controller(),
    "disk full": full_disk,
}
# These disturb, and end no task.
COST_NOTHING = {"SIGKILL of slurmd", "controller restarted", "disk full"}
