"""Ablation: the recommender without one of its parts, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from occasion.data import Context
from occasion.errors import DataError
from occasion.sources import SOURCES

__all__ = ["PARTS", "check_parts", "sources_without", "without_name", "without_part"]

TEXTS = ("semantic", "taste", "words", "lookalike")
OTHERS = ("together", "moment", "popular")
PARTS = (*(name for name in SOURCES if name != "learned"), "context", "text", "others")
"""What can be left out: any source; context (words and signals of the request; the time stays); text (all that compares texts,
semantic, taste, words and lookalike); others (all that counts what others do: together, moment and popular)."""


def check_parts(names: Sequence[str], known: Sequence[str] = PARTS) -> None:
    """Raise DataError for a name that `known` lacks."""
    for name in names:
        if name not in known:
            raise DataError(f"there is no part {name!r} to leave out. Cure: some of {', '.join(known)}.")


def without_name(part: str) -> str:
    """Return the name of the system that lacks a part."""
    return f"without {part}"


def sources_without(part: str) -> tuple[str, ...]:
    """Return the sources that stay."""
    gone = {"text": TEXTS, "others": OTHERS, "context": ()}.get(part, (part,))
    return tuple(name for name in SOURCES if name not in gone)


def without_part(context: Context, part: str) -> Context:
    """Return the request as it is put to a recommender without a part."""
    return replace(context, text="", signals={}) if part == "context" else context
