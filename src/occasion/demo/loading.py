"""Loading: the demo's files into a store."""

from __future__ import annotations

from occasion.data import Event, Item, User
from occasion.demo.dataset import tables
from occasion.demo.scenes import Textbook
from occasion.errors import DataError
from occasion.protocols import Store

__all__ = ["load", "load_textbook"]

MARK = "demo"


def load(store: Store) -> dict[str, int]:
    """Import the demo's data; return what the store then holds. Doing it twice changes nothing.

    Raises
    ------
    DataError
        Where the store holds other data.
    """
    import polars as pl

    if store.get_state(MARK) is None and any(store.counts()[name] for name in ("items", "events")):
        raise DataError("this home holds other data. Cure: another --home, or none for a temporary one.")
    store.put_state(MARK, "groceries")
    frames = {name: pl.read_parquet(path) for name, path in tables().items()}
    store.put_items(
        Item(id=i, text={"title": title}, categories=(department, category), price=price)
        for i, title, department, category, price in frames["items"].iter_rows()
    )
    store.put_users(
        User(id=u, attributes={"age": age, "household": household, "children": children})
        for u, age, household, children in frames["users"].iter_rows()
    )
    events = frames["events"].iter_rows()
    store.append([Event(user=u, item=i, type=t, at=float(at), signals={"store": s}) for u, i, t, at, s in events])
    return store.counts()


def load_textbook(store: Store, example: Textbook) -> None:
    """Put the tiny catalogue of the textbook's example into an empty store; item ids are their places."""
    store.put_items(Item(id=str(n), text={"description": text}) for n, text in enumerate(example.items))
