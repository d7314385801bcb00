"""Logged: slates as they were shown, and what came of each place, read from a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from occasion.data import EVENT_TYPES, Event, Slate
from occasion.errors import DataError
from occasion.protocols import Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

__all__ = ["CHOICE", "LoggedSlates", "read_logged"]

CHOICE = "choice"
"""The reward by default: 1 where an item was clicked or better."""
CHOSEN = 1.0
"""Weight of an event type from which on it counts as a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSlates:
    """n slates and what came of their first J places.

    Attributes
    ----------
    slates : tuple of Slate
        In order of time.
    users : (n,) int64
        Whose they are: users, else sessions, else each slate for itself.
    reward, logging : (n, J) float64
        1 where the place was rewarded, else 0; its propensity given those before. 0 and 1 behind the end of a slate.
    notes : tuple of str
        What was left out, in words.
    """

    slates: tuple[Slate, ...]
    users: NDArray[np.int64]
    reward: Values
    logging: Values
    notes: tuple[str, ...] = ()


def read_logged(
    store: Store,
    *,
    after: float,
    places: int,
    reward: str = CHOICE,
    most: int = 2000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LoggedSlates:
    """Read the slates of a store shown at or after a time, and the events that name them.

    If any of these slates has events of the type impression, those are believed: slates without one were not shown, and are
    left out. Else every slate counts as shown.

    Parameters
    ----------
    after : float
        Unix seconds.
    places : int
        J at most; slates may be shorter.
    reward : str
        "choice", or an event type: 1 where the item has an event of this type that names the slate.
    most, seed
        Of more slates a sample is drawn.

    Raises
    ------
    DataError
        Where there is no slate to go by.
    """
    slates = [s for s in store.slates() if s.entries and s.context.at is not None and s.context.at >= after]
    if not slates:
        raise DataError("the store has no answers to estimate from. Cure: serve with recommend, and name the slate in feedback.")
    named: dict[str, list[Event]] = {slate.id: [] for slate in slates}
    total = store.counts()["events"]
    for n, event in enumerate(store.read_events(), 1):
        if event.slate in named:
            named[event.slate].append(event)
        if progress is not None and (n % 10_000 == 0 or n == total):
            progress(n, total)
    slates, notes = _shown(slates, named)
    if len(slates) > most:
        picked = np.sort(np.random.default_rng(seed).choice(len(slates), most, replace=False))
        notes.append(f"{most} of {len(slates)} slates, drawn at random with seed {seed}.")
        slates = [slates[n] for n in picked]
    width = min(places, max(len(slate.entries) for slate in slates))
    rewards, logging = np.zeros((len(slates), width)), np.ones((len(slates), width))
    for row, slate in enumerate(slates):
        liked = {event.item for event in named[slate.id] if _rewarded(event, reward)}
        for place, entry in enumerate(slate.entries[:width]):
            rewards[row, place] = entry.item in liked
            logging[row, place] = entry.propensity
    return LoggedSlates(slates=tuple(slates), users=_people(slates), reward=rewards, logging=logging, notes=tuple(notes))


def _shown(slates: list[Slate], named: dict[str, list[Event]]) -> tuple[list[Slate], list[str]]:
    """Return the slates that were shown, and notes."""
    if not any(named.values()):
        raise DataError("no event names an answer of this store. Cure: give feedback with the slate's id (--slate).")
    seen = [slate for slate in slates if any(event.type == "impression" for event in named[slate.id])]
    if not seen:
        return slates, ["No event is an impression: every slate in the store counts as shown."]
    if len(seen) == len(slates):
        return seen, []
    return seen, [f"{len(slates) - len(seen)} slates without an impression are left out: they were not shown."]


def _rewarded(event: Event, reward: str) -> bool:
    if reward != CHOICE:
        return event.type == reward
    return event.type not in EVENT_TYPES or (event.type != "rating" and EVENT_TYPES[event.type].weight >= CHOSEN)


def _people(slates: Sequence[Slate]) -> NDArray[np.int64]:
    names: dict[tuple[str, str], int] = {}
    out = []
    for slate in slates:
        c = slate.context
        who = ("user", c.user) if c.user is not None else ("session", c.session) if c.session is not None else ("slate", slate.id)
        out.append(names.setdefault(who, len(names)))
    return np.array(out, np.int64)
