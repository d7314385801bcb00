"""The sources together: which items are candidates for a request, and what is known about each.

:class:`Bases` holds everything that was counted or trained on one set of events and gives each request's scores over all
items; candidates are the best of the reciprocal ranks summed over the sources; features are the scores, their ranks among
the candidates, figures of the item, of the person's own past with it, and of the request.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.learning.borrowed import Borrowed
from occasion.learning.closeness import closeness, points, whereabouts, which
from occasion.learning.contextual import Lift, kernel_weights, signal_weights
from occasion.learning.figures import figures
from occasion.learning.freshness import freshness
from occasion.learning.fusion import fuse, fuse_few, ranks
from occasion.learning.histories import Histories
from occasion.learning.itemitem import Ease, Neighbours, Transitions
from occasion.learning.popularity import Popularity
from occasion.learning.rows import products, sums
from occasion.learning.scored import UNSAID, All, Alone, Leaders, Nearest, Some
from occasion.learning.signals import DAY
from occasion.pairs import beyond
from occasion.stepping import Steps, finished

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from occasion.learning.dataset import Dataset, Events, Requests
    from occasion.learning.sequence import SequenceModel
    from occasion.learning.text import TextVectors

    Floats = NDArray[np.float32]

__all__ = ["PARTS", "Bases", "Candidates"]

PARTS = (
    "ease",
    "neighbours",
    "transitions",
    "sequence",
    "text",
    "popularity",
    "context",
    "repeats",
    "attributes",
    "borrowed",
    "places",
)
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
    dated : sequence of int
        Which numbers of the items are days since 1970.
    fresh : int, optional
        The one of them by which the newest items are put forward, see `occasion.learning.freshness`.
    points : (items, 3) float64, optional
        Where items are, see `occasion.learning.closeness`.
    told : (int, int), optional
        Which numbers of a request are its latitude and longitude.
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
    dated: Sequence[int] = ()
    fresh: int | None = None
    points: NDArray[np.float64] | None = None
    told: tuple[int, int] | None = None

    @classmethod
    def fit(
        cls, data: Dataset, events: Events, *, text: TextVectors | None, sequence: SequenceModel | None, without: set[str]
    ) -> Bases:
        """Count and solve everything but the sequence model, which is handed in."""
        n, users = len(data.items), len(data.users)
        timed = data.times != "none"
        use = {p for p in PARTS if p not in without}
        # How often somebody repeats counts in full for themselves.
        fair = events.take(np.delete(np.arange(len(events)), beyond(events.user, events.item)))
        bases = cls(
            n_items=n, times=data.times, exclude_seen=data.exclude_seen, parts=[], numbers=data.items.numbers,
            number_names=data.items.number_names, dated=[data.items.number_names.index(name) for name in data.items.dated],
            popularity=Popularity.fit(fair, n, data.times, data.windows),
            n_numbers=len(data.signals.numeric), newest=float(data.events.time.max(initial=0)) if data.times == "unix" else 0.0,
        )  # fmt: skip
        builders: dict[str, tuple[bool, Callable[[], Any]]] = {
            "ease": (True, lambda: Ease.fit(events, users, n)),
            "neighbours": (True, lambda: Neighbours.fit(events, users, n)),
            "transitions": (timed, lambda: Transitions.fit(fair, n)),
            "sequence": (sequence is not None, lambda: sequence),
            "text": (text is not None, lambda: text),
            "lift": (bool(data.signals.names) and "context" in use, lambda: Lift.fit(fair, n, data.signals.sizes)),
        }
        for name, (wanted, build) in builders.items():
            if wanted and name in use | {"lift"}:
                begun = time.monotonic()
                setattr(bases, name, build())
                bases.seconds[name] = time.monotonic() - begun
                bases.parts.append("context" if name == "lift" else name)
        if data.fresh is not None and "popularity" in use:
            bases.fresh = data.items.number_names.index(data.fresh)
        where = which(data.items.number_names) if "places" in use else None
        if where is not None:
            bases.points, bases.told = points(data.items.numbers[:, list(where)]), which(data.signals.figures)
            bases.parts.append("places")
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

    def scores(self, histories: Histories) -> Steps[tuple[dict[str, Any], set[str]]]:
        """Return scores by source, and which of them put forward candidates: arrays (B, items), or `Scores` of a single request.

        In steps, as all that is asked for candidates.
        """
        out: dict[str, Any] = {}
        forward: set[str] = set()

        def add(name: str, value: Any, *, candidates: bool = True) -> None:
            out[name] = value
            if candidates:
                forward.add(name)

        kernel = self._ease(histories, add)
        yield
        self._collaborative(histories, add)
        yield
        if self.borrowed:
            lent = [n for n in ("ease_1", "near") if n in out]
            given = [out[n] for n in lent]
            if histories.single:
                passed: list[Any] = [self.borrowed.score_one(one) for one in given]
            else:
                passed = _apart(self.borrowed.score(np.concatenate(given)), histories) if lent else []
            for source, scores in zip(lent, passed, strict=True):
                add(f"borrowed_{source}", scores)
            yield
        self._content(histories, add)
        yield
        self._of_all(histories, add)
        if "repeats" in self.parts:
            self._own(histories, add)
        yield
        if self.lift:
            self._context(histories, add)
            if kernel is not None:
                add("ease_kernel", kernel, candidates=False)
        return out, forward

    def _of_all(self, histories: Histories, add: Any) -> None:
        """Add what the catalogue and the counts say of items: how popular, how new, and how close by they are."""
        for name in self.popularity.names if "popularity" in self.parts else ():
            if not name.startswith("share"):
                continue
            value = self.popularity.column(name)
            if histories.single:
                add(f"popular_{name}", Leaders(value, self.popularity.leaders(name)))
            else:
                add(f"popular_{name}", np.broadcast_to(value, (len(histories), self.n_items)))
        if self.fresh is not None:
            ages = freshness(self.numbers[:, self.fresh], histories.requests.time / DAY)
            add("fresh", All(ages[0], UNSAID) if histories.single else ages)
        if self.points is not None:
            close = closeness(self.points, whereabouts(histories.requests, self.points, self.told))
            # What is chosen by many and close: places near each other differ in how many come.
            many = np.where(close > UNSAID, close + self.popularity.column("share"), np.float32(UNSAID))
            for name, value in (("close", close), ("close_popular", many)):
                add(name, All(value[0], UNSAID) if histories.single else value)

    def _ease(self, histories: Histories, add: Any) -> Any:
        """Add the scores of the item weights; return those for the history weighted by likeness of the moment."""
        if not self.ease:
            return None
        weights = [histories.decayed(1.0)]
        if self.times != "none":
            weights += [histories.decayed(0.8), histories.decayed(0.4, last=5)]
        if self.lift:
            weights.append(kernel_weights(histories.requests, 0.7))
        found = _scored(self.ease, histories, *weights)
        kernel = found.pop() if self.lift else None
        for name, value in zip(("ease_1", "ease_0.8", "ease_0.4"), found, strict=False):
            add(name, value, candidates=name != "ease_0.4")
        return kernel

    def _collaborative(self, histories: Histories, add: Any) -> None:
        timed = self.times != "none"
        if self.neighbours:
            weights = [histories.decayed(decay) for decay in ((0.8, 0.95) if timed else (1.0,))]
            found = _scored(self.neighbours, histories, *weights)
            for name, value in zip(("near", "near_0.95"), found, strict=False):
                add(name, value, candidates=name == "near")
        if self.transitions:
            weights = [histories.decayed(decay, last=5) for decay in (0.8, 0.4)]
            found = _scored(self.transitions, histories, *weights)
            for name, value in zip(("next_0.8", "next_0.4"), found, strict=True):
                add(name, value, candidates=name == "next_0.8")
        if self.sequence:
            ask = self.sequence.nearest if histories.single else self.sequence.score
            add("sequence", ask(histories.requests))

    def _content(self, histories: Histories, add: Any) -> None:
        timed = self.times != "none"
        if self.text:
            ask: Callable[..., dict[str, Any]] = self.text.nearest if histories.single else self.text.score
            for name, value in ask(histories, (0.8, 0.3) if timed else (1.0,)).items():
                add(name, value, candidates=not name.endswith("0.3"))
        if self.attributes:
            weights = histories.decayed(0.9 if timed else 1.0, last=50)
            rows = None if histories.single else histories.rows(weights)
            for name, matrix in self.attributes.items():
                if rows is None:
                    profile = sums(matrix, histories.item, histories.shares_each(weights))[0]
                    add(f"same_{name}", Alone(partial(products, matrix, vector=profile)), candidates=False)
                else:
                    add(f"same_{name}", np.asarray(matrix @ (rows @ matrix).toarray().T, np.float32).T, candidates=False)

    def _own(self, histories: Histories, add: Any) -> None:
        weights = [histories.decayed(1.0)] + ([histories.decayed(0.9)] if self.times == "position" else [])
        for name, value in zip(("own", "own_now"), _shares(histories, *weights), strict=False):
            add(name, value)
        if self.times == "unix":
            add("own_now", _aged(histories, 30.0))

    def _context(self, histories: Histories, add: Any) -> None:
        one, requests = histories.single, histories.requests
        total: Any = None
        if self.lift:
            lifts = self.lift.score_one(requests.signals[0]) if one else self.lift.score(requests)
            total = np.sum(lifts, 0)
            moment = total + self.popularity.column("share")
            add("moment", All(moment) if one else moment)
            for name, value in zip(self.signal_names, lifts, strict=True):
                add(f"lift_{name}", All(value) if one else value, candidates=False)
        if self.exclude_seen:
            return
        weights = [*signal_weights(requests), *(kernel_weights(requests, sharpness) for sharpness in (0.7, 1.5))]
        *own, kernel, sharp = _shares(histories, *weights)
        for name, shares in zip(self.signal_names, own, strict=True):
            add(f"own_{name}", shares, candidates=False)
        add("own_kernel_0.7", kernel)
        add("own_kernel_1.5", sharp)
        if total is not None:
            met = Alone(lambda items: _met(kernel.at(items), total[items])) if one else _met(kernel, total)
            add("own_moment", met, candidates=False)

    def candidates(self, requests: Requests, count: int) -> Candidates:
        """Return candidates and features; sources are scored in slices that bound the memory."""
        return finished(self.finding(requests, count))

    def finding(self, requests: Requests, count: int) -> Steps[Candidates]:
        """Do as `candidates` does, in steps."""
        if self.times == "unix" and not np.isfinite(requests.time).all():
            # A request without a time is taken for one made just after the newest event.
            requests = replace(requests, time=np.where(np.isfinite(requests.time), requests.time, self.newest))
        size = max(1, CELLS // max(self.n_items, 1))
        count = min(count, self.n_items)
        if not len(requests):
            empty = np.zeros((0, count), np.float32)
            return Candidates(items=empty.astype(np.int32), features=empty[..., None], fused=empty)
        if len(requests) <= size:
            return (yield from self._slice(requests, count))
        parts = []
        for start in range(0, len(requests), size):
            found = yield from self._slice(requests.part(start, min(start + size, len(requests))), count)
            parts.append(found)
        return Candidates(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in ("items", "features", "fused")})

    def _slice(self, requests: Requests, count: int) -> Steps[Candidates]:
        histories = Histories(requests, self.n_items)
        scores, forward = yield from self.scores(histories)
        put = [(scores[n], 1.0) for n in scores if n in forward] + self._novel(scores)
        barred, share = self._barred(requests), self.popularity.column("share")
        if histories.single:
            best, total = yield from fuse_few(put, histories.item if self.exclude_seen else None, barred, share, count)
            items, fused = best[None].astype(np.int32), total[None]
            picked = {name: value.at(best)[None] for name, value in scores.items()}
        else:
            seen = (histories.row, histories.item) if self.exclude_seen else None
            everywhere = fuse(put, seen, barred, share)
            row = np.arange(len(requests))[:, None]
            items = np.argpartition(-everywhere, count - 1, axis=1)[:, :count].astype(np.int32)
            items = items[row, np.argsort(-everywhere[row, items], axis=1, kind="stable")]
            fused, picked = everywhere[row, items], {name: value[row, items] for name, value in scores.items()}
        yield
        ranked = [name for name in scores if name in forward and not name.startswith("popular")]
        places = dict(zip(ranked, ranks(_side_by_side([picked[name] for name in ranked])), strict=True)) if ranked else {}
        columns, names = [fused], ["fused"]
        for name, value in picked.items():
            columns.append(value)
            names.append(name)
            if name in places:
                columns.append(places[name])
                names.append(f"rank_{name}")
        yield
        more, more_names = figures(self, histories, items)
        self.names = names + more_names
        features = np.empty((*items.shape, len(self.names)), np.float32)
        features[..., : len(names)] = _side_by_side(columns).transpose(1, 2, 0)
        features[..., len(names) :] = more
        return Candidates(items=items, features=features, fused=columns[0])

    def _novel(self, scores: dict[str, Any]) -> list[tuple[Any, float]]:
        """Return the text-borne scores with all items that have events put last, where such items are asked for at all."""
        if self.novel < 0.005 or self.popularity.met.all():
            return []
        known = self.popularity.met
        names = [n for n in ("sequence", "sentence_0.8", "lexical_0.8", "sentence_1.0", "lexical_1.0", "fresh") if n in scores]
        return [(_unknown(scores[n], known), self.novel) for n in names]

    def _barred(self, requests: Requests) -> NDArray[np.bool_] | None:
        """Return which items (items,) no request of the batch may be answered with."""
        if self.absent is None or requests.allowed is None:
            return self.absent if requests.allowed is None else ~requests.allowed
        return self.absent | ~requests.allowed


def _side_by_side(columns: list[Floats]) -> Floats:
    """Return arrays (B, C) as one (columns, B, C); for many small ones in half the time of np.stack."""
    return np.concatenate(columns, dtype=np.float32).reshape(len(columns), *columns[0].shape)


def _scored(source: Ease | Neighbours | Transitions, histories: Histories, *weights: Floats) -> list[Any]:
    """Return the scores of histories under each weighting of their events."""
    if histories.single:
        return list(source.score_items(histories.item, histories.shares_each(*weights)))
    return _apart(source.score_rows(histories.rows(*weights)), histories)


def _shares(histories: Histories, *weights: Floats) -> list[Any]:
    """Return the shares that items have of a person's own events under each of some weightings."""
    if histories.single:
        return _few(histories, histories.shares_each(*weights))
    return [histories.dense(each) for each in weights]


def _few(histories: Histories, values: NDArray[Any]) -> list[Some]:
    """Return scores (k, p) of the items of a single history as those of k sources."""
    held = np.zeros((len(values), len(histories.item) + 1), np.float32)
    held[:, :-1] = values
    return [Some(histories.places, each) for each in held]


def _unknown(scores: Any, known: NDArray[np.bool_]) -> Any:
    """Return scores that say nothing of known items."""
    if isinstance(scores, Nearest):
        return replace(scores, hidden=known)
    if isinstance(scores, All):
        return replace(scores, values=np.where(known, np.float32(UNSAID), scores.values))
    return np.where(known[None], np.float32(UNSAID), scores)


def _apart(scores: Any, histories: Histories) -> list[Floats]:
    """Return scores (k * B, items) as k arrays (B, items)."""
    n = len(histories)
    return [scores[start : start + n] for start in range(0, len(scores), n)]


def _met(kernel: Floats, lift: Floats) -> Floats:
    """Return what own events in like moments and the lift say together of the same items, arrays of one shape."""
    return np.asarray(np.log(kernel + 1e-4) + 0.5 * lift, np.float32)


def _aged(histories: Histories, half_life: float) -> Any:
    """Return sums (B, items) of own events with weight 0.5**(days / half_life)."""
    requests = histories.requests
    age = np.maximum(requests.time[requests.row] - requests.when, 0) / DAY
    weight = (0.5 ** (age / half_life)).astype(np.float32)
    if histories.single:
        return _few(histories, histories.sums_each(weight))[0]
    return np.asarray(histories.rows(weight, shares=False).toarray(), np.float32)
