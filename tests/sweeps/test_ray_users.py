"""Executor ray beside the Ray of another user, as two real users of one machine.

They live in namespaces of their own: /tmp, the network and the processes of this machine do not
change, and everything that was started ends with the test.
"""

import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import COMMAND, TINY

pytest.importorskip("ray", reason="ray is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users"),
    pytest.mark.skipif(
        not all(map(shutil.which, ("unshare", "setpriv", "ip"))), reason="no unshare, setpriv or ip"
    ),
]
ROOT = Path(__file__).parents[2]
FIRST, SECOND = "daemon", "nobody"

SCRIPT = """
set -u
mount --make-rprivate /
{open}
mount -t tmpfs -o mode=1777 none /tmp
ip link set lo up
cd {root}
as() {{  # as USER LABEL COMMAND...: what it printed and its exit code, on standard output
    local user=$1 label=$2; shift 2
    mkdir -p /tmp/home-$user; chown $user /tmp/home-$user
    env HOME=/tmp/home-$user USER=$user LOGNAME=$user PYTHONPATH={root}:{root}/tests/sweeps \\
        setpriv --reuid=$user --regid="$(id -g $user)" --clear-groups --no-new-privs -- "$@" \\
        >/tmp/said-$label 2>&1 </dev/null
    echo $? >/tmp/code-$label
}}
show() {{ echo "== $1 $(cat /tmp/code-$1)"; cat /tmp/said-$1; }}
run() {{  # run USER LABEL RESULTS [OPTION]...
    as $1 $2 {odesweep} run {study} --executor ray --limit 1 --results /tmp/home-$1/$3 "${{@:4}}"
}}
mkdir -m 700 /tmp/ray && chown {first} /tmp/ray
as {first} cluster {ray} start --head --port=6379 --num-cpus=1 --include-dashboard=false \\
    --disable-usage-stats --object-store-memory=100000000
run {first} first r & one=$!
run {second} second r
wait $one
run {second} address a --address 127.0.0.1:6379
chmod 755 /tmp/ray
run {second} auto a --address auto
for label in cluster first second address auto; do show $label; done
"""


def opened(needed: list[Path]) -> Iterator[str]:
    """Shell lines that let other users reach these paths, although a folder above is closed."""
    closed: dict[Path, list[Path]] = {}
    for path in needed:
        above = [one for one in reversed(path.parents) if not one.stat().st_mode & 0o001]
        if above:
            closed.setdefault(above[0], []).append(path)
    for number, (folder, inside) in enumerate(closed.items()):
        aside = f"/run/odesweep-test-{os.getpid()}-{number}"
        yield f"mkdir -p {aside}; mount --bind {folder} {aside}"
        yield f"mount -t tmpfs -o mode=755 none {folder}"
        for path in inside:
            yield f"mkdir -p {path}; mount --bind {aside}/{path.relative_to(folder)} {path}"


@pytest.fixture(scope="module")
def said() -> dict[str, tuple[int, str]]:
    """Label -> exit code and output of everything that the two users did."""
    for user in (FIRST, SECOND):
        pwd.getpwnam(user)
    needed = [Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), ROOT]
    script = SCRIPT.format(
        open="\n".join(opened(needed)),
        root=ROOT,
        odesweep=shlex.join(COMMAND),
        ray=Path(sys.executable).with_name("ray"),
        study=TINY,
        first=FIRST,
        second=SECOND,
    )
    spaces = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
    done = subprocess.run(
        ["unshare", *spaces, "bash", "-c", script], capture_output=True, text=True, timeout=800
    )
    for left in Path("/run").glob(f"odesweep-test-{os.getpid()}-*"):
        left.rmdir()
    if "Operation not permitted" in done.stderr:
        pytest.skip(f"no namespaces here: {done.stderr.splitlines()[0]}")
    parts = re.split(r"^== (\w+) (\d+)$", done.stdout, flags=re.MULTILINE)
    assert len(parts) == 16, done.stdout + done.stderr
    return {
        label: (int(code), text)
        for label, code, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    }


def test_two_users_run_at_once_beside_a_foreign_ray_on_the_default_port(
    said: dict[str, tuple[int, str]],
) -> None:
    assert said["cluster"][0] == 0, said["cluster"][1]
    for user in ("first", "second"):
        code, text = said[user]
        assert code == 0, text
        assert "1 completed" in text


@pytest.mark.parametrize("how", ["address", "auto"])
def test_the_ray_of_another_user_is_refused_in_one_line(
    how: str, said: dict[str, tuple[int, str]]
) -> None:
    code, text = said[how]
    assert code == 3, text
    lines = [line for line in text.strip().splitlines() if "to train" not in line]
    assert len(lines) == 1, text
    assert "is not yours: you may not write in /tmp/ray/session_" in lines[0]
    assert "leave out --address" in lines[0]
