"""A running SLURM as the tests use it: jobs in, states out, cables pulled."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEVCLUSTER = Path(__file__).parents[2] / "slurm" / "devcluster" / "devcluster"
# Each of several test processes has a cluster of its own: they mostly wait, and break theirs.
FOLDER = "-".join(filter(None, ("/run/odesweep-devcluster", os.environ.get("PYTEST_XDIST_WORKER"))))
NODES = ("n1", "n2", "n3", "n4")


def devcluster(*arguments: str, folder: str = FOLDER) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one of its commands."""
    done = subprocess.run(
        [DEVCLUSTER, "--dir", folder, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def wait_for(condition: Callable[[], Any], seconds: float, what: Callable[[], object]) -> Any:
    """The first true value of `condition`.

    After this many seconds it raises an error that says `what` there was instead.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s; it is {what()}"
        time.sleep(0.2)
    return value


class Cluster:
    """The devcluster. Its methods fail the test with what SLURM complained of."""

    def __init__(self, slurm_conf: str) -> None:
        self.environment = os.environ | {"SLURM_CONF": slurm_conf}
        # What is mounted below it, all hosts see.
        self.folder = Path(slurm_conf).parent
        self.jobs: list[str] = []
        self.cut_off: set[str] = set()
        self.without_slurmd: set[str] = set()

    def slurm(self, *command: str) -> str:
        """Output of a SLURM command, such as ("squeue", "-h")."""
        done = self.try_slurm(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
        return done.stdout

    def try_slurm(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A SLURM command that may fail."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=100, check=False
        )

    def sbatch(self, script: str, *options: str) -> str:
        """Submit a shell script and return the job's id.

        Its output is dropped unless `options` say otherwise.
        """
        done = self.slurm(
            "sbatch", "--parsable", "--output=/dev/null", *options, f"--wrap={script}"
        )
        self.jobs.append(job := done.strip())
        return job

    def states(self, job: str) -> dict[str, str]:
        """Id of the job or of each task of its array, such as "17_3" -> state, such as "RUNNING".

        Also for 10 minutes after its end.
        """
        lines = self.slurm("squeue", "-h", "-r", "-t", "all", "-j", job, "-o", "%i %T").splitlines()
        return dict(line.split() for line in lines)

    def wait_for(self, job: str, state: str, seconds: float = 60.0) -> None:
        """Until the job, or all tasks of its array, are in a state."""
        wait_for(
            lambda: set(self.states(job).values()) == {state}, seconds, lambda: self.states(job)
        )

    def node_of(self, job: str) -> str:
        """Where it runs."""
        return self.slurm("squeue", "-h", "-j", job, "-o", "%N").strip()

    def restarts(self, job: str) -> int:
        """How often it was requeued."""
        fields = self.slurm("scontrol", "-o", "show", "job", job).split()
        return int(
            next(field.partition("=")[2] for field in fields if field.startswith("Restarts="))
        )

    def node_state(self, node: str) -> str:
        """Such as "idle", "mixed", "allocated", "down*"."""
        return self.slurm("sinfo", "-h", "-N", "-n", node, "-p", "low", "-o", "%T").strip()

    def wait_for_node(self, node: str, *states: str, seconds: float = 60.0) -> None:
        """Wait until the node is in one of these states.

        A trailing * (does not respond) must be named.
        """
        wait_for(lambda: self.node_state(node) in states, seconds, lambda: self.node_state(node))

    def sacct(self, job: str, *fields: str) -> list[dict[str, str]]:
        """What accounting knows of each allocation of the job, earlier attempts too."""
        lines = self.slurm(
            "sacct", "-X", "-n", "-P", "-D", "-j", job, "-o", ",".join(fields)
        ).splitlines()
        return [dict(zip(fields, line.split("|"), strict=True)) for line in lines]

    def cut(self, node: str) -> None:
        """Pulls a node's network cable; put back at the end of the test at the latest."""
        self.cut_off.add(node)
        self._devcluster("cut", node)

    def heal(self, node: str) -> None:
        """Restore the network of a node."""
        self._devcluster("heal", node)
        self.cut_off.discard(node)

    def resume_drained(self) -> None:
        """Do what an administrator does about nodes that SLURM drained.

        SLURM sent them a job that had not quite ended there.
        """
        for node in NODES:
            if self.node_state(node).startswith("drain"):
                self.slurm("scontrol", "update", f"NodeName={node}", "State=RESUME")

    def kill_slurmd(self, node: str) -> None:
        """Kill the node's daemon, not its jobs.

        It is started again at the end of the test at the latest.
        """
        self.without_slurmd.add(node)
        self._devcluster("kill-slurmd", node)

    def start_slurmd(self, node: str) -> None:
        """Starts the node's daemon again."""
        self._devcluster("start-slurmd", node)
        self.without_slurmd.discard(node)

    def restart_controller(self) -> None:
        """Ends and starts slurmctld."""
        self._devcluster("restart-controller")

    def tidy(self) -> None:
        """Cancel what was submitted here and repair what was broken here.

        Returns when every node can take jobs.
        """
        for node in tuple(self.cut_off):
            self.heal(node)
        for node in tuple(self.without_slurmd):
            self.start_slurmd(node)
        if self.jobs:
            self.try_slurm("scancel", *self.jobs)
            wait_for(
                lambda: not self.slurm("squeue", "-h", "-j", ",".join(self.jobs)).strip(),
                60,
                lambda: self.slurm("squeue"),
            )
            self.jobs.clear()
        self.resume_drained()
        for node in NODES:
            self.wait_for_node(node, "idle", "mixed", "allocated")

    def _devcluster(self, *arguments: str) -> None:
        code, _, complaint = devcluster(*arguments)
        assert code == 0, complaint
