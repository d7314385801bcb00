"""Words: vectors of their own for the words of a text, added to what a language model makes of it.

``unit(u + sum over tokens t of a_t v_t)``, u the model's unit vector, a_t the share of token t in the text's TF-IDF of length 1:
``(1 + ln n_t) w_t`` over the root of the sum of their squares, n_t how often the text has it, w_t its weight, 0 for what frames
a text. A language model knows rare names and numbers of parts only as pieces; here each piece can be told from all others.
Who learns the vectors: `occasion.tuning.words`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.encoders.texts import unit
from occasion.errors import EncoderError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["WORDS", "WordTable"]

WORDS = "words.npz"
"""File of a table, beside the model that it belongs to."""


class WordTable:
    """The vectors and what they are weighted by.

    Parameters
    ----------
    weights : (vocabulary,) float32
        w of the formula, not negative.
    place : (vocabulary,) int32
        Row of a token's vector; 0 for tokens that have none.
    vectors : (rows, dim) float32
        Row 0 is zero.
    """

    def __init__(self, weights: Floats, place: NDArray[np.int32], vectors: Floats) -> None:
        self.weights, self.place, self.vectors = weights, place, vectors

    @classmethod
    def read(cls, path: Path) -> WordTable:
        """Read what `write` wrote.

        Raises
        ------
        EncoderError
            For a damaged file.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                weights, place = np.asarray(arrays["weights"], np.float32), np.asarray(arrays["place"], np.int32)
                vectors = np.asarray(arrays["vectors"], np.float32)
            if vectors.ndim != 2 or weights.shape != place.shape or not 0 <= place.min() <= place.max() < len(vectors):
                raise ValueError(f"shapes {weights.shape}, {place.shape} and {vectors.shape}")
            if not (np.isfinite(vectors).all() and np.isfinite(weights).all()):
                raise ValueError("values that are not finite")
        except Exception as error:
            raise EncoderError(f"the words in {path} cannot be read: {error}. Cure: tune the model anew.") from error
        return cls(weights, place, vectors)

    def write(self, path: Path) -> None:
        """Write the table; vectors as halves of floats."""
        np.savez(path, weights=self.weights, place=self.place, vectors=self.vectors.astype(np.float16))

    def shares(self, tokens: NDArray[np.int64]) -> tuple[NDArray[np.int32], Floats]:
        """Return rows (k,) of the distinct tokens of a text, and a of the formula; zeros where no token counts."""
        # A token added to a tokenizer later has no vector.
        distinct, times = np.unique(tokens[tokens < len(self.place)], return_counts=True)
        share = (1 + np.log(times)).astype(np.float32) * self.weights[distinct]
        return self.place[distinct], share / max(float(np.sqrt(share @ share)), 1e-9)

    def matrix(self, texts: Sequence[NDArray[np.int64]]) -> Any:
        """Return the shares of texts as CSR (texts, rows)."""
        from scipy import sparse

        found = [self.shares(tokens) for tokens in texts]
        ends = np.cumsum([0, *(len(rows) for rows, _ in found)])
        rows = np.concatenate([np.zeros(0, np.int32), *(rows for rows, _ in found)])
        values = np.concatenate([np.zeros(0, np.float32), *(share for _, share in found)])
        return sparse.csr_matrix((values, rows, ends), shape=(len(found), len(self.vectors)))

    def added(self, vectors: Floats, texts: Sequence[NDArray[np.int64]]) -> Floats:
        """Return unit vectors (n, dim): a model's, each with the words of its text."""
        return unit(vectors + np.stack([share @ self.vectors[rows] for rows, share in map(self.shares, texts)]))
