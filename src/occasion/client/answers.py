"""What the service answers, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from occasion.data import SlateEntry

__all__ = ["Acknowledged", "Answer", "Ranked", "answer_from", "ranked_from"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What fits a moment.

    Attributes
    ----------
    slate : str
        Name it in events, to tie feedback to this answer.
    entries : tuple of SlateEntry
        Best first.
    sentence : str
        The situation as the language model read it.
    notes : tuple of str
    version, policy : str
    timing : mapping
        Milliseconds of each stage.
    """

    slate: str
    entries: tuple[SlateEntry, ...]
    sentence: str
    notes: tuple[str, ...]
    version: str
    policy: str
    timing: Mapping[str, float]

    @property
    def items(self) -> tuple[str, ...]:
        """The item ids in order."""
        return tuple(entry.item for entry in self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """The caller's candidates: (item, score) best first, and ids that the catalogue does not know."""

    items: tuple[tuple[str, float], ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """Events on the disk: how many were received, how many of them were new, how many lines of a stream were rejected.

    Notes tell what of them counts for nothing: signals that cannot be.
    """

    received: int
    new: int
    rejected: int = 0
    rejects: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


def answer_from(found: Mapping[str, Any]) -> Answer:
    """Return the answer that a document describes."""
    entries = tuple(
        SlateEntry(
            item=e["item"],
            score=e["score"],
            propensity=e["propensity"],
            parts=e.get("parts") or {},
            because=tuple(e.get("because") or ()),
            reason=e.get("reason") or "",
        )
        for e in found["items"]
    )
    return Answer(
        slate=found["slate"],
        entries=entries,
        sentence=found["sentence"],
        notes=tuple(found["notes"]),
        version=found["version"],
        policy=found["policy"],
        timing=found["timing"],
    )


def ranked_from(found: Mapping[str, Any]) -> Ranked:
    """Return the ranking that a document describes."""
    return Ranked(items=tuple((e["item"], e["score"]) for e in found["items"]), unknown=tuple(found["unknown"]))
