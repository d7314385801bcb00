"""Preview: what a scenario that is not saved yet would do to answers given lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from occasion.data import Slate
from occasion.recommender import Recommender
from occasion.scenarios import Scenario

__all__ = ["Example", "Moved", "Preview", "compare", "draft_of", "recent_requests", "summary"]

SHOWN, EXAMPLES = 20, 10
LOOKED_AT = 20
"""Slates looked at for each that is wanted, where only those of one scenario count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One answer before and after: ids in order."""

    slate: str
    at: float
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """An item and in how many lists it appears or disappears."""

    item: str
    title: str
    lists: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a draft would do.

    Attributes
    ----------
    requests : int
        Answers given lately that were worked out again, as things are and under the draft.
    changed, shorter, longer, empty : int
        Lists that hold other items or another order; that hold fewer; more; nothing any more.
    entered, left : tuple of Moved
        Items that come into lists or go out of them, the most frequent first, at most 20.
    examples : tuple of Example
        Up to 10 of the lists that change most.
    titles : mapping of str to str
        Of the items in `examples`.
    notes : tuple of str
    """

    requests: int
    changed: int
    shorter: int
    longer: int
    empty: int
    entered: tuple[Moved, ...]
    left: tuple[Moved, ...]
    examples: tuple[Example, ...]
    titles: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def recent_requests(slates: Sequence[Slate], name: str, always: bool, limit: int) -> tuple[list[Slate], list[str]]:
    """Return up to `limit` of the answers (newest first) that a scenario is about, and notes.

    Those that named it; where none did, or it always applies, all.
    """
    mine = [slate for slate in slates if slate.scenario == name] if not always else []
    if mine:
        return mine[:limit], []
    notes = [] if always or not slates else [f"No recent request named the scenario {name}: it is tried on all recent requests."]
    return list(slates[:limit]), notes


def draft_of(scenario: Scenario) -> Scenario:
    """Return a scenario as if it were in force at any time: a preview shows what it does while it is active."""
    return replace(scenario, active_from=None, active_until=None)


def compare(recommender: Recommender, slate: Slate, name: str, draft: Scenario | None) -> Example:
    """Work one stored answer out again, as things are and with a draft in place of the scenario of that name.

    A draft of None: without the scenario. Both lists have the seed of the stored answer, so what differs differs by the draft, also
    where chance decides.
    """
    stored = recommender.scenarios.all()
    own = stored[name].signals if name in stored else {}
    context = replace(slate.context, signals={n: v for n, v in slate.context.signals.items() if own.get(n) != v})
    others = {other: s for other, s in stored.items() if other != name}
    planned: Mapping[str, Scenario] = others if draft is None else {**others, name: draft_of(draft)}
    present: Mapping[str, Scenario] = {**others, **({name: draft_of(stored[name])} if name in stored else {})}
    length = None if (draft is not None and draft.k) or (name in stored and stored[name].k) else max(1, len(slate.entries))

    def answered(scenarios: Mapping[str, Scenario]) -> tuple[str, ...]:
        named = name if name in scenarios else ""
        return recommender.recommend(context, length, scenario=named, scenarios=scenarios, slate_id=slate.id, keep=False).items

    return Example(slate=slate.id, at=slate.context.at or 0.0, before=answered(present), after=answered(planned))


def summary(examples: Sequence[Example], titles: Mapping[str, str], notes: Sequence[str] = ()) -> Preview:
    """Return the figures of compared answers; `titles` by item id, the id where one is missing."""
    came: Counter[str] = Counter()
    went: Counter[str] = Counter()
    for example in examples:
        came.update(set(example.after) - set(example.before))
        went.update(set(example.before) - set(example.after))
    changed = [e for e in examples if e.before != e.after]
    most = sorted(changed, key=lambda e: -len(set(e.before) ^ set(e.after)))[:EXAMPLES]

    def moved(counts: Counter[str]) -> Iterator[Moved]:
        for item, lists in counts.most_common(SHOWN):
            yield Moved(item=item, title=titles.get(item, item), lists=lists)

    return Preview(
        requests=len(examples),
        changed=len(changed),
        shorter=sum(len(e.after) < len(e.before) for e in examples),
        longer=sum(len(e.after) > len(e.before) for e in examples),
        empty=sum(not e.after and bool(e.before) for e in examples),
        entered=tuple(moved(came)),
        left=tuple(moved(went)),
        examples=tuple(most),
        titles={item: titles.get(item, item) for example in most for item in (*example.before, *example.after)},
        notes=tuple(notes),
    )
