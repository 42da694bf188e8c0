"""`run --first`, `--budget`, `--then`, `hold`, `notify`: what begins when, and who hears of it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import TINY, odesweep, runs
from web_server import SECRET, Web

from sweeps import notify
from sweeps.cli import main
from sweeps.errors import UserError
from sweeps.execute.scheduler import Scheduler, Setup
from sweeps.execute.worker import Worker
from sweeps.planning.budget import parse
from sweeps.planning.plan import current_plan
from sweeps.profiles import Profile, load
from sweeps.store import Results, read_submission, write_submission
from sweeps.studies import find
from sweeps.study.overrides import select
from sweeps.worker.attempts import History
from sweeps.worker.messages import Ending, Message
from sweeps.worker.report import ShardReport, Watcher
from sweeps.worker.tasks import Task

COMPLETED = Ending("completed")


class Quick:
    """A slot in which every trial ends at once, as told."""

    def __init__(self, seconds: float, ending: Ending) -> None:
        self.context, self.seconds, self.ending = None, seconds, ending
        self.ran: list[Task] = []

    def run(self, assignments: Any, on_message: Any, *_: Any) -> None:
        [assignment] = assignments
        self.ran.append(assignment.task)
        time.sleep(self.seconds)
        on_message(Message(assignment.task.trial_id, self.ending))

    def starved_seconds(self) -> float:
        return 0.0


class Here(Scheduler):
    """One slot after another in this process, with the order of every executor."""

    def send(self, submission_id: str, watcher: Watcher) -> ShardReport:
        raise NotImplementedError

    def work(
        self, first: Sequence[str] = (), seconds: float = 0.0, ending: Ending = COMPLETED
    ) -> list[Task]:
        """Run TINY's trials; those that began, in their order. Returns what all slots did."""
        current, _ = current_plan(self.results, select(find(TINY), None, ["+seed=2,3"]))
        tasks = [Task.from_entry(entry) for entry in current.with_first(first).entries]
        [shards], _ = self.divide(tasks)
        rows = [
            task.to_row(number, index)
            for number, shard in enumerate(shards)
            for index, task in enumerate(shard)
        ]
        about = ("study", "scale", "executor", "command")
        metadata = dict.fromkeys(about, "here") | {"created_at": "2026-01-01T00:00:00+00:00"}
        self.submission = write_submission(self.results, rows, metadata, self.settings(shards))
        slot = Quick(seconds, ending)
        for number in range(len(shards)):
            worker = Worker(self.results, self.submission, Watcher())
            self.report = worker.run(number, slot, lambda: None)  # type: ignore[arg-type]
        return slot.ran


@pytest.fixture
def here(tmp_path: Path) -> Here:
    results = Results(tmp_path / "results")
    results.create()
    return Here(results, Setup(profile=Profile(slots=1, trials_per_shard=3)))


def test_trials_that_match_come_first_whatever_their_length(here: Here) -> None:
    ran = here.work(["seed=2,3", "solver.steps=1"])
    assert len(ran) == 8
    words = [set(task.axes) for task in ran]
    assert all("solver.steps=1" in one and {"seed=2", "seed=3"} & one for one in words[:2])
    assert not any("solver.steps=1" in one and {"seed=2", "seed=3"} & one for one in words[2:])


@pytest.mark.parametrize(
    ("first", "says"),
    [
        ("train.iterations=10", "give values of the axes of tiny, which are solver.name"),
        ("+seed=7", "give values of the axes"),
        ("solver.steps=5", "solver.steps = 5 is not on the axis (1, 2)"),
    ],
)
def test_what_cannot_come_first(here: Here, first: str, says: str) -> None:
    with pytest.raises(UserError) as error:
        here.work([first])
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_budgets() -> None:
    assert parse("40gpuh", cpus=4, gpus=0.5).slot_seconds == 80 * 3600
    assert parse("1.5coreh", cpus=2, gpus=0).slot_seconds == 0.75 * 3600
    assert parse("1coreh", cpus=1, gpus=0).begun([3000, 2000, 1000]) == 2
    for text in ("40", "0coreh", "-1gpuh", "40 gpuh", "4gpuh"):
        with pytest.raises(UserError, match=f"--budget {text}: "):
            parse(text, cpus=1, gpus=0)


def test_what_was_preempted_or_died_counts_for_its_own_command() -> None:
    found = History()
    base = {"host": "h", "pid": 1}
    for command, worker in (("c", "w1"), ("c", "w2"), ("other", "w3")):
        about = base | {"worker": worker, "trial_id": worker, "attempt_id": worker}
        found.add(
            [
                {"event": "worker_started", "at": 0.0, **about, "command_id": command},
                {"event": "started", "at": 10.0, **about},
                {"event": "heartbeat", "at": 70.0, **about},
            ]
        )
    assert found.busy_seconds("c") == 120
    found.add([{"event": "interrupted", "at": 80.0, **base, "worker": "w1", "trial_id": "w1"}])
    assert found.busy_seconds("c") == 130


def test_no_trial_begins_once_all_slots_of_the_command_have_used_its_budget(
    tmp_path: Path, here: Here
) -> None:
    here.setup = replace(here.setup, budget=parse("0.00003coreh", 1, 0))  # 0.108 s
    assert 1 <= len(here.work(seconds=0.05)) <= 3
    assert here.report.stopped == "the budget of 0.00003coreh is used, no other trial begins"
    # Another command has its own.
    here.setup = replace(here.setup, budget=parse("1coreh", 1, 0), command_id="another")
    assert len(here.work()) >= 5
    assert here.report.stopped is None


def test_first_budget_and_then_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, out = tmp_path / "results", tmp_path / "out"
    then = f'command -v odereport > /dev/null && echo "$ODESWEEP_RESULTS" > {out}; exit 7'
    order = ("--first", "seed=3", "data.draw=2", "--budget", "0.0001coreh")
    run = ("run", "idle", *order, "--then", then)
    code, said, err = odesweep(*run, "--threads", "1", results=results)
    assert code == 1, err
    assert "40 to train, 0 to evaluate only, 1 of them first" in err
    assert "the budget of 0.0001coreh is used" in err
    assert [(row["seed"], row["data_draw"]) for row in runs(results)] == [(3, 2)]
    assert out.read_text().strip() == str(results)
    assert "ended with exit code 7" in said

    def shown(*arguments: str) -> str:
        with pytest.raises(SystemExit):
            main([*arguments, "--results", str(results)])
        return capsys.readouterr().out

    said = shown("status", "idle")
    assert "the budget of 0.0001coreh is used, no other trial begins" in said
    assert "ended with exit code 7" in said
    said = shown("plan", "idle", *order[:3], "--budget", "1coreh")
    assert "; 0 of them first" in said
    assert "budget: 1coreh begins about 39 of 39 trials" in said
    assert shown("hold", "idle").splitlines() == [
        "inline: trials do not wait in a queue; `odesweep cancel idle` ends them",
        "held 0 waiting tasks of idle",
    ]


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(notify, "PAUSE_SECONDS", 0.0)
    with Web() as found:
        yield found


@pytest.fixture
def told(web: Web, tmp_path: Path, here: Here) -> Here:
    """`here` with the web server in its profile."""
    path = tmp_path / "profile.toml"
    path.write_text(f'slots = 1\ntrials_per_shard = 3\nnotify = "{web.address}"\n')
    here.setup = Setup(profile=load(str(path)), notify_profile=str(path))
    return here


def test_one_message_once_every_shard_is_done_and_no_file_holds_the_address(
    web: Web, told: Here, capfd: pytest.CaptureFixture[str]
) -> None:
    told.work()
    assert web.heard == [{"text": "odesweep here: 8 completed", "study": "here", "event": "done"}]
    notifier = notify.Notifier.of(told.results, read_submission(told.results, told.submission))
    notifier.tell("done", "again")
    notifier.tell("node_excluded", "n1 is excluded", "n1")
    notifier.tell("node_excluded", "n1 is excluded", "n1")
    assert [one["event"] for one in web.heard] == ["done", "node_excluded"]
    assert SECRET not in repr(told.setup)
    files = [path for path in told.results.path.parent.rglob("*") if path.is_file()]
    holding = [path.name for path in files if SECRET.encode() in path.read_bytes()]
    assert holding == ["profile.toml"]
    assert SECRET not in "".join(capfd.readouterr())


def test_a_study_that_is_stopped_early_is_told_once(web: Web, told: Here) -> None:
    told.work(ending=Ending("crashed", fingerprint="same"))
    assert [one["event"] for one in web.heard] == ["stopped_early"]
    assert "3 trials crashed with the same error" in web.heard[0]["text"]


def test_an_address_that_does_not_answer_stops_nothing_and_is_not_shown(
    web: Web, told: Here, caplog: pytest.LogCaptureFixture
) -> None:
    web.answers = [500, 429, 200]
    assert notify.post(web.address, {}) is None
    web.answers, web.asked = [403], 0
    assert notify.post(web.address, {}) == "HTTP status 403"
    assert web.asked == 1
    web.answers, web.asked = [503], 0
    assert len(told.work()) == 8
    assert told.report.stopped is None
    assert web.asked == notify.TRIES
    assert "done was not told (HTTP status 503); the sweep goes on" in caplog.text
    # Another machine may reach it, and no second message comes of that.
    web.answers = [200]
    notifier = notify.Notifier.of(told.results, read_submission(told.results, told.submission))
    notifier.tell("done", "8 completed")
    assert len(web.heard) == 2
    for wrong in (f"http://127.0.0.1:1/{SECRET}", f"http://no host/{SECRET}", f"x:{SECRET}"):
        assert SECRET not in str(notify.post(wrong, {}))
    assert SECRET not in caplog.text


def test_a_wrong_address_is_one_line_without_it(tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    path.write_text(f'notify = "hooks.example/{SECRET}"\n')
    with pytest.raises(UserError, match="give an address that begins with https://") as error:
        load(str(path))
    assert SECRET not in str(error.value)
