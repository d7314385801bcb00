"""The pictures of a store's items as vectors in memory, brought up to date with the store; nothing here is the only copy.

An item's picture is looked at when the item comes or changes. A file is read again when its size or time is another one; what it
shows is encoded once, by the hash of its content.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Literal

import numpy as np

from occasion.encoders.cache import VectorCache
from occasion.errors import EncoderError, StoreError, VectorIndexError
from occasion.indexes import make_index, open_index, save_index
from occasion.indexes.files import discard_state
from occasion.pictures import load_image_encoder
from occasion.pictures.files import Content, KnownFiles
from occasion.pictures.reading import PictureFile, PictureFolder, Trouble, need_pillow, read_bytes, to_square
from occasion.pictures.space import PictureSpace
from occasion.protocols import CandidateScores, ImageEncoder, Index, Progress, Store

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from occasion.settings import Settings

    Floats = NDArray[np.float32]
    Keys = NDArray[np.int32]

__all__ = ["Pictures", "picture_trouble"]

logger = logging.getLogger(__name__)

READER = 1
"""Another number whenever pictures are prepared in another way, so that no older vector is taken."""
CHUNK = 32
"""Pictures that are encoded between two writes: half a second, which is what an interruption loses."""
SAMPLE = 5_000
"""Pictures that the space is fitted on."""
OUTGROWN = 4
"""A space is fitted again at a start with so many times the pictures it was fitted on."""
HURRY_SECONDS = 0.1
"""What an answer of a service gives to new pictures; the rest comes with the next answers."""
AGAIN_SECONDS = 30.0
"""After pictures could not be encoded, or their files were missing, until they are tried again."""
LOOKED_FOR = 500
"""Missing files that are looked for again at once."""
STATE, MARKS = "pictures", 16


class Pictures:
    """Vectors of the items' pictures by key; has what sources need of an index.

    Parameters
    ----------
    store : Store
    settings : Settings
        Of them ``image_encoder``, ``media_folder``, ``exact_limit`` and the home.
    progress : callable, optional
        Called with (done, total) pictures.
    hurried : bool
        Encode new pictures for `HURRY_SECONDS` at most at a time, but for the first time.
    keep : bool
        Keep a large index on disk.

    Attributes
    ----------
    troubles : dict of key to Trouble
        Items whose picture cannot be had, and why.

    Raises
    ------
    EncoderError, MissingExtraError
        Where the image encoder cannot be loaded, or Pillow is missing.
    """

    def __init__(
        self, store: Store, settings: Settings, *, progress: Progress | None = None, hurried: bool = False, keep: bool = True
    ) -> None:
        need_pillow()
        self.encoder: ImageEncoder = load_image_encoder(settings)
        self._store, self._progress, self._hurried, self._keep = store, progress, hurried, keep
        self._exact_limit = settings.exact_limit
        self._folder = settings.home / "derived" / "pictures"
        self._media = PictureFolder(settings.media_folder)
        self._version = f"{self.encoder.version}-r{READER}"
        self._cache = VectorCache(self._folder / "vectors", self._version, self.encoder.dim)
        self._files = KnownFiles(self._folder / "files.db")
        self._clear()

    def _clear(self) -> None:
        self.revision = 0
        self.troubles: dict[int, Trouble] = {}
        self._index: Index | None = None
        self._space: PictureSpace | None = None
        self._named: dict[int, str] = {}
        """Paths, by key, of pictures that are still to be looked at."""
        self._missing: dict[int, str] = {}
        self._again = self._look_for = 0.0
        self._opened = self._anew = False

    # -- as an index ----------------------------------------------------------------------------------------------------
    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._space.dim if self._space is not None else self.encoder.dim

    def __len__(self) -> int:
        """Return the number of items with a vector."""
        return len(self._index) if self._index is not None else 0

    def search(self, vector: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> CandidateScores:
        """Return the best k keys and cosines for one vector (dim,), best first; only items with a picture come."""
        if self._index is None:
            return CandidateScores(np.zeros(0, np.int32), np.zeros(0, np.float32))
        return self._index.search(vector, k, allowed)

    def near(self, vector: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> Keys:
        """Return about the k keys that `search` would return, in no order; cheaper, for who scores them anyway."""
        return np.zeros(0, np.int32) if self._index is None else self._index.near(vector, k, allowed)

    def score(self, vector: Floats, keys: Keys) -> Floats:
        """Return cosines (n,) of one vector (dim,) with those of keys; 0 for items without a picture."""
        return np.zeros(len(keys), np.float32) if self._index is None else self._index.score(vector, keys)

    def vectors(self, keys: Keys) -> Floats:
        """Return unit vectors (n, dim) of keys; zeros for items without a picture."""
        return np.zeros((len(keys), self.dim), np.float32) if self._index is None else self._index.vectors(keys)

    # -- following the store ----------------------------------------------------------------------------------------------
    @property
    def waiting(self) -> bool:
        """Whether pictures wait to be looked at, now or after a while."""
        now = time.monotonic()
        return (bool(self._named) and now >= self._again) or (bool(self._missing) and now >= self._look_for)

    def follow(self, upto: int) -> Keys:
        """Take over items up to a revision of the store; return the keys (n,) of pictures that were looked at and have a vector."""
        opening = not self._opened
        if opening:
            self._open()
        if self._anew:
            self.revision, self._anew = 0, False
        for entry in self._store.items(after=self.revision):
            if entry.revision > upto:
                break
            self.revision = entry.revision
            self.troubles.pop(entry.key, None)
            self._missing.pop(entry.key, None)
            named = entry.item.media.get("image", "") if entry.item is not None else ""
            if named:
                self._named[entry.key] = named
            else:
                self._named.pop(entry.key, None)
                self._remove([entry.key])
        found = self._take(opening)
        self._opened = True
        self._save()
        return found

    def look_again(self) -> None:
        """Look at all files anew with the next `follow`: they may have changed, or come, without their items."""
        self._anew = True

    def discard(self) -> None:
        """Remove what is kept on disk, but for the vectors."""
        discard_state(self._folder / "index")
        (self._folder / "space.npz").unlink(missing_ok=True)
        self._files.discard()

    def told(self) -> dict[str, object]:
        """Return the encoder's version, the number of items with a vector, of those in trouble by kind, and of those that wait."""
        kinds = Counter(trouble.kind for trouble in self.troubles.values())
        return {"encoder": self.encoder.version, "items": len(self), "trouble": dict(kinds), "waiting": len(self._named)}

    def _remove(self, keys: Sequence[int]) -> None:
        if self._index is not None and keys:
            self._index.remove(np.array(keys, np.int32))

    def _take(self, opening: bool) -> Keys:
        """Look at the pictures that wait; all of them where nobody is in a hurry."""
        begun, found, waiting = time.monotonic(), [np.zeros(0, np.int32)], []
        self._look_for_missing()
        total, done = len(self._named), 0
        if self._index is None:
            self._begin(total)
        while self._named:
            if self._hurried and not opening and time.monotonic() - begun > HURRY_SECONDS:
                break
            some = dict(islice(self._named.items(), 8 if self._hurried else CHUNK))
            try:
                waiting.append(self._looked_at(some))
            except (EncoderError, VectorIndexError) as error:
                if opening:
                    raise
                logger.warning("%d pictures could not be looked at yet: %s", total - done, error)
                self._again = time.monotonic() + AGAIN_SECONDS
                break
            for key in some:
                self._named.pop(key)
            done += len(some)
            if self._space is not None or sum(len(keys) for keys, _ in waiting) >= SAMPLE:
                found += self._add(waiting)
            if self._progress is not None:
                self._progress(done, total)
        return np.concatenate([*found, *self._add(waiting)])

    def _look_for_missing(self) -> None:
        if self._missing and time.monotonic() >= self._look_for:
            self._named |= {key: self._missing.pop(key) for key in list(self._missing)[:LOOKED_FOR]}

    def _add(self, waiting: list[tuple[Keys, Floats]]) -> list[Keys]:
        """Put looked-at pictures into the index, which is begun where there is none; return their keys and empty the list."""
        if not waiting:
            return []
        keys = np.concatenate([keys for keys, _ in waiting])
        raw = np.concatenate([vectors for _, vectors in waiting])
        waiting.clear()
        if self._space is None:
            self._space = PictureSpace.fit(raw)
            self._space.save(self._folder / "space.npz")
        if self._index is None:
            self._index = make_index(self._space.dim, max(len(keys) + len(self._named), 1), exact_limit=self._exact_limit)
        self._index.add(keys, self._space.place(raw))
        return [keys]

    # -- one picture ------------------------------------------------------------------------------------------------------
    def _looked_at(self, named: dict[int, str]) -> tuple[Keys, Floats]:
        """Return the keys and raw unit vectors of those pictures that could be read; why others could not is taken down."""
        files: dict[int, PictureFile] = {}
        for key, path in named.items():
            try:
                files[key] = self._media.find(path)
            except Trouble as trouble:
                self._fail(key, path, trouble)
        known = dict(zip(files, self._files.get(list(files.values())), strict=True))
        contents = _Contents(self.encoder, self._cache)
        digests: dict[int, str] = {}
        for key, file in files.items():
            try:
                digests[key] = contents.take(file, known[key])
            except Trouble as trouble:
                self._fail(key, named[key], trouble)
        vectors = self._cache.encode(contents, list(digests.values()), chunk=CHUNK)
        shown = np.any(vectors, axis=1)
        found = {key: contents.found(digest, fine) for (key, digest), fine in zip(digests.items(), shown.tolist(), strict=True)}
        self._files.put([(files[key], content) for key, content in found.items() if known[key] != content])
        for key, content in found.items():
            if content.trouble:
                self._fail(key, named[key], Trouble("broken", content.trouble))
        return np.fromiter(digests, np.int32, len(digests))[shown], vectors[shown]

    def _fail(self, key: int, named: str, trouble: Trouble) -> None:
        self.troubles[key] = trouble
        self._remove([key])
        if trouble.kind == "missing":
            self._missing[key] = named
            self._look_for = time.monotonic() + AGAIN_SECONDS

    # -- what is kept -----------------------------------------------------------------------------------------------------
    def _open(self) -> None:
        """Take over the index that was kept, where it is of this store, encoder and space."""
        self._space = PictureSpace.load(self._folder / "space.npz", self.encoder.dim)
        if self._space is None:
            return
        with suppress(VectorIndexError):
            index = open_index(self._folder / "index", self._space.dim)
            told = index.told
            same = told.get("encoder") == self._version and told.get("space") == self._space.id
            if same and told.get("mark") in self._marks():
                self._index, self.revision = index, told["revision"]

    def _begin(self, total: int) -> None:
        """Start an index; the space that was kept is of use unless the catalogue has outgrown it."""
        if self._space is not None and total > max(OUTGROWN * self._space.pictures, self._space.pictures + 50):
            self._space = None
        if self._space is not None:
            self._index = make_index(self._space.dim, total, exact_limit=self._exact_limit)

    def _save(self) -> None:
        from occasion.indexes.hnsw import HnswIndex

        if not self._keep or self._space is None or not isinstance(self._index, HnswIndex) or self._named:
            return
        mark = secrets.token_hex(8)
        told = {"encoder": self._version, "space": self._space.id, "revision": self.revision, "mark": mark}
        try:
            if save_index(self._index, self._folder / "index", told):
                self._store.put_state(STATE, json.dumps([*self._marks(), mark][-MARKS:]))
        except (OSError, StoreError, VectorIndexError) as error:
            logger.warning("the vectors of pictures could not be kept, so the next start takes longer: %s", error)

    def _marks(self) -> list[str]:
        return list(json.loads(self._store.get_state(STATE) or "[]"))


class _Contents:
    """Contents of files by their hash, in the place of an encoder of texts: what a cache of vectors asks for what it lacks."""

    def __init__(self, encoder: ImageEncoder, cache: VectorCache) -> None:
        self.version, self.dim = cache.version, encoder.dim
        self._encoder, self._cache = encoder, cache
        self._files: dict[str, PictureFile] = {}
        self._squares: dict[str, NDArray[np.uint8]] = {}
        self._troubles: dict[str, str] = {}

    def take(self, file: PictureFile, known: Content | None) -> str:
        """Return the hash of a file's content; read it where nothing is known of it, or its vector is not there."""
        if known is not None and self._cache.known([known.digest])[0]:
            self._files[known.digest] = file
            self._troubles |= {known.digest: known.trouble} if known.trouble else {}
            return known.digest
        content = read_bytes(file)
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        self._files[digest] = file
        if not self._cache.known([digest])[0]:
            self._unpack(digest, content)
        return digest

    def _unpack(self, digest: str, content: bytes) -> None:
        try:
            # The square at once: some large files would fill the memory.
            self._squares[digest] = to_square(content, self._encoder.side)
        except Trouble as trouble:
            self._troubles[digest] = trouble.why

    def found(self, digest: str, shown: bool) -> Content:
        """Return what is known of a content by now; `shown`: it has a vector."""
        return Content(digest, "" if shown else self._troubles.get(digest, "no picture that can be read"))

    def encode(self, texts: Sequence[str], *, role: Literal["query", "item"] = "item", progress: Progress | None = None) -> Floats:
        """Return unit vectors (n, dim) of contents by their hashes; zeros for what is no picture."""
        out = np.zeros((len(texts), self.dim), np.float32)
        for row, digest in enumerate(texts):
            if digest not in self._squares and digest not in self._troubles:
                self._read_again(digest)
            if digest in self._squares:
                out[row] = self._encoder.encode(self._squares.pop(digest)[None])[0]
        return out

    def _read_again(self, digest: str) -> None:
        """Read a content whose vector was damaged on disk."""
        file = self._files[digest]
        try:
            content = read_bytes(file)
        except Trouble as trouble:
            raise EncoderError(f"{file.path} {trouble.why}. Cure: try again.") from None
        if hashlib.blake2b(content, digest_size=16).hexdigest() != digest:
            raise EncoderError(f"{file.path} changed while it was read. Cure: try again.")
        self._unpack(digest, content)


def picture_trouble(settings: Settings) -> Callable[[str], tuple[str, str] | None] | None:
    """Return what tells of a path why the picture cannot be had, as (kind, in words); None for it where pictures are not looked at.

    No picture is unpacked: what is broken is known from when it was encoded.
    """
    if not settings.image_encoder:
        return None
    media, known = PictureFolder(settings.media_folder), KnownFiles(settings.home / "derived" / "pictures" / "files.db")

    def trouble(named: str) -> tuple[str, str] | None:
        try:
            (content,) = known.get([media.find(named)])
        except Trouble as found:
            return found.kind, found.why
        return ("broken", content.trouble) if content is not None and content.trouble else None

    return trouble
