"""Teacher: which items go together by what people did, as the soft targets of a language model.

Cosine of two items' users with shrinkage, ``c_ij = n_ij / (sqrt(n_i n_j) + s)``, the strongest `NEIGHBOURS` of each item kept, and
``t_ij = exp(c_ij / T) / sum_j exp(c_ij / T)`` over those. A language model that learns it from the texts of items with events
carries it to items without (knowledge distillation: Hinton, Vinyals and Dean, 2015). EASE's weights as teacher gave the same
within noise on product texts (linear map on frozen vectors: .0761 and .0761) and do not scale beyond some 10,000 items.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.pairs import strongest

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["soft_targets"]

NEIGHBOURS = 50
SHRINK = 5.0
SHARPNESS = 0.03
"""T of the formula."""
NEWEST = 200
"""Newest items of one person that count: a few people with very long logs must not make everything alike."""
ROWS = 2000


def soft_targets(user: NDArray[np.int32], item: NDArray[np.int32], n_items: int) -> Any:
    """Return a CSR (n_items, n_items) float32: row i is the distribution over what goes with item i; empty where nothing does.

    Parameters
    ----------
    user, item : (n,) int32
        Liked events in order of (user, time).
    """
    from scipy import sparse

    ends = np.append(np.flatnonzero(np.diff(user)) + 1, len(user))
    back = np.repeat(ends, np.diff(np.append(0, ends))) - 1 - np.arange(len(user))
    keep = back < NEWEST
    x = sparse.csr_matrix((np.ones(keep.sum(), np.float32), (user[keep], item[keep])), shape=(int(user.max()) + 1, n_items))
    x.data[:] = 1
    count = np.asarray(x.sum(0)).ravel()
    columns = x.T.tocsr()
    blocks = [_softened((columns[at : at + ROWS] @ x).tocsr(), count, at) for at in range(0, n_items, ROWS)]
    return sparse.vstack(blocks).tocsr().astype(np.float32)


def _softened(together: Any, count: NDArray[np.float32], start: int) -> Any:
    """Return the targets t_ij of the items from `start` on, of how many people two items have in common (b, items)."""
    from scipy import sparse

    # In order of the keys, so that ties are broken by them and a seed gives one result.
    together.sort_indices()
    rows = np.repeat(np.arange(together.shape[0]), np.diff(together.indptr))
    score = together.data / (np.sqrt(count[start + rows] * count[together.indices]) + SHRINK)
    score[together.indices == start + rows] = 0
    keep = strongest(together.indptr, score, NEIGHBOURS)
    keep = keep[score[keep] > 0]
    best = sparse.csr_matrix((np.exp((score[keep] - 1) / SHARPNESS), (rows[keep], together.indices[keep])), shape=together.shape)
    total = np.asarray(best.sum(1)).ravel()
    return sparse.diags(1 / np.where(total > 0, total, 1)).dot(best)
