"""Reports: what an evaluation found, as tables and curves."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from occasion.console.parts.figures import interval, lines, table

__all__ = ["group_figures", "measured_html", "off_policy_html", "offline_html"]

METRICS = ("ndcg", "hit", "mrr", "coverage", "diversity", "novelty")
Say = Callable[..., str]
"""Gives the page's text of a name."""


def group_figures(one: Any) -> dict[str, Any] | None:
    """Return the figures of a group where they are those of the gate; other makers of versions may write others."""
    whole = isinstance(one, dict) and {"ndcg", "ndcg_before", "difference", "interval", "queries"} <= set(one)
    return one if whole and one["ndcg"] and one["ndcg_before"] else None


def measured_html(figure: list[float], most: float) -> str:
    """Return a figure with its interval, [mean, low, high]."""
    mean, low, high = figure
    return interval(mean, low, high, most, text=f"{mean:.4f} ({low:.4f} – {high:.4f})")


def _cell(figure: dict[str, Any] | None, most: float) -> str:
    if figure is None:
        return "–"
    low, high = figure.get("low"), figure.get("high")
    sides = "" if low is None else f" ({low:.3f} – {high:.3f})"
    return interval(figure["mean"], low, high, most, text=f"{figure['mean']:.4f}{sides}")


def offline_html(t: Say, report: dict[str, Any]) -> list[str]:
    """Return the tables and curves of an offline report."""
    systems = report["systems"]
    names = [m for m in METRICS if any(m in figures for figures in systems.values())]
    most = {m: max((f[m].get("high") or f[m]["mean"]) for f in systems.values() if m in f) or 1.0 for m in names}
    rows = [[escape(name), *(_cell(figures.get(m), most[m]) for m in names)] for name, figures in systems.items()]
    out = [table(t("systems"), (t("system"), *names), rows)]
    best = report["best_baseline"]
    groups = [(t("strata"), report["strata"]), *((t("slices", which=n), values) for n, values in report["slices"].items())]
    for caption, values in groups:
        if not values:
            continue
        tallest = max((f.get("high") or f["mean"]) for one in values.values() for f in one["ndcg"].values()) or 1.0
        own = next(iter(systems))
        rows = [
            [escape(value), _cell(one["ndcg"].get(own), tallest), _cell(one["ndcg"].get(best), tallest), f"{one['queries']:,}"]
            for value, one in values.items()
        ]
        out.append(table(caption, (t("value"), own, t("baseline"), t("queries")), rows))
    for curve in report["curves"]:
        points = [(f"{p['size']:,}", p["ndcg"]["mean"], p["ndcg"].get("low"), p["ndcg"].get("high")) for p in curve["points"]]
        caption = t("curve", which=curve["name"])
        out.append(f"<h3>{escape(caption)}</h3>{lines(points, caption)}")
    return out


def off_policy_html(t: Say, report: dict[str, Any]) -> list[str]:
    """Return the table of an off-policy report."""
    found = report["estimates"]
    most = max(((f.get("high") or f.get("value") or f.get("mean") or 0.0) for f in found.values()), default=1.0) or 1.0
    rows = [[escape(name), _cell({**f, "mean": f.get("mean", f.get("value", 0.0))}, most)] for name, f in found.items()]
    return [table(t("estimates"), (t("estimate"), t("rate")), rows)]
