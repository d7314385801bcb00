"""Measures of the service for Prometheus. With several workers they meet in the folder PROMETHEUS_MULTIPROC_DIR."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

__all__ = ["CONTENT_TYPE", "Measures"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Measures:
    """Counters and histograms of one process. No label holds anything of a person, an item or a tenant."""

    def __init__(self) -> None:
        own = self.registry = CollectorRegistry()
        self.requests = Counter(
            "occasion_requests", "Requests by route, method and status.", ("route", "method", "status"), registry=own
        )
        self.seconds = Histogram(
            "occasion_request_seconds", "Seconds until an answer was sent.", ("route",), buckets=SECONDS, registry=own
        )
        self.stages = Histogram(
            "occasion_stage_seconds", "Seconds of each stage of a recommendation.", ("stage",), buckets=SECONDS, registry=own
        )
        self.events = Counter("occasion_events", "Events acknowledged, by whether they were new.", ("new",), registry=own)
        self.bursts = Counter("occasion_event_bursts", "Times that one account sent more events than a person can.", registry=own)
        self.overloaded = Counter("occasion_overloaded", "Requests refused because a queue was full.", registry=own)
        self.limited = Counter("occasion_rate_limited", "Requests refused because a key asked too often.", registry=own)
        self.refused = Counter("occasion_refused_keys", "Requests without a good key.", registry=own)
        self.queue = Gauge(
            "occasion_queue", "Requests waiting or running, by lane.", ("lane",), registry=own, multiprocess_mode="livesum"
        )
        # To look a labelled one up costs as much as to count with it.
        self.stage = lru_cache(1000)(self.stages.labels)
        self._requested, self._took = lru_cache(1000)(self.requests.labels), lru_cache(1000)(self.seconds.labels)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request: its route's template, its method, the status and the seconds until its answer was sent."""
        self._requested(route, method, status).inc()
        self._took(route).observe(seconds)

    def watch(self, lane: str) -> Callable[[float], None]:
        """Show a lane's queue, empty as yet; return what takes its length whenever it changes.

        The worker that is asked for the measures reads those of the others from their files: each has to write its own down.
        """
        shown = self.queue.labels(lane)
        shown.set(0)
        return shown.set

    def text(self) -> bytes:
        """Return everything in Prometheus' text form, of all workers where there are several."""
        if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)
