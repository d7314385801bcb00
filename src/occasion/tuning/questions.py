"""Questions: moments held out, asked of text alone: which item comes next, given what the person did and said before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from occasion.encoders.centring import center
from occasion.encoders.texts import unit
from occasion.metrics import bootstrap_interval, paired_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.evaluation.split import Moments, Split
    from occasion.protocols import EventColumns

    Floats = NDArray[np.float32]
    Figures = dict[str, dict[str, float]]

__all__ = ["Questions", "Results", "ask", "compare", "judge"]

NEWEST, DECAY = 10, 0.7
"""The newest items of a history count .7 ** steps from the end; chosen on product sequences (.0693; 20 items, .8: .0665)."""
STOP, REPORT = 500, 2000
"""Questions that decide, which are asked at every check, and those that give the figures."""
CANDIDATES = (2500, 20_000)
"""Items ranked, of the same: answers and histories, and others at random up to this many."""
K = 10


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What is asked.

    Attributes
    ----------
    user : (q,) int32
    history : tuple of q int32 arrays
        Item keys, oldest first.
    sentence : tuple of str, (q,)
        The person's own words; "" where there are none.
    answers : tuple of q int32 arrays
    cold : (items,) bool
        Items that no lesson names.
    candidates : (c,) int32
        Item keys that are ranked, ascending.
    repeats : bool
        Whether what a person has had may be an answer.
    """

    user: NDArray[np.int32]
    history: tuple[NDArray[np.int32], ...]
    sentence: tuple[str, ...]
    answers: tuple[NDArray[np.int32], ...]
    cold: NDArray[np.bool_]
    candidates: NDArray[np.int32]
    repeats: bool

    def __len__(self) -> int:
        """Number of questions."""
        return len(self.history)


@dataclass(frozen=True)
class Results:
    """Of each question and stratum: `kind` is 0 for warm answers, 1 for cold ones; all (r,)."""

    kind: NDArray[np.int8]
    user: NDArray[np.int32]
    ndcg: NDArray[np.float64]
    hit: NDArray[np.float64]
    smooth: NDArray[np.float64]

    @property
    def quality(self) -> float:
        """The mean over strata of the mean smooth gain, 0 to 1: by it is decided when to stop."""
        strata = [self.smooth[self.kind == kind] for kind in (0, 1)]
        return float(np.mean([s.mean() for s in strata if len(s)])) if len(self.kind) else 0.0


def ask(
    columns: EventColumns,
    good: NDArray[np.int64],
    split: Split,
    warm: NDArray[np.bool_],
    has_text: NDArray[np.bool_],
    words: dict[int, str],
    rng: np.random.Generator,
) -> tuple[Questions, Questions]:
    """Return the questions that decide when to stop, and those that give the figures; no person is in both.

    Parameters
    ----------
    good : (g,) int64
        Rows of liked events of items with a text.
    warm, has_text : (items,) bool
    words : mapping of context key to a person's own words
    """
    order = good[np.lexsort((columns.seq[good], np.nan_to_num(columns.at[good]), columns.user[good]))]
    moments = split.moments.among(has_text)
    moments = moments.take(rng.permutation(len(moments)))
    parts: tuple[list[int], list[int]] = ([], [])
    side: dict[int, int] = {}
    histories = _Histories(columns, order, split)
    for n in range(len(moments)):
        user = int(moments.user[n])
        which = side.setdefault(user, int(rng.random() >= 1 / 3))
        limit = (STOP, REPORT)[which]
        if len(parts[which]) < limit and (len(histories.of(moments, n)) or words.get(int(moments.context[n]))):
            parts[which].append(n)
    repeats = _repeats(columns, order)
    made = [
        _questions(moments, np.array(part, np.int64), histories, warm, has_text, words, repeats, most, rng)
        for part, most in zip(parts, CANDIDATES, strict=True)
    ]
    return made[0], made[1]


class _Histories:
    """What a person liked before a moment."""

    def __init__(self, columns: EventColumns, order: NDArray[np.int64], split: Split) -> None:
        self.item, self.at, self.user = columns.item[order], columns.at[order], columns.user[order]
        self.held = np.isin(columns.seq[order], split.held_out)
        self.timed = split.mode == "time"

    def of(self, moments: Moments, n: int) -> NDArray[np.int32]:
        """Return item keys, oldest first."""
        start, stop = np.searchsorted(self.user, [moments.user[n], moments.user[n] + 1])
        part = slice(int(start), int(stop))
        before = ~(self.at[part] >= moments.at[n]) if self.timed else ~self.held[part]
        return np.asarray(self.item[part][before], np.int32)


def _repeats(columns: EventColumns, order: NDArray[np.int64]) -> bool:
    """Tell whether more than 1 event in 50 repeats an earlier one of the same person."""
    pairs = columns.user[order].astype(np.int64) << 32 | columns.item[order]
    return len(np.unique(pairs)) < 0.98 * len(pairs)


def _questions(
    moments: Moments,
    rows: NDArray[np.int64],
    histories: _Histories,
    warm: NDArray[np.bool_],
    has_text: NDArray[np.bool_],
    words: dict[int, str],
    repeats: bool,
    most: int,
    rng: np.random.Generator,
) -> Questions:
    some = moments.take(rows)
    past = tuple(histories.of(some, n) for n in range(len(some)))
    # What was seen long ago needs no vector, unless it may be an answer again.
    needed = np.unique(np.concatenate([*some.answers, *(h[-NEWEST:] for h in past), np.zeros(0, np.int32)])).astype(np.int32)
    others = np.setdiff1d(np.flatnonzero(has_text).astype(np.int32), needed)
    more = rng.choice(others, min(len(others), max(0, most - len(needed))), replace=False)
    return Questions(
        user=some.user, history=past, answers=some.answers, cold=~warm, repeats=repeats,
        sentence=tuple(words.get(int(c), "") for c in some.context), candidates=np.sort(np.concatenate([needed, more])),
    )  # fmt: skip


def judge(questions: Questions, vectors: Floats, sentences: Floats) -> Results:
    """Rank the candidates for each question by cosine and return how its answers stand.

    A person is the mean of the newest `NEWEST` items' centred vectors, weight ``DECAY ** steps``, at length 1, plus the vector
    of the words where there are some. ndcg@10 and hit@10 with ties counted half: an answer that shares its score with m others
    stands m / 2 places lower. `smooth` is 1 / log2(1 + place) without a cut: less noise for deciding when to stop.

    Parameters
    ----------
    vectors : (candidates, dim) float32
    sentences : (q, dim) float32
        Zeros where there are no words.
    """
    place = np.full(int(max(questions.candidates.max(initial=-1), len(questions.cold) - 1)) + 1, -1, np.int64)
    place[questions.candidates] = np.arange(len(questions.candidates))
    centred = center(vectors)[1]
    rows: list[tuple[int, int, float, float, float]] = []
    for n in range(len(questions)):
        past = place[questions.history[n][-NEWEST:]]
        weight = DECAY ** np.arange(len(past))[::-1].astype(np.float32)
        person = unit((weight @ centred[past])[None])[0] + sentences[n] if len(past) else sentences[n]
        score = centred @ person
        seen = place[questions.history[n]]
        if not questions.repeats:
            score[seen[seen >= 0]] = -np.inf
        rows += _standing(score, place[questions.answers[n]], questions.cold[questions.answers[n]], int(questions.user[n]))
    table = np.array(rows, np.float64).reshape(-1, 5)
    return Results(table[:, 0].astype(np.int8), table[:, 1].astype(np.int32), table[:, 2], table[:, 3], table[:, 4])


def _standing(
    score: Floats, answers: NDArray[np.int64], cold: NDArray[np.bool_], user: int
) -> list[tuple[int, int, float, float, float]]:
    out = []
    for kind in (0, 1):
        right = answers[cold == bool(kind)]
        right = right[np.isfinite(score[right])]
        if not len(right):
            continue
        others = np.delete(score, answers)
        places = np.array([(others > score[a] + 1e-6).sum() + (np.abs(others - score[a]) <= 1e-6).sum() / 2 for a in right])
        places = np.sort(places) + np.arange(len(right)) + 1
        gain = 1 / np.log2(places + 1)
        ideal = (1 / np.log2(np.arange(2, min(K, len(right)) + 2))).sum()
        out.append((kind, user, float(gain[places <= K].sum() / ideal), float((places <= K).any()), float(gain.mean())))
    return out


def compare(before: Results, after: Results, *, seed: int = 0) -> Figures:
    """Return for ``cold``, ``warm`` and ``all``: both means with 95 % intervals, the difference with its interval, and p."""
    out: Figures = {}
    for name, rows in (("cold", before.kind == 1), ("warm", before.kind == 0), ("all", before.kind >= 0)):
        if not rows.any():
            continue
        users = before.user[rows].tolist()
        figures = {"questions": float(rows.sum())}
        for metric in ("ndcg", "hit"):
            old, new = getattr(before, metric)[rows], getattr(after, metric)[rows]
            gain, (low, high), p = paired_difference(new.tolist(), old.tolist(), users, seed=seed)
            figures |= {f"{metric}_before": float(old.mean()), f"{metric}_after": float(new.mean()), f"{metric}_gain": gain,
                        f"{metric}_gain_low": low, f"{metric}_gain_high": high, f"{metric}_p": p}  # fmt: skip
            for when, values in (("before", old), ("after", new)):
                low, high = bootstrap_interval(values.tolist(), users, seed=seed)
                figures |= {f"{metric}_{when}_low": low, f"{metric}_{when}_high": high}
        out[name] = figures
    return out
