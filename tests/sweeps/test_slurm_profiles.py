"""Profiles: their keys, sbatch's options in them, time limits, and the line for every mistake."""

from pathlib import Path

import pytest
from command import TINY, odesweep

from sweeps.errors import UserError
from sweeps.profiles import ROOT, load, names, parse
from sweeps.slurm.profile import (
    OURS,
    SBATCH,
    limit_seconds,
    parse_limit,
    signal_seconds,
    slots_per_task,
)


def profile(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


def test_own_keys_and_options_of_sbatch_in_one_file(tmp_path: Path) -> None:
    found = load(
        profile(
            tmp_path,
            'cpus = 4\nslots = 2\nthrottle = 8\nsetup = ["module load x"]\npartition = "gpu"\nmem '
            "= 0\nexclusive = true\nhold = false\n",
        )
    )
    assert (found.cpus, slots_per_task(found), found.throttle, found.setup) == (
        4,
        2,
        8,
        ("module load x",),
    )
    assert found.options == {"partition": "gpu", "mem": 0, "exclusive": True}
    assert (limit_seconds(found), signal_seconds(found)) == (None, 120)


def test_an_option_that_nobody_here_knows_is_passed_on() -> None:
    assert parse({"bank-of-site": "x17"}).options == {"bank-of-site": "x17"}


def test_lists_are_joined_and_a_time_without_quotes_is_a_time_limit(tmp_path: Path) -> None:
    found = load(profile(tmp_path, 'exclude = ["n1", "n2"]\ntime = 08:00:00\n'))
    assert found.options == {"exclude": "n1,n2", "time": "08:00:00"}
    assert limit_seconds(found) == 8 * 3600


# The formats of sbatch(1), "Acceptable time formats".
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (90, 5400),
        ("90", 5400),
        ("10:30", 630),
        ("2:00:00", 7200),
        ("1-12", 129600),
        ("1-12:30", 131400),
        ("1-00:00:01", 86401),
    ],
)
def test_time_limits_as_sbatch_reads_them(text: str | int, seconds: float) -> None:
    assert parse_limit(text) == seconds


MISTAKES = {
    'partiton = "gpu"': ["partiton", "did you mean partition?"],
    "cpus_per_task = 4": ["cpus_per_task", "did you mean cpus-per-task?"],
    "cpu = 4": ["cpu", "did you mean cpus?", "trials_per_shard"],
    "trottle = 4": ["trottle", "did you mean throttle?"],
    'arrays = "0-9"': ["arrays", "did you mean array?"],
    'array = "0-9"': ["array is set by odesweep itself"],
    "nodes = 2": ["nodes is set by odesweep itself"],
    "requeue = true": ["requeue is set by odesweep itself"],
    'p = "gpu"': ["'p' is no long option of sbatch"],
    "slots = 0": ["slots", "greater than 0"],
    'gpus = "a100:1"': ["gpus", "number"],
    "gres = {gpu = 1}": ["gres", "give text, a number, true or a list"],
    'time = "soon"': ["'soon' is no time limit", "days-hours:minutes:seconds"],
    "time = 1": ["time = 1 is over before its warning", "120 s"],
    'signal = "B:USR1@60"': ["B:USR1@60", "USR2@120"],
    "setup = 3": ["setup"],
    "time = ": ["is not TOML"],
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_one_line_that_says_what_is_valid(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError) as raised:
        load(profile(tmp_path, text + "\n"))
    line = str(raised.value)
    assert "\n" not in line
    for words in ("mine.toml", *MISTAKES[text]):
        assert words in line, line


def test_a_profile_that_is_not_there_names_those_that_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sweeps.profiles.FOLDER", tmp_path)
    (tmp_path / "mine.toml").write_text("cpus = 2\n")
    with pytest.raises(
        UserError,
        match=r"in .*: mine; those that odesweep ships, in .*profiles: a100, devcluster, h200;",
    ):
        load("a10")
    assert load("mine").cpus == 2
    (tmp_path / "a100.toml").write_text("cpus = 3\n")
    assert load("a100").cpus == 3, "one's own comes before the shipped one of its name"


def test_the_shipped_ones_load_and_have_a_time_limit() -> None:
    shipped = ROOT / "slurm" / "profiles"
    assert (
        {path.stem for path in shipped.glob("*.toml")}
        == {"a100", "h200", "devcluster"}
        <= set(names())
    )
    for path in shipped.glob("*.toml"):
        assert limit_seconds(load(str(path)))


def test_no_option_is_both_given_and_set() -> None:
    assert not SBATCH & OURS


@pytest.mark.parametrize("key", ['container = "x.sif"', 'python = "/env/bin/python"'])
def test_keys_that_another_executor_would_ignore_are_one_line(tmp_path: Path, key: str) -> None:
    arguments = ("run", TINY, "--executor", "ray", "--profile", profile(tmp_path, key + "\n"))
    code, _, err = odesweep(*arguments, "--dry-run", results=tmp_path / "results")
    assert code == 2
    [line] = err.strip().splitlines()
    assert "container and python in a profile are for executor slurm, not ray" in line


def test_a_container_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="container: string should have at least 1 character"):
        load(profile(tmp_path, 'container = ""\n'))
