"""What the event log says in numbers: popularity now and by signal, items that go together, repeats, rating scales.

Built from the whole log in one pass over columns, then kept true event by event. All arrays are indexed by item key.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from filelock import FileLock

from occasion.arrayfile import read_sealed, write_sealed
from occasion.data import Scalar
from occasion.errors import ModelError
from occasion.horizon import Horizon
from occasion.keyed import distinct, distinct_history, is_allowed
from occasion.liking import RatingScale, liking
from occasion.pairs import MOST_OF_ONE, LatePairs, PairCounts, beyond, runs, strongest, summed
from occasion.protocols import CandidateScores, EventColumns, Moment
from occasion.signaltable import MAX_VALUES, SignalCodes, SignalTable, table_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]

__all__ = ["Beside", "Neighbours", "Statistics"]

FILE, PARTIAL, LOCK = "statistics.npys", "statistics.partial.npys", "statistics.lock"
LOCK_SECONDS = 60.0
OLDER = "statistics.npz", "statistics.partial.npz"
"""What releases before wrote; it is not read, and removed with the rest."""
DAY = 86_400.0
AHEAD = 0.25
"""Half-lives that an event may lie ahead of what many people's events say, for what is popular now."""
WINDOW = 10
"""How many following events of the same person count as going together with an event."""
GAINS = np.arange(1, WINDOW + 1, dtype=np.float32) ** np.float32(-0.5)
"""What an event counts for going together with one so many places later."""
NEIGHBOURS = 60
"""Neighbours kept of each item."""
LATE_NEIGHBOURS = 120
"""Neighbours by events since the last full count kept of each item, the strongest; twice as many are let come before."""
SHRINK = 3.0
"""Pseudo-count that pulls the similarity of rarely seen pairs to zero."""
TOP = 2000
"""Most popular keys kept sorted."""
RECENT = 50
"""Distinct items of a history of which is looked up what goes together with them, the weightiest."""
LIFT_PRIOR = 10.0
"""Pseudo-events behind a lift: with none of an item's events under a signal value, its lift is 0."""


@dataclass(slots=True)
class Neighbours:
    """For each item key the keys that go together with it: CSR arrays, best first, at most `NEIGHBOURS` each."""

    starts: NDArray[np.int64]
    keys: Keys
    scores: Floats

    def of(self, key: int) -> CandidateScores:
        """Return the neighbours of a key; empty where it has none."""
        if key + 1 >= len(self.starts):
            return CandidateScores(np.zeros(0, np.int32), np.zeros(0, np.float32))
        part = slice(self.starts[key], self.starts[key + 1])
        return CandidateScores(self.keys[part], self.scores[part])


class Beside(NamedTuple):
    """What goes together with the items of a person's history.

    Attributes
    ----------
    items, weight : (h,)
        The distinct items of the history, and what each weighs in all.
    heavy : (m,) int64
        Places in `items` of the weightiest, of whichever sign, the weightiest first; at most `RECENT`.
    place, keys, scores : (n,)
        A place in `heavy`, an item that goes together with that one, and how much; as from `Statistics.together_each`.
    """

    items: Keys
    weight: NDArray[np.float64]
    heavy: NDArray[np.int64]
    place: NDArray[np.int64]
    keys: Keys
    scores: Floats


def _empty_neighbours() -> Neighbours:
    return Neighbours(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))


def _pairs(user: Keys, item: Keys, size: int) -> Any:
    """Sum 1/sqrt(lag) over pairs of different items within `WINDOW` events of one person; (size, size) CSR, symmetric."""
    from scipy import sparse

    total = sparse.csr_matrix((size, size), dtype=np.float32)
    for lag in range(1, WINDOW + 1):
        same = (user[lag:] == user[:-lag]) & (item[lag:] != item[:-lag])
        if not same.any():
            break
        first, second = item[:-lag][same], item[lag:][same]
        weight = np.full(len(first), lag**-0.5, np.float32)
        total = total + sparse.coo_matrix((weight, (first, second)), shape=(size, size)).tocsr()
    return (total + total.T).tocsr()


def _neighbours(user: Keys, item: Keys, size: int) -> Neighbours:
    """Cosine of co-occurrence, shrunk: ``c_ij / (sqrt(c_i c_j) + SHRINK)`` where ``c_i`` is the row sum."""
    pairs = _pairs(user, item, size)
    mass = np.sqrt(np.asarray(pairs.sum(1)).ravel())
    row = np.repeat(np.arange(size, dtype=np.int32), np.diff(pairs.indptr))
    score = (pairs.data / (mass[row] * mass[pairs.indices] + SHRINK)).astype(np.float32)
    keep = strongest(pairs.indptr, score, NEIGHBOURS)
    starts = np.zeros(size + 1, np.int64)
    np.cumsum(np.bincount(row[keep], minlength=size), out=starts[1:])
    return Neighbours(starts, pairs.indices[keep].astype(np.int32), score[keep])


class Statistics:
    """Counts over the event log; see the module. Never serialised but as plain arrays.

    Parameters
    ----------
    half_life_days : float
        Days after which an event counts half in what is popular now.
    weights : mapping of event type to weight, optional
        Where they differ from `occasion.data.EVENT_TYPES`; see `liking`.
    """

    def __init__(self, half_life_days: float = 14.0, weights: Mapping[str, float] | None = None) -> None:
        self.half_life, self.weights = half_life_days * DAY, dict(weights or {})
        self.cursor = 0
        self.basis = ""
        """What was left out when all was counted: counts of another basis hold what was withdrawn since."""
        self.events = 0
        self.late = 0
        """Events that were counted one by one since the last full count: they cost more memory and time than those in it."""
        self.repeats = 0
        self.scale = RatingScale()
        self.horizon = Horizon()
        self.reference = 0.0
        """Time to which the decayed counts are discounted."""
        self.count: NDArray[np.float64] = np.zeros(0)
        """Positive evidence of each item, undecayed."""
        self.now: NDArray[np.float64] = np.zeros(0)
        """Positive evidence of each item, an event one half-life before `reference` counting half."""
        self.signals: dict[str, SignalTable] = {}
        self.neighbours = _empty_neighbours()
        self.mass = 0.0
        """Sum of `count`."""
        self._late = LatePairs(LATE_NEIGHBOURS)
        self._given = PairCounts()
        """Events since the last full count by account and item."""
        self._top: Keys | None = None
        self._at_top: set[int] = set()
        self._least = -1
        """The last of the most popular when they were last looked for; -1 where those were all."""
        self._outstanding: dict[tuple[str, int], Keys] = {}

    def liking(self, columns: EventColumns) -> Floats:
        """Return how much each event (n,) says the person likes the item, by the scale and the weights of this log."""
        return liking(columns, self.scale.range, self.weights)

    # -- building ---------------------------------------------------------------------------------------------------
    def build(self, columns: EventColumns, items: int, signals: SignalCodes | None = None) -> None:
        """Count the whole log, given as one batch; `items` is the number of item keys."""
        size = max(items, int(columns.item.max()) + 1 if len(columns.item) else 0)
        self.cursor = int(columns.seq[-1]) if len(columns.seq) else 0
        self.scale = RatingScale()
        self.scale.add(columns)
        weight = _capped(self.liking(columns), columns)
        good = weight > 0
        self.horizon = Horizon()
        at = self._held(columns)
        times = at[np.isfinite(at)]
        self.reference = float(times.max()) if len(times) else 0.0
        age = np.where(np.isfinite(at), self.reference - at, 0.0)
        self.count = np.bincount(columns.item[good], weight[good], size).astype(np.float64)
        decayed = weight[good] * np.exp2(-age[good] / self.half_life)
        self.now = np.bincount(columns.item[good], decayed, size).astype(np.float64)
        self._sequences(columns, good, size)
        self.signals = {
            name: table_of(columns.item, weight, codes, size)
            for name, codes in (signals or {}).items()
            if len(codes[1]) <= MAX_VALUES
        }
        self.mass = float(self.count.sum())
        self.late = 0
        self._late.clear()
        self._given.clear()
        self._outstanding.clear()
        self._top = None

    def _held(self, columns: EventColumns) -> NDArray[np.float64]:
        """Return the times of events (n,), none far ahead of what many people's events say."""
        self.horizon.add(columns.user, columns.at)
        return self.horizon.held(columns.at, AHEAD * self.half_life)

    def _sequences(self, columns: EventColumns, good: NDArray[np.bool_], size: int) -> None:
        user, item = columns.user[good], columns.item[good]
        at = np.nan_to_num(columns.at[good], nan=0.0)
        order = np.lexsort((columns.seq[good], at, user))
        user, item = user[order], item[order]
        self.events = len(user)
        self.repeats = self.events - len(np.unique(user.astype(np.int64) * size + item)) if size else 0
        self.neighbours = _neighbours(user, item, size)

    def observe(self, columns: EventColumns, signals: SignalCodes, recent: Mapping[int, Sequence[int]]) -> None:
        """Count new events.

        Parameters
        ----------
        columns : EventColumns
            In order of seq.
        signals : SignalCodes
            Signals of the events, as for `build`.
        recent : mapping of user key to item keys
            What each of these people did before this batch, oldest first.
        """
        self.scale.add(columns)
        weight = self.liking(columns)
        self.grow(int(columns.item.max(initial=-1)) + 1)
        at = self._held(columns)
        counted = np.flatnonzero(weight > 0)
        counted = counted[self._counts(columns.user[counted], columns.item[counted])]
        keys = columns.item[counted]
        self._count(keys, weight[counted].astype(np.float64), at[counted])
        self._follow(columns.user[counted], keys, recent)
        self.events += len(counted)
        self.late += len(columns.seq)
        self._signalled(signals, counted, columns.item, weight)
        if len(columns.seq):
            self.cursor = int(columns.seq[-1])

    def _signalled(self, signals: SignalCodes, counted: NDArray[np.int64], item: Keys, weight: Floats) -> None:
        """Count events, given by their places, under their signals."""
        for name, (codes, values) in signals.items():
            mine = codes[counted]
            for code in np.unique(mine[mine >= 0]).tolist():
                if not isinstance(values[code], float):
                    at = counted[mine == code]
                    table = self.signals.get(name) or self.signals.setdefault(name, SignalTable())
                    merged = table.observe(values[code], item[at].tolist(), weight[at].tolist())
                    self._outstanding.pop((name, -1 if merged is None else merged), None)

    def _counts(self, users: Keys, keys: Keys) -> NDArray[np.bool_]:
        """Return for which events (n,) one more of the account counts for the item."""
        out = np.ones(len(users), np.bool_)
        known = users >= 0
        out[known] = self._given.add(users[known], keys[known]) <= MOST_OF_ONE
        return out

    def grow(self, size: int) -> None:
        """Make room for `size` item keys."""
        if size > len(self.count):
            room = max(size, len(self.count) + len(self.count) // 8) - len(self.count)
            self.count = np.concatenate([self.count, np.zeros(room)])
            self.now = np.concatenate([self.now, np.zeros(room)])

    def _count(self, keys: Keys, weights: NDArray[np.float64], at: NDArray[np.float64]) -> None:
        """Count events (n,) for their items; NaN is no time."""
        np.add.at(self.count, keys, weights)
        self.mass += float(weights.sum())
        # Discounting to a fixed reference lets one event change one number; rebase before the factor overflows.
        newest = float(np.fmax.reduce(at, initial=self.reference))
        if newest - self.reference > 200 * self.half_life:
            self.now *= math.exp2(-min(1000.0, (newest - self.reference) / self.half_life))
            self.reference = newest
        age = np.where(np.isnan(at), 0.0, (at - self.reference) / self.half_life)
        np.add.at(self.now, keys, weights * np.exp2(np.maximum(age, -1000.0)))
        if self._top is not None:
            risen = distinct(keys if self._least < 0 else keys[self.now[keys] > self.now[self._least]])
            entered = [key for key in risen.tolist() if key not in self._at_top]
            self._top = np.append(self._top, np.array(entered, np.int32))
            self._at_top.update(entered)

    def _follow(self, users: Keys, keys: Keys, recent: Mapping[int, Sequence[int]]) -> None:
        """Count how events (n,) go together with what the same people did before, `recent` to begin with."""
        trails = {user: list(recent.get(user, ())) for user in set(users.tolist())}
        before: list[int] = []
        sizes = np.zeros(len(keys), np.int64)
        for n, (user, key) in enumerate(zip(users.tolist(), keys.tolist(), strict=True)):
            trail = trails[user]
            self.repeats += key in trail
            last = trail[-WINDOW:]
            before += last
            sizes[n] = len(last)
            trail.append(key)
        one, other = np.repeat(keys, sizes), np.array(before, np.int32)
        lag = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(other))
        different = one != other
        self._late.add(one[different], other[different], GAINS[lag[different] - 1])

    def replace(self, other: Statistics) -> None:
        """Take over all counts of another object; holders of a reference to this one see them."""
        self.__dict__.update(other.__dict__)

    # -- reading ----------------------------------------------------------------------------------------------------
    @property
    def repeat_rate(self) -> float:
        """Share of events in which a person comes back to an item they already had, 0 to 1."""
        return self.repeats / self.events if self.events else 0.0

    def together(self, key: int) -> CandidateScores:
        """Return what goes together with an item, recent events included, each other item once, by key."""
        _, others, scores = self.together_each(np.array([key], np.int32))
        return CandidateScores(*summed(others, scores))

    def together_each(self, keys: Keys) -> tuple[NDArray[np.int64], Keys, Floats]:
        """Return what goes together with each of several items, recent events included, faster than one by one.

        Returns
        -------
        place in `keys`, other key, score (n,) each; an other may come twice for an item, its scores then add up
        """
        inside = np.minimum(keys, max(len(self.neighbours.starts) - 2, 0))
        known = keys < len(self.neighbours.starts) - 1
        starts = self.neighbours.starts[inside]
        lengths = np.where(known, self.neighbours.starts[np.minimum(inside + 1, len(self.neighbours.starts) - 1)] - starts, 0)
        rows = runs(starts, lengths)
        place, others, scores = np.repeat(np.arange(len(keys)), lengths), self.neighbours.keys[rows], self.neighbours.scores[rows]
        at, late, gains = self._late.each(keys)
        if not len(at):
            return place, others, scores
        mass = np.maximum(1.0, self.count[keys[at]]) * np.maximum(1.0, self.count[late])
        more = (gains / (np.sqrt(mass) + SHRINK)).astype(np.float32)
        return np.concatenate([place, at]), np.concatenate([others, late]), np.concatenate([scores, more])

    def beside(self, moment: Moment) -> Beside:
        """Return what goes together with the weightiest distinct items of a moment's history; looked up once a moment."""
        found = moment.extra.get("beside")
        if found is None:
            items, at = distinct_history(moment)
            weight = np.bincount(at, moment.weights, len(items)).astype(np.float64)
            heavy = np.argsort(-np.abs(weight), kind="stable")[:RECENT]
            found = moment.extra["beside"] = Beside(items, weight, heavy, *self.together_each(items[heavy].astype(np.int32)))
        result: Beside = found
        return result

    def top(self, k: int, allowed: NDArray[np.bool_] | None = None) -> CandidateScores:
        """Return the k keys most popular now, best first, only allowed ones, with their decayed counts."""
        if self._top is None or len(self._top) > 2 * TOP:
            self._top = _best(self.now, TOP)
            self._at_top = set(self._top.tolist())
            self._least = int(self._top[-1]) if len(self._top) == TOP else -1
        keys = self._top if allowed is None else self._top[is_allowed(self._top, allowed)]
        if len(keys) < k and allowed is not None and len(self._top) >= TOP:
            values = np.where(_resized(allowed, len(self.now)), self.now, 0)
            keys = _best(values, k)
        keys = keys[np.argsort(-self.now[keys], kind="stable")][:k]
        return CandidateScores(keys, self.now[keys].astype(np.float32))

    def lift(self, signals: Mapping[str, Scalar], keys: Keys) -> Floats:
        """Return how much more often each key (n,) is chosen under these signals than at other times, in nats.

        Per signal ``ln((c + m) / (e + m))`` with c the item's events under the value, e those expected from its share
        of all events, and m = `LIFT_PRIOR`; the sum over signals is divided by the square root of their number, as
        signals say partly the same.
        """
        out = np.zeros(len(keys), np.float32)
        active = self._active(signals)
        inside = np.minimum(keys, len(self.count) - 1)
        # An item without events has a lift of 0 under everything, and in a large catalogue most have none.
        at = np.flatnonzero((keys < len(self.count)) & (self.count[inside] > 0)) if len(self.count) else np.zeros(0, np.int64)
        if not active or not len(at):
            return out
        keys = keys[at]
        share = (self.count[keys] / max(1.0, self.mass)).astype(np.float32)
        found = [table.of(value, keys) for _, table, value in active]
        counts, mass = np.stack([counts for counts, _ in found]), np.array([mass for _, mass in found], np.float32)  # (s, n), (s,)
        prior = np.float32(LIFT_PRIOR)
        ratios = (counts + prior) / (mass[:, None] * share + prior)
        total = np.zeros(len(keys))
        # One logarithm for several signals; the product of ten ratios of event counts does not overflow.
        for start in range(0, len(active), 10):
            total += np.log(np.prod(ratios[start : start + 10], axis=0, dtype=np.float64))
        out[at] = total / math.sqrt(len(active))
        return out

    def _active(self, signals: Mapping[str, Scalar]) -> list[tuple[str, SignalTable, Scalar]]:
        """Return (name, table, value) of the signals whose value was seen before."""
        return [
            (name, table, value)
            for name, value in signals.items()
            if not isinstance(value, float) and (table := self.signals.get(name)) is not None and value in table.codes
        ]

    def under(self, signals: Mapping[str, Scalar], k: int) -> Keys:
        """Return keys that stand out under any of these signals (unordered, distinct), about 2 k in all.

        Each signal value gives its share of them: those with the greatest ``c ln((c + m) / (e + m))``, named as in `lift`.
        """
        used = [(name, table, table.codes[value]) for name, table, value in self._active(signals)]
        if not used:
            return np.zeros(0, np.int32)
        share = max(1, 2 * k // len(used))
        found = [self._standing_out(name, table, code)[:share] for name, table, code in used]
        found += [np.fromiter(table.recent[code], np.int32) for _, table, code in used if code in table.recent]
        return distinct(np.concatenate(found))

    def _standing_out(self, name: str, table: SignalTable, code: int) -> Keys:
        """Return the keys that stand out under one value, best first; worked out once, as single events change little."""
        if (name, code) not in self._outstanding:
            keys, counts = table.keys[code], table.counts[code]
            expected = self.count[keys] * (table.totals[code] / max(1.0, self.mass))
            gain = counts * np.log((counts + LIFT_PRIOR) / (expected + LIFT_PRIOR))
            self._outstanding[name, code] = keys[_best(gain, TOP // 4)]
        return self._outstanding[name, code]

    # -- keeping ----------------------------------------------------------------------------------------------------
    def save(self, folder: Path) -> None:
        """Write all to a file that `load` reads; only right after `build` (recent events are not written).

        Raises
        ------
        OSError
            Where it cannot be written, or another process takes long to do so.
        """
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {"count": self.count, "now": self.now, "starts": self.neighbours.starts}
        arrays |= {"keys": self.neighbours.keys, "scores": self.neighbours.scores}
        tables = []
        for n, (name, table) in enumerate(self.signals.items()):
            tables.append({"name": name, "values": list(table.codes), "totals": table.totals})
            sizes = [len(k) for k in table.keys]
            arrays |= {f"size{n}": np.array(sizes), f"key{n}": np.concatenate([*table.keys, np.zeros(0, np.int32)])}
            arrays[f"count{n}"] = np.concatenate([*table.counts, np.zeros(0, np.float32)])
        head: dict[str, Any] = {"half_life": self.half_life, "cursor": self.cursor, "events": self.events, "repeats": self.repeats}
        head |= {
            "basis": self.basis,
            "ratings": self.scale.document(),
            "horizon": self.horizon.document(),
            "reference": self.reference,
            "signals": tables,
        }
        head["weights"] = self.weights
        # One at a time: what is being read in place by others must not be written on by a second writer of the same file.
        with FileLock(folder / LOCK, timeout=LOCK_SECONDS):
            write_sealed(folder / PARTIAL, {"head": np.frombuffer(json.dumps(head).encode(), np.uint8), **arrays})
            (folder / PARTIAL).replace(folder / FILE)
            for name in OLDER:
                (folder / name).unlink(missing_ok=True)

    @staticmethod
    def discard(folder: Path) -> None:
        """Remove what `save` wrote, half written files included: counts of people who are gone must not lie about."""
        for name in (FILE, PARTIAL, *OLDER):
            (folder / name).unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: Path) -> Statistics:
        """Read what `save` wrote, where it lies in the file: what is alike in all processes is in memory once.

        Raises
        ------
        ModelError
            If the file is missing or damaged; it can be rebuilt from the store.
        """
        path = folder / FILE
        try:
            arrays = read_sealed(path)
            return cls._restored(json.loads(arrays["head"].tobytes()), arrays)
        except FileNotFoundError:
            raise ModelError(f"{path} is missing. Cure: rebuild it with `occasion index`.") from None
        except Exception as error:
            raise ModelError(f"{path} is damaged ({error}). Cure: rebuild it with `occasion index --force`.") from error

    @classmethod
    def _restored(cls, head: dict[str, Any], arrays: Mapping[str, Any]) -> Statistics:
        out = cls(head["half_life"] / DAY, head.get("weights"))
        out.cursor, out.events, out.repeats, out.reference = head["cursor"], head["events"], head["repeats"], head["reference"]
        out.basis = head.get("basis", "")
        out.scale, out.horizon = RatingScale.of(head["ratings"]), Horizon.of(head["horizon"])
        out.count, out.now = arrays["count"], arrays["now"]
        out.mass = float(out.count.sum())
        out.neighbours = Neighbours(arrays["starts"], arrays["keys"], arrays["scores"])
        for n, table in enumerate(head["signals"]):
            ends = np.cumsum(arrays[f"size{n}"])[:-1]
            codes = {value: code for code, value in enumerate(table["values"])}
            keys, counts = np.split(arrays[f"key{n}"], ends), np.split(arrays[f"count{n}"], ends)
            out.signals[table["name"]] = SignalTable(codes, list(keys), list(counts), table["totals"])
        return out


def _best(values: NDArray[Any], k: int) -> Keys:
    """Return the positions of the k greatest positive values, best first, ties by position."""
    if len(values) > 4 * k:
        some = np.argpartition(-values, k)[:k]
        some.sort()
    else:
        some = np.arange(len(values))
    some = some[values[some] > 0]
    return some[np.argsort(-values[some], kind="stable")][:k].astype(np.int32)


def _capped(weight: Floats, columns: EventColumns) -> Floats:
    """Return weights (n,) with 0 for those of an account's events for one item that lie before its newest `MOST_OF_ONE`."""
    known = np.flatnonzero((weight > 0) & (columns.user >= 0))
    out = weight.copy()
    out[known[beyond(columns.user[known], columns.item[known])]] = 0
    return out


def _resized(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    out = np.zeros(size, bool)
    out[: min(size, len(mask))] = mask[:size]
    return out
