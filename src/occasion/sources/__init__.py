"""Sources: reasons to recommend, one a file. To add one: write the file, add its line here."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from occasion.protocols import Source

__all__ = ["SOURCES", "make_source"]

SOURCES = {
    "learned": "occasion.sources.learned:LearnedSource",
    "semantic": "occasion.sources.semantic:SemanticSource",
    "taste": "occasion.sources.taste:TasteSource",
    "words": "occasion.sources.lexical:WordsSource",
    "lookalike": "occasion.sources.lexical:LookalikeSource",
    "looks": "occasion.sources.looks:LooksSource",
    "together": "occasion.sources.together:TogetherSource",
    "moment": "occasion.sources.popular:MomentSource",
    "popular": "occasion.sources.popular:PopularSource",
    "again": "occasion.sources.again:AgainSource",
    "explore": "occasion.sources.explore:ExploreSource",
}
"""Name to where it lives. The order is the order of explanation."""


def make_source(name: str, parts: Mapping[str, Any]) -> Source:
    """Build a source from those of `parts` (index, statistics, text_index, learned, pictures) that its constructor names."""
    module, cls = SOURCES[name].split(":")
    kind = getattr(import_module(module), cls)
    wanted = [p for p in inspect.signature(kind).parameters if p in parts]
    made: Source = kind(**{p: parts[p] for p in wanted})
    return made
