"""One thread, no colour, and no environment of the user's own in any test."""

import os
import signal
from pathlib import Path

import hypothesis
import pytest

# Before torch is imported anywhere: results are compared bit for bit, and two test processes share
# the cores.
os.environ["OMP_NUM_THREADS"] = "1"
for name in [
    name for name in os.environ if name.startswith("ODESWEEP_") and name != "ODESWEEP_DATA"
]:
    del os.environ[name]
os.environ["NO_COLOR"] = "1"
# A job in the background of a shell ignores Ctrl-C, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
# A job under nohup ignores the hangup in the same way.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# How long one example takes depends on the machine and on what runs beside it.
hypothesis.settings.register_profile("odesweep", deadline=None)
hypothesis.settings.load_profile("odesweep")


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with real data sets; skips when there is none."""
    folder = os.environ.get("ODESWEEP_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("ODESWEEP_DATA names no folder with data sets")
    return Path(folder)
