"""Asked: what a version was worth at each moment that the gate asked it about, kept beside it.

A version that has learnt from the moments that the gate asks about would answer them too well to be a rival, and the blend answers
in its place. Being better than the blend is not enough then: a model learnt in a hurry, or without a part, would push a far better
one out. What the version in service was worth at the same moments, when it had not yet learnt from them, tells which is better.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from occasion.errors import OccasionError
from occasion.metrics import paired_difference
from occasion.versions import Versions

__all__ = ["falls_behind", "keep_asked"]

FILE = "asked.json"
LEAST = 20
"""Moments that both were asked about, below which nothing is said."""
SURE = 0.05
DIGITS = 6
"""Digits kept of what a version was worth."""


def keep_asked(folder: Path, asked: Mapping[int, float]) -> None:
    """Write what a version was worth: the number of a moment's first event to NDCG@10."""
    (folder / FILE).write_text(json.dumps({str(seq): round(value, DIGITS) for seq, value in asked.items()}))


def falls_behind(asked: Mapping[int, float], users: Mapping[int, int], versions: Versions, serving: str, *, seed: int = 0) -> str:
    """Return why a version is surely worse than the one in service where both were asked; empty where it is not, or cannot be told.

    Parameters
    ----------
    asked, users : mapping
        The number of a moment's first event to the new version's NDCG@10, and to whose moment it was.
    """
    theirs = _kept(versions, serving)
    common = [seq for seq in asked if seq in theirs]
    if len(common) < LEAST:
        return ""
    # Rounded as theirs are: what is equal must not differ in the seventh digit, always to the same side.
    mine, others = [round(asked[seq], DIGITS) for seq in common], [theirs[seq] for seq in common]
    difference, _, p = paired_difference(mine, others, [users[seq] for seq in common], seed=seed)
    if difference >= 0 or p >= SURE:
        return ""
    return (
        f"worse than {serving}, which has learnt from these moments by now, when it had not: "
        f"NDCG@10 {np.mean(others):.4f}, now {np.mean(mine):.4f}, p {p:.3f}"
    )


def _kept(versions: Versions, version: str) -> dict[int, float]:
    try:
        document = json.loads((versions.model_folder(version) / FILE).read_text())
        return {int(seq): float(value) for seq, value in document.items()}
    except (OccasionError, OSError, ValueError, TypeError, AttributeError):
        # Of a version that cannot be read, or that was made before this was kept, nothing is known.
        return {}
