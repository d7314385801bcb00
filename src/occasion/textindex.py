"""An inverted index over item texts: TF-IDF cosine, any language, new items at once.

Weights are ``(1 + ln tf) * ln(1 + N / df)`` scaled to unit length per item (Salton and Buckley, 1988). Latin words
are lower-cased and lose a plural s; Chinese, Japanese and Korean characters become bigrams.
"""

from __future__ import annotations

import math
import re
import threading
import unicodedata
from array import array
from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from occasion.keyed import Board, is_allowed, leading, named, parted
from occasion.packed import PackedTexts
from occasion.pairs import runs
from occasion.protocols import CandidateScores
from occasion.remembered import Remembered

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KIND", "Query", "TextIndex", "tokens"]

KIND = f"tfidf-1, Unicode {unicodedata.unidata_version}"
"""Which tokens and weights kept arrays hold: another number whenever one of both changes, so that older ones are not read."""

POSTINGS = 4000
"""Items kept a term, the weightiest: bounds the cost of a query with frequent words, at any catalogue size."""
QUERY_TERMS = 40
"""Terms of a query that count, the weightiest."""
BUDGET = 5000
"""Postings read a search, those of the weightiest terms first; what they find is scored by all terms."""
MOST = 65_535
"""A term counts so often in a text at most."""
SPARE = 2
"""Items scored by all terms for each item wanted: the best by the postings that were read."""
LATE = 1000
"""Added items after which the arrays are rebuilt."""
BLOCK = 65_536
"""Items weighed at once."""
LOOKED_UP = 50_000
"""Terms of new texts and of requests whose numbers are remembered."""

LAST = 8
"""Sets of keys whose terms are at hand: one for each answer that is given side by side with others."""

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


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """Terms by number and their weights (n,), of unit length, the weightiest first, equal ones by number; at most `QUERY_TERMS`."""

    terms: NDArray[np.int64]
    weights: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of terms."""
        return len(self.terms)

    @classmethod
    def of(cls, terms: NDArray[Any], weights: NDArray[Any]) -> Query:
        """Return the weightiest of distinct terms (n,) at unit length; no terms where all weigh nothing."""
        order = np.lexsort((terms, -np.abs(weights)))[:QUERY_TERMS]
        kept = weights[order].astype(np.float64)
        order, kept = order[kept != 0], kept[kept != 0]
        return cls(terms[order].astype(np.int64), kept / max(math.sqrt(float(kept @ kept)), 1e-300))


class Rows(NamedTuple):
    """The texts in bulk: the terms of key k stand in ``starts[k] : starts[k + 1]``."""

    starts: NDArray[np.int64]
    terms: NDArray[np.int32]
    tf: NDArray[np.uint16]
    weights: NDArray[np.float32]


class Postings(NamedTuple):
    """The items of term t stand in ``starts[t] : starts[t + 1]``, where there are many the `POSTINGS` weightiest."""

    starts: NDArray[np.int64]
    keys: NDArray[np.int32]
    weights: NDArray[np.float32]


class _Texts(NamedTuple):
    """The terms of some keys one behind the other; those of key ``filled[i]``, which has any, from ``starts[i]`` on."""

    keys: NDArray[np.int32]
    rows: Rows
    terms: NDArray[np.int32]
    weights: NDArray[np.float32]
    filled: NDArray[np.int64]
    starts: NDArray[np.int64]


class _Last(threading.local):
    """The texts that a thread asked for last, the newest last."""

    def __init__(self) -> None:
        self.texts: deque[_Texts] = deque(maxlen=LAST)


class TextIndex:
    """Terms to item keys and back; see the module."""

    def __init__(self) -> None:
        # Terms by number: those that were kept in a file, and those that came since.
        self._kept_terms = PackedTexts()
        self._terms: dict[str, int] = {}
        self._looked_up: dict[str, int] = {}  # some of the former
        # Texts waiting for the arrays to be built: key and number of terms of each, then term by term.
        self._keys, self._lengths, self._term, self._tf = array("i"), array("i"), array("i"), array("H")
        self._idf = np.zeros(0, np.float32)
        self._newest_idf = 0.0
        self._rows: Rows | None = None
        self._postings: Postings | None = None
        # Since the arrays were built: texts that came, as unit-length term weights, the same by term, keys that went or changed.
        self._fresh: dict[int, dict[int, float]] = {}
        self._fresh_counts: dict[int, Counter[str]] = {}
        self._fresh_terms: dict[int, dict[int, float]] = defaultdict(dict)
        self._gone: set[int] = set()
        self._board = Board()
        self._met: Remembered[Hashable, tuple[NDArray[np.int32], NDArray[np.float32]]] = Remembered()
        self._asked: Remembered[str, Query] = Remembered()
        self._last = _Last()

    def __len__(self) -> int:
        """Number of (item, term) pairs held in bulk."""
        return len(self._term) if self._rows is None else len(self._rows.terms)

    def add(self, key: int, text: str) -> None:
        """Add or replace an item's text; it is found by the next search."""
        counts = Counter(tokens(text))
        if self._rows is None:
            self._append(key, counts)
            return
        # It may bring words that nothing had until now.
        self._asked.clear()
        numbers = dict(zip(self._numbered(counts), counts.values(), strict=True))
        if key not in self._gone and self._holds(key, numbers):
            return
        self._forget(key)
        self._gone.add(key)
        self._fresh[key], self._fresh_counts[key] = self._weigh(numbers), counts
        for term, weight in self._fresh[key].items():
            self._fresh_terms[term][key] = weight
        if len(self._gone) > LATE:
            self._compact()

    def _holds(self, key: int, counts: Mapping[int, int]) -> bool:
        """Return whether the arrays have these very terms for a key already: a new price changes no text."""
        assert self._rows is not None
        if key >= len(self._rows.starts) - 1:
            return False
        part = slice(int(self._rows.starts[key]), int(self._rows.starts[key + 1]))
        # Their order is that in which they stand in a text, so that of another text with the same words may differ.
        held = dict(zip(self._rows.terms[part].tolist(), self._rows.tf[part].tolist(), strict=True))
        return held == {term: min(n, MOST) for term, n in counts.items()}

    def _append(self, key: int, counts: Counter[str]) -> None:
        self._keys.append(key)
        self._lengths.append(len(counts))
        self._term.extend(self._numbered(counts))
        self._tf.extend([min(n, MOST) for n in counts.values()])

    def _numbered(self, terms: Iterable[str]) -> list[int]:
        """Return the number of each term; new ones get theirs."""
        own, kept = self._terms, len(self._kept_terms)
        if not kept:
            return [own.setdefault(term, len(own)) for term in terms]
        return [self._among_kept(term, kept) if (number := own.get(term)) is None else number for term in terms]

    def _among_kept(self, term: str, kept: int) -> int:
        """Return the number of a term that is among the kept ones, or new. A file is slow to look into for many texts."""
        number = self._looked_up.get(term)
        if number is None:
            number = self._kept_terms.number(term)
            if number is None:
                return self._terms.setdefault(term, kept + len(self._terms))
            self._remember({term: number})
        return number

    def _known(self, terms: Iterable[str]) -> dict[str, int]:
        """Return the numbers of those terms that have one, which are not given to others by this."""
        numbers = {term: number for term in terms if (number := self._terms.get(term, self._looked_up.get(term))) is not None}
        others = [term for term in terms if term not in numbers]
        if others:
            found = zip(others, self._kept_terms.numbers(others), strict=True)
            numbers |= self._remember({term: number for term, number in found if number is not None})
        return numbers

    def _remember(self, numbers: dict[str, int]) -> dict[str, int]:
        """Keep numbers of kept terms at hand; return them."""
        if len(self._looked_up) > LOOKED_UP:
            self._looked_up = {}
        self._looked_up |= numbers
        return numbers

    def _weigh(self, counts: Mapping[int, int]) -> dict[int, float]:
        weights = {}
        for number, n in counts.items():
            idf = float(self._idf[number]) if number < len(self._idf) else self._newest_idf
            weights[number] = (1 + math.log(n)) * idf
        return _unit(weights)

    def _forget(self, key: int) -> None:
        self._fresh_counts.pop(key, None)
        for term in self._fresh.pop(key, {}):
            self._fresh_terms[term].pop(key)

    def remove(self, keys: NDArray[np.int32]) -> None:
        """Forget keys; unknown ones are ignored."""
        for key in keys.tolist():
            if self._rows is None:
                self._append(key, Counter())
            else:
                self._forget(key)
                self._gone.add(key)
        if len(self._gone) > LATE:
            self._compact()

    def _compact(self) -> None:
        """Put the bulk arrays back among the waiting texts, what came and went since behind them."""
        assert self._rows is not None
        lengths = np.diff(self._rows.starts).astype(np.int32)
        self._keys = array("i", np.arange(len(lengths), dtype=np.int32).tobytes())
        self._lengths = array("i", lengths.tobytes())
        self._term, self._tf = array("i", self._rows.terms.tobytes()), array("H", self._rows.tf.tobytes())
        self._rows = self._postings = None
        for key in self._gone:
            self._append(key, self._fresh_counts.get(key, Counter()))
        self._fresh, self._fresh_counts, self._gone = {}, {}, set()
        self._fresh_terms.clear()

    def _ready(self) -> bool:
        """Build the arrays where there are none; False while the index is empty."""
        if self._rows is None and len(self._term):
            self._build()
        return self._rows is not None

    def _build(self) -> None:
        """Turn the waiting texts into rows and postings; of several texts of a key the last counts."""
        key, lengths = np.array(self._keys, np.int32), np.array(self._lengths, np.int64)
        newest = np.full(int(key.max()) + 1, -1, np.int64)
        newest[key] = np.arange(len(key))
        order = newest[newest >= 0]
        starts = np.zeros(len(newest) + 1, np.int64)
        starts[1:][newest >= 0] = lengths[order]
        np.cumsum(starts, out=starts)
        places = (
            slice(None)
            if np.array_equal(order, np.arange(len(key)))
            else runs((np.cumsum(lengths) - lengths)[order], lengths[order])
        )
        terms, tf = np.array(self._term, np.int32)[places], np.array(self._tf, np.uint16)[places]
        self._keys, self._lengths, self._term, self._tf = array("i"), array("i"), array("i"), array("H")
        df = np.bincount(terms, minlength=len(self._kept_terms) + len(self._terms))
        documents = max(1, int(np.count_nonzero(np.diff(starts))))
        self._idf = np.log1p(documents / np.maximum(df, 1)).astype(np.float32)
        self._newest_idf = float(np.log1p(documents))
        self._rows = Rows(starts, terms, tf, _weights(starts, terms, tf, self._idf))
        self._postings = _postings(self._rows, df)
        self._met.clear()
        self._asked.clear()

    # -- as arrays ------------------------------------------------------------------------------------------------------
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all that is held, as named arrays, for keeping in files; `restore` takes them back.

        What came and went since the arrays were built is put into them first, and terms that no text has any more are forgotten.
        """
        if self._gone:
            self._compact()
        self._ready()
        if self._rows is None or self._postings is None:
            self._terms, self._looked_up, self._kept_terms = {}, {}, PackedTexts()
            return {}
        self._forget_terms(np.diff(self._postings.starts) > 0)
        out = {"idf": self._idf, "newest_idf": np.array([self._newest_idf])}
        out |= named("terms", self._kept_terms.arrays())
        return out | named("rows", self._rows._asdict()) | named("postings", self._postings._asdict())

    def _forget_terms(self, stay: NDArray[np.bool_]) -> None:
        """Pack the terms, only those that stay; their order does, and with it that of equally weighty ones."""
        assert self._rows is not None
        assert self._postings is not None
        terms = self._kept_terms.extended(list(self._terms))
        if not stay.all():
            terms = PackedTexts().extended([terms[n] for n in np.flatnonzero(stay).tolist()])
            self._idf = self._idf[stay]
            self._rows = self._rows._replace(terms=(np.cumsum(stay, dtype=np.int32) - 1)[self._rows.terms])
            starts = self._postings.starts
            self._postings = self._postings._replace(starts=np.append(starts[:-1][stay], starts[-1:]))
            self._met.clear()
            self._asked.clear()
        self._terms, self._looked_up, self._kept_terms = {}, {}, terms

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> TextIndex:
        """Return what `arrays` gave, as an object again, without copying it.

        Raises
        ------
        KeyError, TypeError, ValueError
            Where arrays are missing, or do not belong together.
        """
        out, parts = cls(), parted(arrays)
        if not arrays:
            return out
        out._rows, out._postings = Rows(**parts["rows"]), Postings(**parts["postings"])
        out._kept_terms = PackedTexts.restore(parts["terms"])
        out._idf, out._newest_idf = arrays["idf"], float(arrays["newest_idf"][0])
        if not len(out._idf) == len(out._kept_terms) == len(out._postings.starts) - 1:
            raise ValueError("terms and their weights do not belong together")
        return out

    # -- reading --------------------------------------------------------------------------------------------------------
    def forget(self) -> None:
        """Drop what is remembered of searches: people's words are in them."""
        self._met.clear()
        self._asked.clear()
        self._looked_up = {}

    def query(self, text: str) -> Query:
        """Return a text as term weights; no terms where none is known."""
        return self._asked.get(text, self._weighed) if self._ready() else NOTHING

    def _weighed(self, text: str) -> Query:
        counts = Counter(tokens(text))
        weights = self._weigh({number: counts[term] for term, number in self._known(counts).items()})
        return Query.of(*_arrays(weights))

    def query_of(self, keys: NDArray[np.int32], weights: NDArray[np.float32]) -> Query:
        """Return the weighted sum of items as term weights."""
        if not self._ready():
            return NOTHING
        late = np.isin(keys, self._gone_keys()) if self._gone else np.zeros(len(keys), np.bool_)
        if not late.any():
            return Query.of(*self._sum_rows(keys, weights))
        terms, sums = self._sum_rows(keys[~late], weights[~late])
        total = dict(zip(terms.tolist(), sums.tolist(), strict=True))
        for key, weight in zip(keys[late].tolist(), weights[late].tolist(), strict=True):
            for term, value in self._fresh.get(key, {}).items():
                total[term] = total.get(term, 0.0) + weight * value
        return Query.of(*_arrays(total))

    def _sum_rows(self, keys: NDArray[np.int32], weights: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the weighted sum of items as when the arrays were built: its weightiest terms (n,) and their weights (n,)."""
        nothing = np.zeros(0, np.int32), np.zeros(0, np.float32)
        if self._rows is None or not len(keys):
            return nothing
        places, lengths = self._places(keys)
        if not len(places):
            return nothing
        terms = self._rows.terms[places]
        weighed = self._rows.weights[places] * np.repeat(weights, lengths).astype(np.float32)
        total, last = self._board.sums(terms, weighed)
        terms, total = terms[last], total[last]
        heaviest = np.lexsort((terms, -np.abs(total)))[: 2 * QUERY_TERMS]
        return terms[heaviest], total[heaviest]

    def _places(self, keys: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where the terms of keys (n,) stand, one run a key, and the length of each run (n,)."""
        assert self._rows is not None
        starts = self._rows.starts
        inside = np.minimum(keys, len(starts) - 2)
        lengths = np.where(keys < len(starts) - 1, starts[inside + 1] - starts[inside], 0)
        return runs(starts[inside], lengths), lengths

    def _texts(self, keys: NDArray[np.int32]) -> _Texts:
        """Return the terms of keys (n,); of the keys asked for last they are at hand: several queries score the same ones."""
        assert self._rows is not None
        for last in self._last.texts:
            if last.keys is keys and last.rows is self._rows:
                return last
        places, lengths = self._places(keys)
        filled = np.flatnonzero(lengths)
        starts = (np.cumsum(lengths) - lengths)[filled]
        made = _Texts(keys, self._rows, self._rows.terms[places], self._rows.weights[places], filled, starts)
        self._last.texts.append(made)
        return made

    def _gone_keys(self) -> NDArray[np.int32]:
        return np.fromiter(self._gone, np.int32, len(self._gone))

    def search(self, query: Query, k: int, allowed: NDArray[np.bool_] | None = None) -> CandidateScores:
        """Return at most k keys by cosine with a query, best first, only positive scores."""
        if not query or not self._ready():
            return CandidateScores(np.zeros(0, np.int32), np.zeros(0, np.float32))
        fresh = np.fromiter(self._fresh, np.int32, len(self._fresh))
        keys = np.concatenate([self._match(query, SPARE * k, allowed), fresh[is_allowed(fresh, allowed)]])
        scores = self.score(query, keys)
        keys, scores = keys[scores > 0], scores[scores > 0]
        order = np.lexsort((keys, -scores))[:k]
        return CandidateScores(keys[order].astype(np.int32), scores[order].astype(np.float32))

    def near(self, query: Query, k: int, allowed: NDArray[np.bool_] | None = None) -> NDArray[np.int32]:
        """Return about k keys that `search` would return first, in no order, by the weightiest terms alone: half its time."""
        if not query or not self._ready():
            return np.zeros(0, np.int32)
        keys = self._match(query, k, allowed)
        if not self._fresh:
            return keys
        fresh = np.fromiter(self._fresh, np.int32, len(self._fresh))
        fresh = fresh[is_allowed(fresh, allowed)]
        scores = self._score_fresh(query, fresh)
        return np.concatenate([keys, _highest(fresh[scores > 0], scores[scores > 0], k)])

    def _match(self, query: Query, k: int, allowed: NDArray[np.bool_] | None) -> NDArray[np.int32]:
        """Return at least k allowed keys, ascending, that the postings of the weightiest terms speak for; no fresh ones."""
        most = 4 * k
        asked = most, query.terms.tobytes(), query.weights.tobytes()
        found, total = self._met.get(asked, lambda _: self._spoken_for(query, most))
        fits = self._fit(found, allowed)
        if len(found) >= most and np.count_nonzero(fits) < k:
            # So many of the best are not allowed that others, left out of what is remembered, come in.
            found, total = self._spoken_for(query, None)
            fits = self._fit(found, allowed)
        return _highest(found[fits], total[fits], k)

    def _fit(self, keys: NDArray[np.int32], allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Return which keys (n,) are allowed and have not changed since the arrays were built."""
        fits = is_allowed(keys, allowed)
        return fits & ~np.isin(keys, self._gone_keys()) if self._gone else fits

    def _spoken_for(self, query: Query, most: int | None) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the keys (n,) that the weightiest terms name, and sums of their weights: the `most` best, or all."""
        assert self._postings is not None
        starts, keys, weights = self._postings
        parts, left = [], BUDGET
        for term, weight in zip(query.terms.tolist(), query.weights.tolist(), strict=True):
            if term < len(starts) - 1 and weight > 0 and left > 0:
                some = slice(int(starts[term]), int(starts[term + 1]))
                parts.append((keys[some], weights[some] * np.float32(weight)))
                left -= some.stop - some.start
        if not parts:
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        found = np.concatenate([keys for keys, _ in parts])
        total, last = self._board.sums(found, np.concatenate([gain for _, gain in parts]))
        found, total = found[last], total[last]
        if most is not None and len(found) > most:
            kept = leading(total, most)
            found, total = found[kept], total[kept]
        return found, total

    def _score_fresh(self, query: Query, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        total: dict[int, float] = {}
        for term, weight in zip(query.terms.tolist(), query.weights.tolist(), strict=True):
            for key, value in self._fresh_terms.get(term, {}).items():
                total[key] = total.get(key, 0.0) + weight * value
        return np.array([total.get(key, 0.0) for key in keys.tolist()], np.float32)

    def score(self, query: Query, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return cosines (n,) of given keys with a query; 0 for keys without text."""
        if not query or not self._ready():
            return np.zeros(len(keys), np.float32)
        known = query.terms < len(self._idf)
        assert self._rows is not None
        texts = self._texts(keys)
        gain = texts.weights * self._board.looked_up(query.terms[known], query.weights[known].astype(np.float32), texts.terms)
        out = np.zeros(len(keys), np.float32)
        if len(gain):
            out[texts.filled] = np.add.reduceat(gain, texts.starts)
        if self._gone:
            late = np.isin(keys, self._gone_keys())
            out[late] = self._score_fresh(query, keys[late])
        return out


def _weights(
    starts: NDArray[np.int64], terms: NDArray[np.int32], tf: NDArray[np.uint16], idf: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return ``(1 + ln tf) idf`` of each (item, term) pair, each item's scaled to unit length; in blocks, which spares memory."""
    out = np.empty(len(terms), np.float32)
    for first in range(0, len(starts) - 1, BLOCK):
        own = starts[first : first + BLOCK + 1]
        part = slice(int(own[0]), int(own[-1]))
        weights = idf[terms[part]]
        weights *= 1 + np.log(tf[part], dtype=np.float32)
        filled = own[:-1][np.diff(own) > 0] - own[0]
        if len(filled):
            norm = np.sqrt(np.add.reduceat(weights * weights, filled))
            weights /= np.repeat(norm, np.diff(np.append(filled, len(weights))))
        out[part] = weights
    return out


def _postings(rows: Rows, df: NDArray[np.int64]) -> Postings:
    """Return the rows the other way round."""
    from scipy import sparse

    shape = (len(rows.starts) - 1, len(df))
    turned = sparse.csr_matrix((rows.weights, rows.terms, rows.starts), shape=shape).tocsc()
    keep = np.ones(len(rows.terms), np.bool_)
    for term in np.flatnonzero(df > POSTINGS).tolist():
        part = slice(int(turned.indptr[term]), int(turned.indptr[term + 1]))
        keep[part] = False
        keep[part.start + np.argpartition(-turned.data[part], POSTINGS)[:POSTINGS]] = True
    starts = np.concatenate([[0], np.cumsum(np.minimum(df, POSTINGS))])
    # One after the other, so that not both are there twice at once.
    turned.indices = turned.indices[keep].astype(np.int32, copy=False)
    return Postings(starts, turned.indices, turned.data[keep])


NOTHING = Query(np.zeros(0, np.int64), np.zeros(0))


def _arrays(weights: Mapping[int, float]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return terms (n,) and their weights (n,)."""
    return np.fromiter(weights, np.int64, len(weights)), np.fromiter(weights.values(), np.float64, len(weights))


def _unit(weights: dict[int, float]) -> dict[int, float]:
    """Return weights at unit length."""
    norm = math.sqrt(sum(w * w for w in weights.values()))
    return {term: w / norm for term, w in weights.items() if w} if norm else {}


def _highest(keys: NDArray[np.int32], values: NDArray[np.float32], k: int) -> NDArray[np.int32]:
    """Return those of distinct keys (n,) with the k greatest values (n,), ascending; more of them where the last are equal."""
    return np.sort(keys[leading(values, k)])
