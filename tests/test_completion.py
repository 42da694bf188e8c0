"""Shell completion of both commands, called the way bash calls it."""

import os
import subprocess
import sys

import pytest

MAIN = {
    "odesweep": "from sweeps.cli import main; main()",
    "odereport": "from analysis.cli import main; main()",
}


def complete(typed: str) -> tuple[list[str], set[str]]:
    """What bash offers for the last word of `typed`, and the top-level modules that were loaded."""
    words = typed.split(" ")
    code = (
        "import atexit, sys\n"
        "show = lambda: print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
        f"atexit.register(show)\n{MAIN[words[0]]}"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(words) - 1),
            f"_{words[0].upper()}_COMPLETE": "complete_bash",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split(), set(done.stderr.split())


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("odesweep pl", ["plan"]),
        ("odesweep run zheng2024/dep", ["zheng2024/depth"]),
        ("odesweep status ott2021/f", ["ott2021/fan"]),
        ("odesweep run demo --scale ", ["demo", "smoke"]),
        ("odesweep run --scale sma", ["small"]),
        ("odesweep run demo --executor ", ["inline", "ray", "slurm"]),
        ("odesweep doctor --profile dev", ["devcluster"]),
        ("odesweep plan no-such-study", []),
        ("odereport figures ott2021/figure4", ["ott2021/figure4", "ott2021/figure4_adaptive"]),
        ("odereport tables ott2021/ta", ["ott2021/table1"]),
        ("odereport check ott2021/table", ["ott2021/table1"]),
        ("odereport report --scale p", ["paper"]),
        (
            "odereport plot --results docs/results ott2021/f",
            ["ott2021/fan", "ott2021/fan@small"],
        ),
        ("odereport plot demo --kind h", ["heat"]),
    ],
)
def test_bash_is_offered(typed: str, offered: list[str]) -> None:
    found, loaded = complete(typed)
    assert found == offered
    slow = {"torch", "ray", "submitit", "matplotlib"}
    # The values of figures and tables, which have the names, hold functions that draw data frames.
    values = "ott2021" in typed and typed.startswith("odereport")
    slow |= set() if values else {"pandas"}
    assert not loaded & slow


@pytest.mark.parametrize("command", MAIN)
def test_the_script_for_bash_is_shown(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MAIN[command], "--show-completion", "bash"],
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"complete -o default -F _{command}_completion {command}" in done.stdout
