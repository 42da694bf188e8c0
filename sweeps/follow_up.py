"""`run --then`: a shell command that runs after the trials. Also the main program of its job."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from sweeps.store import EventLog, EventReader, Results


@dataclass(frozen=True)
class Then:
    """A command of a shell that runs after the trials of a study. name: unique."""

    study: str
    command: str
    name: str = field(default_factory=lambda: f"then-{uuid4().hex[:12]}")

    def run(self, results: Results) -> int:
        """Run it in this process's folder; the exit code, which an event tells everybody.

        The programs of odesweep's environment are on its PATH, and ODESWEEP_RESULTS is the folder.
        """
        places = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        more = {"PATH": os.pathsep.join(places), "ODESWEEP_RESULTS": str(results.path)}
        sys.stdout.flush()
        code = subprocess.run(self.command, shell=True, env=os.environ | more).returncode
        log = EventLog(results, self.name)
        log.append("then_ended", study=self.study, message=self.words(code), exit_code=code)
        log.close()
        return code

    def words(self, code: int) -> str:
        """How it ended."""
        return f"--then {self.command!r} ended with exit code {code}"

    def exit_code(self, events: EventReader) -> int | None:
        """Its exit code, once an event that was not read before tells it."""
        for event in events.poll():
            if event["event"] == "then_ended" and event["worker"] == self.name:
                return event["exit_code"]
        return None


def main(results: str, study: str, name: str, command: str) -> int:
    """Run it as a job of its own."""
    print(f"--then: {command}", flush=True)
    then = Then(study, command, name)
    code = then.run(Results(results))
    print(then.words(code), flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
