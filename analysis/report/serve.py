"""`odereport serve`: the page of a results folder over HTTP, drawn again when rows changed.

It only reads the folder, and answers two addresses: the page, and its version: when it was drawn,
in milliseconds, so that a page of an earlier server is never taken for the newest.
"""

import ipaddress
import secrets
import threading
import time
from collections.abc import Callable
from hmac import compare_digest
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from analysis.errors import ReportError
from analysis.make import CONSOLE, OK
from analysis.report.desktop import open_page
from analysis.rows.read import Folder
from sweeps.store import Results

# How often the folder is looked at. A new page waits at least `REST` times as long as the last one
# took to draw, so that a running sweep keeps its cores.
LOOK_SECONDS = 5.0
REST = 2.0
WAITING = (
    '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="3">'
    '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
    "<title>odesweep</title><p>{}</p><p>This page comes back by itself.</p></html>"
)


class Page:
    """What is served: the page, and when it was drawn, in milliseconds; 0 while there is none."""

    def __init__(self) -> None:
        self.version = 0
        self.wait("Drawing the report for the first time.")

    def show(self, html: str, version: int) -> None:
        """Serve this from now on."""
        self.html, self.version = html.encode(), version

    def wait(self, text: str) -> None:
        """Say this until there is a page."""
        self.html = WAITING.format(escape(text)).encode()


def server(page: Page, host: str, port: int, token: str) -> ThreadingHTTPServer:
    """A server of `page`; with a token only below the address `/<token>/`.

    Without a token it answers only browsers that ask for this machine by its own name, so that no
    web site can read it through one. Raises ReportError if the host or the port cannot be used.
    """
    base = f"/{token}/" if token else "/"

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            named = self.headers.get("Host", "").rpartition(":")[0].strip("[]")
            if not token and not is_loopback(named):
                self._send(403, b"Ask for 127.0.0.1.", "text/plain")
            elif compare_digest(path.encode(), base.encode()):
                self._send(200, page.html, "text/html; charset=utf-8")
            elif compare_digest(path.encode(), f"{base}version".encode()):
                self._send(200, str(page.version).encode(), "text/plain")
            else:
                self._send(404, b"Nothing here.", "text/plain")

        def _send(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Silent: the address has the token."""

    try:
        return ThreadingHTTPServer((host, port), Answer)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ReportError(
            f"cannot listen on {host}, port {port}: {reason}; give another --port or --host "
            "(port 0 takes a free one)"
        ) from error


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def state_of(results: Path) -> list[tuple[str, int, int]]:
    """What the page is drawn from: name, time and size of each file of rows and plans."""
    folders = Results(results)
    places = [folders.path / "parts", folders.path / "merged"]
    places += [folders.manifests, folders.plans, folders.retractions]
    found = []
    for place in places:
        for path in place.rglob("*"):
            try:
                about = path.stat()
            except FileNotFoundError:
                continue
            found.append((str(path), about.st_mtime_ns, about.st_size))
    return sorted(found)


def serve(
    results: Path, host: str, port: int, draw: Callable[[int], str], show: bool = False
) -> int:
    """Serve what `draw` gives until Ctrl-C, drawn again when the folder changed.

    draw: from the time of drawing, in milliseconds, to the page. show: also open it in a browser.
    Raises ReportError if the folder or the address cannot be used.
    """
    Folder(results)
    token = "" if is_loopback(host) else secrets.token_urlsafe(16)
    page = Page()
    listening = server(page, host, port, token)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    address = f"http://{host}:{listening.server_port}/{token}{'/' if token else ''}"
    CONSOLE.print(f"{address} shows {results}; Ctrl-C stops it")
    if token:
        CONSOLE.print("whoever has this address can read the report")
    if show:
        open_page(address)
    try:
        keep_drawing(page, results, draw)
    except KeyboardInterrupt:
        CONSOLE.print("stopped")
    finally:
        listening.shutdown()
        listening.server_close()
    return OK


def keep_drawing(page: Page, results: Path, draw: Callable[[int], str]) -> None:
    """Draw now and whenever the folder changed, for ever."""
    drawn, told = None, ""
    while True:
        state, began = state_of(results), time.monotonic()
        if state != drawn:
            version = time.time_ns() // 1_000_000
            try:
                page.show(draw(version), version)
                drawn, told = state, ""
            except ReportError as reason:
                # Nothing is there yet, or files were merged meanwhile: the next look tries again.
                if not page.version:
                    page.wait(f"Nothing to show yet: {reason}.")
                if str(reason) != told:
                    CONSOLE.print(f"not drawn: {reason}")
                told = str(reason)
        time.sleep(max(LOOK_SECONDS, REST * (time.monotonic() - began)))
