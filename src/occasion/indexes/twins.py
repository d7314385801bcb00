"""Twins: items with equal vectors, which share one node of a graph.

Catalogues hold the same text many times over. Equal vectors are each other's nearest neighbours, so more of them than a node
has neighbours form an island that no search from outside reaches. One of them therefore stands for all, the others hang on it.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from occasion.keyed import is_allowed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys = NDArray[np.int32]
    Hashes = NDArray[np.uint64]

__all__ = ["Twins"]

TAIL = 65_536
"""Hashes not yet sorted in; beyond as many they are."""


class Twins:
    """Keys to the key that stands for them, and back.

    Hashes only hint at a key that had the same vector once; whether it still has, the caller's comparison tells. So nothing
    need be taken out of them, at the price of a second node for a vector whose hint was removed.
    """

    def __init__(self) -> None:
        self._first = np.zeros(0, np.int32)  # key -> key that stands for it, -1 where unknown
        self._groups: dict[int, list[int]] = {}  # key that stands for several -> all of them, sorted
        self._hashes, self._hints = np.zeros(0, np.uint64), np.zeros(0, np.int32)  # sorted by hash
        self._tail_hashes, self._tail_hints = np.zeros(0, np.uint64), np.zeros(0, np.int32)

    def add(self, keys: Keys, codes: NDArray[np.int8], same: Callable[[Keys, Keys], NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Add keys (n,), none of them known here, by their vectors' codes (n, dim); return which need a node of their own.

        Parameters
        ----------
        same : callable
            Two arrays of keys to which pairs have equal vectors now.
        """
        if not len(keys):
            return np.zeros(0, np.bool_)
        self._make_room(int(keys.max()))
        hashes = _hashed(codes)
        hints = self._hinted(hashes)
        hints[(hints >= 0) & ~same(keys, hints)] = -1
        fresh = hints < 0
        # Of equal ones in this batch, the first stands for the others.
        _, first, group = np.unique(hashes[fresh], return_index=True, return_inverse=True)
        hints[fresh] = keys[fresh][first][group]
        known = (hints != keys) & same(keys, hints)
        own = ~known
        self._first[keys[own]] = keys[own]
        for key, hint in zip(keys[known].tolist(), hints[known].tolist(), strict=True):
            self._join(key, int(self._first[hint]))
        self._remember(hashes[own], keys[own])
        return np.asarray(own)

    def _make_room(self, key: int) -> None:
        if key >= len(self._first):
            grown = np.full(max(key + 1, len(self._first) * 3 // 2), -1, np.int32)
            grown[: len(self._first)] = self._first
            self._first = grown

    def _join(self, key: int, first: int) -> None:
        self._first[key] = first
        insort(self._groups.setdefault(first, [first]), key)

    def _hinted(self, hashes: Hashes) -> Keys:
        """Return for each hash a key that had it, -1 where there was none or it is gone."""
        hints = np.full(len(hashes), -1, np.int32)
        order = np.argsort(self._tail_hashes, kind="stable")
        for known, keys in ((self._hashes, self._hints), (self._tail_hashes[order], self._tail_hints[order])):
            if len(known):
                at = np.searchsorted(known, hashes, side="right") - 1
                hit = (at >= 0) & (known[at] == hashes)
                hints[hit] = keys[at[hit]]
        hints[(hints >= 0) & (self._first[hints] < 0)] = -1
        return hints

    def _remember(self, hashes: Hashes, keys: Keys) -> None:
        self._tail_hashes = np.concatenate([self._tail_hashes, hashes])
        self._tail_hints = np.concatenate([self._tail_hints, keys])
        if len(self._tail_hashes) > TAIL:
            self._sort_in()

    def _sort_in(self) -> None:
        hashes, hints = np.concatenate([self._hashes, self._tail_hashes]), np.concatenate([self._hints, self._tail_hints])
        order = np.argsort(hashes, kind="stable")
        hashes, hints = hashes[order], hints[order]
        newest = np.append(hashes[1:] != hashes[:-1], True)
        self._hashes, self._hints = hashes[newest], hints[newest]
        self._tail_hashes, self._tail_hints = np.zeros(0, np.uint64), np.zeros(0, np.int32)

    def remove(self, keys: Keys) -> tuple[list[int], list[tuple[int, int]]]:
        """Remove known keys; return the nodes nobody needs any more, and nodes as (old name, new name), in order."""
        gone, renamed = [], []
        for key in keys.tolist():
            first = int(self._first[key])
            self._first[key] = -1
            group = self._groups.get(first)
            if group is None:
                gone.append(key)
                continue
            group.remove(key)
            if key == first:
                renamed.append((first, group[0]))
                self._groups[group[0]] = self._groups.pop(first)
                self._first[group] = group[0]
            if len(group) == 1:
                del self._groups[group[0]]
        return gone, renamed

    def expand(self, nodes: Keys, k: int, allowed: NDArray[np.bool_] | None = None) -> Keys:
        """Return the allowed keys that nodes stand for, at most the k lowest of each node."""
        if not self._groups:
            return nodes if allowed is None else nodes[is_allowed(nodes, allowed)]
        out: list[Keys] = []
        alone = np.ones(len(nodes), np.bool_)
        for at, node in enumerate(nodes.tolist()):
            group = self._groups.get(node)
            if group is not None:
                alone[at] = False
                members = np.array(group, np.int32)
                out.append(members[:k] if allowed is None else members[is_allowed(members, allowed)][:k])
        singles = nodes[alone]
        return np.concatenate([singles if allowed is None else singles[is_allowed(singles, allowed)], *out])

    # -- as arrays ------------------------------------------------------------------------------------------------------
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all that is held, as named arrays; `restore` takes them back."""
        self._sort_in()
        return {"first": self._first, "hashes": self._hashes, "hints": self._hints}

    @classmethod
    def restore(cls, *, first: Keys, hashes: Hashes, hints: Keys) -> Twins:
        """Return what `arrays` gave, as an object again."""
        out = cls()
        out._first, out._hashes, out._hints = first, hashes, hints
        keys = np.flatnonzero(first >= 0)
        others = keys[first[keys] != keys]
        for key in others.tolist():
            out._join(key, int(first[key]))
        return out

    def nodes(self) -> int:
        """Return the number of nodes."""
        return int(np.count_nonzero(self._first == np.arange(len(self._first))))


def _hashed(codes: NDArray[np.int8]) -> Hashes:
    """Return a 64-bit hash (n,) of each row (n, dim): a sum of its 8-byte words times fixed odd numbers, modulo 2^64."""
    padded = np.zeros((len(codes), -(-codes.shape[1] // 8) * 8), np.int8)
    padded[:, : codes.shape[1]] = codes
    words = padded.view(np.uint64)
    factors = np.random.default_rng(7).integers(0, 2**63, words.shape[1], np.uint64) * np.uint64(2) + np.uint64(1)
    mixed = words ^ (words >> np.uint64(29))
    return np.asarray((mixed * factors).sum(axis=1, dtype=np.uint64))
