"""Choices of people on their way in: the newest by its time is in force, in whatever order and however often they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from occasion.people import Consent
from occasion.protocols import Store

__all__ = ["news"]


def news(store: Store, choices: Sequence[Consent]) -> list[Consent]:
    """Return, in the order they were made, the choices that a store does not hold and that are not older than what it holds."""
    people: dict[tuple[str | None, str | None], list[Consent]] = {}
    for choice in choices:
        people.setdefault((choice.user, choice.session), []).append(choice)
    return [choice for who, made in people.items() for choice in _newer(made, store.consents(*who))]


def _newer(made: Sequence[Consent], held: Sequence[Consent]) -> list[Consent]:
    known = Counter((choice.purpose, choice.granted, choice.at) for choice in held)
    newest: dict[str, float] = {}
    for choice in held:
        newest[choice.purpose] = max(choice.at, newest.get(choice.purpose, choice.at))
    out = []
    for choice in sorted(made, key=lambda choice: choice.at):
        key = (choice.purpose, choice.granted, choice.at)
        if known[key]:
            known[key] -= 1
        elif choice.at >= newest.get(choice.purpose, choice.at):
            out.append(choice)
    return out
