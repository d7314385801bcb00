"""Atlas: the catalogue in two dimensions, so that what reads alike lies together.

Some hundred items, drawn evenly, are laid out by t-SNE (van der Maaten and Hinton, JMLR 9, 2008) of their cosine distances;
every other item is put among its nearest of these, weighted by closeness. 100,000 items take some seconds, and a new item
moves nothing. Kept in ``<home>/derived/atlas.npz``, which can be thrown away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]

__all__ = ["Atlas", "draw", "load", "save"]

LANDMARKS = 900
PERPLEXITY = 25.0
STEPS, PUSHED = 260, 80
"""Steps of the layout, and how many of them with attraction exaggerated twelvefold."""
NEAREST = 6
SHARP = 25.0
"""How much nearer landmarks outweigh others: the weight of a cosine c is ``exp(SHARP c)``."""
SPREAD = 0.004
"""Items of one text would lie on one point: each is moved by up to this share of the width."""
CHUNK = 4096

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """Places of items. Two are equal where they are the same object.

    Attributes
    ----------
    keys : (n,) int32
    places : (n, 2) float32
        Each coordinate in [0, 1].
    encoder : str
        Version of the encoder whose vectors they come from.
    revision : int
        Of the catalogue they were drawn of.
    """

    keys: Keys
    places: Floats
    encoder: str
    revision: int


def draw(
    keys: Keys, vectors: Callable[[Keys], Floats], *, encoder: str = "", revision: int = 0, progress: Progress | None = None
) -> Atlas:
    """Lay a catalogue out.

    Parameters
    ----------
    keys : (n,) int32
    vectors : callable
        Keys to unit vectors (n, dim).
    """
    total = len(keys) + STEPS
    rng = np.random.default_rng(0)
    some = np.sort(rng.choice(len(keys), min(LANDMARKS, len(keys)), replace=False)) if len(keys) else np.zeros(0, np.int64)
    landmarks = vectors(keys[some])

    def told(done: int) -> None:
        if progress is not None:
            progress(done, total)

    layout = _tsne(landmarks, told)
    places = np.zeros((len(keys), 2), np.float32)
    for start in range(0, len(keys), CHUNK):
        part = slice(start, start + CHUNK)
        places[part] = _placed(vectors(keys[part]), landmarks, layout)
        told(STEPS + min(start + CHUNK, len(keys)))
    places[some] = layout
    return Atlas(keys, _scaled(places, rng), encoder, revision)


def _placed(vectors: Floats, landmarks: Floats, layout: Floats) -> Floats:
    """Return the places (n, 2) of vectors: the mean of their nearest landmarks', weighted by ``exp(SHARP cos)``."""
    cosines = vectors @ landmarks.T  # (n, L)
    count = min(NEAREST, len(landmarks))
    near = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
    found = np.take_along_axis(cosines, near, 1)
    weight = np.exp(SHARP * (found - found.max(1, keepdims=True)))
    weight /= weight.sum(1, keepdims=True)
    return np.asarray(np.einsum("nk,nkd->nd", weight, layout[near]), np.float32)


def _scaled(places: Floats, rng: np.random.Generator) -> Floats:
    """Return places in [0, 1], each moved a little."""
    if not len(places):
        return places
    low, high = places.min(0), places.max(0)
    unit = (places - low) / np.maximum(high - low, 1e-9)
    angle, radius = rng.uniform(0, 2 * np.pi, len(unit)), SPREAD * np.sqrt(rng.uniform(0, 1, len(unit)))
    moved = unit + np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    return np.asarray(np.clip(moved, 0, 1), np.float32)


# -- t-SNE ----------------------------------------------------------------------------------------------------------------
def _tsne(vectors: Floats, told: Callable[[int], None]) -> Floats:
    """Return a layout (n, 2) of unit vectors (n, dim)."""
    n = len(vectors)
    if n < 4:
        return np.stack([np.arange(n), np.zeros(n)], 1).astype(np.float32)
    near = _affinities(np.maximum(2 - 2 * (vectors @ vectors.T), 0).astype(np.float32))
    layout = _principal(vectors)
    speed, gain = np.zeros_like(layout), np.ones_like(layout)
    for step in range(STEPS):
        early = step < PUSHED
        gradient = _gradient(near * np.float32(12 if early else 1), layout)
        gain = np.maximum(np.where(np.sign(gradient) != np.sign(speed), gain + 0.2, gain * 0.8), 0.01).astype(np.float32)
        speed = np.float32(0.5 if early else 0.8) * speed - np.float32(max(50.0, n / 12)) * gain * gradient
        layout = layout + speed
        layout -= layout.mean(0)
        if step % 10 == 0:
            told(step)
    return np.asarray(layout, np.float32)


def _gradient(near: Floats, layout: Floats) -> Floats:
    square = (layout**2).sum(1)
    closeness = 1 / (1 + np.maximum(square[:, None] + square[None, :] - 2 * layout @ layout.T, 0))
    np.fill_diagonal(closeness, 0)
    pull = (near - closeness / closeness.sum()) * closeness
    return np.asarray(4 * (pull.sum(1)[:, None] * layout - pull @ layout), np.float32)


def _principal(vectors: Floats) -> Floats:
    centred = vectors - vectors.mean(0)
    _, _, axes = np.linalg.svd(centred[:400], full_matrices=False)
    first = centred @ axes[:2].T
    return np.asarray(first / max(float(first.std()), 1e-9) * 1e-2, np.float32)


def _affinities(squares: Floats) -> Floats:
    """Return symmetric probabilities (n, n) whose rows had, before, the wanted perplexity."""
    n = len(squares)
    np.fill_diagonal(squares, np.inf)
    target = np.log(min(PERPLEXITY, (n - 1) / 3))
    low, high = np.zeros((n, 1)), np.full((n, 1), np.inf)
    beta = np.full((n, 1), 5.0)
    nearest = squares.min(1, keepdims=True)
    for _ in range(40):
        weight = np.exp(-beta * (squares - nearest))
        total = weight.sum(1, keepdims=True)
        finite = np.where(np.isfinite(squares), squares - nearest, 0)
        entropy = np.log(total) + beta * (weight * finite).sum(1, keepdims=True) / total
        wide = entropy > target
        low, high = np.where(wide, beta, low), np.where(wide, high, beta)
        beta = np.where(np.isinf(high), beta * 2, (low + high) / 2)
    chance = weight / total
    return np.asarray(np.maximum((chance + chance.T) / (2 * n), 1e-12), np.float32)


# -- keeping --------------------------------------------------------------------------------------------------------------
def save(atlas: Atlas, path: Path) -> None:
    """Write an atlas, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        keys=atlas.keys,
        places=atlas.places,
        encoder=np.frombuffer(atlas.encoder.encode(), np.uint8),
        revision=np.array(atlas.revision),
    )
    partial.replace(path)


def load(path: Path) -> Atlas | None:
    """Read an atlas; None where it is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            keys, places = arrays["keys"], arrays["places"]
            if places.shape != (len(keys), 2):
                return None
            return Atlas(keys, places, arrays["encoder"].tobytes().decode(), int(arrays["revision"]))
    except (OSError, ValueError, KeyError, EOFError):
        return None
