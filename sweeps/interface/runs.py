"""`sweeps.run`: train what is missing of a study, now or in the background."""

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sweeps.errors import InfrastructureError, UserError
from sweeps.inspection.status import TrialStatus, Watch
from sweeps.interface.arguments import (
    PathLikeOrNone,
    StudyLike,
    folder_of,
    number_of,
    study_of,
    words_of,
)
from sweeps.interface.progress import progress_html
from sweeps.store import Results
from sweeps.study import Study

if TYPE_CHECKING:
    from sweeps.cli.options import Options

_STATES = ("done", "failed", "running", "pending")
# Options of the command line that a run in the background is given.
_GIVEN = (
    "executor",
    "scale",
    "sample",
    "sample_seed",
    "limit",
    "threads",
    "data_root",
    "profile",
    "address",
    "keep_weights",
)
_COMMAND = "from sweeps.cli import main; main()"


@dataclass(repr=False)
class Run:
    """Trials that `run` passed to an executor. A notebook shows their progress.

    Every look reads the results folder as it is now and waits for nothing. plan: the saved plan.
    trial_ids: the selected trials. log, process: of a run in the background; None for others.
    """

    plan: str
    results: Path
    trial_ids: tuple[str, ...]
    log: Path | None = None
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def running(self) -> bool:
        """Whether a run in the background still works."""
        return self.process is not None and self.process.poll() is None

    def trials(self) -> list[TrialStatus]:
        """The selected trials as they are now, as `odesweep status` has them."""
        status = Watch(Results(self.results)).study(self.plan)
        wanted = set(self.trial_ids)
        return [trial for trial in status.trials if trial.trial_id in wanted]

    def counts(self) -> dict[str, int]:
        """State -> selected trials in it: done, failed, running, pending."""
        states = Counter(trial.state for trial in self.trials())
        return {state: states[state] for state in _STATES}

    def outcomes(self) -> dict[str, int]:
        """Outcome -> selected trials with it."""
        return dict(Counter(trial.outcome for trial in self.trials() if trial.outcome))

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for a run in the background, at most so long; whether it has ended.

        Raises InfrastructureError if it ended because of one, with its last line.
        """
        if self.process is None:
            return True
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        if code not in (0, 1, 130):
            raise InfrastructureError(f"{self._last_line()} (all of it: {self.log})")
        return True

    def stop(self) -> None:
        """Let a run in the background save checkpoints and end. `run` resumes it."""
        if self.process is not None and self.running:
            self.process.send_signal(signal.SIGINT)

    def _last_line(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log else []
        return lines[-1].removeprefix("odesweep: ") if lines else "it printed nothing"

    def __repr__(self) -> str:
        words = ", ".join(f"{n} {state}" for state, n in self.counts().items() if n)
        return f"<Run {self.plan}: {words}>"

    def _repr_html_(self) -> str:
        outcomes = ", ".join(f"{n} {outcome}" for outcome, n in self.outcomes().items())
        return progress_html(self.plan, self.counts(), [outcomes] if outcomes else [])


def run(
    study: StudyLike,
    *words: str,
    executor: str = "inline",
    scale: str | None = None,
    results: PathLikeOrNone = None,
    sample: int | None = None,
    sample_seed: int | None = None,
    limit: int | None = None,
    threads: int | None = None,
    data_root: PathLikeOrNone = None,
    profile: str | None = None,
    address: str | None = None,
    keep_weights: str | None = None,
    wait: bool = True,
    **overrides: Any,
) -> Run:
    """Train pending trials and run missing evaluations, as `odesweep run` does.

    Calling it again resumes, and computes what is new. study, words, overrides, scale, results,
    sample, sample_seed: as of `plan`. executor, limit, threads, data_root, profile, address,
    keep_weights: as of `odesweep run`. wait: False returns at once; executors without a queue then
    work in a process of its own, which goes on if this one ends. Raises UserError for what does not
    fit, InfrastructureError after an infrastructure failure. A failed training is a result.
    """
    from sweeps.cli.options import Options
    from sweeps.cli.run import execute
    from sweeps.execute.registry import executor as known
    from sweeps.planning.plan import current_plan, save
    from sweeps.study.overrides import select
    from sweeps.study.sample import draw

    sample, sample_seed = number_of("sample", sample), number_of("sample_seed", sample_seed, 0)
    limit, threads = number_of("limit", limit), number_of("threads", threads)
    folder, found = folder_of(results), study_of(study)
    texts = words_of(words, overrides)
    reference = found.name if isinstance(study, Study) else os.fspath(study)
    roots = os.environ.get("ODESWEEP_DATA") if data_root is None else data_root
    options = Options(
        study=reference,
        overrides=texts,
        executor=executor,
        scale=scale,
        results=folder.path,
        sample=sample,
        sample_seed=sample_seed,
        limit=limit,
        threads=threads,
        data_root=Path(roots) if roots else None,
        profile=profile,
        address=address,
        wait=wait and known(executor).queues,
        train=True,
        keep_weights=keep_weights,
        command=f"sweeps.run({reference!r}, executor={executor!r}) {shlex.join(texts)}".strip(),
    )
    selection = draw(select(found, scale, texts), sample, sample_seed)
    ids = tuple(trial.trial_id for trial in selection.selected)
    handle = Run(selection.plan_name, folder.path, ids)
    if wait or known(executor).queues:
        if threading.current_thread() is not threading.main_thread():
            raise UserError("run waits only in the main thread of Python; give wait=False")
        execute(options, found)
        return handle
    if isinstance(study, Study):
        raise UserError("wait=False needs a study that another process can find: give its file")
    # Saved here, so that the progress can be shown before the other process has begun.
    save(folder, selection, current_plan(folder, selection)[1], reference)
    return _in_background(handle, options)


def _in_background(handle: Run, options: "Options") -> Run:
    handle.log = Results(handle.results).logs / f"run-{uuid4().hex[:8]}.log"
    command = [sys.executable, "-c", _COMMAND, "run", options.study, *(options.overrides or ())]
    command += ["--results", str(handle.results)]
    for name in _GIVEN:
        value = getattr(options, name)
        command += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
    with handle.log.open("wb") as log:
        handle.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    return handle
