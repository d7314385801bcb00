"""Watching: the live figures of a tenant, put together."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.errors import EncoderError
from occasion.insight.alerts import alerts
from occasion.insight.drift import SignalDrift, VectorDrift, parted, signal_drift, spread_out, vector_drift
from occasion.insight.traffic import Served
from occasion.insight.uses import Arm, Point, Totals, arms, series, totals
from occasion.scenarios import Scenarios

if TYPE_CHECKING:
    from occasion.recommender import Recommender
    from occasion.service.insights import TenantInsight
    from occasion.service.tenants import Tenant

__all__ = ["Known", "Watched", "looked_at"]

SENTENCES = 48
"""Sentences of each part that are encoded."""
AGAIN_SECONDS = 60.0
IDLE = 4.0
"""While answers keep coming, figures are worked out anew after so many times the seconds that it took: a fifth of a core."""
SHOWN_SIGNALS = 12

TELLING = 40
"""Answers from which on their slowest twentieth says something: the first ones read models from disk."""
_BY = {"scenarios": "scenario", "policies": "policy", "versions": "version"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the recommender says: how vectors turned, the number of items that may be recommended, its trouble."""

    vectors: list[VectorDrift]
    catalogue: int
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    """What is worked out of the answers alone."""

    totals: Totals
    series: list[Point]
    arms: dict[str, list[Arm]]
    signals: list[SignalDrift]


class Watched:
    """The live figures of one tenant as they were worked out last: several who look on must not cost more than one."""

    def __init__(self) -> None:
        self._turned: tuple[float, list[VectorDrift]] = (-1e9, [])
        self._figures: _Figures | None = None
        self._of: object = None
        self._until = 0.0
        self._lock = threading.Lock()

    def known(self, recommender: Recommender, answers: Sequence[Served]) -> Known:
        """Return what the recommender says. In the lane of answers; vectors are compared once a minute."""
        recommender.refresh()
        if time.monotonic() - self._turned[0] > AGAIN_SECONDS:
            self._turned = (time.monotonic(), _turned(recommender, answers))
        return Known(vectors=self._turned[1], catalogue=recommender.live.catalogue.size, trouble=recommender.trouble)

    def figures(self, answers: Sequence[Served], state: object, catalogue: int) -> _Figures:
        """Return the figures of answers; `state` stands for them, see `Traffic.looked`."""
        with self._lock:
            of = (state, catalogue)
            if self._figures is None or (of != self._of and time.monotonic() >= self._until):
                begun = time.monotonic()
                self._figures = _Figures(
                    totals=totals(answers, catalogue),
                    series=series(answers),
                    arms={name: arms(answers, by) for name, by in _BY.items()},
                    signals=signal_drift(*parted(answers)),
                )
                ended = time.monotonic()
                self._of, self._until = of, ended + IDLE * (ended - begun)
            return self._figures

    def forget(self) -> None:
        """Drop the figures: they may count somebody who left."""
        with self._lock:
            self._figures = None


def _turned(recommender: Recommender, answers: Sequence[Served]) -> list[VectorDrift]:
    """Return how the vectors of situations and of items shown turned."""
    before, now = parted(answers)
    if not before:
        return []
    found = []
    texts = [spread_out(part, SENTENCES, lambda one: one.sentence) for part in (before, now)]
    if all(texts):
        # A remote encoder that is out of order takes away this figure, and no other.
        with suppress(EncoderError):
            encoded = [recommender.encoder.encode(part, role="query") for part in texts]
            found.append(vector_drift("situations", encoded[0], encoded[1]))
    live = recommender.live
    keys = [np.array(live.catalogue.keys([item for one in part[-500:] for item in one.items]), np.int32) for part in (before, now)]
    if all(len(part) for part in keys) and live.index is not None:
        found.append(vector_drift("items shown", live.vectors(keys[0]), live.vectors(keys[1])))
    return [one for one in found if one is not None]


def looked_at(
    tenant: Tenant, mine: TenantInsight, answers: Sequence[Served], state: object, known: Known, recent: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the live figures."""
    figures = mine.watched.figures(answers, state, known.catalogue)
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
    found = alerts(
        answers, figures.totals, figures.signals, known.vectors, scenarios, now=now, trouble=known.trouble, service=service
    )
    return {
        "at": now,
        "totals": asdict(figures.totals),
        "series": [asdict(point) for point in figures.series],
        **{name: [asdict(arm) for arm in found_arms] for name, found_arms in figures.arms.items()},
        "signals": [asdict(one) for one in figures.signals[:SHOWN_SIGNALS]],
        "vectors": [asdict(one) for one in known.vectors],
        "alerts": [asdict(one) for one in found],
        "service": recent,
    }
