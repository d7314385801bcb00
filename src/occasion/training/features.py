"""The sources together: which items are candidates for a request, and what is known about each.

:class:`Bases` holds everything that was counted or trained on one set of events and gives each request's scores over all
items; candidates are the best of the reciprocal ranks summed over the sources; features are the scores, their ranks among
the candidates, figures of the item, of the person's own past with it, and of the request.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.training.borrowed import Borrowed
from occasion.training.contextual import Lift, kernel_rows, signal_rows
from occasion.training.figures import figures
from occasion.training.fusion import fuse, ranks
from occasion.training.itemitem import Ease, Neighbours, Transitions, decayed_rows
from occasion.training.popularity import Popularity

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from occasion.training.dataset import Dataset, Events, Requests
    from occasion.training.sequence import SequenceModel
    from occasion.training.text import TextVectors

    Floats = NDArray[np.float32]

__all__ = ["PARTS", "Bases", "Candidates"]

PARTS = ("ease", "neighbours", "transitions", "sequence", "text", "popularity", "context", "repeats", "attributes", "borrowed")
"""Parts that can be left out by name."""

CELLS = 6_000_000
"""Requests times items scored at once."""


@dataclass(kw_only=True)
class Candidates:
    """Candidates of B requests: `items` (B, C), `features` (B, C, f), `fused` (B, C) sums of reciprocal ranks."""

    items: NDArray[np.int32]
    features: Floats
    fused: Floats


@dataclass(kw_only=True)
class Bases:
    """What was learnt from one set of events.

    Attributes
    ----------
    n_items : int
    times : {"unix", "position", "none"}
    exclude_seen : bool
    parts : list of str
        Names of the parts in use.
    names : list of str
        Names of the features, known after the first request.
    novel : float, 0..1
        Weight of the candidates put forward among the items without events alone.
    absent : (items,) bool, optional
        Items that are no candidates.
    borrowed : Borrowed, optional
        What rare items take over from their like.
    newest : float
        Time of the newest event, seconds.
    """

    n_items: int
    times: str
    exclude_seen: bool
    parts: list[str]
    popularity: Popularity
    ease: Ease | None = None
    neighbours: Neighbours | None = None
    transitions: Transitions | None = None
    sequence: SequenceModel | None = None
    text: TextVectors | None = None
    lift: Lift | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    numbers: Floats
    number_names: list[str] = field(default_factory=list)
    signal_names: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    n_numbers: int = 0
    novel: float = 0.0
    absent: NDArray[np.bool_] | None = None
    borrowed: Borrowed | None = None
    newest: float = 0.0

    @classmethod
    def fit(
        cls, data: Dataset, events: Events, *, text: TextVectors | None, sequence: SequenceModel | None, without: set[str]
    ) -> Bases:
        """Count and solve everything but the sequence model, which is handed in."""
        n, users = len(data.items), len(data.users)
        timed = data.times != "none"
        use = {p for p in PARTS if p not in without}
        bases = cls(
            n_items=n, times=data.times, exclude_seen=data.exclude_seen, parts=[], numbers=data.items.numbers,
            number_names=data.items.number_names, popularity=Popularity.fit(events, n, data.times, _span(data)),
            n_numbers=len(data.signals.numeric), newest=float(data.events.time.max(initial=0)) if data.times == "unix" else 0.0,
        )  # fmt: skip
        builders: dict[str, tuple[bool, Callable[[], Any]]] = {
            "ease": (True, lambda: Ease.fit(events, users, n)),
            "neighbours": (True, lambda: Neighbours.fit(events, users, n)),
            "transitions": (timed, lambda: Transitions.fit(events, n)),
            "sequence": (sequence is not None, lambda: sequence),
            "text": (text is not None, lambda: text),
            "lift": (bool(data.signals.names) and "context" in use, lambda: Lift.fit(events, n, data.signals.sizes)),
        }
        for name, (wanted, build) in builders.items():
            if wanted and name in use | {"lift"}:
                begun = time.monotonic()
                setattr(bases, name, build())
                bases.seconds[name] = time.monotonic() - begun
                bases.parts.append("context" if name == "lift" else name)
        if text is not None and "borrowed" in use:
            bases.borrowed = Borrowed.fit(text.joint, np.bincount(events.item, minlength=n))
            bases.parts.append("borrowed")
        if "context" in bases.parts:
            bases.signal_names = data.signals.names
        bases.parts += [p for p in ("popularity",) if p in use]
        if "repeats" in use and not data.exclude_seen:
            bases.parts.append("repeats")
        if "attributes" in use and data.items.attributes:
            bases.parts.append("attributes")
            order = sorted(data.items.attributes, key=lambda a: -data.items.attributes[a].nnz)
            bases.attributes = {a: data.items.attributes[a] for a in order[:6]}
        return bases

    def scores(self, requests: Requests) -> tuple[dict[str, Floats], set[str]]:
        """Return scores (B, items) by source, and which of them put forward candidates."""
        out: dict[str, Floats] = {}
        forward: set[str] = set()

        def add(name: str, value: Floats, *, candidates: bool = True) -> None:
            out[name] = value
            if candidates:
                forward.add(name)

        self._collaborative(requests, add)
        if self.borrowed:
            for name in ("ease_1", "near"):
                if name in out:
                    add(f"borrowed_{name}", self.borrowed.score(out[name]))
        self._content(requests, add)
        if "popularity" in self.parts:
            for name in self.popularity.names:
                if name.startswith("share"):
                    add(f"popular_{name}", np.broadcast_to(self.popularity.column(name), (len(requests), self.n_items)))
        if "repeats" in self.parts:
            self._own(requests, add)
        if self.lift:
            self._context(requests, add)
        return out, forward

    def _collaborative(self, requests: Requests, add: Any) -> None:
        timed = self.times != "none"
        if self.ease:
            add("ease_1", self.ease.score(requests, 1.0))
            if timed:
                add("ease_0.8", self.ease.score(requests, 0.8))
                add("ease_0.4", self.ease.score(requests, 0.4, last=5), candidates=False)
        if self.neighbours:
            add("near", self.neighbours.score(requests, 0.8 if timed else 1.0))
            if timed:
                add("near_0.95", self.neighbours.score(requests, 0.95), candidates=False)
        if self.transitions:
            add("next_0.8", self.transitions.score(requests, 0.8))
            add("next_0.4", self.transitions.score(requests, 0.4), candidates=False)
        if self.sequence:
            add("sequence", self.sequence.score(requests))

    def _content(self, requests: Requests, add: Any) -> None:
        timed = self.times != "none"
        if self.text:
            for name, value in self.text.score(requests, (0.8, 0.3) if timed else (1.0,)).items():
                add(name, value, candidates=not name.endswith("0.3"))
        for name, matrix in self.attributes.items():
            profile = (decayed_rows(requests, self.n_items, 0.9 if timed else 1.0, last=50) @ matrix).tocsr()
            add(f"same_{name}", np.asarray((matrix @ profile.T).todense(), np.float32).T, candidates=False)

    def _own(self, requests: Requests, add: Any) -> None:
        rows = decayed_rows(requests, self.n_items, 1.0)
        add("own", _dense(rows))
        if self.times == "unix":
            add("own_now", _dense(_aged_rows(requests, self.n_items, 30.0)))
        elif self.times == "position":
            add("own_now", _dense(decayed_rows(requests, self.n_items, 0.9)))

    def _context(self, requests: Requests, add: Any) -> None:
        lifts = self.lift.score(requests) if self.lift else []
        total = np.sum(lifts, 0) if lifts else None
        if total is not None:
            add("moment", total + self.popularity.column("share"))
            for name, value in zip(self.signal_names, lifts, strict=True):
                add(f"lift_{name}", value, candidates=False)
        if not self.exclude_seen:
            for name, rows in zip(self.signal_names, signal_rows(requests, self.n_items), strict=True):
                add(f"own_{name}", _dense(rows), candidates=False)
            for sharpness in (0.7, 1.5):
                rows = kernel_rows(requests, self.n_items, sharpness)
                add(f"own_kernel_{sharpness}", _dense(rows))
            if total is not None:
                own = _dense(kernel_rows(requests, self.n_items, 0.7))
                add("own_moment", np.log(own + 1e-4) + 0.5 * total, candidates=False)
        if self.ease:
            rows = kernel_rows(requests, self.n_items, 0.7)
            add("ease_kernel", self.ease.score_rows(rows), candidates=False)

    def candidates(self, requests: Requests, count: int) -> Candidates:
        """Return candidates and features; sources are scored in slices that bound the memory."""
        if self.times == "unix" and not np.isfinite(requests.time).all():
            # A request without a time is taken for one made just after the newest event.
            requests = replace(requests, time=np.where(np.isfinite(requests.time), requests.time, self.newest))
        size = max(1, CELLS // max(self.n_items, 1))
        count = min(count, self.n_items)
        if not len(requests):
            empty = np.zeros((0, count), np.float32)
            return Candidates(items=empty.astype(np.int32), features=empty[..., None], fused=empty)
        parts = [self._slice(requests.part(s, min(s + size, len(requests))), count) for s in range(0, len(requests), size)]
        return Candidates(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in ("items", "features", "fused")})

    def _slice(self, requests: Requests, count: int) -> Candidates:
        scores, forward = self.scores(requests)
        put = [(scores[n], 1.0) for n in scores if n in forward] + self._novel(scores)
        seen = (requests.row, requests.item) if self.exclude_seen else None
        fused = fuse(put, seen, self._barred(requests), self.popularity.column("share"))
        items = np.argpartition(-fused, count - 1, axis=1)[:, :count].astype(np.int32)
        chosen = np.take_along_axis(fused, items, 1)
        order = np.argsort(-chosen, axis=1, kind="stable")
        items, chosen = np.take_along_axis(items, order, 1), np.take_along_axis(chosen, order, 1)
        columns, names = [chosen], ["fused"]
        for name, value in scores.items():
            picked = np.take_along_axis(value, items, 1)
            columns.append(picked)
            names.append(name)
            if name in forward and not name.startswith("popular"):
                columns.append(ranks(picked))
                names.append(f"rank_{name}")
        more, more_names = figures(self, requests, items)
        self.names = names + more_names
        return Candidates(items=items, features=np.concatenate([np.stack(columns, -1), more], -1), fused=chosen)

    def _novel(self, scores: dict[str, Floats]) -> list[tuple[Floats, float]]:
        """Return the text-borne scores with all items that have events put last, where such items are asked for at all."""
        known = self.popularity.column("people") > 0
        if self.novel < 0.005 or known.all():
            return []
        names = [n for n in ("sequence", "sentence_0.8", "lexical_0.8", "sentence_1.0", "lexical_1.0") if n in scores]
        return [(np.where(known[None], np.float32(-1e9), scores[n]), self.novel) for n in names]

    def _barred(self, requests: Requests) -> NDArray[np.bool_] | None:
        """Return which items (items,) no request of the batch may be answered with."""
        if self.absent is None or requests.allowed is None:
            return self.absent if requests.allowed is None else ~requests.allowed
        return self.absent | ~requests.allowed


def _span(data: Dataset) -> float:
    """Days between the first and the last event of the data set: the same for all its parts, so that all have the same columns."""
    if data.span is not None:
        return data.span
    return float(np.ptp(data.events.time)) / 86400.0 if data.times == "unix" and np.isfinite(data.events.time).all() else np.inf


def _dense(rows: Any) -> Floats:
    return np.asarray(rows.todense(), np.float32)


def _aged_rows(requests: Requests, n_items: int, half_life: float) -> Any:
    """Return a CSR (B, items) of own events with weight 0.5**(days / half_life)."""
    from scipy import sparse

    age = np.maximum(requests.time[requests.row] - requests.when, 0) / 86400.0
    weight = (0.5 ** (age / half_life)).astype(np.float32)
    matrix = sparse.csr_matrix((weight, requests.item, requests.ptr), copy=True, shape=(len(requests), n_items))
    matrix.sum_duplicates()
    return matrix
