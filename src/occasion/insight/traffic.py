"""Traffic: the answers given lately and what came of them, held as small records and kept up to date."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from occasion.data import EVENT_TYPES, Scalar, Slate
from occasion.privacy.permitted import Permitted
from occasion.protocols import Store

__all__ = ["Served", "Traffic", "chosen", "shown"]

MOST = 4000
"""Answers held."""
EVENTS = 20_000
"""Events looked at in one go, the last of the log: an import may bring a million at once."""
STEP = 200
CHANCE = 0.5
"""A place whose propensity lies below was given by chance: another item was likelier to stand there."""


@dataclass(slots=True)
class Served:
    """One answer and what came of it.

    Attributes
    ----------
    id, scenario, policy, version : str
    at : float
    who : str
        Whose it is: user, else session, else the answer itself.
    items : tuple of str
    by_chance : int
        Places whose propensity lies below one half.
    signals : mapping
        As the request gave them.
    sentence : str
    short : bool
        A note says that fewer items came than were asked for.
    acts : mapping of event type to set of items
        What events that name the answer did.
    """

    id: str
    at: float
    who: str
    scenario: str
    policy: str
    version: str
    items: tuple[str, ...]
    by_chance: int
    signals: Mapping[str, Scalar]
    sentence: str
    short: bool
    acts: dict[str, set[str]] = field(default_factory=dict)


def chosen(served: Served) -> bool:
    """Return whether something of an answer was clicked or better."""
    return any(_is_choice(name) and items & set(served.items) for name, items in served.acts.items())


def _is_choice(name: str) -> bool:
    return name not in EVENT_TYPES or (name != "rating" and EVENT_TYPES[name].weight >= 1)


class Traffic:
    """The last answers of one store. People who refuse to be analysed are left out.

    Parameters
    ----------
    store : Store
    by_default : collection of str
        The purposes that those who never chose allow: `Settings.granted_by_default`.
    """

    def __init__(self, store: Store, by_default: Collection[str]) -> None:
        self._store, self._by_default = store, by_default
        self._held: OrderedDict[str, Served] = OrderedDict()
        self._newest = ""
        self._seq = -1
        self._withdrawals = -1
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many answers are held."""
        return len(self._held)

    def refresh(self) -> list[Served]:
        """Take over what came since the last call; return the answers, oldest first."""
        return self.looked()[0]

    def looked(self) -> tuple[list[Served], tuple[str, int, int]]:
        """Do as `refresh` does; return also what stands for the state of the answers: alike as long as nothing came or went."""
        with self._lock:
            # Before the answers are: an event up to here names an answer that is among them.
            _, seq, withdrawals = self._store.cursor()
            if withdrawals != self._withdrawals:
                self._drop(withdrawals)
            permitted = Permitted(self._store, self._by_default)
            fresh = self._fresh()
            for slate in reversed(permitted.slates(fresh)):
                self._held[slate.id] = _served(slate)
            if fresh:
                self._newest = fresh[0].id
            while len(self._held) > MOST:
                self._held.popitem(last=False)
            if seq > self._seq:
                for event in permitted.events(self._store.read_events(after=max(0, self._seq, seq - EVENTS))):
                    mine = self._held.get(event.slate) if event.slate is not None else None
                    if mine is not None:
                        # Made anew: somebody may be reading the old one.
                        mine.acts = {**mine.acts, event.type: {*mine.acts.get(event.type, ()), event.item}}
                self._seq = seq
            return list(self._held.values()), (self._newest, self._seq, self._withdrawals)

    def _drop(self, withdrawals: int) -> None:
        self._held.clear()
        self._newest, self._seq, self._withdrawals = "", -1, withdrawals

    def forget(self) -> None:
        """Drop what is held once somebody was erased or chose anew; the next look reads it anew."""
        withdrawals = self._store.cursor()[2]
        with self._lock:
            if withdrawals != self._withdrawals:
                self._drop(-1)

    def _fresh(self) -> list[Slate]:
        """Return the answers since the last call, newest first."""
        want = STEP
        while True:
            found = self._store.newest_slates(want)
            for n, slate in enumerate(found):
                if slate.id == self._newest:
                    return found[:n]
            if len(found) < want or want >= MOST:
                return found
            want = min(MOST, 4 * want)


def _served(slate: Slate) -> Served:
    context = slate.context
    return Served(
        id=slate.id,
        at=context.at or 0.0,
        who=context.user or context.session or slate.id,
        scenario=slate.scenario,
        policy=slate.policy,
        version=slate.version,
        items=slate.items,
        by_chance=sum(entry.propensity < CHANCE for entry in slate.entries),
        signals=dict(context.signals),
        sentence=slate.sentence,
        short=any("could be given" in note for note in slate.notes),
    )


def shown(answers: Sequence[Served]) -> list[Served]:
    """Return the answers that were seen: where some have an impression, those; else all."""
    seen = [one for one in answers if "impression" in one.acts]
    return seen or list(answers)
