"""Loading: the demo's files into a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from occasion.data import Item
from occasion.demo.dataset import tables
from occasion.demo.scenes import Textbook
from occasion.errors import DataError
from occasion.protocols import Store

if TYPE_CHECKING:
    from occasion.importing import ImportSummary

__all__ = ["load", "load_textbook"]

MARK = "demo"


def load(store: Store) -> ImportSummary:
    """Import the demo's data; return what it found. Doing it twice changes nothing.

    Raises
    ------
    DataError
        Where the store holds other data.
    """
    from occasion.importing import import_files

    if store.get_state(MARK) is None and any(store.counts()[name] for name in ("items", "events")):
        raise DataError("this home holds other data. Cure: another --home, or none for a temporary one.")
    store.put_state(MARK, "groceries")
    files = list(tables().values())
    summary = import_files(store, files)
    assert not summary.rejections, summary.sentence()
    return summary


def load_textbook(store: Store, example: Textbook) -> None:
    """Put the tiny catalogue of the textbook's example into an empty store; item ids are their places."""
    store.put_items(Item(id=str(n), text={"description": text}) for n, text in enumerate(example.items))
