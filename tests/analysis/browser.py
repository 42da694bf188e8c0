"""A page in headless Chromium.

What it looks like after a script of ours ran in it, and what it complained about.
"""

import json
import shutil
import subprocess
import tempfile
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
_RUN = """<script>
window.addEventListener("load", async () => {
  let found;
  try { found = await (async () => { %s })(); } catch (error) { found = { failed: String(error) }; }
  const place = document.createElement("script");
  place.type = "application/json"; place.id = "found";
  place.textContent = JSON.stringify({ complaints, found });
  document.body.append(place);
});
</script>"""


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
    assert html.count("<head>") == html.count("</body>") == 1
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "page.html")
        copy.write_text(
            html.replace("<head>", f"<head>{_COLLECT}").replace(
                "</body>", f"{_RUN % script}</body>"
            ),
            encoding="utf-8",
        )
        done = _start(
            folder,
            "--virtual-time-budget=20000",
            f"--window-size={width},900",
            "--dump-dom",
            copy.as_uri() + address,
        )
    dom = done.stdout
    _, found, rest = dom.partition('id="found">')
    assert found, f"the page did not run to its end: {done.stderr[-2000:]}"
    answer = json.loads(rest.partition("</script>")[0])
    return answer | {"console": [line for line in done.stderr.splitlines() if "CONSOLE" in line]}


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


def _start(folder: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [chromium(), *FLAGS, f"--user-data-dir={folder}/profile", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
