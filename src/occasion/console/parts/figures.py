"""Figures: tables, intervals and bars as HTML and SVG. Each is read out as the table or the sentence that it shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from occasion.console.guard import HOME

__all__ = ["STYLE", "bar", "clock", "interval", "lines", "percent", "table", "tiles", "time_bars"]

STYLE = f'<link rel="stylesheet" href="{HOME}/static/steering.css">'
"""What a page with figures adds to its head."""


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 1, hushed: bool = False) -> str:
    """Return a table that scrolls sideways where it must.

    Parameters
    ----------
    caption : str
        Plain text.
    heads : sequence of str
        Plain text.
    rows : iterable of sequences of str
        HTML: the caller escapes.
    numbers : int
        Columns from this one on are numbers.
    hushed : bool
        The caption is for screen readers alone: a heading says the same.
    """

    def cells(tag: str, row: Sequence[str]) -> str:
        out = []
        for n, cell in enumerate(row):
            kind = ' class="number"' if n >= numbers else ""
            out.append(f'<th scope="row"{kind}>{cell}</th>' if n == 0 and tag == "td" else f"<{tag}{kind}>{cell}</{tag}>")
        return "".join(out)

    head = cells("th", [escape(h) for h in heads]).replace("<th", '<th scope="col"')
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    label = "" if hushed else f' role="region" aria-label="{escape(caption, quote=True)}"'
    return (
        f'<div class="scrolls{" hushed" if hushed else ""}" tabindex="0"{label}>'
        f'<table class="figures"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share in percent."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def interval(value: float, low: float | None, high: float | None, most: float, *, least: float = 0.0, text: str = "") -> str:
    """Return a value with its interval as a dot with whiskers on a line from `least` to `most`, and in words."""
    span = max(most - least, 1e-12)

    def place(v: float) -> float:
        return round(4 + 112 * min(1.0, max(0.0, (v - least) / span)), 1)

    zero = f'<line class="zero" x1="{place(0)}" x2="{place(0)}" y1="2" y2="16"/>' if least < 0 else ""
    whisker = ""
    if low is not None and high is not None:
        whisker = f'<line class="whisker" x1="{place(low)}" x2="{place(high)}" y1="9" y2="9"/>'
    drawn = f'<svg class="interval" viewBox="0 0 120 18" width="120" height="18" aria-hidden="true">{zero}{whisker}'
    return f'<span class="measured">{drawn}<circle cx="{place(value)}" cy="9" r="4"/></svg><span>{escape(text)}</span></span>'


def bar(share: float, text: str) -> str:
    """Return a bar of a share in [0, 1] behind its text."""
    width = 100 * min(1.0, max(0.0, share))
    return (
        f'<span class="barred"><span class="fill" style="width:{width:.1f}%"></span><span class="text">{escape(text)}</span></span>'
    )


def tiles(pairs: Iterable[tuple[str, str, str]]) -> str:
    """Return key figures: (name, value, remark)."""
    made = "".join(
        f'<div class="tile"><dt>{escape(name)}</dt><dd>{escape(value)}</dd><dd class="hint">{escape(remark)}</dd></div>'
        for name, value, remark in pairs
    )
    return f'<dl class="tiles">{made}</dl>'


def clock(at: float | None, zone: str, *, seconds: bool = False) -> str:
    """Return a time of day with its date."""
    if at is None:
        return "–"
    return datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def time_bars(points: Sequence[tuple[str, float, float]], label: str) -> str:
    """Return bars over time: (when, height, share of it that is filled)."""
    if not points:
        return ""
    most = max(height for _, height, _ in points) or 1.0
    width = 600 / len(points)
    pieces = []
    for n, (when, height, share) in enumerate(points):
        tall = 96 * height / most
        x, w = round(n * width, 2), round(max(1.0, width - 1), 2)
        title = f"<title>{escape(when)}</title>"
        pieces.append(f'<g>{title}<rect class="all" x="{x}" y="{100 - tall:.1f}" width="{w}" height="{tall:.1f}"/>')
        pieces.append(f'<rect class="part" x="{x}" y="{100 - tall * share:.1f}" width="{w}" height="{tall * share:.1f}"/></g>')
    drawn = (
        f'<svg class="bars" viewBox="0 0 600 100" preserveAspectRatio="none" role="img" aria-label="{escape(label, quote=True)}">'
    )
    return drawn + "".join(pieces) + "</svg>"


def lines(points: Sequence[tuple[str, float, float | None, float | None]], label: str) -> str:
    """Return a curve: (name of the point, value, low, high), evenly spaced, with its interval as a band."""
    if not points:
        return ""
    top = max(max(v, high or v) for _, v, _, high in points) or 1.0
    step = 520 / max(1, len(points) - 1)

    def spot(n: int, v: float) -> str:
        return f"{40 + n * step:.1f},{120 - 108 * v / top:.1f}"

    upper = [spot(n, high if high is not None else v) for n, (_, v, _, high) in enumerate(points)]
    lower = [spot(n, low if low is not None else v) for n, (_, v, low, _) in enumerate(points)]
    band = f'<polygon class="band" points="{" ".join(upper + lower[::-1])}"/>'
    line = f'<polyline class="line" points="{" ".join(spot(n, v) for n, (_, v, _, _) in enumerate(points))}"/>'
    names = "".join(
        f'<text x="{40 + n * step:.1f}" y="138" text-anchor="middle">{escape(name)}</text>' for n, (name, *_) in enumerate(points)
    )
    axis = f'<text x="34" y="16" text-anchor="end">{top:.2f}</text><text x="34" y="122" text-anchor="end">0</text>'
    drawn = f'<svg class="curve" viewBox="0 0 600 144" role="img" aria-label="{escape(label, quote=True)}">'
    return f"{drawn}{band}{line}{names}{axis}</svg>"
