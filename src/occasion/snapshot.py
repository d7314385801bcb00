"""Snapshots: what is kept on disk of a store's items, so that opening it reads files and takes over only what came since.

There are two folders, each with the files of one state (`occasion.indexes.files`): ``index`` holds the vectors, ``catalogue`` the
ids, fields, titles and the text index. Each tells the item revision it is of, and the catalogue also which keys' vectors are other
ones than in the index: so new prices do not write a graph anew. What lies behind the store is made up from there.

Before a state is written the store takes down its mark. A state whose mark the store does not know is of another store, or of
what this one was before an older copy took its place, and is not read.
"""

from __future__ import annotations

import json
import logging
import secrets
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from occasion.arrayfile import read_arrays, write_arrays
from occasion.catalogue import Catalogue
from occasion.errors import StoreError, VectorIndexError
from occasion.indexes import open_index, save_index
from occasion.indexes.files import discard_state, read_about, read_state, write_state
from occasion.keyed import named, parted
from occasion.protocols import Encoder, Index, Store
from occasion.textindex import KIND as TEXT_KIND
from occasion.textindex import TextIndex
from occasion.titles import Titles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.indexes.hnsw import HnswIndex

__all__ = ["FOLDERS", "Items", "Opened", "Snapshots"]

logger = logging.getLogger(__name__)

KIND = f"catalogue-1, {TEXT_KIND}"
"""What kept arrays mean: another number whenever that changes, so that older ones are not read."""
INDEX, CATALOGUE = "index", "catalogue"
FOLDERS = (INDEX, CATALOGUE)
"""Folders under ``derived`` that hold snapshots."""
ARRAYS = "arrays.npys"
SAVE_AFTER, SAVE_SHARE = 2048, 0.05
"""A snapshot is written anew after so many new or changed items and such a share of all; after each it would hold up answers."""
STATE, MARKS = "snapshots", 16
"""Where the store has the marks, and how many."""


class Items(NamedTuple):
    """What is in memory of a store's items, but for their vectors."""

    catalogue: Catalogue
    text_index: TextIndex
    titles: Titles


class Opened(NamedTuple):
    """What was kept.

    Attributes
    ----------
    vectors : Index
    mean : (dim,) float32
        Mean of the catalogue's vectors, which has been taken from those in the index.
    indexed : int
        Item revision up to which the index is complete, but for the keys `late`.
    late : (n,) int32
        Keys whose vectors are to be taken from their texts, as they are in the store now.
    items : Items or None
        None where only the index is there.
    """

    vectors: Index
    mean: NDArray[np.float32]
    indexed: int
    late: NDArray[np.int32]
    items: Items | None


class Snapshots:
    """The snapshots of one store for one encoder. An exact index is faster built than read, and with one nothing is kept.

    Parameters
    ----------
    store : Store
    folder : Path
        The folder ``derived`` of the home.
    encoder : Encoder
    """

    def __init__(self, store: Store, folder: Path, encoder: Encoder) -> None:
        self._store, self._folder, self._encoder = store, folder, encoder
        self._saved = 0  # item revision from which on changes are counted
        self._seen = ""  # mark of the catalogue there when it was last looked at

    def open(self) -> Opened | None:
        """Return what was kept; None where it is missing, damaged, of another store or encoder: then it is to be built."""
        self._seen = self._catalogue_there().get("mark", "")
        marks = self._marks()
        try:
            index = open_index(self._folder / INDEX, self._encoder.dim)
        except VectorIndexError:
            return None
        told = index.told
        if told.get("encoder") != self._encoder.version or told.get("mark") not in marks:
            return None
        opened = Opened(index, np.array(told["mean"], np.float32), told["revision"], np.zeros(0, np.int32), None)
        with suppress(VectorIndexError), read_state(self._folder / CATALOGUE) as (about, paths):
            # An index that is older than the one the catalogue knew lacks vectors that nothing tells of.
            if about["kind"] == KIND and about["mark"] in marks and about["index"] <= opened.indexed:
                arrays = parted(read_arrays(paths[ARRAYS]))
                items = Items(
                    Catalogue.restore(arrays["catalogue"]),
                    TextIndex.restore(arrays.get("texts", {})),
                    Titles.restore(arrays["titles"]),
                )
                self._saved = items.catalogue.revision
                indexed = max(opened.indexed, self._saved)
                opened = opened._replace(indexed=indexed, late=np.array(about["late"], np.int32), items=items)
        return opened

    def save(self, items: Items, index: Index, mean: NDArray[np.float32], *, soon: bool = False) -> None:
        """Keep what is in memory where enough has changed since it was, or where anything has and it is to be `soon`.

        What cannot be written now is written after as many changes more.
        """
        from occasion.indexes.hnsw import HnswIndex

        least = 1 if soon else max(SAVE_AFTER, int(len(index) * SAVE_SHARE))
        revision = items.catalogue.revision
        if revision - self._saved < least or not isinstance(index, HnswIndex):
            return
        # Where another process keeps the same just now, there is nothing to do.
        with suppress(Timeout):
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                with FileLock(self._folder / "snapshots.lock", timeout=0):
                    self._look_again(revision)
                    if revision - self._saved >= least:
                        self._write(items, index, mean)
                        self._saved = revision
            except (OSError, StoreError, VectorIndexError) as error:
                logger.warning("the items could not be kept as they are in memory, so the next start takes longer: %s", error)
                self._saved = revision

    def discard(self) -> None:
        """Remove what is kept."""
        for name in FOLDERS:
            discard_state(self._folder / name)

    def _look_again(self, revision: int) -> None:
        """Take notice of what another process kept meanwhile."""
        about = self._catalogue_there()
        if about.get("mark") != self._seen and about.get("kind") == KIND and about.get("mark") in self._marks():
            self._seen = about["mark"]
            self._saved = max(self._saved, min(about["revision"], revision))

    def _write(self, items: Items, index: HnswIndex, mean: NDArray[np.float32]) -> None:
        revision, mark = items.catalogue.revision, secrets.token_hex(8)
        self._take_down(mark)
        told = {"encoder": self._encoder.version, "mean": mean.tolist(), "revision": revision, "mark": mark}
        save_index(index, self._folder / INDEX, told)
        arrays = named("catalogue", items.catalogue.arrays()) | named("texts", items.text_index.arrays())
        arrays |= named("titles", items.titles.arrays())
        about = {
            "kind": KIND,
            "mark": mark,
            "revision": revision,
            "index": index.told["revision"],
            "late": index.unsaved_keys().tolist(),
        }
        write_state(self._folder / CATALOGUE, about, {ARRAYS: partial(write_arrays, arrays=arrays)})
        self._seen = mark

    def _catalogue_there(self) -> dict[str, Any]:
        try:
            return read_about(self._folder / CATALOGUE)
        except VectorIndexError:
            return {}

    # -- marks ------------------------------------------------------------------------------------------------------------
    def _marks(self) -> list[str]:
        return list(json.loads(self._store.get_state(STATE) or "[]"))

    def _take_down(self, mark: str) -> None:
        """Have the store know a mark; of the older ones that of the index goes last, as it may stay for long."""
        with_index = ""
        with suppress(VectorIndexError):
            with_index = read_about(self._folder / INDEX).get("told", {}).get("mark")
        marks = sorted(self._marks(), key=lambda one: one == with_index)
        self._store.put_state(STATE, json.dumps([*marks, mark][-MARKS:]))
