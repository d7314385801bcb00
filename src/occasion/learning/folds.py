"""How the log is cut into what sources are learnt from and what the ranker is learnt on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from occasion.learning.requests import Events, Queries, Requests, build_requests

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.learning.dataset import Dataset

__all__ = ["Fold", "held_out", "shortened", "split"]

FOLDS, USED = 6, 4
"""Parts that moments are drawn into where there are no times, and how many of them are labels where these are ENOUGH."""
SLICES, STEPS, ENOUGH = 8, 3, 6000
"""With a clock, labels are the last 1/SLICES of the events, with an order each person's last; up to STEPS of these where there are
not ENOUGH labels."""
SHORT, LONGEST, FEW = 0.2, 100, 10
"""Share of the held-out requests that are asked with a shorter history, and of how many events at most, where hardly any has FEW or
less by itself."""
ENOUGH_SHORT, MOST_COPIED = 500, 0.5
"""Requests with a shorter history up to which copies of requests are added, and how many copies at most for each request."""


@dataclass(kw_only=True)
class Fold:
    """Rows of the events: `base` to learn sources from, `labels` to be predicted from them; `newest` if those are one import."""

    base: NDArray[np.bool_]
    labels: NDArray[np.bool_]
    newest: bool = False


def split(data: Dataset, rng: np.random.Generator) -> list[Fold]:
    """Cut events into what sources learn from and what comes after.

    With clock times, the last eighth of the events comes after (in small logs, also the eighth before it, after what was before
    that). With positions, the newest import does where there is one of a fair size, else each person's last event (in small logs,
    also the one before it, after what was before that). Without times, whole moments (person and signals) are drawn into folds; of
    people with one moment, single events.
    """
    events = data.events
    if not len(events):
        return [Fold(base=np.zeros(0, bool), labels=np.zeros(0, bool))]
    if data.times == "none":
        moment = _moments(events)
        fold = rng.integers(0, FOLDS, int(moment.max(initial=-1)) + 1)[moment]
        # Of people whose events are all of one moment, events are drawn: who is held out whole has no past to be asked with.
        pairs = np.unique(np.stack([events.user.astype(np.int64), moment], 1), axis=0)
        alike = (np.bincount(pairs[:, 0], minlength=int(events.user.max()) + 1) == 1)[events.user]
        fold[alike] = rng.integers(0, FOLDS, int(alike.sum()))
        return [Fold(base=fold != f, labels=fold == f) for f in range(FOLDS if len(events) < ENOUGH else USED)]
    if data.times == "unix":
        cuts = [*np.nanquantile(events.time, [1 - (k + 1) / SLICES for k in range(STEPS)]), 0.0]
        late = [events.time >= cut for cut in cuts]
        folds = [Fold(base=~late[0], labels=late[0])]
        for k in range(1, STEPS):
            if sum(f.labels.sum() for f in folds) < ENOUGH:
                folds.append(Fold(base=~late[k], labels=late[k] & ~late[k - 1]))
        return folds
    newest = events.batch == events.batch.max(initial=0)
    if events.batch.max(initial=0) > 0 and 300 <= newest.sum() <= 0.5 * len(events):
        return [Fold(base=~newest, labels=newest, newest=True)]
    back = _steps_back(events.user)
    first = np.append(True, events.user[1:] != events.user[:-1])
    folds = []
    for k in range(STEPS):
        if k and sum(f.labels.sum() for f in folds) >= ENOUGH:
            break
        folds.append(Fold(base=(back > k) | first, labels=(back == k) & ~first))
    return [f for f in folds if f.labels.any()] or folds[:1]


def _steps_back(user: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return how many events of the same user come after each (n,), of users in order."""
    stop = np.flatnonzero(np.append(user[1:] != user[:-1], True))
    return np.repeat(stop, np.diff(stop, prepend=-1)) - np.arange(len(user))


def _moments(events: Events) -> NDArray[np.int64]:
    """Return a number for each event (n,) that tells moments without a time apart: person and signals."""
    keys = np.concatenate([events.user[:, None], events.signals], 1)
    return np.unique(np.ascontiguousarray(keys), axis=0, return_inverse=True)[1].ravel()


def held_out(
    data: Dataset, fold: Fold, most: int, rng: np.random.Generator
) -> tuple[Requests, list[NDArray[np.int32]], NDArray[np.int32]]:
    """Return at most `most` requests of a fold, their answers, and their users."""
    events = data.events.take(fold.labels)
    group = np.cumsum(events.first) if data.times != "none" else _moments(events)
    order = np.argsort(group, kind="stable")
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    answers = np.split(events.item[order], first[1:])
    row = order[first]
    pick = np.sort(rng.choice(len(row), min(most, len(row)), replace=False))
    row, answers = row[pick], [np.unique(answers[i]) for i in pick]
    queries = Queries(
        ids=[str(i) for i in row], user=events.user[row], time=events.time[row], item=np.full(len(row), -1, np.int32),
        signals=events.signals[row], numbers=events.numbers[row],
    )  # fmt: skip
    past = data.events if data.times != "none" else data.events.take(fold.base)
    return build_requests(past, queries), answers, events.user[row]


def shortened(requests: Requests, rng: np.random.Generator) -> tuple[Requests, NDArray[np.int64], NDArray[np.bool_]]:
    """Return the requests, of a share of them only the newest events: none as often as one or two, or three to six.

    Where all people of a log have long histories, the ranker would never see a short one, and new people ask with nothing else.
    Where these were too few to learn from, some are asked a second time with a shorter history, behind all others. Where as many
    requests as this would make are short by themselves, nothing is changed.

    Returns
    -------
    requests : Requests
        (B + copies).
    rows : (B + copies,)
        Which of the given requests each is.
    whole : (B + copies,) bool
        Whether it is asked with all its events.
    """
    n = len(requests)
    short = float(np.mean(np.diff(requests.ptr) <= FEW)) if n else 1.0
    made = SHORT * np.log(FEW + 2) / np.log(LONGEST + 1)
    lacking = max(0.0, 1 - short / made)
    some = rng.random(n) < SHORT * lacking
    copies = rng.permutation(n)[: int(min(max(ENOUGH_SHORT * lacking - some.sum(), 0), MOST_COPIED * n))]
    rows, some = np.append(np.arange(n), np.sort(copies)), np.append(some, np.ones(len(copies), bool))
    count = np.floor(np.exp(rng.uniform(0, np.log(LONGEST + 1), len(rows)))) - 1
    # Where nothing is copied, the histories, a thousand events each, are not either.
    asked = requests.select(rows) if len(copies) else requests
    return asked.newest(np.where(some, count, np.inf)), rows, ~some
