"""Plot: a report as one figure, with matplotlib."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from occasion.errors import MissingExtraError
from occasion.evaluation.report import Group, Interval, Report

__all__ = ["draw"]

logger = logging.getLogger(__name__)

INCH = 0.32
"""Height of a line of a panel."""
LONGEST = 30
"""Characters of a label."""
HAN_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "Source Han Sans CN", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "Droid Sans Fallback",
)  # fmt: skip
"""Fonts that lend matplotlib's own the letters it lacks, where they are installed."""


def draw(report: Report, path: Path) -> None:
    """Draw ndcg with intervals: all queries by system, then strata and slices, to the file's format.

    Raises
    ------
    MissingExtraError
        Where matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from matplotlib.font_manager import fontManager
    except ImportError:
        raise MissingExtraError("a plot", "plot") from None
    installed = {font.name for font in fontManager.ttflist}
    families = ["DejaVu Sans", *(name for name in HAN_FONTS if name in installed)]
    with mpl.rc_context({"font.family": families}), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _drawn(report, Figure).savefig(path)
    lacking = [one for one in caught if str(one.message).startswith("Glyph")]
    for other in (one for one in caught if one not in lacking):
        warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    if lacking:
        logger.warning("%s: no installed font has some of its letters. Cure: install one, for example fonts-noto-cjk.", path.name)


def _drawn(report: Report, figure_of: Any) -> Any:
    """Return the figure; `figure_of` is matplotlib's class."""
    panels = _panels(report)
    heights = [1 + sum(len(line) + (len(line) > 1) for line in lines.values()) for lines in panels.values()]
    figure = figure_of(figsize=(8, 1.2 * len(panels) + INCH * sum(heights)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    colours = {name: f"C{n}" for n, name in enumerate(report.systems)}
    for axis, (title, lines) in zip(axes[:, 0], panels.items(), strict=True):
        _panel(axis, title, lines, colours)
        axis.set_xlabel(report.title("ndcg"))
    return figure


def _panels(report: Report) -> dict[str, dict[str, dict[str, Interval]]]:
    """Return panel title to line label to system to value."""
    whole = {name: {name: figures["ndcg"]} for name, figures in report.systems.items()}
    panels = {"All queries": whole}
    panels |= {f"By {c.name}": {str(p.size): {next(iter(report.systems)): p.ndcg} for p in c.points} for c in report.curves}
    shown = [next(iter(report.systems)), *([report.best_baseline] if report.best_baseline else [])]
    named: dict[str, Mapping[str, Group]] = {"By stratum": report.strata}
    named |= {f"By {signal}": groups for signal, groups in report.slices.items()}
    for title, groups in named.items():
        if groups:
            panels[title] = {f"{value} ({g.queries})": {s: g.ndcg[s] for s in shown} for value, g in groups.items()}
    return panels


def _panel(axis: Any, title: str, lines: Mapping[str, Mapping[str, Interval]], colours: Mapping[str, str]) -> None:
    several = any(len(values) > 1 for values in lines.values())
    y, ticks, seen = 0.0, [], set()
    for values in lines.values():
        ticks.append(y + (len(values) - 1) / 2)
        for system, value in values.items():
            low, high = (value.mean if end is None else end for end in (value.low, value.high))
            reach = [[max(0.0, value.mean - low)], [max(0.0, high - value.mean)]]
            label = system if several and system not in seen else None
            axis.errorbar(value.mean, y, xerr=reach, fmt="o", color=colours[system], capsize=3, label=label)
            seen.add(system)
            y += 1
        y += 1 if several else 0
    # A dollar sign would start a formula.
    labels = [(name if len(name) <= LONGEST else name[: LONGEST - 1] + "…").replace("$", r"\$") for name in lines]
    axis.set_yticks(ticks, labels)
    axis.set_ylim(y - (1.3 if several else 0.3), -0.7)
    axis.set_xlim(left=0)
    axis.set_title(title.replace("$", r"\$"), loc="left")
    axis.grid(axis="x", alpha=0.3)
    if several:
        axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(seen), frameon=False, fontsize="small")
