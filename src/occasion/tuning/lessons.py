"""Lessons: what a store's log can teach a language model, and the questions it is examined with.

The newest events are held out, and of the older ones those of a tenth of the items, drawn by the seed: these and items that
are new by nature are the *cold* ones, known by their text alone. Questions are the moments held out; a third of the people
decides when to stop, the others give the figures.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.errors import DataError
from occasion.evaluation.split import split_log
from occasion.keyed import joined
from occasion.liking import liking, rating_range
from occasion.people import PURPOSES
from occasion.privacy.choices import Choices
from occasion.tuning.questions import Questions, ask
from occasion.tuning.teacher import soft_targets

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from occasion.protocols import EventColumns, Store

__all__ = ["Lessons", "read_lessons", "texts_of"]

HIDDEN = 0.1
"""Share of the items with events whose events are kept from the lessons."""
LEAST_EVENTS, LEAST_ITEMS, LEAST_MOMENTS = 200, 20, 20
SENTENCES = 50_000
"""Distinct sentences of contexts that are lessons, the most frequent first."""
PAIRS = 200_000
STEPS = 3
"""How far apart two events of one person make a pair."""


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """What is learnt from.

    Attributes
    ----------
    texts : list of str, (items,)
        By item key; "" where there is none.
    sentences : list of str, (s,)
        Distinct words of people about their situation.
    targets : CSR (items + s, items)
        Row: an item or a sentence; distribution over the items that go with it. Rows of hidden items are empty.
    rows : (r,) int64
        Rows that are not empty.
    pairs : (p, 2) int64
        Row, and an item that came next.
    counts : (items,) int64
        Liked events an item has in the lessons.
    stop, report : Questions
    events : int
        Liked events in the lessons.
    fingerprint : str
        Differs where anything of the above does.
    seq, withdrawals : int
        Greatest event number in the lessons, and the third number of the store's cursor before they were read.
    """

    texts: list[str]
    sentences: list[str]
    targets: Any
    rows: NDArray[np.int64]
    pairs: NDArray[np.int64]
    counts: NDArray[np.int64]
    stop: Questions
    report: Questions
    events: int
    fingerprint: str
    seq: int
    withdrawals: int

    def text(self, row: int) -> str:
        """Return the text of a row."""
        return self.texts[row] if row < len(self.texts) else self.sentences[row - len(self.texts)]


def texts_of(store: Store) -> list[str]:
    """Return the sentence of every item by key; "" where an item has none or is not described."""
    found = {entry.key: entry.item.sentence() if entry.item is not None else "" for entry in store.items()}
    return [found.get(key, "") for key in range(max(found, default=-1) + 1)]


def read_lessons(store: Store, *, seed: int = 0, by_default: Collection[str] = PURPOSES) -> Lessons:
    """Read a store, without the events of people who refuse the purpose ``train``.

    Parameters
    ----------
    store : Store
    seed : int
    by_default : collection of str
        The purposes that people allow who never chose.

    Raises
    ------
    DataError
        Where items have no texts, or there are too few events: says how many there are and how many are needed.
    """
    texts = texts_of(store)
    if not any(texts):
        raise DataError("no item of this store has a text: there is nothing for a language model to read. Cure: import titles.")
    withdrawals = store.cursor()[2]
    batches = list(store.events())
    columns = Choices(store, "train", by_default).keep(joined(batches)) if batches else None
    if columns is None or len(columns.seq) < LEAST_EVENTS:
        raise DataError(f"the store has {0 if columns is None else len(columns.seq)} events. {_cure()}")
    split = split_log(columns)
    has_text = np.array([bool(text) for text in texts])
    good = (liking(columns, rating_range(columns)) > 0) & has_text[columns.item]
    past = good & ~np.isin(columns.seq, split.held_out)
    rng = np.random.default_rng(seed)
    learnt = past & ~np.isin(columns.item, _hidden(columns.item[past], rng))
    rows = np.flatnonzero(learnt)
    rows = rows[np.lexsort((columns.seq[rows], np.nan_to_num(columns.at[rows]), columns.user[rows]))]
    if len(rows) < LEAST_EVENTS // 2 or len(split.moments) < LEAST_MOMENTS:
        raise DataError(f"{len(rows)} liked events of items with a text are left to learn from, {len(split.moments)} moments to "
                        f"examine it with. {_cure()}")  # fmt: skip
    counts = np.bincount(columns.item[rows], minlength=len(texts)).astype(np.int64)
    words = _words(store)
    sentences, of_event = _sentences(columns, rows, words)
    targets = _targets(columns, rows, of_event, len(sentences), len(texts))
    filled = np.flatnonzero(np.diff(targets.indptr) > 0).astype(np.int64)
    if len(filled) < LEAST_ITEMS:
        raise DataError(f"only {len(filled)} items share a person with another item. {_cure()}")
    pairs = _pairs(columns, rows, of_event, len(texts), rng)
    stop, report = ask(columns, np.flatnonzero(good), split, counts > 0, has_text, words, rng)
    digest = hashlib.blake2b(digest_size=8)
    for part in ("\0".join(texts).encode("utf-8", "replace"), columns.seq[rows].tobytes(), columns.item[rows].tobytes()):
        digest.update(part)
    return Lessons(
        texts=texts, sentences=sentences, targets=targets, rows=filled, pairs=pairs, counts=counts, stop=stop, report=report,
        events=len(rows), fingerprint=digest.hexdigest(), seq=int(columns.seq[-1]), withdrawals=withdrawals,
    )  # fmt: skip


def _cure() -> str:
    return (
        f"Cure: import more; at least {LEAST_EVENTS} events, {LEAST_ITEMS} items with texts that people share, and "
        f"{LEAST_MOMENTS} late moments."
    )


def _hidden(items: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int32]:
    distinct = np.unique(items)
    return rng.choice(distinct, int(HIDDEN * len(distinct)), replace=False)


def _words(store: Store) -> dict[int, str]:
    """Return people's own words by context key."""
    return {c.key: " ".join(c.text.split()) for c in store.contexts() if c.text.strip()}


def _sentences(columns: EventColumns, rows: NDArray[np.int64], words: dict[int, str]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct sentences, most frequent first, and that of each row (-1: none)."""
    said = [words.get(int(c), "") for c in columns.context[rows]]
    distinct, times = np.unique(np.array([s for s in said if s], dtype=np.str_), return_counts=True)
    kept = distinct[np.argsort(-times, kind="stable")[:SENTENCES]].tolist()
    place = {text: n for n, text in enumerate(kept)}
    return kept, np.array([place.get(s, -1) for s in said], np.int64)


def _targets(columns: EventColumns, rows: NDArray[np.int64], of_event: NDArray[np.int64], n_sentences: int, n_items: int) -> Any:
    from scipy import sparse

    item, told = columns.item[rows], of_event >= 0
    chosen = sparse.csr_matrix((np.ones(told.sum(), np.float32), (of_event[told], item[told])), shape=(n_sentences, n_items))
    total = np.asarray(chosen.sum(1)).ravel()
    chosen = sparse.diags(1 / np.where(total > 0, total, 1).astype(np.float32)).dot(chosen)
    return sparse.vstack([soft_targets(columns.user[rows], item, n_items), chosen]).tocsr().astype(np.float32)


def _pairs(
    columns: EventColumns, rows: NDArray[np.int64], of_event: NDArray[np.int64], n_items: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return (row, item that came next): up to `STEPS` events later, and what was chosen under a sentence; a sample of many."""
    user, item = columns.user[rows], columns.item[rows].astype(np.int64)
    found = [np.stack([n_items + of_event[of_event >= 0], item[of_event >= 0]], 1)]
    for step in range(1, STEPS + 1):
        same = (user[:-step] == user[step:]) & (item[:-step] != item[step:])
        found.append(np.stack([item[:-step][same], item[step:][same]], 1))
    pairs = np.concatenate(found)
    return pairs[np.sort(rng.permutation(len(pairs))[:PAIRS])]
