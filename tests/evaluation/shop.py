"""A small shop whose people have habits, with the encoder kept simple so that every test runs in a second."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from occasion.data import Event, Item

START = 1_750_000_000.0
HOUR = 3600.0
COLOURS = ("red", "green", "blue", "black")


class HashedWords:
    """An encoder of the simplest kind: a text is the sum of its words, each word a fixed random direction."""

    version = "hashed-words-1"
    dim = 32

    def encode(self, texts: Sequence[str], *, role: str = "item", progress: object = None) -> np.ndarray:
        out = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(out, texts, strict=True):
            for word in text.lower().split():
                seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big")
                row += np.random.default_rng(seed).standard_normal(self.dim).astype(np.float32)
        norm = np.linalg.norm(out, axis=1, keepdims=True)
        return np.divide(out, norm, out=np.zeros_like(out), where=norm > 0)


def shop_items(n: int = 40) -> list[Item]:
    return [Item(id=f"i/{n}", text={"title": f"{COLOURS[n % 4]} thing {n}"}, categories=(COLOURS[n % 4],)) for n in range(n)]


def shop_events(people: int = 12, visits: int = 30, *, timed: bool = True, seed: int = 0) -> list[Event]:
    """Each person likes one colour when it rains and another when it is sunny; one visit every few hours."""
    rng = np.random.default_rng(seed)
    out = []
    for visit in range(visits):
        for person in range(people):
            rain = bool(rng.random() < 0.5)
            colour = (person + rain) % 4
            item = colour + 4 * int(rng.integers(10))
            at = START + visit * 7 * HOUR + person * 60 if timed else None
            signals = {"weather": "rain" if rain else "sunny", "temperature": float(rng.normal(15, 5))}
            name = f"{person}-{visit}"
            out.append(Event(user=f"u {person}", item=f"i/{item}", at=at, signals=signals, id=name))
    return out
