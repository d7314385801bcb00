"""An inverted index over item texts: TF-IDF cosine, any language, new items at once.

Weights are ``(1 + ln tf) * ln(1 + N / df)`` scaled to unit length per item (Salton and Buckley, 1988). Latin words
are lower-cased and lose a plural s; Chinese, Japanese and Korean characters become bigrams.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.protocols import CandidateScores

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TextIndex", "tokens"]

POSTINGS = 4000
"""Items kept a term, the weightiest: bounds the cost of a query with frequent words, at any catalogue size."""
QUERY_TERMS = 40
"""Terms of a query that count, the weightiest."""
BUDGET = 12_000
"""Postings read a search, those of the weightiest terms first; what they find is scored by all terms."""
SPARE = 3
"""Best postings of a search whose items are scored by all terms, for each item wanted; a few name the same item."""
LATE = 1000
"""Added items after which the arrays are rebuilt."""

_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]+|[^\W_]+")
_CJK = re.compile(r"[぀-ヿ㐀-鿿가-힯]")


def tokens(text: str) -> list[str]:
    """Return the index terms of a text, in order, repeats included."""
    out: list[str] = []
    for word in _WORD.findall(text.lower()):
        if _CJK.match(word):
            out.extend(word[n : n + 2] for n in range(max(1, len(word) - 1)))
        elif len(word) > 1 or word.isdigit():
            out.append(word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word)
    return out


class TextIndex:
    """Terms to item keys and back; see the module."""

    def __init__(self) -> None:
        self._terms: dict[str, int] = {}
        self._keys, self._term, self._tf = array("i"), array("i"), array("f")
        self._first = array("b")  # 1 where a text begins
        self._idf = np.zeros(0, np.float32)
        self._newest_idf = 0.0
        self._rows: Any = None
        self._columns: Any = None
        # Since the arrays were built: texts that came, as unit-length term weights, and keys that went or changed.
        self._fresh: dict[int, dict[int, float]] = {}
        self._fresh_counts: dict[int, Counter[str]] = {}
        self._gone: set[int] = set()

    def __len__(self) -> int:
        """Number of (item, term) pairs held."""
        return len(self._keys)

    def add(self, key: int, text: str) -> None:
        """Add or replace an item's text; it is found by the next search."""
        counts = Counter(tokens(text))
        if self._rows is None:
            self._append(key, counts)
            # An empty text leaves no mark of its own to stand for what it replaces.
            (self._gone.discard if counts else self._gone.add)(key)
            return
        self._gone.add(key)
        self._fresh[key], self._fresh_counts[key] = self._weigh(counts), counts
        if len(self._gone) > LATE:
            self._compact()

    def _append(self, key: int, counts: Counter[str]) -> None:
        self._keys.extend([key] * len(counts))
        self._term.extend([self._terms.setdefault(term, len(self._terms)) for term in counts])
        self._tf.extend(counts.values())
        self._first.extend([n == 0 for n in range(len(counts))])

    def _weigh(self, counts: Counter[str]) -> dict[int, float]:
        weights = {}
        for term, n in counts.items():
            number = self._terms.setdefault(term, len(self._terms))
            idf = float(self._idf[number]) if number < len(self._idf) else self._newest_idf
            weights[number] = (1 + math.log(n)) * idf
        return _unit(weights, limit=len(weights))

    def remove(self, keys: NDArray[np.int32]) -> None:
        """Forget keys; unknown ones are ignored."""
        for key in keys.tolist():
            self._fresh.pop(key, None)
            self._fresh_counts.pop(key, None)
            self._gone.add(key)
        if len(self._gone) > LATE:
            self._compact()

    def _compact(self) -> None:
        """Drop what went from the bulk arrays, keeping only the newest text of a key; arrays are rebuilt at the next query."""
        keys = np.frombuffer(self._keys, np.int32)
        keep = ~np.isin(keys, np.fromiter(self._gone, np.int32))
        self._keep(keep)
        self._rows, self._gone = None, set()
        for key, counts in self._fresh_counts.items():
            self._append(key, counts)
        self._fresh, self._fresh_counts = {}, {}

    def _ready(self) -> bool:
        """Build the arrays where there are none; False while the index is empty."""
        if self._rows is None and len(self._keys):
            self._build()
        return self._rows is not None or bool(self._fresh)

    def _build(self) -> None:
        from scipy import sparse

        self._forget_replaced()
        key, term = np.array(self._keys, np.int32), np.array(self._term, np.int32)
        size, terms = int(key.max()) + 1, len(self._terms)
        documents = len(np.unique(key))
        df = np.bincount(term, minlength=terms)
        self._idf = np.log1p(documents / np.maximum(df, 1)).astype(np.float32)
        self._newest_idf = float(np.log1p(documents))
        weight = (1 + np.log(np.array(self._tf, np.float32))) * self._idf[term]
        norm = np.sqrt(np.bincount(key, weight * weight, size))
        weight = (weight / np.maximum(norm[key], 1e-9)).astype(np.float32)
        self._rows = sparse.csr_matrix((weight, (key, term)), shape=(size, terms))
        order = np.lexsort((-weight, term))
        starts = np.concatenate([[0], np.cumsum(df)])
        rank = np.arange(len(order)) - starts[term[order]]
        kept = order[rank < POSTINGS]
        ends = np.concatenate([[0], np.cumsum(np.minimum(df, POSTINGS))])
        self._columns = (ends, key[kept], weight[kept])

    def _forget_replaced(self) -> None:
        """Drop all but the newest text of each key from the bulk arrays."""
        key, first = np.frombuffer(self._keys, np.int32), np.frombuffer(self._first, np.int8)
        starts = key[first == 1]
        newest = np.zeros(int(key.max()) + 1, np.int32)
        newest[starts] = np.arange(1, len(starts) + 1, dtype=np.int32)
        if np.count_nonzero(newest) == len(starts):
            return
        keep = newest[key] == np.cumsum(first, dtype=np.int32)
        self._keep(keep)

    def _keep(self, rows: NDArray[np.bool_]) -> None:
        """Keep some of the bulk arrays' (item, term) pairs."""
        self._keys = array("i", np.array(self._keys, np.int32)[rows].tobytes())
        self._term = array("i", np.array(self._term, np.int32)[rows].tobytes())
        self._tf = array("f", np.array(self._tf, np.float32)[rows].tobytes())
        self._first = array("b", np.array(self._first, np.int8)[rows].tobytes())

    def query(self, text: str) -> dict[int, float]:
        """Return a text as unit-length term weights; empty where no term is known."""
        if not self._ready():
            return {}
        return _unit(self._weigh(Counter({t: n for t, n in Counter(tokens(text)).items() if t in self._terms})))

    def query_of(self, keys: NDArray[np.int32], weights: NDArray[np.float32]) -> dict[int, float]:
        """Return the weighted sum of items as unit-length term weights."""
        if not self._ready():
            return {}
        late = np.array([key in self._gone for key in keys.tolist()], np.bool_)
        total = self._sum_rows(keys[~late], weights[~late])
        for key, weight in zip(keys[late].tolist(), weights[late].tolist(), strict=True):
            for term, value in self._fresh.get(key, {}).items():
                total[term] = total.get(term, 0.0) + weight * value
        return _unit(total)

    def _sum_rows(self, keys: NDArray[np.int32], weights: NDArray[np.float32]) -> dict[int, float]:
        """Return the weighted sum of items as when the arrays were built, its weightiest terms."""
        if self._rows is None or not len(keys):
            return {}
        places, lengths = self._places(keys)
        terms = self._rows.indices[places]
        dense = np.zeros(self._rows.shape[1], np.float32)
        np.add.at(dense, terms, self._rows.data[places] * np.repeat(weights, lengths).astype(np.float32))
        terms = _distinct(terms)
        heaviest = np.argsort(-np.abs(dense[terms]), kind="stable")[: 2 * QUERY_TERMS]
        return dict(zip(terms[heaviest].tolist(), dense[terms[heaviest]].tolist(), strict=True))

    def _places(self, keys: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where the terms of keys (n,) stand, one run a key, and the length of each run (n,).

        The same as slicing rows of the sparse matrix, without the price of another matrix.
        """
        size = self._rows.shape[0]
        inside = np.minimum(keys, size - 1)
        starts = self._rows.indptr[inside].astype(np.int64)
        lengths = np.where(keys < size, self._rows.indptr[inside + 1] - starts, 0)
        ends = np.cumsum(lengths)
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
        return places, lengths

    def search(self, query: dict[int, float], k: int, allowed: NDArray[np.bool_] | None = None) -> CandidateScores:
        """Return at most k keys by cosine with a query, best first, only positive scores."""
        if not query or not self._ready():
            return CandidateScores(np.zeros(0, np.int32), np.zeros(0, np.float32))
        fresh = np.fromiter(self._fresh, np.int32, len(self._fresh))
        keys = np.concatenate([self._match(query, k, allowed), fresh[_within(fresh, allowed)]])
        scores = self.score(query, keys)
        keys, scores = keys[scores > 0], scores[scores > 0]
        order = np.lexsort((keys, -scores))[:k]
        return CandidateScores(keys[order].astype(np.int32), scores[order].astype(np.float32))

    def _match(self, query: dict[int, float], k: int, allowed: NDArray[np.bool_] | None) -> NDArray[np.int32]:
        """Return at least k allowed keys, ascending, that the postings of the weightiest terms speak for; no fresh ones."""
        if self._rows is None:
            return np.zeros(0, np.int32)
        starts, keys, weights = self._columns
        parts, factors, left = [], [], BUDGET
        for term, weight in sorted(query.items(), key=lambda e: -e[1]):
            if term < len(starts) - 1 and weight > 0 and left > 0:
                part = slice(int(starts[term]), min(int(starts[term + 1]), int(starts[term]) + left))
                parts.append(part)
                factors.append(weight)
                left -= part.stop - part.start
        if not parts:
            return np.zeros(0, np.int32)
        found = np.concatenate([keys[p] for p in parts])
        gain = np.concatenate([weights[p] * np.float32(f) for p, f in zip(parts, factors, strict=True)])
        # Zeros of which few are touched cost next to nothing, whatever the number of items.
        total = np.zeros(self._rows.shape[0], np.float32)
        np.add.at(total, found, gain)
        fits = _within(found, allowed)
        if self._gone:
            fits &= ~np.isin(found, np.fromiter(self._gone, np.int32, len(self._gone)))
        return _highest(found[fits], total, k)

    def _score_fresh(self, query: dict[int, float], keys: NDArray[np.int32]) -> NDArray[np.float32]:
        texts = (self._fresh.get(k, {}) for k in keys.tolist())
        sums = [sum(w * text.get(t, 0.0) for t, w in query.items()) for text in texts]
        return np.array(sums, np.float32).reshape(len(keys))

    def score(self, query: dict[int, float], keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return cosines (n,) of given keys with a query; 0 for keys without text."""
        if not query or not self._ready():
            return np.zeros(len(keys), np.float32)
        out = self._score_rows(query, keys)
        if self._gone:
            late = np.isin(keys, np.fromiter(self._gone, np.int32, len(self._gone)))
            out[late] = self._score_fresh(query, keys[late])
        return out

    def _score_rows(self, query: dict[int, float], keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return cosines (n,) with what was held when the arrays were built."""
        if self._rows is None:
            return np.zeros(len(keys), np.float32)
        terms = self._rows.shape[1]
        dense = np.zeros(terms, np.float32)
        known = [(t, w) for t, w in query.items() if t < terms]
        dense[[t for t, _ in known]] = [w for _, w in known]
        places, lengths = self._places(keys)
        gain = self._rows.data[places] * dense[self._rows.indices[places]]
        return np.bincount(np.repeat(np.arange(len(keys)), lengths), gain, len(keys)).astype(np.float32)


def _unit(query: dict[int, float], limit: int = QUERY_TERMS) -> dict[int, float]:
    """Keep the weightiest terms and scale them to unit length."""
    best = sorted(query.items(), key=lambda e: (-abs(e[1]), e[0]))[:limit]
    norm = math.sqrt(sum(w * w for _, w in best))
    return {term: w / norm for term, w in best if w} if norm else {}


def _within(keys: NDArray[np.int32], allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    if allowed is None:
        return np.ones(len(keys), np.bool_)
    if not len(allowed):
        return np.zeros(len(keys), np.bool_)
    return (keys < len(allowed)) & allowed[np.minimum(keys, len(allowed) - 1)]


def _highest(keys: NDArray[np.int32], values: NDArray[np.float32], k: int) -> NDArray[np.int32]:
    """Return distinct keys, ascending, with the greatest values, k and a few more; `keys` may hold some several times."""
    own = values[keys]
    size = SPARE * k
    while size < len(keys):
        best = _distinct(keys[own >= np.partition(own, len(own) - size)[len(own) - size]])
        if len(best) >= k:
            return best
        size *= 4
    return _distinct(keys)


def _distinct(keys: NDArray[np.int32]) -> NDArray[np.int32]:
    # np.unique hashes, which takes ten times as long on so few.
    keys = np.sort(keys)
    return np.asarray(keys[np.concatenate([keys[:1] >= 0, keys[1:] != keys[:-1]])], np.int32)
