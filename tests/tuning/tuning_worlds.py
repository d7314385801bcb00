"""A little world in which what goes together is told by one letter of an item's title, which a tiny model can learn."""

import numpy as np

from occasion.data import Event, Item
from occasion.stores import open_store

T0 = 1_790_000_000.0
LETTERS = "abcdefgh"


def fill(home, *, people=60, events=9, items=64, seed=0, words=False, text=True):
    """People stay with one letter; every item's title is its letter and a number. Return the open store."""
    rng = np.random.default_rng(seed)
    home.mkdir(parents=True, exist_ok=True)
    store = open_store(f"sqlite:///{home / 'occasion.db'}")
    store.put_items(
        Item(id=f"i{n}", text={"title": f"{n:02d} {LETTERS[n % 8]} {LETTERS[n % 8]} thing"} if text else {}) for n in range(items)
    )
    made = []
    for person in range(people):
        letter = person % 8
        for step in range(events):
            item = int(rng.integers(items // 8)) * 8 + letter
            said = f"in the mood for {LETTERS[letter]}" if words and step % 2 == 0 else ""
            made.append(Event(user=f"u{person}", item=f"i{item}", type="purchase", at=T0 + 7200 * step + person, text=said))
    store.append(made)
    return store
