"""`odereport serve`: who may read, what is answered, when it is drawn again, how it stops."""

import http.client
import itertools
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from synthetic import World, write

from analysis import cli
from analysis.errors import ReportError
from analysis.report import serve as serving
from analysis.report.serve import Page, is_loopback, keep_drawing, serve, server, state_of

STUDY = "ott2021/sphere2-fixed"


@pytest.fixture
def page() -> Page:
    shown = Page()
    shown.show("<p>drawn</p>", 1)
    return shown


@pytest.fixture(params=["", "secret"])
def port(page: Page, request: pytest.FixtureRequest) -> Iterator[int]:
    listening = server(page, "127.0.0.1", 0, request.param)
    threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
    yield listening.server_port
    listening.shutdown()
    listening.server_close()


def _ask(port: int, path: str, host: str = "127.0.0.1", method: str = "GET") -> tuple[int, str]:
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    asking.request(method, path, headers={"Host": f"{host}:{port}"})
    answer = asking.getresponse()
    return answer.status, answer.read().decode()


@pytest.mark.parametrize("port", [""], indirect=True)
def test_on_this_machine_it_answers_the_page_and_nothing_else(port: int) -> None:
    assert _ask(port, "/") == (200, "<p>drawn</p>")
    assert _ask(port, "/?a=b")[0] == 200
    assert _ask(port, "/version") == (200, "1")
    for path in ("/runs", "/..", "/../../etc/passwd", "/parts/"):
        assert _ask(port, path)[0] == 404, path
    assert _ask(port, "/", method="POST")[0] == 501
    # A web site whose name leads here reads nothing.
    assert _ask(port, "/", host="example.org")[0] == 403


@pytest.mark.parametrize("port", ["secret"], indirect=True)
def test_elsewhere_only_the_token_opens_it(port: int) -> None:
    assert _ask(port, "/secret/", host="example.org") == (200, "<p>drawn</p>")
    assert _ask(port, "/secret/version")[0] == 200
    for path in ("/", "/version", "/secre/", "/secret", "/secret/x"):
        assert _ask(port, path) == (404, "Nothing here."), path


def test_it_is_drawn_again_when_rows_changed_and_stops_cleanly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    write(results, STUDY, save_only=True)
    monkeypatch.setattr(serving, "LOOK_SECONDS", 0.01)
    clock = itertools.count(1_000_000, 1_000_000)
    monkeypatch.setattr(serving.time, "time_ns", lambda: next(clock))
    before = state_of(results)
    versions: list[int] = []
    looks = 0

    def look(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            write(results, STUDY, World())
        if looks == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(serving.time, "sleep", look)

    def draw(version: int) -> str:
        versions.append(version)
        if len(versions) == 2:
            raise ReportError("a file went away")
        return "<p>drawn</p>"

    assert serve(results, "127.0.0.1", 0, draw) == 0
    # Nothing changed for two looks; the one that failed came again.
    assert versions == [1, 2, 3]
    assert state_of(results) != before
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("http://127.0.0.1:")
    assert printed[1:] == ["not drawn: a file went away", "stopped"]


def test_before_the_first_plan_it_waits_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown, looks = Page(), []
    assert b"Drawing the report for the first time." in shown.html

    def look(_seconds: float) -> None:
        looks.append(shown.html.decode())
        if len(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(serving.time, "sleep", look)

    def draw(_version: int) -> str:
        raise ReportError("no plan of <any> study")

    with pytest.raises(KeyboardInterrupt):
        keep_drawing(shown, tmp_path, draw)
    assert "Nothing to show yet: no plan of &lt;any&gt; study." in looks[0]
    assert 'http-equiv="refresh"' in looks[0]
    assert capsys.readouterr().out.splitlines() == ["not drawn: no plan of <any> study"]


def test_another_host_gets_a_random_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def draw(_version: int) -> str:
        raise KeyboardInterrupt

    addresses = set()
    for _ in range(2):
        serve(tmp_path, "0.0.0.0", 0, draw)
        shown, warning, _ = capsys.readouterr().out.splitlines()
        addresses.add(shown.split()[0].rstrip("/").rpartition("/")[2])
        assert "whoever has this address" in warning
    assert len(addresses) == 2
    assert min(map(len, addresses)) >= 22
    assert [is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "")] == [
        *[True] * 3,
        *[False] * 2,
    ]


def test_what_cannot_be_served_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for folder, asked, words in (
            (tmp_path, port, f"port {port}: Address already in use; give another --port"),
            (tmp_path, "99999", "port must be 0-65535"),
            (tmp_path / "nowhere", "0", "no results folder"),
        ):
            command = ["odereport", "serve", "--results", str(folder), "--port", asked]
            monkeypatch.setattr("sys.argv", command)
            with pytest.raises(SystemExit) as stopped:
                cli.main()
            assert stopped.value.code == 2
            error = capsys.readouterr().err
            assert error.count("\n") == 1
            assert words in error
    assert not list(tmp_path.iterdir())
