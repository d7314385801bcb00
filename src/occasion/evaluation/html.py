"""HTML: a report as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from occasion.evaluation.off_policy_report import NAMES, PLACE_HEAD, OffPolicyReport
from occasion.evaluation.report import METRICS, Curve, Group, Interval, Report
from occasion.evaluation.table import CURVE_HEAD, cell, curve_rows, difference_cell, facts

__all__ = ["off_policy_page", "page"]

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 80rem; margin: 2rem auto; padding: 0 1rem;
  color: #1d2430; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #d9dee6; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
td small { display: block; font-size: .75rem; opacity: .75 }
tr.first td { font-weight: 600 }
figure { margin: .5rem 0 } figcaption { font-size: .85rem; opacity: .75 }
svg { display: block; margin: .5rem 0 }
@media (prefers-color-scheme: dark) { body { color: #e4e8ee; background: #14181f } th, td { border-color: #39414d } }
"""


LABEL = 'fill="currentColor" font-size="12"'


def page(report: Report) -> str:
    """Return a report as one HTML page; all text of others is escaped."""
    return _whole(
        "Evaluation",
        f"<p>{escape(facts(report))}</p>",
        *_notes(report.notes),
        *_systems(report),
        *_differences(report),
        *_parts(report),
        *(line for curve in report.curves for line in _curve(report, curve)),
        *_groups(report, "stratum", report.strata),
        *(line for signal, groups in report.slices.items() for line in _groups(report, signal, groups)),
        *_protocol(report.protocol, report.seconds),
    )


def off_policy_page(report: OffPolicyReport) -> str:
    """Return an off-policy report as one HTML page; all text of others is escaped."""
    values = {NAMES[n]: Interval(mean=e.mean, low=e.low, high=e.high) for n, e in report.estimates.items()}
    return _whole(
        "Off-policy evaluation",
        f"<p>{escape(report.facts)}</p>",
        *_notes(report.warnings),
        _bars("Reward a slate", values),
        _table(("estimate", "mean", "less the log's"), report.rows(), first=True),
        "<h2>By place</h2>",
        _table(PLACE_HEAD, report.place_rows()),
        *_notes(report.notes),
        *_protocol(report.protocol, report.seconds),
    )


def _whole(title: str, *parts: str) -> str:
    head = (
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>",
    )
    return "\n".join((*head, *parts, "</body></html>")) + "\n"


def _notes(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], first: bool = False) -> str:
    lines = ['<div class="wide"><table><thead><tr>', *(f'<th scope="col">{escape(h)}</th>' for h in head), "</tr></thead><tbody>"]
    for n, row in enumerate(rows):
        mark = ' class="first"' if first and n == 0 else ""
        lines.append(f"<tr{mark}>" + "".join(f"<td>{cell}</td>" for cell in _cells(row)) + "</tr>")
    return "".join([*lines, "</tbody></table></div>"])


def _cells(row: Sequence[str]) -> Iterator[str]:
    """Yield the cells of a row, first its name; an interval, and what comes after it, stands small under its number."""
    yield from map(escape, row[:1])
    for value in map(escape, row[1:]):
        number, found, interval = value.partition(" [")
        yield f"{number} <small>[{interval}</small>" if found else value


def _systems(report: Report) -> Iterator[str]:
    title = report.title("ndcg")
    yield f"<h2>All queries</h2>{_bars(title, {name: figures['ndcg'] for name, figures in report.systems.items()})}"
    rows = [[name, *(cell(figures[m]) for m in METRICS)] for name, figures in report.systems.items()]
    yield _table(["system", *map(report.title, METRICS)], rows, first=True)


def _bars(title: str, values: Mapping[str, Interval]) -> str:
    """Draw means as bars with their intervals as whiskers."""
    top = max([1e-9, *(v.high if v.high is not None else v.mean for v in values.values())])
    row, left, width = 26, 130, 480
    lines = [f'<svg role="img" aria-label="{escape(title)}" width="{left + width + 70}" height="{row * len(values)}">']
    for n, (name, v) in enumerate(values.items()):
        y, x = n * row, left + width * v.mean / top
        lines.append(f'<text x="0" y="{y + 17}" fill="currentColor" font-size="13">{escape(name)}</text>')
        lines.append(
            f'<rect x="{left}" y="{y + 5}" width="{x - left:.1f}" height="14" fill="{"#2563eb" if n == 0 else "#9aa5b5"}"/>'
        )
        if v.low is not None and v.high is not None:
            low, high = left + width * v.low / top, left + width * v.high / top
            lines.append(f'<path d="M{low:.1f} {y + 12}H{high:.1f}" stroke="currentColor" stroke-width="2"/>')
        lines.append(f'<text x="{left + width + 10}" y="{y + 17}" fill="currentColor" font-size="13">{v.mean:.3f}</text>')
    return _figure(lines, f"{title}, with its interval")


def _figure(lines: Sequence[str], caption: str) -> str:
    return "".join(["<figure>", *lines, f"</svg><figcaption>{escape(caption)}</figcaption></figure>"])


def _differences(report: Report) -> Iterator[str]:
    if not report.differences:
        return
    metrics = list(next(iter(report.differences.values())))
    yield "<h2>The recommender less each baseline, query by query</h2>"
    rows = [
        [name, *(f"{difference_cell(figures[m])} p {figures[m].p:.3f}" for m in metrics)]
        for name, figures in report.differences.items()
    ]
    yield _table(["baseline", *map(report.title, metrics)], rows)


def _parts(report: Report) -> Iterator[str]:
    if not report.parts:
        return
    metrics = list(next(iter(report.parts.values())))
    yield "<h2>What each part adds: the recommender less itself without it</h2>"
    rows = [
        [name, *(f"{difference_cell(figures[m])} p {figures[m].p:.3f}" for m in metrics)] for name, figures in report.parts.items()
    ]
    yield _table(["part", *map(report.title, metrics)], rows)


def _curve(report: Report, curve: Curve) -> Iterator[str]:
    title = f"{report.title('ndcg')} by {curve.name}"
    yield f"<h2>{escape(title)}</h2>"
    yield _line(title, [str(point.size) for point in curve.points], [point.ndcg for point in curve.points])
    yield _table(CURVE_HEAD, curve_rows(curve))


def _line(title: str, labels: Sequence[str], values: Sequence[Interval]) -> str:
    """Draw means as a line over evenly spaced labels, their intervals as a band."""
    width, height, left, bottom = 620, 220, 50, 190
    ends = [(v.mean if v.low is None else v.low, v.mean if v.high is None else v.high) for v in values]
    top = max([1e-9, *(high for _, high in ends)]) * 1.05
    xs = [left + (width - left - 20) * n / max(len(values) - 1, 1) for n in range(len(values))]

    def y(value: float) -> float:
        return bottom - (bottom - 10) * value / top

    def path(numbers: Sequence[float], across: Sequence[float]) -> str:
        return " ".join(f"{x:.1f},{y(v):.1f}" for x, v in zip(across, numbers, strict=True))

    band = path([low for low, _ in ends], xs) + " " + path([high for _, high in reversed(ends)], xs[::-1])
    lines = [
        f'<svg role="img" aria-label="{escape(title)}" width="{width}" height="{height}">',
        f'<path d="M{left} 10V{bottom}H{width - 10}" stroke="currentColor" fill="none"/>',
        f'<polygon points="{band}" fill="#2563eb" opacity=".2"/>',
        f'<polyline points="{path([v.mean for v in values], xs)}" fill="none" stroke="#2563eb" stroke-width="2"/>',
    ]
    for x, label, value in zip(xs, labels, values, strict=True):
        lines.append(f'<circle cx="{x:.1f}" cy="{y(value.mean):.1f}" r="3" fill="#2563eb"/>')
        lines.append(f'<text x="{x:.1f}" y="{bottom + 18}" {LABEL} text-anchor="middle">{escape(label)}</text>')
    for mark in (0.0, top / 2, top):
        lines.append(f'<text x="{left - 6}" y="{y(mark) + 4:.1f}" {LABEL} text-anchor="end">{mark:.3f}</text>')
    return "".join([*lines, "</svg>"])


def _groups(report: Report, name: str, groups: Mapping[str, Group]) -> Iterator[str]:
    if not groups:
        return
    systems = list(report.systems)
    yield f"<h2>{escape(report.title('ndcg'))} by {escape(name)}</h2>"
    rows = []
    for value, group in groups.items():
        less = [difference_cell(group.difference)] if group.difference else []
        rows.append([value, str(group.queries), str(group.users), *(cell(group.ndcg[s]) for s in systems), *less])
    yield _table([name, "queries", "users", *systems, *(["less best baseline"] if report.best_baseline else [])], rows)


def _protocol(protocol: Mapping[str, Any], seconds: float) -> Iterator[str]:
    yield "<h2>How it was measured</h2>"
    yield _table(["", ""], [[name.replace("_", " "), str(value)] for name, value in protocol.items() if value is not None])
    yield f"<p>{seconds:.1f} seconds.</p>"
