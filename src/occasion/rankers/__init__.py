"""Rankers: the scores of all sources to one score with parts that add up, one a file."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from occasion.errors import DataError

if TYPE_CHECKING:
    from occasion.protocols import Ranker

__all__ = ["RANKERS", "make_ranker"]

RANKERS = {"blend": "occasion.rankers.blend:BlendRanker", "learned": "occasion.rankers.learned:LearnedRanker"}
"""Name to where it lives."""


def make_ranker(name: str, **parts: Any) -> Ranker:
    """Build a ranker by name; raises DataError for an unknown one."""
    if name not in RANKERS:
        raise DataError(f"there is no ranker {name!r}. Cure: one of {', '.join(sorted(RANKERS))}.")
    module, cls = RANKERS[name].split(":")
    made: Ranker = getattr(import_module(module), cls)(**parts)
    return made
