"""Table: a report for the terminal, fit for 80 columns. JSON and HTML have every interval."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from occasion.evaluation.report import Curve, Difference, Group, Interval, Report

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["CURVE_HEAD", "cell", "curve_rows", "difference_cell", "facts", "plain_table", "show"]


CURVE_HEAD = ("events", "mean", "step", "p")
"""Columns of `curve_rows`."""
SHOWN = ("ndcg", "hit", "mrr", "coverage", "diversity", "novelty")


def cell(value: Interval) -> str:
    """Return ``mean [low, high]``, three decimals."""
    if value.low is None or value.high is None:
        return f"{value.mean:.3f}"
    return f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]"


def difference_cell(value: Difference) -> str:
    """Return ``+mean [low, high]``, three decimals."""
    return f"{value.mean:+.3f} [{value.low:+.3f}, {value.high:+.3f}]"


def facts(report: Report) -> str:
    """Return in one sentence what was measured on."""
    p = report.protocol
    return (
        f"{p['queries']} queries of {p['users']} users, {p['events_counted']} events counted, {p['items']} items ranked in full. "
        f"In brackets: 95 % intervals, bootstrap over users."
    )


def show(report: Report, console: Console | None = None) -> None:
    """Print a report; default: to standard output."""
    from rich.console import Console

    console = console or Console()
    console.print(facts(report), markup=False, highlight=False)
    for table in _tables(report):
        console.print(table)
    for note in report.notes:
        console.print(f"* {note}", markup=False, highlight=False)


def _tables(report: Report) -> Iterator[Table]:
    yield _systems(report)
    if report.differences:
        yield _differences(report)
    if report.parts:
        yield _parts(report)
    for curve in report.curves:
        yield plain_table(f"{report.title('ndcg')} by {curve.name}", CURVE_HEAD, curve_rows(curve))
    if report.strata:
        yield _groups(report, "stratum", report.strata)
    for signal, groups in report.slices.items():
        yield _groups(report, signal, groups)


def _table(title: str, columns: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    # Text objects: names and values of signals are other people's, brackets in them are no markup.
    table = Table(
        title=Text(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for n, name in enumerate(columns):
        table.add_column(
            Text(name), justify="left" if n == 0 else "right", no_wrap=n > 0, overflow="fold", min_width=12 if n == 0 else None
        )
    return table


def curve_rows(curve: Curve) -> list[tuple[str, str, str, str]]:
    """Return number of events, ndcg, step and p of each point as texts."""
    out = []
    for point in curve.points:
        step, p = ("", "") if point.step is None else (difference_cell(point.step), f"{point.step.p:.3f}")
        out.append((str(point.size), cell(point.ndcg), step, p))
    return out


def _parts(report: Report) -> Table:
    rows = [
        (part, *(text for m in ("ndcg", "hit") for text in (difference_cell(figures[m]), f"{figures[m].p:.3f}")))
        for part, figures in report.parts.items()
    ]
    title = "What each part adds: the recommender less itself without it"
    return plain_table(title, ("part", report.title("ndcg"), "p", report.title("hit"), "p"), rows)


def plain_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table of texts for a console."""
    from rich.text import Text

    table = _table(title, head)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _systems(report: Report) -> Table:
    table = _table("All queries", ["system", *map(report.title, SHOWN)])
    for name, figures in report.systems.items():
        first, *rest = SHOWN
        table.add_row(name, _short(figures[first]), *(f"{figures[m].mean:.3f}" for m in rest))
    return table


def _short(value: Interval) -> str:
    """Return ``mean [.low-.high]`` without leading zeros in the interval."""
    if value.low is None or value.high is None:
        return f"{value.mean:.3f}"
    ends = (f"{end:.3f}".removeprefix("0") for end in (value.low, value.high))
    return f"{value.mean:.3f} [{'-'.join(ends)}]"


def _differences(report: Report) -> Table:
    ndcg, hit = report.title("ndcg"), report.title("hit")
    table = _table("The recommender less each baseline, query by query", ["baseline", ndcg, "p", hit, "p"])
    for name, figures in report.differences.items():
        best = " (best)" if name == report.best_baseline else ""
        cells = ((difference_cell(figures[m]), f"{figures[m].p:.3f}") for m in ("ndcg", "hit"))
        table.add_row(name + best, *(text for pair in cells for text in pair))
    return table


def _groups(report: Report, name: str, groups: Mapping[str, Group]) -> Table:
    from rich.text import Text

    shown = [next(iter(report.systems)), *([report.best_baseline] if report.best_baseline else [])]
    table = _table(f"{report.title('ndcg')} by {name}", [name, "queries", *shown, *(["difference"] if len(shown) > 1 else [])])
    for value, group in groups.items():
        less = [difference_cell(group.difference)] if group.difference else []
        means = [_short(group.ndcg[shown[0]]), *(f"{group.ndcg[s].mean:.3f}" for s in shown[1:])]
        table.add_row(Text(value), str(group.queries), *means, *less)
    return table
