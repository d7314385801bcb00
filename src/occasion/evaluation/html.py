"""HTML: a report as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from occasion.evaluation.off_policy_report import NAMES, PLACE_HEAD, OffPolicyReport
from occasion.evaluation.report import METRICS, Group, Interval, Report
from occasion.evaluation.table import cell, difference_cell, facts

__all__ = ["off_policy_page", "page"]

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
  color: #1d2430; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #d9dee6; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
tr.first td { font-weight: 600 }
svg { display: block; margin: .5rem 0 }
@media (prefers-color-scheme: dark) { body { color: #e4e8ee; background: #14181f } th, td { border-color: #39414d } }
"""


def page(report: Report) -> str:
    """Return a report as one HTML page; all text of others is escaped."""
    return _whole(
        "Evaluation",
        f"<p>{escape(facts(report))}</p>",
        *_notes(report.notes),
        *_systems(report),
        *_differences(report),
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
        lines.append(f"<tr{mark}>" + "".join(f"<td>{escape(value)}</td>" for value in row) + "</tr>")
    return "".join([*lines, "</tbody></table></div>"])


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
    return "".join([*lines, "</svg>"])


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
    yield _table(["", ""], [[str(name), str(value)] for name, value in protocol.items()])
    yield f"<p>{seconds:.1f} seconds.</p>"
