"""Lexical: TF-IDF cosine of item texts with the person's own words, and with the texts of what they chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.protocols import CandidateScores, Moment
from occasion.textindex import Query, TextIndex

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LookalikeSource", "WordsSource"]

RECENT = 30
"""Newest history events whose texts count."""


class _TextSource:
    """Score: TF-IDF cosine of a text with the item's; which text, `_text` says."""

    name: str

    def __init__(self, text_index: TextIndex) -> None:
        self.text_index = text_index

    def _text(self, moment: Moment) -> Query:
        """Return the text as term weights; asked once a moment."""
        raise NotImplementedError

    def _query(self, moment: Moment) -> Query:
        if self.name not in moment.extra:
            moment.extra[self.name] = self._text(moment)
        query: Query = moment.extra[self.name]
        return query

    def candidates(self, moment: Moment, k: int) -> CandidateScores:
        """Return the items whose texts are most like it."""
        return self.text_index.search(self._query(moment), k, moment.allowed)

    def named(self, moment: Moment, k: int) -> NDArray[np.int32]:
        """Return about the same, by the weightiest words."""
        return self.text_index.near(self._query(moment), k, moment.allowed)

    def score(self, moment: Moment, keys: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return cosines (n,)."""
        return self.text_index.score(self._query(moment), keys)


class WordsSource(_TextSource):
    """Score: TF-IDF cosine of the words of the request with the item's text."""

    name = "words"
    group: Literal["moment"] = "moment"

    def _text(self, moment: Moment) -> Query:
        return self.text_index.query(moment.context.text)


class LookalikeSource(_TextSource):
    """Score: TF-IDF cosine of the weighted texts of the newest history events with the item's text."""

    name = "lookalike"
    group: Literal["history"] = "history"

    def _text(self, moment: Moment) -> Query:
        items = moment.history.item if moment.history is not None else np.zeros(0, np.int32)
        return self.text_index.query_of(items[-RECENT:], moment.weights[-RECENT:])
