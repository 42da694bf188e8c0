"""Status: what rows and events together say about a plan."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from small_study import study
from store_rows import make

from sweeps.errors import UserError
from sweeps.inspection.explain import explain
from sweeps.inspection.status import StudyStatus, Watch, fold
from sweeps.planning.cost import Costs
from sweeps.planning.plan import save
from sweeps.store import EventLog, Results, StoreView, read_plan, write_retraction
from sweeps.store.write import Writer
from sweeps.study import EvaluationGrid
from sweeps.study.overrides import Selection, select
from sweeps.worker.attempts import History

NOW = 1_800_000_000.0
ONE = study(
    grid={"solver.steps": (1, 2)},
    seeds=range(2),
    evaluations=[EvaluationGrid("factors", ("euler",), factors=(1, 2))],
)


class Folder:
    """A results folder with the plan of ONE, in which things happen."""

    def __init__(self, path: Path) -> None:
        self.results = Results(path)
        self.selection: Selection = select(ONE)
        save(self.results, self.selection, Costs())
        self.ids = [trial.trial_id for trial in self.selection.declared]
        self.events: list[dict[str, Any]] = []

    def row(
        self, index: int, outcome: str, at: float = NOW, attempt: str = "", **given: Any
    ) -> None:
        attempt = attempt or f"attempt-{index}"
        finished = datetime.fromtimestamp(at, UTC)
        writer = Writer(self.results, f"writer-{index}-{attempt}-{outcome}")
        given = {"weights_sha256": "sha"} | given
        writer.add(
            "runs",
            [
                make(
                    "runs",
                    trial_id=self.ids[index],
                    attempt_id=attempt,
                    outcome=outcome,
                    finished_at=finished,
                    **given,
                )
            ],
        )
        writer.close()

    def evaluated(self, index: int, number: int, weights: str = "sha") -> None:
        writer = Writer(self.results, f"evaluator-{index}-{number}-{weights}")
        identity = self.selection.declared[index].evaluations[number].eval_id
        facts = {
            "trial_id": self.ids[index],
            "eval_id": identity,
            "attempt_id": f"evaluated-{number}",
            "weights_sha256": weights,
        }
        writer.add("evaluations", [make("evaluations", **facts)])
        writer.close()

    def event(
        self, event: str, at: float, index: int | None = None, worker: str = "w1", **given: Any
    ) -> None:
        trial = {} if index is None else {"trial_id": self.ids[index]}
        self.events.append(
            {"event": event, "at": at, "worker": worker, "host": "elsewhere", "pid": 7}
            | trial
            | given
        )

    def started(self, index: int, at: float, worker: str = "w1") -> None:
        self.event("started", at, index, worker, attempt_id=f"attempt-{index}", resume_iteration=0)

    def status(self, now: float = NOW) -> StudyStatus:
        history = History()
        history.add(self.events)
        saved, view = read_plan(self.results, "small@full"), StoreView(self.results)
        return fold(saved, view, history, now, 180.0, lambda _host, _pid: None)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "results")


def states(status: StudyStatus) -> list[tuple[str, str | None]]:
    return [(trial.state, trial.outcome) for trial in status.trials]


def test_everything_is_pending_at_first(folder: Folder) -> None:
    status = folder.status()
    assert states(status) == [("pending", None)] * 4
    assert status.eta_seconds is None
    assert [trial.missing_evaluations for trial in status.trials] == [2] * 4
    assert {
        axis: {value: len(trials) for value, trials in values.items()}
        for axis, values in status.saved.by_axis().items()
    } == {
        "solver.steps": {"1": 2, "2": 2},
        "seed": {"0": 2, "1": 2},
    }


def test_final_rows_are_done_and_others_failed(folder: Folder) -> None:
    folder.row(0, "completed")
    folder.row(1, "diverged", weights_sha256=None)
    folder.row(2, "crashed")
    folder.evaluated(0, 1)
    status = folder.status()
    assert states(status) == [
        ("done", "completed"),
        ("done", "diverged"),
        ("failed", "crashed"),
        ("pending", None),
    ]
    assert status.outcomes("done") == {"completed": 1, "diverged": 1}
    assert [trial.missing_evaluations for trial in status.trials] == [1, 0, 2, 2]


def test_evaluations_of_other_weights_are_missing(folder: Folder) -> None:
    folder.row(0, "completed")
    folder.evaluated(0, 0, weights="others")
    assert folder.status().trials[0].missing_evaluations == 2


def test_a_started_trial_runs_until_it_is_silent(folder: Folder) -> None:
    folder.started(0, NOW - 300)
    folder.event("heartbeat", NOW - 100, 0, iteration=5)
    assert folder.status().trials[0].state == "running"
    assert folder.status(NOW + 79).trials[0].state == "running"
    assert folder.status(NOW + 81).trials[0].state == "pending"


@pytest.mark.parametrize("event", ["interrupted", "died"])
def test_a_trial_that_was_cut_is_pending(folder: Folder, event: str) -> None:
    folder.started(0, NOW - 10)
    folder.event(event, NOW - 5, 0, cause="SIGTERM")
    assert folder.status().trials[0].state == "pending"


def test_a_crashed_trial_that_runs_again_is_running(folder: Folder) -> None:
    folder.row(0, "crashed", at=NOW - 60)
    folder.started(0, NOW - 10)
    assert states(folder.status())[0] == ("running", None)


def test_retry_makes_it_pending(folder: Folder) -> None:
    folder.row(0, "timed_out", at=1000.0)
    folder.row(1, "completed", at=1000.0)
    assert states(folder.status())[:2] == [("failed", "timed_out"), ("done", "completed")]
    write_retraction(
        folder.results, attempt_ids=["attempt-1"], trial_ids=folder.ids[:2], reason="", command=""
    )
    assert states(folder.status())[:2] == [("pending", None)] * 2


def test_eta_is_what_is_left_at_the_pace_so_far_shared_by_the_workers(folder: Folder) -> None:
    predicted = [row["predicted_seconds"] for row in read_plan(folder.results, "small@full").rows()]
    started_at = datetime.fromtimestamp(NOW - 3 * predicted[0], UTC)
    folder.row(0, "completed", started_at=started_at, attempts=1)
    folder.started(1, NOW, worker="w1")
    folder.started(2, NOW, worker="w2")
    status = folder.status()
    assert status.workers == 2
    assert status.eta_seconds == pytest.approx(3 * sum(predicted[1:]) / 2, rel=1e-4)


def test_an_overview_reads_fewer_events_and_says_the_same(folder: Folder) -> None:
    folder.row(0, "completed")
    folder.row(1, "crashed", fingerprint="alike")
    log = EventLog(folder.results, "w1")
    for trial, outcome in zip(folder.ids, ("completed", "crashed", None), strict=False):
        log.append("started", trial_id=trial, attempt_id=f"a-{trial}", resume_iteration=0)
        for iteration in range(50 if outcome else 5):
            log.append("heartbeat", sync=False, trial_id=trial, iteration=iteration)
        if outcome:
            log.append("finished", trial_id=trial, outcome=outcome)
    other = EventLog(folder.results, "w2")
    other.append("stopped_early", fingerprint="alike", message="two trials crashed alike")
    whole, overview = Watch(folder.results), Watch(folder.results, overview=True)
    assert len(overview.events) < len(whole.events)
    first, second = whole.study("small@full"), overview.study("small@full")
    assert [trial.state for trial in first.trials] == ["done", "failed", "running", "pending"]
    assert first.trials == second.trials
    assert first.workers == second.workers == 1
    assert first.notes == second.notes == ("two trials crashed alike",)


def test_finding_a_trial_by_the_beginning_of_its_id(folder: Folder) -> None:
    watch = Watch(folder.results)
    assert watch.find_trial(folder.ids[0][:8]) == folder.ids[0]
    assert watch.find_trial(folder.ids[0][:3]) is None
    assert watch.find_trial("demo") is None
    twin = folder.ids[0][:10] + "f" * 22
    EventLog(folder.results, "w9").append(
        "started", trial_id=twin, attempt_id="a", resume_iteration=0
    )
    with pytest.raises(UserError, match="begins the ids of 2 trials"):
        Watch(folder.results).find_trial(folder.ids[0][:8])


def test_plans_of_a_study_are_found_by_scale_and_unknown_ones_listed(folder: Folder) -> None:
    save(folder.results, select(ONE, None, ["+seed=7"]), Costs())
    watch = Watch(folder.results)
    both = watch.find_plans("small", None)
    assert both == watch.find_plans("small", "full")
    assert len(both) == 2
    with pytest.raises(UserError, match="saved plans: small@full"):
        watch.find_plans("smal", None)
    with pytest.raises(
        UserError, match=r"^no plan of small at scale half; saved: full\+[0-9a-f]{8}, full$"
    ):
        watch.find_plans("small", "half")
    with pytest.raises(UserError, match="'0a' is too short: give at least 4 digits of an id"):
        watch.find_plans("0a", None)


def test_why_a_trial_is_where_it_is(folder: Folder) -> None:
    folder.row(0, "completed", at=10.0)
    folder.row(0, "completed", at=20.0, attempt="later")
    folder.row(
        1, "crashed", outcome_detail=None, traceback="Traceback\n  File x\nValueError: planted\n"
    )
    log = EventLog(folder.results, "w1")
    log.append("started", trial_id=folder.ids[2], attempt_id="a2", resume_iteration=0)
    log.append("heartbeat", trial_id=folder.ids[2], iteration=5)
    log.close()
    watch = Watch(folder.results)

    def told(index: int) -> str:
        return "\n".join(explain(watch, folder.ids[index]).lines())

    assert "is accepted, completed; 1 later row of it not accepted" in told(0)
    assert "row attempt- finished 1970-01-01T00:00:10+00:00, completed" in told(0)
    assert "failed: crashed: ValueError: planted" in told(1)
    assert "running: worker w1 is running it" in told(2)
    assert "at iteration 5" in told(2)
    assert "pending: never started" in told(3)
    assert "plan small@full: solver.steps=2 seed=1" in told(3)
    assert "missing: 2 evaluations" in told(3)
