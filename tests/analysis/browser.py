"""A page in headless Chromium.

What it looks like after a script of ours ran in it, and what it complained about.
"""

import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    *(
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
    ),
    # Only this machine resolves: whatever the page wanted from a network would fail and show.
    *(
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--enable-logging=stderr",
    ),
)
_COLLECT = """<script>
window.complaints = [];
const words_of = (event) => String(event.message || event.target.src || event.target.href);
window.addEventListener("error", (event) => complaints.push(words_of(event)), true);
for (const kind of ["error", "warn"])
    console[kind] = (...words) => complaints.push(words.join(" "));
</script>"""
_RUN = """(async () => {
  try { return { found: await (async () => { %s })(), complaints }; }
  catch (error) { return { found: { failed: String(error) }, complaints }; }
})()"""
LIMIT = 120  # seconds


def chromium() -> str:
    """The browser's path; skips the test where there is none."""
    found = next(
        (
            path
            for name in ("chromium", "chromium-browser", "google-chrome")
            if (path := shutil.which(name))
        ),
        None,
    )
    if found is None:
        pytest.skip("no chromium on this machine")
    return found


def run_in_page(page: Path, script: str, address: str = "", width: int = 1280) -> dict[str, Any]:
    """The results of running `script` in the page, at `address` (such as "#ott2021") of it.

    `complaints` of the page, what `script` returned as `found`, and the browser's log lines about
    the page's console as `console`.
    """
    html = page.read_text(encoding="utf-8")
    assert html.count("<head>") == 1
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "page.html")
        copy.write_text(html.replace("<head>", f"<head>{_COLLECT}"), encoding="utf-8")
        with _driven(folder, f"--window-size={width},900") as browser:
            browser.open(copy.as_uri() + address)
            answer = browser.evaluate(_RUN % script)
    lines = browser.log.splitlines()
    return answer | {"console": [line for line in lines if "CONSOLE" in line]}


def dom_after(address: str, seconds: int) -> str:
    """The document that a browser shows `seconds` after it opened the address, by its own clock."""
    with tempfile.TemporaryDirectory() as folder:
        budget = f"--virtual-time-budget={1000 * seconds}"
        return _start(folder, budget, "--dump-dom", address).stdout


def screenshot(
    page: Path, image: Path, width: int = 1280, height: int = 1600, dark: bool = False
) -> Path:
    """The page's first screen as PNG."""
    with tempfile.TemporaryDirectory() as folder:
        theme = ("--force-dark-mode", "--blink-settings=preferredColorScheme=0") if dark else ()
        _start(
            folder,
            f"--screenshot={image}",
            f"--window-size={width},{height}",
            "--hide-scrollbars",
            *theme,
            page.as_uri(),
        )
    return image


def print_to_pdf(page: Path, pdf: Path) -> Path:
    """The page as it prints."""
    with tempfile.TemporaryDirectory() as folder:
        _start(folder, f"--print-to-pdf={pdf}", "--no-pdf-header-footer", page.as_uri())
    return pdf


class Browser:
    """A Chromium at work, driven by messages on a pair of pipes: its clock is ours.

    The protocol is Chromium's DevTools protocol, as `--remote-debugging-pipe` speaks it.
    """

    def __init__(self, process: subprocess.Popen[bytes], into: int, out: int) -> None:
        self._process, self._into, self._out = process, into, out
        self._rest = b""
        self._sent = 0
        self._session: dict[str, str] = {}
        self.log = ""
        page = next(
            target
            for target in self._ask("Target.getTargets")["targetInfos"]
            if target["type"] == "page"
        )
        about = {"targetId": page["targetId"], "flatten": True}
        self._session = {"sessionId": self._ask("Target.attachToTarget", **about)["sessionId"]}
        self._ask("Page.enable")

    def open(self, address: str) -> None:
        """Load the page at `address`, to its last script."""
        self._ask("Page.navigate", url=address)
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, expression: str) -> Any:
        """What the expression, a promise, comes to in the page."""
        about = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        answer = self._ask("Runtime.evaluate", **about)
        assert "exceptionDetails" not in answer, answer
        return answer["result"]["value"]

    def close(self) -> None:
        """End the browser; `log` has what it printed."""
        self._process.terminate()
        self.log = self._process.communicate(timeout=LIMIT)[1].decode()

    def _ask(self, method: str, **about: Any) -> dict[str, Any]:
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": about, **self._session}
        os.write(self._into, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._sent:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._out], [], [], LIMIT)
            read = os.read(self._out, 2**16) if ready else b""
            assert read, f"the browser said nothing for {LIMIT} s, or it ended"
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


@contextmanager
def _driven(folder: str, *flags: str) -> Iterator[Browser]:
    """A browser that reads its descriptor 3 and writes its descriptor 4, the ends of our pipes."""
    pipes = [*os.pipe(), *os.pipe()]
    # Copies from 10 on: none of them is 3 or 4 itself.
    theirs_in, into, out, theirs_out = (fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in pipes)
    for one in pipes:
        os.close(one)
    command = [chromium(), *FLAGS, f"--user-data-dir={folder}/profile", "--remote-debugging-pipe"]
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", *command, *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=(theirs_in, theirs_out),
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        browser = Browser(process, into, out)
        yield browser
        browser.close()
    finally:
        process.kill()
        process.wait()
        os.close(into)
        os.close(out)


def _start(folder: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [chromium(), *FLAGS, f"--user-data-dir={folder}/profile", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True)
