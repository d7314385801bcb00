"""The space that pictures of one catalogue are compared in: off the catalogue's mean, along the directions in which it differs."""

from __future__ import annotations

import hashlib
import os
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from occasion.encoders.centring import center
from occasion.encoders.texts import unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["PictureSpace"]

DIM = 256
"""Directions kept. Of 1,280 on 569 pictures of clothes 64, 128 and 256 gave as good neighbours as all, and cost a fifth or less."""
REDUCED_FROM = 1_000
"""From so many pictures on the directions are known well enough to leave the others out."""
SHRUNK = 50
"""The mean of n pictures counts n / (n + SHRUNK): that of a handful is the pictures themselves."""


@dataclass(frozen=True, slots=True)
class PictureSpace:
    """Raw vectors of an image encoder to those that are compared.

    Attributes
    ----------
    mean : (raw dim,) float32
    basis : (raw dim, dim) float32
        Orthonormal directions; (raw dim, 0) for all of them.
    pictures : int
        How many it was fitted on.
    """

    mean: Floats
    basis: Floats
    pictures: int

    @classmethod
    def fit(cls, vectors: Floats) -> PictureSpace:
        """Return the space of unit vectors (n, raw dim)."""
        n = len(vectors)
        mean = np.asarray(vectors.mean(0) * (n / (n + SHRUNK)) if n else np.zeros(vectors.shape[1]), np.float32)
        if n < REDUCED_FROM or vectors.shape[1] <= DIM:
            return cls(mean, np.zeros((vectors.shape[1], 0), np.float32), n)
        moved = center(vectors, mean)[1]
        # Ascending; the last are those with the greatest variance.
        directions = np.linalg.eigh((moved.T @ moved).astype(np.float64))[1]
        return cls(mean, np.ascontiguousarray(directions[:, : -DIM - 1 : -1], np.float32), n)

    @property
    def dim(self) -> int:
        """Length of a vector in this space."""
        return self.basis.shape[1] or len(self.mean)

    @property
    def id(self) -> str:
        """A short text that differs where the space does."""
        return hashlib.blake2b(self.mean.tobytes() + self.basis.tobytes(), digest_size=8).hexdigest()

    def place(self, vectors: Floats) -> Floats:
        """Return raw unit vectors (n, raw dim) as unit vectors (n, dim) of this space; zeros stay zero."""
        moved = center(vectors, self.mean)[1]
        return unit(moved @ self.basis) if self.basis.shape[1] else moved

    def save(self, path: Path) -> None:
        """Write it to a file; one that cannot be written is fitted again at the next start."""
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}.npz")
            np.savez(partial, mean=self.mean, basis=self.basis, pictures=np.array(self.pictures))
            partial.replace(path)

    @classmethod
    def load(cls, path: Path, raw_dim: int) -> PictureSpace | None:
        """Return what `save` wrote; None where there is none, or it is damaged."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                made = cls(arrays["mean"], arrays["basis"], int(arrays["pictures"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        usable = made.mean.shape == (raw_dim,) and made.basis.ndim == 2 and len(made.basis) == raw_dim
        return made if usable and np.isfinite(made.mean).all() and np.isfinite(made.basis).all() else None
