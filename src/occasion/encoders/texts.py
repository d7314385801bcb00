"""Texts on their way into an encoder: checked, cleaned, cut, grouped; and vectors on their way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from occasion.errors import EncoderError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.protocols import Progress

    Floats = NDArray[np.float32]

__all__ = ["clean", "encode_filled", "unit"]


def clean(texts: Sequence[str], limit: int) -> list[str]:
    """Return texts cut at `limit` characters, halves of surrogate pairs replaced, and those that say nothing as "".

    A text says nothing when it holds only white space and control characters.

    Raises
    ------
    EncoderError
        Where `texts` is one string, or an entry is no string; names its position and type.
    """
    if isinstance(texts, str):
        raise EncoderError("one string was given where a sequence of texts is wanted. Cure: [text].")
    return [_clean_one(text, limit, at) for at, text in enumerate(texts)]


def _clean_one(text: str, limit: int, at: int) -> str:
    if not isinstance(text, str):
        raise EncoderError(f"text {at} is of type {type(text).__name__}. Cure: texts are strings; give '' where there is none.")
    if len(text) > limit:
        text = text[:limit]
    if text.isascii() and text.isprintable():
        return text if not text.isspace() else ""
    if not any(c.isprintable() and not c.isspace() for c in text):
        return ""
    return text.encode("utf-8", "replace").decode("utf-8")


def encode_filled(
    texts: Sequence[str],
    dim: int,
    encode: Callable[[list[str]], Floats],
    *,
    batch: int,
    progress: Progress | None = None,
    length: Callable[[str], int] | None = None,
) -> Floats:
    """Return vectors (n, dim) of cleaned texts, in their order: zeros for "", and `encode` in batches for the others.

    Parameters
    ----------
    encode : callable
        list of at most `batch` texts to unit vectors (m, dim).
    length : callable, optional
        Texts go in order of this, so that those of one batch are about equally long. Default: in the order given.
    """
    out = np.zeros((len(texts), dim), np.float32)
    rows = [at for at, text in enumerate(texts) if text]
    if length is not None:
        rows.sort(key=lambda at: length(texts[at]))
    done = len(texts) - len(rows)
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        out[some] = encode([texts[at] for at in some])
        done += len(some)
        if progress is not None:
            progress(done, len(texts))
    return out


def unit(vectors: NDArray[np.floating]) -> Floats:
    """Return vectors (n, dim) at length 1 as float32; zero vectors stay zero.

    Raises
    ------
    EncoderError
        Where a value is not finite.
    """
    vectors = np.asarray(vectors, np.float32)
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not np.isfinite(norm).all():
        raise EncoderError("the model gave values that are not finite. Cure: check the model's files, they may be damaged.")
    return np.asarray(vectors / np.where(norm > 0, norm, 1), np.float32)
