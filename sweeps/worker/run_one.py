"""One trial from spec to rows: resume or start, train, save the weights, evaluate, probe.

This runs in the child process of the slot.
"""

import json
import logging
import random
import time
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import torch

from odecore import data as datasets
from odecore.config import Series
from odecore.data import DataMissing, Dataset
from odecore.models import build_model
from odecore.training import checkpointing, probes
from odecore.training.evaluate import evaluate
from odecore.training.fit import Training
from sweeps.cpus import waited_seconds
from sweeps.keep_weights import keeps
from sweeps.limits import Limits
from sweeps.spec import trial_id
from sweeps.store import Results, read_retractions
from sweeps.store.clock import shared_now
from sweeps.worker import rows, weights
from sweeps.worker.disk_retry import retrying
from sweeps.worker.gpus import misplaced
from sweeps.worker.messages import (
    Alive,
    Assignment,
    Checkpointed,
    Context,
    Emit,
    Ending,
    Progress,
    Rows,
    ShouldStop,
)

LOG = logging.getLogger("odesweep")
# Progress is for people and for the stall guard. More messages would only cost time.
PROGRESS_SECONDS = 0.25
# Writing checkpoints may take at most this share of the time.
CHECKPOINT_SHARE = 0.02
# This many of the last calls of a crash are shown at once. The row and the log have all.
FRAMES_SHOWN = 3
# From this share on, the time that a training waited for a CPU makes its seconds invalid.
WAITED_SHARE = 0.05

Result = TypeVar("Result")


class Infrastructure(Exception):
    """Infrastructure failure. The trial itself is fine and can resume from its checkpoint."""


def run_one(
    assignment: Assignment,
    context: Context,
    emit: Emit,
    should_stop: ShouldStop,
    *,
    debug: bool = False,
) -> Ending:
    """Do what `assignment` asks and pass every finished row to `emit`.

    A failure of the training is an outcome, a bug is a `crashed` row. debug: do not catch
    exceptions of the trial, for a debugger.
    """
    one = OneTrial(assignment, context, emit, should_stop)
    return one.guarded(one.run, debug=debug)


def _check_place(wanted: str | None) -> None:
    """Raise Infrastructure unless this process has the GPU or slice that its slot was given."""
    if wanted is None:
        return
    count = torch.cuda.device_count()
    uuid = str(torch.cuda.get_device_properties(0).uuid) if count else None
    if why := misplaced(wanted, count, uuid):
        raise Infrastructure(f"the process of a slot has the wrong GPU: {why}")


class OneTrial:
    """The steps of one trial and the state that they share; each runs inside `guarded`."""

    def __init__(
        self, assignment: Assignment, context: Context, emit: Emit, should_stop: ShouldStop
    ) -> None:
        self.assignment, self.context, self.emit, self.should_stop = (
            assignment,
            context,
            emit,
            should_stop,
        )
        self.started_at = shared_now(Results(context.results).events)
        self.resumed = False
        self._progress_at = 0.0
        self._waited_seconds = 0.0
        self._checkpoint_cost_seconds = 0.0
        self.trial_folders = context.checkpoints(assignment.task.trial_id)
        self.folders = [folder / assignment.attempt_id for folder in self.trial_folders]
        # Many slots, which therefore write seldom, may begin together and must not write together.
        early = max(0.0, context.limits.checkpoint_seconds - Limits.checkpoint_seconds)
        self._checkpoint_at = time.monotonic() - early * random.SystemRandom().random()

    def guarded(self, step: Callable[[], Result], *, debug: bool = False) -> "Result | Ending":
        """What `step` returns. If it fails, the ending, after its row was sent."""
        task, resolved = self.assignment.task, trial_id(self.assignment.task.spec)
        if resolved != task.trial_id:
            return Ending(
                "infrastructure",
                f"trial {task.trial_id} resolves to {resolved} with this code; "
                "plan and run it again with one version",
            )
        self.emit(Alive())
        try:
            return step()
        except (DataMissing, Infrastructure, weights.WeightsMissing) as error:
            LOG.error("%s", error)
            return Ending(
                "infrastructure"
                if task.train or not isinstance(error, weights.WeightsMissing)
                else "weights_missing",
                str(error),
            )
        except Exception as failure:
            if debug:
                raise
            return self._failed(failure)

    def _failed(self, failure: Exception) -> Ending:
        """The row and the ending of a bug, or of too little memory."""
        memory = rows.is_out_of_memory(failure)
        outcome, fingerprint = (
            ("out_of_memory", "out_of_memory")
            if memory
            else ("crashed", rows.fingerprint_of(failure))
        )
        detail = f"{type(failure).__name__}: {failure}".splitlines()[0]
        LOG.exception("trial %s: %s", self.assignment.task.trial_id, outcome)
        row = rows.bare_row(
            self.assignment,
            self.context,
            outcome=outcome,
            started_at=self.started_at,
            detail=detail,
            fingerprint=fingerprint,
        )
        lines = traceback.format_exception(failure)
        self.emit(Rows("runs", [row | {"traceback": "".join(lines)}]))
        return Ending(outcome, detail, fingerprint, frames="".join(lines[-FRAMES_SHOWN - 1 :]))

    def run(self) -> Ending:
        """Everything that the assignment asks for."""
        training = self.begin()
        if isinstance(training, Ending):
            return training
        training.run(self._after_step, lambda: self.emit(Alive()))
        return self.end(training)

    def begin(self) -> Training | Ending:
        """The training, resumed if it can be; the ending of one that has nothing to train."""
        torch.set_num_threads(self.context.threads)
        _check_place(self.context.gpu)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.data = _load_data(self.assignment.task.spec.data, self.context.data_root)
        if not self.assignment.task.train:
            assert self.assignment.task.weights_sha256 is not None
            model = build_model(self.assignment.task.spec)
            weights.load(
                self.context.results,
                self.assignment.task.trial_id,
                self.assignment.task.weights_sha256,
                model,
            )
            self._after_training(model.to(self.device), self.assignment.task.weights_sha256)
            return Ending("evaluated")
        # A row that `retry` withdrew is trained again, not published again.
        withdrawn = read_retractions(Results(self.context.results)).attempt_ids
        state = checkpointing.furthest(*self.trial_folders, ignored=withdrawn)
        training = Training(
            self.assignment.task.spec, self.data, self.device, eager=self.context.eager
        )
        if state and "finished" in state:
            return self._republish(training, state)
        if state:
            training.load_state(state)
            self.resumed = True
            LOG.info("resumed at iteration %d of %d", training.iteration, training.iterations)
        self._waited_seconds = waited_seconds()
        return training

    def end(self, training: Training) -> Ending:
        """The ending of a training that has an outcome or was interrupted."""
        if training.captured and training.captured.refused:
            LOG.warning("steps ran eagerly: %s", training.captured.refused)
        if training.outcome is None:
            return Ending("interrupted", iteration=training.iteration)
        return self._finish(training, training.outcome)

    def _after_step(self, training: Training) -> bool:
        stop = self.should_stop()
        self.tell_progress(training, training.seconds_per_step)
        if stop or self.checkpoint_due():
            self.checkpoint(training, stop=stop)
        return stop

    def tell_progress(self, training: Training, seconds_per_step: float) -> None:
        """Send the training's position, unless it was sent a moment ago."""
        now = time.monotonic()
        if now - self._progress_at >= PROGRESS_SECONDS:
            self._progress_at = now
            self.emit(
                Progress(
                    training.iteration, training.iterations, training.last_loss, seconds_per_step
                )
            )

    def checkpoint_due(self, files: int = 1) -> bool:
        """Whether it is time to write so many checkpoints together."""
        pause = max(
            self.context.limits.checkpoint_seconds,
            files * self._checkpoint_cost_seconds / CHECKPOINT_SHARE,
        )
        return time.monotonic() - self._checkpoint_at >= pause

    def checkpoint(self, training: Training, *, stop: bool = False) -> None:
        """Write a checkpoint of a training that goes on or was told to stop."""
        self._checkpoint(training.iteration, training.state(), stop=stop)

    def _checkpoint(self, iteration: int, state: dict[str, Any], *, stop: bool = False) -> None:
        """Write a checkpoint, when it stops where every node can read it."""
        start = time.monotonic()
        # A disk of the node that fails is no reason to have none.
        for folder in self.folders[-1:] if stop else self.folders:
            try:
                checkpointing.save(folder, iteration, state)
                self.emit(Checkpointed(iteration))
                if stop and folder != self.folders[0]:
                    checkpointing.remove(self.folders[0])
                break
            except OSError as error:
                LOG.warning(
                    "no checkpoint at iteration %d in %s (%s); training continues without",
                    iteration,
                    folder,
                    error,
                )
        self._checkpoint_at = time.monotonic()
        self._checkpoint_cost_seconds = self._checkpoint_at - start

    def _finish(self, training: Training, outcome: str) -> Ending:
        kept, trained = None, b""
        if outcome == "completed":
            kept, trained = self._keeps(), weights.encode(training.model)
            if kept:
                self._keep_weights(trained)
        row = rows.run_row(
            self.assignment,
            self.context,
            training,
            outcome=outcome,
            started_at=self.started_at,
            timing_valid=not self.resumed and self._had_its_cpu(training),
            weights_sha256=weights.sha256_of(trained) if trained else None,
            weights_kept=kept,
        )
        # From here on a restart publishes this row again instead of training again.
        finished = {
            "finished": json.dumps(row, default=str),
            "model": training.model.state_dict(),
            "series": training.series,
        }
        self._checkpoint(training.iteration, finished)
        LOG.info(
            "%s at iteration %d; accuracy_test %s",
            outcome,
            training.iteration,
            row["accuracy_test"],
        )
        return self._publish(row, training)

    def _had_its_cpu(self, training: Training) -> bool:
        """Whether other processes left this one the CPU; the log says if not."""
        waited = waited_seconds() - self._waited_seconds
        share = waited / max(waited, training.train_seconds + training.evaluate_seconds, 1e-9)
        if share >= WAITED_SHARE:
            LOG.info(
                "waited for a CPU %.0f %% of the time, so timing_valid is false: the machine has "
                "other work",
                100 * share,
            )
        return share < WAITED_SHARE

    def _republish(self, training: Training, state: dict[str, Any]) -> Ending:
        row = json.loads(state["finished"])
        row |= {name: datetime.fromisoformat(row[name]) for name in ("started_at", "finished_at")}
        training.model.load_state_dict(state["model"])
        training.series = state["series"]
        LOG.info("was already finished; publishing attempt %s again", row["attempt_id"])
        if row["weights_sha256"]:
            # Checkpoints of older versions do not say it: those kept all.
            row["weights_kept"] = row.get("weights_kept", True) or self._keeps()
            if row["weights_kept"]:
                self._keep_weights(weights.encode(training.model))
        return self._publish(row, training)

    def _publish(self, row: dict[str, Any], training: Training) -> Ending:
        sha256 = row["weights_sha256"]
        if sha256 is not None and not row["weights_kept"]:
            self._evaluate_first(row, training)
        else:
            self._emit_training(row, training)
            if sha256 is not None:
                self._after_training(training.model, sha256)
        return Ending(
            row["outcome"],
            row["outcome_detail"],
            iteration=training.iteration,
            finished={"accuracy_test": row["accuracy_test"]},
        )

    def _evaluate_first(self, row: dict[str, Any], training: Training) -> None:
        """Evaluate and probe a net whose weights are not kept, and only then publish its row.

        Until then a restart comes back to the checkpoint of the finished training. If anything is
        left undone, it needs the weights, and they are kept.
        """
        trained, complete = weights.encode(training.model), False
        try:
            complete = self._after_training(training.model, row["weights_sha256"])
        finally:
            if not complete:
                self._keep_weights(trained)
                row["weights_kept"] = True
            self._emit_training(row, training)

    def _emit_training(self, row: dict[str, Any], training: Training) -> None:
        self.emit(Rows("runs", [row]))
        if training.series:
            series = rows.series_rows(self.assignment, training.series, row["weights_sha256"])
            self.emit(Rows("probe_series", series))

    def _keeps(self) -> bool:
        return keeps(self.context.keep_weights, self.assignment.task.spec)

    def _keep_weights(self, trained: bytes) -> None:
        """Publish encoded weights, and wait while the disk does not take them.

        The weights must exist before the row that names them.
        """

        def waiting(error: OSError) -> None:
            LOG.warning("cannot save weights (%s); trying again", error)
            self.emit(Alive())

        try:
            retrying(
                lambda: weights.publish(
                    self.context.results, self.assignment.task.trial_id, trained
                ),
                self.context.limits.publish_retry_seconds,
                self.should_stop,
                waiting,
            )
        except OSError as error:
            raise Infrastructure(f"cannot save weights: {error}") from None

    def _after_training(self, model: torch.nn.Module, sha256: str) -> bool:
        """Run evaluations and probes of the trained weights; whether all of them were done.

        If this is stopped, the rest is missing, and `evaluate` computes it later.
        """
        data = self.data.to(self.device)
        for evaluation in self.assignment.task.evaluations:
            if self.should_stop():
                return False
            scored = evaluate(model, data, evaluation, self._alive_sometimes())
            self.emit(
                Rows(
                    "evaluations",
                    [
                        rows.evaluation_row(
                            self.assignment, self.context, evaluation, scored, sha256, self.device
                        )
                    ],
                )
            )
        model.eval()
        for probe in self.assignment.task.probes:
            if self.should_stop():
                return False
            if isinstance(probe, Series):
                continue  # recorded in training and published with the run
            columns = probes.compute(model, data, probe)
            self.emit(
                Rows(
                    f"probe_{probe.name}", rows.probe_rows(self.assignment, probe, columns, sha256)
                )
            )
        return True

    def _alive_sometimes(self) -> Callable[[], None]:
        def alive() -> None:
            now = time.monotonic()
            if now - self._progress_at >= PROGRESS_SECONDS:
                self._progress_at = now
                self.emit(Alive())

        return alive


_DATA: dict[str, Dataset] = {}


def _load_data(config: Any, root: Path | None) -> Dataset:
    """The data set, kept in memory from one trial to the next.

    Only one is kept at a time, because they can be large.
    """
    key = config.model_dump_json()
    if key not in _DATA:
        _DATA.clear()
        _DATA[key] = datasets.load(config, root)
    return _DATA[key]
