"""The report as a page.

Everything on it, nothing from a network, and it sorts, filters, navigates and prints in a real
browser.
"""

import base64
import json
import re
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from browser import dom_after, print_to_pdf, run_in_page, screenshot
from markupsafe import escape
from matplotlib.image import imread
from own_study import ACCURACY, OWN, Mine
from synthetic import Cell, Run, World, data_of, jitter, write

from analysis import cli
from analysis.check import find
from analysis.claims import claim as claims
from analysis.claims.claim import Claim, Evidence, above, below
from analysis.claims.statistic import Share, mean, of_runs
from analysis.claims.verdict import VERDICTS
from analysis.drawing.figure import Figure
from analysis.drawing.save import write_csv
from analysis.drawing.vega import specification
from analysis.make import Reader
from analysis.papers import PAPERS
from analysis.report.explorer import explorer
from analysis.report.page import Content, embedded, gather, render
from analysis.report.page import page as written
from analysis.report.serve import Page as Served
from analysis.report.serve import server
from analysis.report.site import write_site
from analysis.report.summary import HEADINGS, of_paper
from analysis.report.verdicts import sentences
from analysis.rows.stats import t_interval
from analysis.running import cost, coverage, failures

FIXED = "ott2021/sphere2-fixed"


class Mixed(World):
    """Nets of one seed each; the 3/8-rule nets diverge."""

    def run(self, cell: Cell) -> Run | None:
        if cell["solver.name"] == "rk4_38":
            return Run(
                0.5,
                "diverged",
                columns={"outcome_detail": "the training loss is nan", "timing_valid": False},
            )
        return Run(
            0.9 + jitter(cell.seed),
            columns={
                "train_seconds": 3600.0,
                "evaluate_seconds": 0.0,
                "nfe_forward": 1000,
                "cpu_threads": 2,
                "worker_id": "node-1",
            },
        )


def claim(key: str, seeds: int = 1, **given: Any) -> Claim:
    about = {
        "paper": "ott2021",
        "statement": f"A <b>claim</b> on {key}",
        "source": "Figure 4",
        "study": FIXED,
        "quantity": of_runs("accuracy_test"),
        "statistic": Share(),
        "measure": "share of failed runs",
        "evidence": Evidence(seeds, scale="smoke"),
    }
    return Claim(**{**about, "key": key, **given})


CLAIMS = [
    claim("all-fail", 3, holds=above(0.3), where={"solver.name": "rk4_38"}),
    claim("some-fail", holds=above(0.2)),
    claim("many-fail", holds=below(0.99)),
    claim(
        "accurate",
        3,
        holds=above(0.8),
        measure="accuracy",
        statistic=mean,
        where={"solver.name": "euler"},
    ),
]


# What the page was made of, for those who show it in another way: drawing it takes long.
GATHERED: list[Content] = []


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def remembering(reader: Reader) -> Content:
        GATHERED[:] = [gather(reader)]
        return GATHERED[0]

    folder = tmp_path_factory.mktemp("page")
    write(folder / "results", FIXED, Mixed())
    write(folder / "results", "ott2021/fan", save_only=True)
    write(folder / "results", OWN, Mine(), "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "all_claims", lambda: CLAIMS)
        patch.setattr("analysis.report.page.gather", remembering)
        patch.setattr(
            sys,
            "argv",
            [
                "odereport",
                "report",
                "--results",
                str(folder / "results"),
                "--out",
                str(folder / "out"),
            ],
        )
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert stopped.value.code == 1
    return folder / "out" / "report.html"


def test_the_page_needs_nothing_but_itself(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    links = re.findall(r"""(?:src|href)=["']([^"']*)["']""", html)
    assert {link[:5] for link in links if not link.startswith("#")} <= {"data:"}
    assert "@import" not in html
    assert "url(" not in html
    # What comes from data is escaped.
    assert "A &lt;b&gt;claim&lt;/b&gt; on all-fail" in html
    assert (
        html.index('id="verdicts"')
        < html.index('id="ott2021"')
        < html.index('id="running"')
        < html.index('id="absent"')
    )


def test_figures_without_data_are_listed_with_their_command(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    absent, plans = html[html.index('id="absent"') :].split('id="plans"')
    assert "<td>ott2021/figure4</td>" not in absent
    assert FIXED in plans
    # Figure 3's plan is there without rows: training makes them. Of Figure 5 the plan itself is
    # missing.
    figure3 = re.search(r"<tr><td>ott2021/figure3</td>.*?</tr>", absent)
    assert figure3
    assert "Missing: 2 of 2 trials." in figure3[0]
    assert "<code>odesweep run ott2021/fan --scale smoke" in figure3[0]
    figure5 = re.search(r"<tr><td>ott2021/figure5</td>.*?</tr>", absent)
    assert figure5
    assert "<code>odesweep plan ott2021/adaptation --save" in figure5[0]


def test_in_a_browser_it_loads_without_complaint(page: Path) -> None:
    answer = run_in_page(
        page,
        """
        const about = (image) => [image.complete, image.naturalWidth, image.alt.length];
        const leads = (link) => document.querySelector(link.getAttribute('href')) !== null;
        return { images: [...document.images].map(about),
                 anchors: [...document.querySelectorAll('nav a')].map(leads),
                 wide: document.documentElement.scrollWidth <= window.innerWidth };""",
    )
    assert answer["complaints"] == []
    assert answer["console"] == []
    found = answer["found"]
    assert len(found["images"]) >= 4
    assert all(complete and width > 300 and alt > 20 for complete, width, alt in found["images"])
    assert found["anchors"]
    assert all(found["anchors"])
    assert found["wide"]


def test_the_site_shows_the_same_as_the_page_in_files(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.report.site.gather", lambda _reader: GATHERED[0])
    assert write_site(Reader(page.parents[1] / "results"), tmp_path) == 0
    pages = {path.name: path.read_text() for path in (tmp_path / "pages").glob("*.md")}
    assert pages.keys() == {
        f"{name}.md" for name in ("index", "cross", "ott2021", "my_study", "running")
    }
    assert "[ott2021](ott2021.md)" in pages["index.md"]
    assert "Nothing yet of gusak2020, zheng2024" in pages["index.md"]
    assert "A <b>claim</b> on some-fail | share of failed runs: > 0.2 | 0.5" in pages["ott2021.md"]
    assert "2 claims have too little data" in pages["ott2021.md"]
    about = of_paper("ott2021")
    assert about
    html = (tmp_path / "pages" / "ott2021.html").read_text()
    for text in (
        about.scope,
        about.method,
        *(line for of in about.lists().values() for line in of),
    ):
        assert text in pages["ott2021.md"]
        assert escape(text) in html
    assert "What was easy" not in pages["cross.md"]
    linked = set()
    for name, text in pages.items():
        html = (tmp_path / "pages" / name).with_suffix(".html").read_text()
        in_html = set(re.findall(r'(?:src|href)="([^"#:]+)"', html)) - {"data"}
        in_markdown = {word for word in re.findall(r"\]\(([^)]+)\)", text) if ".md" not in word}
        assert in_markdown <= in_html, name
        linked |= in_html
        # A page without claims has no verdicts, and says which page it is.
        assert ('id="verdicts"' in html) == (name in {"index.md", "ott2021.md"}), name
        assert (
            f'aria-current="page">{name.removesuffix(".md").replace("index", "all results")}'
            in html
        )
    assert "ott2021-figure4.png" in linked
    written = {path.name for path in (tmp_path / "pages").iterdir()}
    assert linked <= written
    assert written - linked == pages.keys()
    csv = (tmp_path / "pages" / "ott2021-figure4.csv").read_bytes()
    assert base64.b64encode(csv).decode() in page.read_text()


@pytest.mark.parametrize("paper", [paper for paper in PAPERS if paper not in ("cross", "running")])
def test_every_paper_has_a_summary(paper: str) -> None:
    about = of_paper(paper)
    assert about
    assert about.scope
    assert about.method
    assert all(about.lists()[heading] for heading in HEADINGS.values())


def test_a_study_that_no_paper_reads_has_its_own_section(page: Path) -> None:
    html = page.read_text()
    assert '<section id="my_study"' in html
    shown = re.findall(r"<h3>my_study/(.*?)</h3>", html)
    assert [shown[0], *shown[-3:]] == ["curves", "tests", "outcomes", "cost"]
    assert "My own question. Test accuracy against solver.steps; colour: " in html
    assert "sphere2-fixed/curves" not in html


def test_in_a_browser_it_navigates_sorts_and_filters(page: Path) -> None:
    answer = run_in_page(
        page,
        """
        const cards = () => [...document.querySelectorAll('.claim')].filter((card) => !card.hidden);
        const keys = () => cards().map((card) => card.dataset.key);
        const options = { bubbles: true, cancelable: true };
        const press = (key) =>
            document.dispatchEvent(new KeyboardEvent('keydown', { key, ...options }));
        const set = (id, value) => {
            const field = document.getElementById(id);
            field.value = value;
            field.dispatchEvent(new Event('input'));
        };
        const found = { start: keys(), folded: document.querySelector('.without').open };
        press('/'); found.focus = document.activeElement.id;
        set('find', 'SOME-fail');
        found.text = keys();
        found.count = document.getElementById('matching').textContent;
        set('find', ''); set('by-verdict', 'not enough data');
        found.verdict = cards().map((card) => card.dataset.verdict);
        found.unfolded = document.querySelector('.without').open;
        set('by-verdict', ''); set('by-paper', 'ott2021'); found.paper = cards().length;
        const table = document.querySelector('#running table');
        const rows = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent);
        const before = rows();
        table.tHead.rows[0].cells[0].querySelector('button').click();
        found.other = [before, rows()];
        found.sorted = table.tHead.rows[0].cells[0].getAttribute('aria-sort');
        document.querySelector('nav a[href="#running"]').click(); found.hash = location.hash;
        while (!location.hash.includes('?')) await new Promise((go) => setTimeout(go, 20));
        found.kept = location.hash;
        const top = document.getElementById('running').getBoundingClientRect().top;
        found.top = top >= -5 && top < window.innerHeight;
        return found;
        """,
    )
    assert answer["complaints"] == []
    found = answer["found"]
    assert sorted(found["start"]) == sorted(f"ott2021/{one.key}" for one in CLAIMS)
    # Claims with a verdict come first, the others are folded until someone looks for them.
    assert found["start"][:2] == ["ott2021/some-fail", "ott2021/many-fail"]
    assert not found["folded"]
    assert found["unfolded"]
    assert found["focus"] == "find"
    assert found["text"] == ["ott2021/some-fail"]
    assert found["count"] == "1 of 4 claims"
    assert found["verdict"]
    assert set(found["verdict"]) == {"not enough data"}
    assert found["paper"] == 4
    assert sorted(found["other"][0]) == sorted(found["other"][1])
    assert found["sorted"] == "ascending"
    assert found["hash"] == "#running"
    assert found["kept"] == "#running?paper=ott2021"
    assert found["top"]


def test_a_chart_filters_unfolds_its_runs_and_keeps_its_view_in_the_address(page: Path) -> None:
    pytest.importorskip("vl_convert", reason="vl-convert is not installed")
    answer = run_in_page(
        page,
        """
        const wait = async (what) => {
            while (!what()) await new Promise((go) => setTimeout(go, 20));
            return what();
        };
        const chart = document.querySelector('#ott2021-figure4 .chart');
        chart.scrollIntoView();
        await drawChart(chart);
        const points = () =>
            [...chart.querySelectorAll('svg path')].filter((path) => path.__data__ ||
                path.getAttribute('aria-roledescription') === 'point').length;
        const found = { before: points() };
        const section = document.getElementById('ott2021');
        const filter = [...section.querySelectorAll('.shared button')]
            .find((button) => button.textContent === '64');
        filter.click();
        await wait(() => points() < found.before);
        found.after = points();
        found.hash = decodeURIComponent(location.hash);
        const { spec } = chartData['ott2021-figure4'];
        await showRuns('ott2021-figure4', spec.data.values[0]);
        found.dialog = document.getElementById('runs').open;
        found.runs = document.querySelectorAll('#runs-list tbody tr').length;
        found.text = document.getElementById('runs-list').textContent;
        return found;
        """,
    )
    assert answer["complaints"] == []
    found = answer["found"]
    assert 0 < found["after"] < found["before"]
    assert "hide=ott2021:solver_steps=64" in found["hash"]
    assert found["dialog"]
    assert found["runs"] > 0
    assert "odesweep run ott2021/sphere2-fixed --scale smoke" in found["text"]
    assert "logs/node-1.log" in found["text"]


EXPLORED = """
    document.getElementById('explore').scrollIntoView();
    const soon = () => new Promise((go) => setTimeout(go, 20));
    while (!document.querySelector('#explore svg')) await soon();
    const set = async (name, value) => {
        explorerForm.elements[name].value = value;
        explorerForm.dispatchEvent(new Event('change'));
        // The address has the choice once it is drawn.
        while (readAddress().words.get(name) !== value) await soon();
    };
    const numbers = () => {
        const [head, ...rows] = [...document.getElementById('explored-numbers').rows]
            .map((row) => [...row.cells].map((cell) => cell.textContent));
        return rows.map((row) => Object.fromEntries(head.map((name, i) => [name, row[i]])));
    };
    const seen = () => [...document.querySelectorAll('#explore svg .mark-text text')]
        .map((text) => text.textContent);
"""


def test_the_explorer_shows_the_means_of_the_rows(page: Path) -> None:
    pytest.importorskip("vl_convert", reason="vl-convert is not installed")
    answer = run_in_page(
        page,
        EXPLORED
        + """
        await explore({ study: 'my_study' });
        await set('x', 'axis.solver.steps');
        await set('row', 'axis.width');
        const found = { heat: numbers(), seen: seen(), hash: decodeURIComponent(location.hash) };
        await set('metric', 'runs:failed');
        found.failed = numbers();
        await set('metric', 'runs:accuracy_test');
        await set('draw', 'curves');
        found.lines = document.querySelectorAll('#explore svg .mark-line path').length;
        await showRuns('explore', chartData.explore.spec.data.values[0]);
        found.runs = document.querySelectorAll('#runs-list tbody tr').length;
        await explore({ study: 'ott2021/sphere2-fixed', metric: 'evaluations:accuracy' });
        found.tests = numbers().length;
        return found;
        """,
    )
    assert answer["complaints"] == []
    found = answer["found"]
    runs = Reader(page.parents[1] / "results")("my_study").completed
    assert "hold=axis.solver.name=Euler" in found["hash"].replace("+", " ")
    runs = runs.loc[runs["axis.solver.name"] == "euler"]
    means = runs.groupby(["axis.width", "axis.solver.steps"])["accuracy_test"].agg(["mean", "size"])
    shown = {(row["width"], float(row["solver_steps"])): row for row in found["heat"]}
    done = {key: row for key, row in shown.items() if row["n"] != "0"}
    assert done.keys() == set(means.index)
    for key, row in done.items():
        assert float(row["mean"]) == pytest.approx(means.loc[key, "mean"], abs=1e-5)
        assert int(row["n"]) == means.loc[key, "size"]
        assert f"{means.loc[key, 'mean']:.3g}" in found["seen"]
    wide = done["wide", 4.0]
    low, high = t_interval(ACCURACY)
    assert [float(wide["low"]), float(wide["high"])] == pytest.approx([low, high], abs=1e-5)
    # All narrow nets at 16 steps failed: no mean, and the picture says so.
    assert (shown["narrow", 16.0]["failed"], "failed" in found["seen"]) == ("3", True)
    shares = {(row["width"], row["solver_steps"]): row["mean"] for row in found["failed"]}
    assert shares["narrow", "16"] == "1"
    assert shares["wide", "4"] == "0"
    assert found["lines"] == 2
    assert found["runs"] == 3
    assert found["tests"]


def test_a_view_comes_back_from_its_address(page: Path) -> None:
    pytest.importorskip("vl_convert", reason="vl-convert is not installed")
    address = (
        "#ott2021-figure4?hide=ott2021%3Asolver_steps%3D64&picture=ott2021-figure4"
        "&study=my_study&metric=runs%3Aloss_test&draw=points&x=axis.solver.name"
        "&row=&colour=axis.width&hold=axis.solver.steps%3D4"
    )
    answer = run_in_page(
        page,
        EXPLORED
        + """
        const filter = [...document.querySelectorAll('#ott2021 .shared button')]
            .find((button) => button.textContent === '64');
        await drawChart(document.querySelector('#ott2021-figure4 .chart'));
        return { pressed: filter.getAttribute('aria-pressed'),
                 picture: !document.querySelector('#ott2021-figure4 img').hidden,
                 chart: document.querySelector('#ott2021-figure4 .chart').hidden,
                 explored: choices() };
        """,
        address,
    )
    assert answer["complaints"] == []
    explored = answer["found"].pop("explored")
    assert answer["found"] == {"pressed": "false", "picture": True, "chart": True}
    assert explored == {
        "study": "my_study",
        "metric": "runs:loss_test",
        "draw": "points",
        "x": "axis.solver.name",
        "row": "",
        "colour": "axis.width",
        "hold": ["axis.solver.steps=4"],
    }


def test_the_csv_of_a_figure_is_the_file_on_disk(page: Path, tmp_path: Path) -> None:
    found = re.search(
        r'download="ott2021-figure4.csv" href="data:text/csv;base64,([^"]+)"', page.read_text()
    )
    assert found
    figure = find("ott2021/figure4")
    numbers = figure.table(Reader(page.parents[1] / "results")(figure.study))
    write_csv(numbers, tmp_path / "figure4.csv")
    assert base64.b64decode(found[1]) == (tmp_path / "figure4.csv").read_bytes()


def test_without_vega_the_pictures_stand(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    without = page.with_name("without.html")
    bundle = re.compile(r'<script type="application/octet-stream".*?</script>', re.DOTALL)
    without.write_text(bundle.sub("", html), encoding="utf-8")
    answer = run_in_page(
        without,
        """return { shown: [...document.querySelectorAll('figure.drawn img')].map((i) => i.hidden),
                 tools: document.querySelectorAll('.tools button').length };""",
    )
    assert answer["complaints"] == []
    assert answer["found"]["shown"]
    assert not any(answer["found"]["shown"])
    assert answer["found"]["tools"] == 0


@pytest.mark.parametrize("width", [400, 1000, 1600])
def test_the_page_is_no_wider_than_the_screen(page: Path, width: int) -> None:
    answer = run_in_page(
        page, "return document.documentElement.scrollWidth - window.innerWidth;", width=width
    )
    assert answer["found"] <= 0


def test_light_and_dark_differ_and_it_prints(page: Path, tmp_path: Path) -> None:
    light, dark = (
        imread(screenshot(page, tmp_path / f"{name}.png", 900, 700, dark=name == "dark"))[..., :3]
        for name in ("light", "dark")
    )
    assert light[5, 5].mean() > 0.95
    assert dark[5, 5].mean() < 0.2
    assert print_to_pdf(page, tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


class Sweep(Served):
    """A page that is new at the second look, and a server that stops after the third."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__()
        self.second, self.looks, self.stop = second, 0, lambda: None
        self.show(first, 1)

    @property
    def version(self) -> int:
        """What a look at the version gives."""
        self.looks += 1
        if self.looks == 2:
            self.show(self.second, 2)
        if self.looks == 3:
            self.stop()
        return self._version

    @version.setter
    def version(self, value: int) -> None:
        self._version = value


def test_a_served_page_loads_its_next_version_and_says_when_the_server_stopped(page: Path) -> None:
    reader = Reader(page.parents[1] / "results")
    first, second = (written(reader, GATHERED[0], live=version) for version in (1, 2))
    act = """<script>
    document.querySelector('#ott2021 details.facts').open = true;
    find.value = 'some-fail'; find.dispatchEvent(new Event('input'));</script></body>"""
    sweep = Sweep(first.replace("</body>", act), second)
    listening = server(sweep, "127.0.0.1", 0, "")
    threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()

    def stop() -> None:
        listening.shutdown()
        listening.server_close()

    sweep.stop = stop
    address = f"http://127.0.0.1:{listening.server_port}/"
    dom = dom_after(address, 30)
    assert sweep.looks >= 3
    assert 'data-version="2"' in dom
    assert "1 of 4 claims</output>" in dom
    assert dom.count('<details class="facts" open="">') == 1
    status = re.search(r'<p id="live"[^>]*class="stopped"[^>]*>(.*?)</p>', dom)
    assert status
    assert status[1].startswith("The server has stopped. You see the rows of ")


def test_an_empty_report_says_so() -> None:
    empty: dict[str, Any] = {
        "cards": [],
        "scores": [],
        "sentences": sentences([], 0),
        "wanted": None,
        "words": VERDICTS,
        "rule": "",
        "sections": [],
        "headline": None,
        "absent": [],
        "plans": (),
        "results": "r",
        "bundle": "",
        "charts": {},
        "rows": "",
        "live": 0,
        "pages": {},
        "place": "",
        "about": None,
    }
    html = render(**empty)
    assert "Everything is drawn." in html
    assert "No training run has ended yet" in html


def test_a_point_finds_its_runs_by_the_labels_that_it_shows(tmp_path: Path) -> None:
    study = "cross/norm_solver_depth"
    write(tmp_path, study, Mixed())
    reader, figure = Reader(tmp_path), find("cross/accuracy")
    assert isinstance(figure, Figure)
    assert figure.chart
    spec = specification(figure.chart, figure.table(reader(study)))
    assert spec
    shown = {row["axis_norm"] for row in spec["data"]["values"]}
    assert shown
    runs = explorer(reader)["studies"][study]["tables"]["runs"]
    assert shown == {runs["axes"]["axis.norm"][place] for place in runs["columns"]["axis.norm"]}


def test_a_script_element_holds_any_text() -> None:
    text = embedded({"a": ["</script>", float("nan"), None]})
    assert "</script>" not in text
    assert json.loads(text) == {"a": ["</script>", None, None]}


def test_cost_counts_hours_and_times_only_undisturbed_runs(tmp_path: Path) -> None:
    data = data_of(tmp_path, FIXED, Mixed())
    numbers = cost.table(data).set_index("study").loc[cost.TOTAL]
    # Two Euler nets of one hour on two threads, two failed ones of 12 s on one; each evaluation
    # takes 0.1 s on one thread.
    assert numbers["core_hours"] == pytest.approx(
        (2 * 3600 * 2 + 2 * 12 + 0.1 * len(data.evaluations)) / 3600
    )
    assert numbers["gpu_hours"] == 0
    assert numbers["nfe_forward"] == 2 * 1000 + 2 * 1000
    assert numbers["n"] == 2
    assert numbers["seconds_per_nfe_median"] == pytest.approx(3.6)
    assert "(2 of 4)" in cost.TABLE.caption(data, cost.table(data))


def test_failures_and_coverage_say_what_happened(tmp_path: Path) -> None:
    data = data_of(tmp_path, FIXED, Mixed())
    found = failures.table(data)
    assert found["runs"].tolist() == [1, 1]
    assert set(found["outcome"]) == {"diverged"}
    assert set(found["detail"]) == {"the training loss is nan"}
    assert "2 of 4 runs with a row failed" in failures.TABLE.caption(data, found)
    (row,) = coverage.table(data).to_dict("records")
    assert (row["planned"], row["completed"], row["diverged"], row["missing"]) == (4, 2, 2, 0)
    assert row["evaluations_done"] == len(data.evaluations)
