"""Narrowing: vectors as whole numbers of one byte, a quarter of the memory, which processors multiply four times as fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["narrowed"]


def narrowed(vectors: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Return vectors (n, dim) as whole numbers from -127 to 127, and the factor (n,) that takes each row back."""
    scale = np.abs(vectors).max(axis=-1, keepdims=True, initial=0) / np.float32(127)
    whole = np.rint(vectors / np.where(scale > 0, scale, 1))
    return whole.astype(np.int8), scale[..., 0].astype(np.float32)
