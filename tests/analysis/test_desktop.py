"""`--open`: which browser gets the page, and what is said without one."""

from pathlib import Path

import pytest

from analysis import cli
from analysis.report.desktop import open_page

PAGE = "file:///r/report.html"


@pytest.fixture(autouse=True)
def no_desktop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No display, and no programs but those in the folder returned; the library looks anew."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("webbrowser._tryorder", None)
    monkeypatch.setattr("webbrowser._browsers", {})
    return tmp_path


def program(folder: Path, name: str, code: int = 0) -> Path:
    """A stand-in for a browser: it notes what it was given."""
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "$@" >> {folder}/given\nexit {code}\n')
    path.chmod(0o755)
    return path


def test_the_browser_that_the_user_names_gets_the_page(
    no_desktop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BROWSER", str(program(no_desktop, "mine")))
    open_page(PAGE)
    assert (no_desktop / "given").read_text() == f"{PAGE}\n"
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["", "lynx", "w3m", "www-browser", "fails", "absent"])
def test_without_a_browser_of_a_desktop_one_line_says_where_the_page_is(
    no_desktop: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if name and name != "absent":
        program(no_desktop, name, int(name == "fails"))
    if name in {"fails", "absent", "w3m"}:
        monkeypatch.setenv("BROWSER", str(no_desktop / name))
    open_page(PAGE)
    said = f"odereport: no browser of a desktop here; open {PAGE} yourself\n"
    assert capsys.readouterr() == ("", said)
    assert (no_desktop / "given").exists() == (name == "fails")


def test_report_and_serve_pass_it_on(no_desktop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER", str(program(no_desktop, "mine")))
    monkeypatch.setattr("analysis.report.page.gather", lambda _reader: Empty)
    monkeypatch.setattr("analysis.report.page.interactive", lambda *_about: "")

    def stop(*_about: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("analysis.report.serve.keep_drawing", stop)
    results = ["--results", str(no_desktop), "--open"]
    for command in (["report", "--out", str(no_desktop / "out")], ["serve", "--port", "0"]):
        monkeypatch.setattr("sys.argv", ["odereport", *command, *results])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert stopped.value.code == 0
    report, served = (no_desktop / "given").read_text().splitlines()
    assert report == (no_desktop / "out" / "report.html").as_uri()
    assert served.startswith("http://127.0.0.1:")


class Empty:
    """What a report has of nothing."""

    cards = ()
    items = ()
