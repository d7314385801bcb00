"""Recent: the measures of the last minutes: what Prometheus would work out of them, for those who have none."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from occasion.service.measures import Measures

__all__ = ["RecentMeasures"]

SPAN = 900.0
APART = 1.0

Key = tuple[str, tuple[str, ...]]


class RecentMeasures:
    """Looks at the counters now and then, and tells what came in between.

    Parameters
    ----------
    measures : Measures
    """

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._taken: deque[tuple[float, dict[Key, float]]] = deque([(time.monotonic(), {})])
        self._lock = threading.Lock()

    def figures(self, seconds: float = SPAN) -> dict[str, Any]:
        """Return requests by route and status, latencies by route and stage, events and refusals of the last seconds."""
        now, counters = time.monotonic(), dict(self._read())
        with self._lock:
            if now - self._taken[-1][0] >= APART:
                self._taken.append((now, counters))
            while len(self._taken) > 2 and now - self._taken[1][0] > SPAN:
                self._taken.popleft()
            base = next((one for one in self._taken if now - one[0] <= seconds), self._taken[0])
        change = {key: value - base[1].get(key, 0.0) for key, value in counters.items()}
        return {"seconds": now - base[0], **_requests(change), **_others(change)}

    def _read(self) -> Iterator[tuple[Key, float]]:
        registry = self._measures.registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        for metric in registry.collect():
            for sample in metric.samples:
                if not sample.name.endswith("_created"):
                    yield (sample.name, tuple(f"{k}={v}" for k, v in sorted(sample.labels.items()))), float(sample.value)


def _labels(key: Key) -> dict[str, str]:
    return dict(label.split("=", 1) for label in key[1])


def _requests(change: dict[Key, float]) -> dict[str, Any]:
    routes: dict[str, dict[str, Any]] = {}
    failed = total = 0.0
    for key, value in change.items():
        labels = _labels(key)
        # Who asks whether it is ready is told "not yet" by a refusal: that is no fault.
        if key[0] != "occasion_requests_total" or value <= 0 or labels["route"].startswith("/v1/health/"):
            continue
        row = routes.setdefault(labels["route"], {"route": labels["route"], "requests": 0.0, "failed": 0.0, "refused": 0.0})
        row["requests"] += value
        row["failed"] += value if labels["status"].startswith("5") else 0.0
        row["refused"] += value if labels["status"].startswith("4") else 0.0
        total += value
        failed += value if labels["status"].startswith("5") else 0.0
    for name, row in routes.items():
        row |= _latencies(change, "occasion_request_seconds", "route", name)
    stages = sorted({_labels(key)["stage"] for key in change if key[0] == "occasion_stage_seconds_bucket"})
    shown = [{"stage": name, **_latencies(change, "occasion_stage_seconds", "stage", name)} for name in stages]
    return {
        "requests": total,
        "failed": failed / total if total else 0.0,
        "routes": sorted(routes.values(), key=lambda row: -row["requests"]),
        "stages": [row for row in shown if row["count"]],
    }


def _others(change: dict[Key, float]) -> dict[str, float]:
    def summed(name: str) -> float:
        return sum(value for key, value in change.items() if key[0] == name)

    names = ("events", "event_bursts", "overloaded", "rate_limited", "refused_keys")
    return {name: summed(f"occasion_{name}_total") for name in names}


def _latencies(change: dict[Key, float], metric: str, label: str, name: str) -> dict[str, float | None]:
    """Return count and the 50th, 95th and 99th percentile in seconds; within a bucket of the histogram as if evenly spread."""
    buckets: list[tuple[float, float]] = []
    for key, value in change.items():
        if key[0] == f"{metric}_bucket":
            labels = _labels(key)
            if labels[label] == name:
                buckets.append((float(labels["le"].replace("+Inf", "inf")), value))
    buckets.sort()
    total = buckets[-1][1] if buckets else 0.0
    return {"count": total, **{f"p{p}": _quantile(buckets, p / 100 * total) if total else None for p in (50, 95, 99)}}


def _quantile(buckets: list[tuple[float, float]], wanted: float) -> float:
    low, below = 0.0, 0.0
    for high, count in buckets:
        if count >= wanted:
            if high == float("inf"):
                return low
            return low + (high - low) * ((wanted - below) / max(count - below, 1e-9))
        low, below = high, count
    return low
