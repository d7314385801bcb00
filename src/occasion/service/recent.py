"""Recent: the measures of the last minutes: what Prometheus would work out of them, for those who have none."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from occasion.service.logs import logger
from occasion.service.measures import Measures

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RecentMeasures"]

SPAN = 900.0
APART = 20.0
"""Seconds between two looks at the counters."""
ONLOOKERS = ("outside", "/v1/live")
"""Routes of those who look on: the files of the console, and its figures that are fetched every few seconds."""

Key = tuple[str, tuple[str, ...]]
Buckets = list[tuple[float, float]]


class RecentMeasures:
    """Looks at the counters every 20 seconds, and tells what came in between.

    Parameters
    ----------
    measures : Measures
    clock : callable
        Seconds that only grow.
    """

    def __init__(self, measures: Measures, clock: Callable[[], float] = time.monotonic) -> None:
        self._measures, self._clock = measures, clock
        self._places: dict[Key, int] = {}
        """Where in a snapshot each counter stands: a quarter of an hour of snapshots holds their names once."""
        self._taken: deque[tuple[float, NDArray[np.float64]]] = deque()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look."""
        self.look()
        self._thread = threading.Thread(target=self._run, daemon=True, name="measures")
        self._thread.start()

    def close(self) -> None:
        """Stop; idempotent."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.wait(APART):
            try:
                self.look()
            except Exception:
                # The folder that workers share their counters in may be out of reach for a while.
                logger.exception("measures")

    def look(self) -> NDArray[np.float64]:
        """Remember how the counters stand now; return it."""
        with self._lock:
            now = self._read()
            self._taken.append((self._clock(), now))
            # Of those that are old enough the newest stays: it is the base.
            while len(self._taken) > 1 and self._clock() - self._taken[1][0] >= SPAN:
                self._taken.popleft()
            return now

    def figures(self, seconds: float = SPAN) -> dict[str, Any]:
        """Return requests by route and status, latencies by route and stage, events and refusals of the last seconds.

        They reach from now back to the newest look that is at least `seconds` old; where there is none, to the first one.
        """
        with self._lock:
            now, counters = self._clock(), self._read()
            old = [one for one in self._taken if now - one[0] >= seconds]
            when, base = old[-1] if old else self._taken[0] if self._taken else (now, np.zeros(0))
            counters[: len(base)] -= base
            change = dict(zip(self._places, counters.tolist(), strict=True))
        return {"seconds": now - when, **_requests(change), **_others(change)}

    def _read(self) -> NDArray[np.float64]:
        """Return the counters in their places; one that was never met before gets the next place."""
        found = [(self._places.setdefault(key, len(self._places)), value) for key, value in self._samples()]
        values = np.zeros(len(self._places))
        for place, value in found:
            values[place] = value
        return values

    def _samples(self) -> Iterator[tuple[Key, float]]:
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
        if labels["route"] in ONLOOKERS:
            continue
        row = routes.setdefault(labels["route"], {"route": labels["route"], "requests": 0.0, "failed": 0.0, "refused": 0.0})
        row["requests"] += value
        row["failed"] += value if labels["status"].startswith("5") else 0.0
        row["refused"] += value if labels["status"].startswith("4") else 0.0
        total += value
        failed += value if labels["status"].startswith("5") else 0.0
    seconds = _buckets(change, "occasion_request_seconds", "route")
    for name, row in routes.items():
        row |= _latencies(seconds[name])
    stages = _buckets(change, "occasion_stage_seconds", "stage")
    shown = [{"stage": name, **_latencies(stages[name])} for name in sorted(stages)]
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


def _buckets(change: dict[Key, float], metric: str, label: str) -> dict[str, Buckets]:
    """Return a histogram's buckets (upper edge, number up to there), in order, by a label."""
    found: dict[str, Buckets] = defaultdict(list)
    for key, value in change.items():
        if key[0] == f"{metric}_bucket":
            labels = _labels(key)
            found[labels[label]].append((float(labels["le"].replace("+Inf", "inf")), value))
    for buckets in found.values():
        buckets.sort()
    return found


def _latencies(buckets: Buckets) -> dict[str, float | None]:
    """Return count and the 50th, 95th and 99th percentile in seconds; within a bucket of the histogram as if evenly spread."""
    total = buckets[-1][1] if buckets else 0.0
    return {"count": total, **{f"p{p}": _quantile(buckets, p / 100 * total) if total else None for p in (50, 95, 99)}}


def _quantile(buckets: Buckets, wanted: float) -> float:
    low, below = 0.0, 0.0
    for high, count in buckets:
        if count >= wanted:
            if high == float("inf"):
                return low
            return low + (high - low) * ((wanted - below) / max(count - below, 1e-9))
        low, below = high, count
    return low
