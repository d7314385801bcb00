"""Alerts: what in the live figures asks for somebody, with its cause and where to look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from occasion.insight.drift import SignalDrift, VectorDrift
from occasion.insight.traffic import Served, chosen, shown
from occasion.insight.uses import Totals
from occasion.scenarios import Scenario

__all__ = ["Alert", "alerts"]

SHORT = 0.1
CROWDED = 0.9
LEAST = 100
"""Answers below which shares say little."""
SLOW, BROKEN = 1.0, 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that asks for somebody.

    Attributes
    ----------
    name : str
        Short, for programs: ``drift``, ``short_lists``, ...
    severity : str
        ``error`` or ``warning``.
    message, cause : str
        What is the matter, and what usually is behind it.
    page : str
        The page of the console where to look, as a path.
    values : mapping
        All figures and names in the message, for those who tell it in other words.
    """

    name: str
    severity: str
    message: str
    cause: str
    page: str
    values: Mapping[str, Any] = field(default_factory=dict)


def alerts(
    answers: Sequence[Served],
    figures: Totals,
    signals: Sequence[SignalDrift],
    vectors: Sequence[VectorDrift],
    scenarios: Mapping[str, Scenario],
    *,
    now: float,
    trouble: str = "",
    service: Mapping[str, Any] | None = None,
) -> list[Alert]:
    """Return what is the matter, the gravest first.

    Parameters
    ----------
    trouble : str
        `Recommender.trouble`.
    service : mapping, optional
        ``failed`` (share of requests that failed), ``p95`` (seconds of an answer), ``overloaded`` (number), where they are known.
    """
    found: list[Alert] = []
    if trouble:
        cause = "Its files are missing or changed, or its parts do not fit this release."
        found.append(_alert("version", "error", trouble, cause, "/quality", trouble=trouble))
    found += _of_service(service or {})
    found += _of_lists(figures)
    found += _of_feedback(answers)
    for one in signals:
        if one.moved:
            value, before, after = one.values[0]
            message = (
                f"The signal {one.signal} moved: {value or 'not given'} went from {before:.0%} to {after:.0%} of the requests."
            )
            cause = "Another client sends it, a client stopped sending it, or people come in other situations than before."
            shares = {"value": value, "before": before, "after": after}
            found.append(_alert("drift", "warning", message, cause, "/live#drift", signal=one.signal, index=one.index, **shares))
    for turned in vectors:
        if turned.moved:
            message = f"The mean vector of {turned.what} turned by {turned.distance:.2f} (by chance {turned.chance:.2f})."
            cause = "Situations are described in other words than before, or other items are shown. A fit learns the new ones."
            figures_of = {"what": turned.what, "distance": turned.distance, "chance": turned.chance}
            found.append(_alert("vector_drift", "warning", message, cause, "/quality", **figures_of))
    for name, scenario in scenarios.items():
        if scenario.active_until is not None and scenario.active_until <= now:
            message = f"The scenario {name} is over, and requests may still name it."
            cause = "Its schedule has ended."
            found.append(_alert("scenario_over", "warning", message, cause, f"/rules?name={name}", scenario=name))
    return sorted(found, key=lambda one: one.severity != "error")


def _alert(name: str, severity: str, message: str, cause: str, page: str, **values: Any) -> Alert:
    return Alert(name=name, severity=severity, message=message, cause=cause, page=page, values=values)


def _of_service(service: Mapping[str, Any]) -> list[Alert]:
    found = []
    if service.get("failed", 0.0) > BROKEN:
        message = f"{service['failed']:.1%} of the requests failed by the service's fault."
        cause = "The log has the cause of each under its request id."
        found.append(_alert("failing", "error", message, cause, "/live#requests", failed=service["failed"]))
    if service.get("p95") is not None and service["p95"] > SLOW:
        message = f"One answer in twenty takes longer than {service['p95']:.1f} s."
        cause = "See which stage takes it: the queue (more workers), the encoder, the search, or the disk."
        found.append(_alert("slow", "warning", message, cause, "/live#stages", p95=service["p95"]))
    if service.get("overloaded", 0) > 0:
        message = f"{service['overloaded']:.0f} requests were refused because the queue was full."
        cause = "More comes than one process answers: more workers."
        found.append(_alert("overloaded", "error", message, cause, "/live#stages", overloaded=service["overloaded"]))
    return found


def _of_lists(figures: Totals) -> list[Alert]:
    found = []
    if figures.answers >= LEAST and figures.short > SHORT:
        message = f"{figures.short:.0%} of the lists are shorter than asked for."
        cause = "Filters, caps or exclusions leave too little; a preview shows which."
        found.append(_alert("short_lists", "warning", message, cause, "/rules", short=figures.short))
    if figures.answers >= LEAST and figures.items > 20 and figures.top_share > CROWDED:
        message = f"Ten items take {figures.top_share:.0%} of all places."
        cause = "A pin or boost that always applies, or too little diversity."
        found.append(_alert("crowded", "warning", message, cause, "/rules", top_share=figures.top_share))
    return found


def _of_feedback(answers: Sequence[Served]) -> list[Alert]:
    """Compare the newest fifth with what was before; the newest answers of all may not have been looked at yet."""
    seen = shown(answers)
    if len(seen) < 2 * LEAST:
        return []
    new = len(seen) // 5
    before, now = seen[:-new], seen[-new:]
    rates = [sum(map(chosen, part)) / len(part) for part in (before, now)]
    if rates[0] >= 0.02 and not any(one.acts for one in now):
        message = f"None of the last {new} answers has any feedback; before, {rates[0]:.0%} were taken up."
        cause = "The client no longer sends events, or no longer names the answer (slate) in them."
        return [_alert("no_feedback", "error", message, cause, "/live#uses", last=new, before=rates[0])]
    spread = (rates[0] * (1 - rates[0]) * (1 / len(before) + 1 / new)) ** 0.5
    if spread > 0 and rates[0] - rates[1] > 3 * spread and rates[1] < 0.8 * rates[0]:
        message = f"Of the last {new} answers {rates[1]:.1%} were taken up; before, {rates[0]:.1%}."
        cause = "A new version, a changed rule, a change in the client, or events that come late."
        return [_alert("fewer_choices", "warning", message, cause, "/quality", last=new, before=rates[0], now=rates[1])]
    return []
