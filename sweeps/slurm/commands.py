"""SLURM's own commands. Each may be missing, slow or wrong, so an answer is only a hint."""

import getpass
import pwd
import re
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from sweeps.slurm import environment

# A controller under load answers, or refuses to, within its own limit of 10 s.
ANSWER_SECONDS = 15.0
# SLURM's default, used if a cluster does not say.
MAX_ARRAY_SIZE = 1001
_ACCOUNTED = "JobID,State,NodeList,Reason,Comment"
# States from which a task does not come back by itself.
OVER = frozenset(
    (
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    )
)


class NoAnswer(Exception):
    """A command is missing, failed or took too long; the message is one line."""


@dataclass(frozen=True)
class ArrayTask:
    """One task of an array, or a single job (index 0).

    state: SLURM's word. comment: the submission's id. reason: why it waits or ended.
    """

    job_id: str
    index: int
    state: str
    node: str
    reason: str
    comment: str
    single: bool = False

    @property
    def name(self) -> str:
        """As squeue shows it."""
        return self.job_id if self.single else f"{self.job_id}_{self.index}"

    @property
    def live(self) -> bool:
        """Waiting, running, or on its way back into the queue."""
        return self.state not in OVER

    @property
    def held(self) -> bool:
        """Whether SLURM holds it after a failed launch. It would wait forever."""
        return self.state == "PENDING" and re.search("launch.failed", self.reason) is not None

    @property
    def held_by_user(self) -> bool:
        """Whether somebody holds it on purpose."""
        return self.state == "PENDING" and self.reason.startswith("JobHeld")


def ask(*command: str, seconds: float = ANSWER_SECONDS) -> str:
    """What a command prints. Raises NoAnswer."""
    return _answer(*command, seconds=seconds).stdout


def _answer(*command: str, seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise NoAnswer(f"{command[0]} is not on this machine") from None
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"{command[0]} did not answer within {seconds:.0f} s") from None
    except OSError as error:
        raise NoAnswer(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        said = [line for line in done.stderr.strip().splitlines() if line]
        raise NoAnswer(said[-1] if said else f"{command[0]} ended with exit code {done.returncode}")
    return done


def user() -> str:
    """The user whose jobs these are."""
    return getpass.getuser()


def squeue(users: Collection[str] = ()) -> list[ArrayTask]:
    """Tasks of the user and of `users` that wait, run, or ended within MinJobAge.

    Raises NoAnswer.
    """
    names = {user(), *filter(_known, users)}
    return parse_squeue(
        ask(
            "squeue", "-r", "-h", "-t", "all", "-u", ",".join(sorted(names)), "-o", "%i|%T|%N|%r|%k"
        )
    )


def squeue_states(job_ids: Collection[str]) -> dict[str, str]:
    """Name of a task -> state, from the controller's cache of states, which costs it little.

    Only where `states_alone`: the option exists from SLURM 24.05 on. Raises NoAnswer.
    """
    # Without this, long lists of indices are cut off.
    with environment.set_to("SLURM_BITSTR_LEN", "0"):
        return parse_states(
            ask(
                "squeue",
                "-h",
                "--only-job-state",
                "-t",
                "all",
                "-j",
                ",".join(sorted(job_ids)),
                "-o",
                "%i=%T",
            )
        )


def states_alone() -> bool:
    """Whether squeue here has --only-job-state. The controller is not asked."""
    try:
        matched = re.search(r"(\d+)\.(\d+)", ask("squeue", "--version"))
    except NoAnswer:
        return False
    return matched is not None and (int(matched[1]), int(matched[2])) >= (24, 5)


def parse_states(text: str) -> dict[str, str]:
    """Lines such as "12=RUNNING", "12_3=RUNNING" or "12_[1-3,7,9-13:4%2]=PENDING"."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not (matched := re.fullmatch(r"(\d+)(?:_(\d+|\[[^]]*\]))?=([A-Z_]+)", line.strip())):
            continue
        job, indices, state = matched.groups()
        if indices is None:
            found[job] = state
        for part in re.findall(r"[\d:-]+", (indices or "").partition("%")[0]):
            span, _, step = part.partition(":")
            first, _, last = span.partition("-")
            for index in range(int(first), int(last or first) + 1, int(step or 1)):
                found[f"{job}_{index}"] = state
    return found


def _known(user: str) -> bool:
    """Ask for one user after another.

    squeue refuses a list with one name that this machine does not know.
    """
    try:
        pwd.getpwnam(user)
    except (KeyError, ValueError):
        return False
    return True


def parse_squeue(text: str) -> list[ArrayTask]:
    """Lines of "id|state|node|reason|comment"; others are skipped."""
    found = []
    for line in text.splitlines():
        fields = line.split("|", 4)
        if len(fields) == 5 and (matched := re.fullmatch(r"(\d+)(?:_(\d+))?", fields[0])):
            found.append(
                ArrayTask(matched[1], int(matched[2] or 0), *fields[1:], single=matched[2] is None)
            )
    return found


def sacct(job_ids: Collection[str]) -> list[ArrayTask]:
    """The same tasks in accounting, also long after their end. Raises NoAnswer."""
    return parse_sacct(
        ask("sacct", "-n", "-X", "-P", "-j", ",".join(sorted(job_ids)), "-o", _ACCOUNTED)
    )


def sacct_named(job_name: str) -> list[ArrayTask]:
    """Today's jobs of that name; accounting may lack their comments. Raises NoAnswer."""
    return parse_sacct(ask("sacct", "-n", "-X", "-P", "--name", job_name, "-o", _ACCOUNTED))


def parse_sacct(text: str) -> list[ArrayTask]:
    """Lines of sacct; "CANCELLED by 1000" is CANCELLED."""
    lines = [line.split("|", 4) for line in text.splitlines()]
    return parse_squeue(
        "\n".join(
            "|".join([one[0], one[1].partition(" ")[0], *one[2:]]) for one in lines if len(one) == 5
        )
    )


def cancel(job_ids: Collection[str]) -> None:
    """End jobs. No error if they have ended already. Raises NoAnswer."""
    ask("scancel", *sorted(job_ids))


def would_start(options: Collection[str]) -> str:
    """When and where a job would start, in sbatch's words; nothing is queued.

    Raises NoAnswer with the reason if sbatch would refuse it.
    """
    with environment.without(environment.look(_names(options)).unwanted):
        answer = _answer("sbatch", "--test-only", *options, "--wrap=true", seconds=ANSWER_SECONDS)
    return answer.stderr.strip().rpartition("\n")[2]


def submit(script: Path, options: Collection[str]) -> str:
    """Queue a batch script; the job's id. Raises NoAnswer, also if only the reply was lost."""
    with environment.without(environment.look(_names(options)).unwanted):
        return ask("sbatch", "--parsable", *options, str(script)).strip().partition(";")[0]


def _names(options: Collection[str]) -> set[str]:
    return {option.removeprefix("--").partition("=")[0] for option in options}


def show_job(job_id: str) -> dict[str, str]:
    """Fields of a job, such as JobState, Reason and ExitCode, until MinJobAge. Raises NoAnswer."""
    return parse_fields(ask("scontrol", "-o", "show", "job", job_id))


def parse_fields(line: str) -> dict[str, str]:
    """Fields "Key=value" of a line of `scontrol -o show`. A value ends at its first space."""
    return dict(re.findall(r"(?:^|\s)([\w:/]+)=(\S*)", line))


def release(tasks: Collection[str]) -> None:
    """Release held tasks, so that they can run. Raises NoAnswer."""
    ask("scontrol", "release", ",".join(sorted(tasks)))


def hold(tasks: Collection[str]) -> None:
    """Hold waiting tasks, so that they do not start until their owner wants it. Raises NoAnswer."""
    ask("scontrol", "uhold", ",".join(sorted(tasks)))


def config() -> dict[str, str]:
    """SLURM's configuration. Raises NoAnswer."""
    return parse_config(ask("scontrol", "show", "config"))


def parse_config(text: str) -> dict[str, str]:
    """`scontrol show config`: lines of "Key = value"; others are skipped."""
    return {
        key: value.strip()
        for key, value in re.findall(r"^(\w+)(?:\[\d+\])?\s*= ?(.*)$", text, re.MULTILINE)
    }


def max_array_size(configuration: Mapping[str, str]) -> int:
    """How many tasks one array may have: indices 0 to MaxArraySize - 1."""
    text = configuration.get("MaxArraySize", "")
    return int(text) if text.isdigit() else MAX_ARRAY_SIZE


def sacctmgr(entity: str, condition: str, *columns: str) -> list[list[str]]:
    """Rows of accounting, for example of the entity qos with condition name=x. Raises NoAnswer."""
    shown = ask("sacctmgr", "-n", "-P", "show", entity, condition, f"format={','.join(columns)}")
    rows = [line.split("|") for line in shown.splitlines()]
    return [row for row in rows if len(row) == len(columns)]


def max_submit(account: str | None = None, qos: str | None = None) -> int | None:
    """How many of the user's tasks may be queued or running at once.

    None where accounting sets no limit or does not say.
    """
    limits: list[str] = []
    try:
        rows = sacctmgr("assoc", f"user={user()}", "Account", "MaxSubmitJobs")
        mine = [limit for name, limit in rows if account in (None, name)]
        # Without an account in the profile nobody here knows which one SLURM takes: only the widest
        # limit counts, and sbatch decides.
        if mine and all(limit.isdigit() for limit in mine):
            limits.append(max(mine, key=int))
        if qos:
            limits += [limit for [limit] in sacctmgr("qos", f"name={qos}", "MaxSubmitPU")]
    except NoAnswer:
        return None
    return min((int(limit) for limit in limits if limit.isdigit()), default=None)
