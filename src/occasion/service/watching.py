"""Watching: the live figures of a tenant, put together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.insight.alerts import alerts
from occasion.insight.drift import VectorDrift, halves, signal_drift, spread_out, vector_drift
from occasion.insight.traffic import Served
from occasion.insight.uses import arms, series, totals
from occasion.scenarios import Scenarios

if TYPE_CHECKING:
    from occasion.recommender import Recommender
    from occasion.service.insights import TenantInsight
    from occasion.service.tenants import Tenant

__all__ = ["looked_at", "text_vectors"]

SENTENCES = 48
"""Sentences of each part that are encoded."""
AGAIN_SECONDS = 60.0
SHOWN_SIGNALS = 12

TELLING = 40
"""Answers from which on their slowest twentieth says something: the first ones read models from disk."""


def text_vectors(recommender: Recommender, mine: TenantInsight, answers: Sequence[Served]) -> tuple[list[VectorDrift], int, str]:
    """Return how the vectors of situations and of items shown turned, the size of the catalogue, and the recommender's trouble.

    In the lane of answers; vectors are worked out once a minute.
    """
    recommender.refresh()
    if time.monotonic() - mine.turned[0] > AGAIN_SECONDS:
        mine.turned = (time.monotonic(), _turned(recommender, answers))
    return mine.turned[1], recommender.live.catalogue.size, recommender.trouble


def _turned(recommender: Recommender, answers: Sequence[Served]) -> list[VectorDrift]:
    before, now = halves(answers)
    if not before:
        return []
    found = []
    texts = [spread_out(part, SENTENCES, lambda one: one.sentence) for part in (before, now)]
    if all(texts):
        encoded = [recommender.encoder.encode(part, role="query") for part in texts]
        found.append(vector_drift("situations", encoded[0], encoded[1]))
    live = recommender.live
    keys = [np.array(live.catalogue.keys([item for one in part[-500:] for item in one.items]), np.int32) for part in (before, now)]
    if all(len(part) for part in keys) and live.index is not None:
        found.append(vector_drift("items shown", live.vectors(keys[0]), live.vectors(keys[1])))
    return [one for one in found if one is not None]


def looked_at(
    tenant: Tenant,
    answers: Sequence[Served],
    vectors: Sequence[VectorDrift],
    catalogue: int,
    trouble: str,
    recent: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return the live figures."""
    figures = totals(answers, catalogue)
    signals = signal_drift(*halves(answers))
    scenarios = Scenarios(tenant.store, tenant.settings.home).all()
    now = time.time()
    service = None
    if recent is not None:
        answered: dict[str, Any] = next((row for row in recent["routes"] if row["route"] == "/v1/recommend"), {})
        telling = answered.get("requests", 0) >= TELLING
        service = {
            "failed": recent["failed"],
            "p95": answered.get("p95") if telling else None,
            "overloaded": recent["overloaded"],
        }
    found = alerts(answers, figures, signals, vectors, scenarios, now=now, trouble=trouble, service=service)
    return {
        "at": now,
        "totals": asdict(figures),
        "series": [asdict(point) for point in series(answers)],
        **{name: [asdict(arm) for arm in arms(answers, by)] for name, by in _BY.items()},
        "signals": [asdict(one) for one in signals[:SHOWN_SIGNALS]],
        "vectors": [asdict(one) for one in vectors],
        "alerts": [asdict(one) for one in found],
        "service": recent,
    }


_BY = {"scenarios": "scenario", "policies": "policy", "versions": "version"}
