"""Executor `ray`: Ray Tune places shards on this machine or a Ray cluster.

Only this file imports ray.

A Tune trial is a shard. Its actor has a slot with a child process, like every other executor, so
that a crash costs one trial and the actor is reused. Rows are written by our own writer. Nothing is
read from Tune's folder, which is removed. Longer than other files because nothing of Ray is to be
found elsewhere.
"""

import contextlib
import json
import logging
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

# Before ray is imported: no files per trial, no signal handler of Tune's, no usage report.
os.environ |= {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}

# Ray 2.60 reads this when it is imported; without it a cluster with a token refuses the driver.
if (
    os.environ.get("RAY_AUTH_TOKEN")
    or Path(os.environ.get("RAY_AUTH_TOKEN_PATH", "~/.ray/auth_token")).expanduser().is_file()
):
    os.environ.setdefault("RAY_AUTH_MODE", "token")

import ray
from ray import tune
from ray.exceptions import RayError

from sweeps.errors import InfrastructureError
from sweeps.execute.scheduler import Scheduler, Setup, Shards
from sweeps.execute.signals import StopRequest, handled, stop_on_signals
from sweeps.execute.worker import Worker
from sweeps.planning.shards import local_slots
from sweeps.profiles import Profile
from sweeps.store import Results, read_submission
from sweeps.worker.attempts import process_alive
from sweeps.worker.messages import Ending, Progress
from sweeps.worker.report import ShardReport, Watcher, exit_words
from sweeps.worker.slot import ChildSlot, InProcessSlot
from sweeps.worker.tasks import Task

POLL_SECONDS = 0.3
# How often a slot asks whether it should stop. Each time is a message through Ray.
ASK_SECONDS = 1.0
# Tune replaces an actor this often; the events decide which trial is to blame.
MAX_ACTOR_FAILURES = 5
CONNECT_SECONDS = 10.0
# For an import of Ray from a slow disk, and for a cluster under load.
ANSWER_SECONDS = 120.0
OBJECT_STORE_BYTES = 100 * 2**20
# 107, of a socket's path, less the 64 of session_<date>_<time>_<pid>/sockets/plasma_store.
LONGEST_FOLDER = 42
# We handle a dead actor (an event, a note, a new attempt). Tune would print its traceback.
QUIET: dict[str, Any] = {
    "logging_level": logging.CRITICAL,
    "log_to_driver": False,
    "namespace": "odesweep",
}


_ASK = (
    "import json, sys, ray; ray.init(address=sys.argv[1], **json.loads(sys.argv[2])); "
    "print(json.dumps(ray.cluster_resources()))"
)


@ray.remote(num_cpus=0)
class Mailbox:
    """Carries messages from the slots to the driver, and the driver's request to stop."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, tuple[Any, ...]]] = []
        self.cause: str | None = None

    def put(self, method: str, *arguments: Any) -> None:
        """Keep a call of a watcher's method for the driver."""
        self.messages.append((method, arguments))

    def collect(self, cause: str | None) -> list[tuple[str, tuple[Any, ...]]]:
        """The messages since the last time. `cause` asks all slots to stop."""
        self.cause = cause or self.cause
        messages, self.messages = self.messages, []
        return messages

    def stop_cause(self) -> str | None:
        """Why slots should stop, if they should."""
        return self.cause


class RemoteWatcher(Watcher):
    """Passes everything on to the driver, progress at most once per second."""

    def __init__(self, mailbox: Any) -> None:
        self.mailbox = mailbox
        self._progress_at = 0.0

    def writes_to(self, log: Path) -> None:
        """See `Watcher.writes_to`."""
        self.mailbox.put.remote("writes_to", log)

    def began(self, task: Task, attempts: int) -> None:
        """See `Watcher.began`."""
        self.mailbox.put.remote("began", task, attempts)

    def progress(self, task: Task, progress: Progress) -> None:
        """See `Watcher.progress`."""
        if time.monotonic() - self._progress_at >= ASK_SECONDS:
            self._progress_at = time.monotonic()
            self.mailbox.put.remote("progress", task, progress)

    def ended(self, task: Task, ending: Ending) -> None:
        """See `Watcher.ended`."""
        self.mailbox.put.remote("ended", task, ending)

    def note(self, text: str) -> None:
        """See `Watcher.note`."""
        self.mailbox.put.remote("note", text)


class _StopCause:
    """`stop_cause` of a remote slot: asks the mailbox now and then. Without mailbox, no driver."""

    def __init__(self, mailbox: Any) -> None:
        self.mailbox, self._asked_at = mailbox, 0.0
        self._cause: str | None = None

    def __call__(self) -> str | None:
        if self._cause is None and time.monotonic() - self._asked_at >= ASK_SECONDS:
            try:
                self._cause = ray.get(self.mailbox.stop_cause.remote(), timeout=60)
            except RayError:
                self._cause = "the driver is gone"
            self._asked_at = time.monotonic()
        return self._cause


class ShardTrainable(tune.Trainable):
    """One shard per Tune trial; the actor and its slot are reused for the next."""

    def setup(self, config: dict[str, Any]) -> None:
        """Do nothing yet: the slot starts its process with its first trial."""
        self.slot: ChildSlot | InProcessSlot | None = None
        self.config = config

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next shard."""
        self.config = new_config
        return True

    def step(self) -> dict[str, Any]:
        """Run the whole shard."""
        config = self.config
        mailbox = ray.get_actor(config["mailbox"])
        worker = Worker(
            Results(Path(config["results"])), config["submission_id"], RemoteWatcher(mailbox)
        )
        self.slot = self.slot or worker.slot()
        report = worker.run(config["shard"], self.slot, _StopCause(mailbox))
        ray.get(mailbox.put.remote("report", report))
        return {"done": True}

    def cleanup(self) -> None:
        """End the slot's process."""
        if self.slot is not None:
            self.slot.close()


class ClusterLost(BaseException):
    """The cluster died, and Tune would wait for it forever.

    No Exception, so that nobody catches it.
    """


class Ray(Scheduler):
    """Runs the shards of a submission as trials of Ray Tune and returns when all have ended."""

    def slots(self) -> int:
        """Slots of the cluster at `address`, otherwise of this machine."""
        address, profile = self.setup.address, self.setup.profile
        return cluster_slots(address, profile) if address else local_slots(profile)

    def settings(self, shards: Shards) -> dict[str, Any]:
        """See `Scheduler.settings`; a slot has the profile's CPUs."""
        profile = self.setup.profile
        return super().settings(shards) | {
            "threads": self.setup.threads or profile.cpus,
            "exclusive": min(len(shards), profile.slot_count or len(shards)) == 1,
        }

    def send(self, submission_id: str, watcher: Watcher) -> ShardReport:
        """See `Scheduler.send`. Raises InfrastructureError if Ray itself fails."""
        _remove_left_over()
        folder, lost = short_folder(), threading.Event()
        try:
            _connect(self.setup, folder, watcher)
            with stop_on_signals() as request:
                return _run(self.results, self.setup, submission_id, watcher, folder, request, lost)
        except (
            ClusterLost,
            RayError,
            ConnectionError,
            RuntimeError,
            ValueError,
            SystemError,
        ) as error:
            # ClusterLost is raised inside Ray's compiled code and arrives as a SystemError.
            line = " ".join(str(error).split())[:300]
            why = (
                "Ray's processes, here or on its cluster, are gone"
                if lost.is_set()
                else f"Ray failed ({type(error).__name__}: {line})"
            )
            raise InfrastructureError(
                f"{why}; published rows are kept: run the command again to resume"
            ) from None
        finally:
            ray.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


def _connect(setup: Setup, folder: Path, watcher: Watcher) -> None:
    if setup.address:
        _check_reachable(setup.address)
        ray.init(address=setup.address, **QUIET)
        return
    if elsewhere := os.environ.get("RAY_ADDRESS"):
        watcher.note(f"RAY_ADDRESS = {elsewhere} is ignored; --address auto uses it")
    # Ray's processes inherit this: a terminal that closes sends SIGHUP to all of them.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ray.init(
            # Not what RAY_ADDRESS names, nor a cluster that somebody started on this machine.
            address="local",
            num_cpus=local_slots(setup.profile) * setup.profile.cpus,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            _temp_dir=str(folder),
            **QUIET,
        )
    finally:
        signal.signal(signal.SIGHUP, before)


def short_folder() -> Path:
    """A new folder in which Ray can make its sockets, whose paths have at most 107 bytes.

    Raises InfrastructureError if there is no place for one.
    """
    for place in temporary_places():
        with contextlib.suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix=f"odesweep-{os.getpid()}-", dir=place))
            if len(os.fsencode(folder)) <= LONGEST_FOLDER:
                return folder
            folder.rmdir()
    raise InfrastructureError(
        f"Ray needs a writable temporary folder with a short path, and neither "
        f"{tempfile.gettempdir()} nor /tmp is one; set TMPDIR to one whose path has at most "
        f"{LONGEST_FOLDER - 27} bytes, or use --executor inline"
    )


def temporary_places() -> tuple[str, ...]:
    """Where temporary folders may be made, the best first."""
    return tuple(dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")))


def _remove_left_over() -> None:
    """Folders of `run` commands that were killed. Nobody needs Ray's logs in them."""
    places = map(Path, temporary_places())
    for folder in [folder for place in places for folder in place.glob("odesweep-*-*")]:
        pid = folder.name.split("-")[1]
        if pid.isdigit() and not process_alive(socket.gethostname(), int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _check_reachable(address: str) -> None:
    """Check the address, because Ray itself tries an unused address for minutes.

    Raises ConnectionError.
    """
    address = os.environ.get("RAY_ADDRESS") or address if address == "auto" else address
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise ConnectionError(
                f"no Ray cluster at {address}: {error.strerror or error}"
            ) from None


def _resources(address: str) -> dict[str, float]:
    """What the running cluster at an address has, asked in a process of its own.

    Ray aborts a process that may not write in the folder of the cluster. Raises ConnectionError.
    """
    command = [sys.executable, "-P", "-W", "ignore", "-c", _ASK, address, json.dumps(QUIET)]
    try:
        asked = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ConnectionError(
            f"the Ray cluster at {address} did not answer within {ANSWER_SECONDS:.0f} s"
        ) from None
    if asked.returncode == 0:
        return json.loads(asked.stdout.splitlines()[-1])
    forbidden = re.search(r"Failed opening file (\S+)/logs/", asked.stderr)
    if forbidden or "InvalidAuthToken" in asked.stderr:
        why = f"you may not write in {forbidden[1]}" if forbidden else "you do not have its token"
        raise ConnectionError(
            f"the cluster at {address} is not yours: {why}; leave out --address, and Ray is "
            "started for you alone"
        )
    lines = asked.stderr.strip().splitlines() or [exit_words(asked.returncode)]
    raise ConnectionError(lines[-1][:300])


def cluster_slots(address: str, profile: Profile) -> int:
    """Slots that the CPUs and GPUs of a running cluster allow, at most as many as the profile says.

    Raises InfrastructureError.
    """
    try:
        _check_reachable(address)
        resources = _resources(address)
    except ConnectionError as error:
        raise InfrastructureError(f"Ray failed ({error}); nothing was started") from None
    room = [resources.get("CPU", 0) / profile.cpus] + (
        [resources.get("GPU", 0) / profile.gpus] if profile.gpus else []
    )
    return max(
        1,
        min(
            [math.floor(slots) for slots in room]
            + ([profile.slot_count] if profile.slot_count else [])
        ),
    )


def _run(
    results: Results,
    setup: Setup,
    submission_id: str,
    watcher: Watcher,
    folder: Path,
    request: StopRequest,
    lost: threading.Event,
) -> ShardReport:
    name = f"odesweep-{submission_id}"
    mailbox = Mailbox.options(name=name).remote()
    shards = sorted({row["shard"] for row in read_submission(results, submission_id).rows()})
    config = {
        "mailbox": name,
        "results": str(results.path),
        "submission_id": submission_id,
        "shard": tune.grid_search(shards),
    }
    tuner = tune.Tuner(
        tune.with_resources(ShardTrainable, {"cpu": setup.profile.cpus, "gpu": setup.profile.gpus}),
        param_space=config,
        tune_config=tune.TuneConfig(
            reuse_actors=True,
            max_concurrent_trials=setup.profile.slot_count,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="shards",
            storage_path=str(folder / "tune"),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=MAX_ACTOR_FAILURES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    reports: list[ShardReport] = []
    with _relay(watcher, mailbox, request, reports, lost):
        grid = tuner.fit()
    report = ShardReport.merged(reports)
    if grid.num_errors and report.infrastructure is None:
        first = str(grid.errors[0]).strip().splitlines()[-1]
        report = replace(
            report,
            infrastructure=f"{grid.num_errors} of {len(shards)} shards failed under Ray ({first}); "
            "run again to go on",
        )
    return report


@contextlib.contextmanager
def _relay(
    watcher: Watcher,
    mailbox: Any,
    request: StopRequest,
    reports: list[ShardReport],
    lost: threading.Event,
) -> Iterator[None]:
    """Pass messages to the watcher and a stop request to the slots, in a thread beside Tune's.

    Sets `lost` when nobody answers.
    """
    over = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise ClusterLost

    def pass_on() -> None:
        for method, arguments in ray.get(mailbox.collect.remote(request.cause())):
            if method == "report":
                reports.append(*arguments)
            else:
                getattr(watcher, method)(*arguments)
        watcher.tick()

    def loop() -> None:
        while not over.wait(POLL_SECONDS):
            try:
                pass_on()
            except RayError:
                if not over.is_set():
                    lost.set()
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
                return

    thread = threading.Thread(target=loop, daemon=True)
    with handled(interrupt, signal.SIGALRM):
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
    pass_on()
