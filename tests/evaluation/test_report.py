"""A report shows the same figures everywhere, survives other people's text, and writes whole files or a clear error."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from occasion.errors import DataError, MissingExtraError, OccasionError
from occasion.evaluation.plot import HAN_FONTS
from occasion.evaluation.report import METRICS, Difference, Group, Interval, Report

NASTY = "<script>alert(1)</script> [bold]$x^2$ 雨天 & co"
SYSTEMS = ("occasion", "popular", "co-occurrence")


def interval(mean: float) -> Interval:
    return Interval(mean=mean, low=mean / 2, high=mean * 1.5)


def group(queries: int, *, compared: bool = True) -> Group:
    values = {name: interval(0.1 + n / 50) for n, name in enumerate(SYSTEMS)}
    less = Difference(mean=-0.02, low=-0.05, high=0.01, p=0.123)
    return Group(queries=queries, users=queries // 2, ndcg=values, hit=values, difference=less if compared else None)


@pytest.fixture
def report() -> Report:
    figures = {m: interval(0.1234) if m != "coverage" else Interval(mean=0.5) for m in METRICS}
    less = {m: Difference(mean=0.017, low=-0.001, high=0.035, p=0.064) for m in ("ndcg", "hit", "recall", "mrr")}
    return Report(
        protocol={
            "k": 10,
            "queries": 321,
            "users": 98,
            "events_counted": 1234,
            "items": 77,
            "mode": "time",
            "cut": 1.7e9,
            "diversity": None,
        },
        systems=dict.fromkeys(SYSTEMS, figures),
        best_baseline="popular",
        differences={"popular": less, "co-occurrence": less},
        strata={"warm": group(300), "cold item": group(21)},
        slices={"weather": {"rain": group(100), NASTY: group(200)}, NASTY: {"a": group(100), "b" * 90: group(221)}},
        notes=(f"a note: {NASTY}",),
        seconds=1.5,
    )


def shown(report: Report, width: int) -> str:
    console = Console(file=StringIO(), width=width, force_terminal=False)
    report.show(console)
    text = console.file.getvalue()
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_keeps_names_and_figures_whole(report: Report, width: int) -> None:
    text = shown(report, width)
    assert max(map(len, text.splitlines())) <= width
    for wanted in (*SYSTEMS, "NDCG@10", "0.123 [.062-.185]", "+0.017 [-0.001, +0.035]", "popular (best)", "warm", "300", "321"):
        assert wanted in text
    assert "[bold]" in text


class Tags(HTMLParser):
    """Checks that what is opened is closed, and collects tags and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.seen, self.text = [], set(), ""

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_stands_alone_and_escapes(report: Report, tmp_path: Path) -> None:
    report.write(tmp_path / "deep" / "report.html")
    page = (tmp_path / "deep" / "report.html").read_text("utf-8")
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    assert "script" not in tags.seen
    assert NASTY in tags.text
    assert not re.search(r"https?://|src=|href=|url\(", page)
    assert "0.123 [0.062, 0.185]" in tags.text
    assert "events counted" in tags.text
    assert "None" not in tags.text


def test_json_holds_every_figure(report: Report, tmp_path: Path) -> None:
    report.write(tmp_path / "report.json")
    plain = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert plain == report.to_dict()
    assert plain["systems"]["popular"]["ndcg"] == {"mean": 0.1234, "low": 0.0617, "high": pytest.approx(0.1851)}
    assert plain["slices"]["weather"]["rain"]["difference"]["p"] == 0.123
    assert plain["strata"]["cold item"]["queries"] == 21


def test_without_baselines_nothing_is_compared(report: Report, tmp_path: Path) -> None:
    alone = Report(
        protocol=report.protocol,
        systems={"occasion": report.systems["occasion"]},
        best_baseline="",
        differences={},
        strata={"warm": group(300, compared=False)},
        slices={},
    )
    assert "baseline" not in shown(alone, 80)
    assert "baseline" not in alone.to_html()


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_plots_are_drawn(report: Report, tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture) -> None:
    fonts = pytest.importorskip("matplotlib.font_manager", reason="the extra plot is not installed")
    path = tmp_path / f"report.{ending}"
    report.write(path)
    heads = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert path.read_bytes().startswith(heads[ending])
    here = {font.name for font in fonts.fontManager.ttflist} & set(HAN_FONTS)
    assert ("Cure: install" in caplog.text) == (not here), "what cannot be drawn is told"
    if ending == "svg":
        assert path.read_text("utf-8").count("<path") > 50


def test_a_plot_without_matplotlib_names_the_cure(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'occasion\[plot\]'"):
        report.plot(tmp_path / "report.png")
    assert not (tmp_path / "report.png").exists()


@pytest.mark.parametrize("name", ["report", "report.docx"])
def test_an_unknown_ending_is_said(report: Report, tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"\.png, \.svg or \.pdf"):
        report.write(tmp_path / name)


def test_a_place_that_cannot_be_written_is_said(report: Report, tmp_path: Path, make_file: Callable[[], Path]) -> None:
    for place in (make_file() / "report.json", tmp_path):
        with pytest.raises(OccasionError, match="Cure"):
            report.write(place if place.suffix else place / "x" / ("n" * 300 + ".json"))


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[[], Path]:
    def make() -> Path:
        path = tmp_path / "a file.json"
        path.write_text("kept")
        return path

    return make
