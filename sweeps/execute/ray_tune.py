"""Executor `ray`: Ray Tune places shards on this machine or an existing Ray cluster. The only file that imports ray.

A Tune trial is a shard. Its actor holds a slot with a child process of its own, as every other executor does, so that a crash costs one
trial and the actor is reused. Rows leave through our own writer; nothing is ever read back from Tune's folder, which is removed.
Longer than other files because nothing of Ray is to be found elsewhere.
"""

import contextlib
import logging
import math
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any

# Before ray is imported: no callbacks that write files per trial, no signal handler of Tune's, no usage report over the network.
os.environ |= {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}

# Ray 2.60 decides about its token before `init` could: a cluster with one refuses a driver that has it but was imported without this.
if (
    os.environ.get("RAY_AUTH_TOKEN")
    or Path(os.environ.get("RAY_AUTH_TOKEN_PATH", "~/.ray/auth_token")).expanduser().is_file()
):
    os.environ.setdefault("RAY_AUTH_MODE", "token")

import ray
from ray import tune
from ray.exceptions import RayError

from sweeps.errors import InfrastructureError
from sweeps.execute.base import Job, StopRequest, new_worker_id, stop_on_signals
from sweeps.limits import Limits
from sweeps.profiles import Profile
from sweeps.store import Results
from sweeps.worker.history import process_alive
from sweeps.worker.messages import Ending, Progress
from sweeps.worker.report import ShardReport, Watcher
from sweeps.worker.shard import run_shard
from sweeps.worker.slot import ChildSlot
from sweeps.worker.tasks import Task

POLL_SECONDS = 0.3
# How often a slot asks whether it should stop; a message through Ray each time.
ASK_SECONDS = 1.0
# Deaths of actors that Tune answers with a new one; which trial is to blame is decided by the events, not by this.
MAX_ACTOR_FAILURES = 5
CONNECT_SECONDS = 10.0
OBJECT_STORE_BYTES = 100 * 2**20
# A dead actor is our business (an event, a note, a new attempt); Tune would print its traceback.
QUIET: dict[str, Any] = {
    "logging_level": logging.CRITICAL,
    "log_to_driver": False,
    "namespace": "odesweep",
}


@ray.remote(num_cpus=0)
class Desk:
    """Between the driver and the slots: what they tell, and whether they should stop."""

    def __init__(self) -> None:
        self.told: list[tuple[str, tuple[Any, ...]]] = []
        self.cause: str | None = None

    def tell(self, method: str, *arguments: Any) -> None:
        """Keep a call of a watcher's method for the driver."""
        self.told.append((method, arguments))

    def collect(self, cause: str | None) -> list[tuple[str, tuple[Any, ...]]]:
        """What was told since the last time; `cause` asks all slots to stop."""
        self.cause = cause or self.cause
        told, self.told = self.told, []
        return told

    def stop_cause(self) -> str | None:
        """Why slots should stop, if they should."""
        return self.cause


class RemoteWatcher(Watcher):
    """Passes everything on to the driver, progress at most once a second."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self._progress_at = 0.0

    def writes_to(self, log: Path) -> None:
        """See `Watcher.writes_to`."""
        self.desk.tell.remote("writes_to", log)

    def began(self, task: Task, attempts: int) -> None:
        """See `Watcher.began`."""
        self.desk.tell.remote("began", task, attempts)

    def progress(self, task: Task, progress: Progress) -> None:
        """See `Watcher.progress`."""
        if time.monotonic() - self._progress_at >= ASK_SECONDS:
            self._progress_at = time.monotonic()
            self.desk.tell.remote("progress", task, progress)

    def ended(self, task: Task, ending: Ending) -> None:
        """See `Watcher.ended`."""
        self.desk.tell.remote("ended", task, ending)

    def note(self, text: str) -> None:
        """See `Watcher.note`."""
        self.desk.tell.remote("note", text)


class _Asking:
    """`stop_cause` of a remote slot: asks the desk now and then; a desk that is gone means that the driver is."""

    def __init__(self, desk: Any) -> None:
        self.desk, self._asked_at = desk, 0.0
        self._cause: str | None = None

    def __call__(self) -> str | None:
        if self._cause is None and time.monotonic() - self._asked_at >= ASK_SECONDS:
            try:
                self._cause = ray.get(self.desk.stop_cause.remote(), timeout=60)
            except RayError:
                self._cause = "the driver is gone"
            self._asked_at = time.monotonic()
        return self._cause


class ShardTrainable(tune.Trainable):
    """One shard per Tune trial; the actor and its slot are reused for the next."""

    def setup(self, config: dict[str, Any]) -> None:
        """Nothing yet: the slot starts its process with its first trial."""
        self.slot: ChildSlot | None = None
        self.config = config

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next shard."""
        self.config = new_config
        return True

    def step(self) -> dict[str, Any]:
        """Run the whole shard."""
        config = self.config
        desk = ray.get_actor(config["desk"])
        watcher = RemoteWatcher(desk)
        results = Results(Path(config["results"]))
        data_root = Path(config["data_root"]) if config["data_root"] else None
        limits = Limits(**config["limits"])
        job = Job(
            results,
            config["submission_id"],
            "ray",
            watcher,
            limits,
            data_root,
            config["threads"],
            exclusive=config["exclusive"],
        )
        worker_id = new_worker_id()
        context = job.context(worker_id)
        if self.slot is None:
            self.slot = ChildSlot(context, results.logs / f"{worker_id}.log")
        self.slot.context = context
        watcher.writes_to(self.slot.log)
        report = run_shard(
            job.tasks(config["shard"]),
            context,
            self.slot,
            submission_id=job.submission_id,
            worker_id=worker_id,
            log=self.slot.log,
            stop_cause=_Asking(desk),
            watcher=watcher,
        )
        ray.get(desk.tell.remote("report", report))
        return {"done": True}

    def cleanup(self) -> None:
        """End the slot's process."""
        if self.slot is not None:
            self.slot.close()


class ClusterLost(BaseException):
    """The cluster died under Tune, which would wait for it without end. Not an Exception, so that nothing on the way takes it for a trial's."""


def execute(job: Job) -> ShardReport:
    """Run all shards of the submission and return when they have ended. Raises InfrastructureError when Ray itself fails."""
    _remove_left_over()
    folder, lost = Path(tempfile.mkdtemp(prefix=f"odesweep-{os.getpid()}-")), threading.Event()
    try:
        _connect(job, folder)
        with stop_on_signals() as request:
            return _run(job, folder, request, lost)
    except (ClusterLost, RayError, ConnectionError, RuntimeError, ValueError, SystemError) as error:
        # Raised inside Ray's compiled code, ClusterLost arrives as a SystemError.
        if lost.is_set():
            raise InfrastructureError(
                "Ray's processes, here or on its cluster, are gone; what was published is kept: run again to go on"
            ) from None
        line = " ".join(str(error).split())[:300]
        raise InfrastructureError(
            f"Ray failed ({type(error).__name__}: {line}); what was published is kept: run again to go on"
        ) from None
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _connect(job: Job, folder: Path) -> None:
    if job.address:
        _check_reachable(job.address)
        ray.init(address=job.address, **QUIET)
        return
    ray.init(
        num_cpus=local_slots(job.profile) * job.profile.cpus,
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        _temp_dir=str(folder),
        **QUIET,
    )


def _remove_left_over() -> None:
    """Folders of drivers that were killed; Ray's logs in them are of no use to anybody any more."""
    for folder in Path(tempfile.gettempdir()).glob("odesweep-*-*"):
        pid = folder.name.split("-")[1]
        if pid.isdigit() and not process_alive(socket.gethostname(), int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _check_reachable(address: str) -> None:
    """Ray itself tries an address that nobody listens on for minutes. Raises ConnectionError."""
    address = os.environ.get("RAY_ADDRESS") or address if address == "auto" else address
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise ConnectionError(
                f"no Ray cluster at {address}: {error.strerror or error}"
            ) from None


def local_slots(profile: Profile) -> int:
    """Slots on this machine: what the profile says, else as many as its CPUs allow."""
    return profile.slots or max(1, len(os.sched_getaffinity(0)) // profile.cpus)


def cluster_slots(address: str, profile: Profile) -> int:
    """Slots of an existing cluster: what its CPUs and GPUs allow, at most what the profile says. Raises InfrastructureError."""
    try:
        _check_reachable(address)
        ray.init(address=address, **QUIET)
        resources = ray.cluster_resources()
    except (RayError, ConnectionError, RuntimeError, ValueError) as error:
        raise InfrastructureError(
            f"Ray failed ({type(error).__name__}: {' '.join(str(error).split())[:300]}); nothing was begun"
        ) from None
    finally:
        ray.shutdown()
    room = [resources.get("CPU", 0) / profile.cpus] + (
        [resources.get("GPU", 0) / profile.gpus] if profile.gpus else []
    )
    return max(
        1, min([math.floor(slots) for slots in room] + ([profile.slots] if profile.slots else []))
    )


def _run(job: Job, folder: Path, request: StopRequest, lost: threading.Event) -> ShardReport:
    name = f"odesweep-{job.submission_id}"
    desk = Desk.options(name=name).remote()
    shards = sorted({row["shard"] for row in job.rows()})
    config = {
        "desk": name,
        "results": str(job.results.path),
        "submission_id": job.submission_id,
        "limits": asdict(job.limits),
        "data_root": str(job.data_root.absolute()) if job.data_root else None,
        "threads": job.threads or job.profile.cpus,
        "exclusive": min(len(shards), job.profile.slots or len(shards)) == 1,
        "shard": tune.grid_search(shards),
    }
    tuner = tune.Tuner(
        tune.with_resources(ShardTrainable, {"cpu": job.profile.cpus, "gpu": job.profile.gpus}),
        param_space=config,
        tune_config=tune.TuneConfig(
            reuse_actors=True,
            max_concurrent_trials=job.profile.slots,
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
    with _relay(job.watcher, desk, request, reports, lost):
        grid = tuner.fit()
    report = ShardReport.merged(reports)
    if grid.num_errors and report.infrastructure is None:
        first = str(grid.errors[0]).strip().splitlines()[-1]
        report = replace(
            report,
            infrastructure=f"{grid.num_errors} of {len(shards)} shards failed under Ray ({first}); run again to go on",
        )
    return report


@contextlib.contextmanager
def _relay(
    watcher: Watcher,
    desk: Any,
    request: StopRequest,
    reports: list[ShardReport],
    lost: threading.Event,
) -> Iterator[None]:
    """While Tune holds the main thread, another passes messages to the watcher and a stop request to the slots; sets `lost` when nobody answers."""
    over = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise ClusterLost

    def pass_on() -> None:
        for method, arguments in ray.get(desk.collect.remote(request.cause())):
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

    before = signal.signal(signal.SIGALRM, interrupt)
    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        signal.signal(signal.SIGALRM, before)
    pass_on()
