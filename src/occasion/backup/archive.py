"""The form of a backup: a tar file with ``manifest.json`` first, then the files that it lists with size and SHA-256.

Names begin with ``home/`` or ``home/tenants/<name>/``. Stores are whole SQLite files of their own, so that a backup can be read
without this program.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np

from occasion.errors import DataError
from occasion.protocols import Store

__all__ = ["CONTROL", "KEY", "STORE", "Contents", "Member", "copied_out", "digest", "read_contents", "state_of"]

KIND, FORMAT = "occasion backup", 1
MANIFEST = "manifest.json"
STORE, CONTROL, KEY = "occasion.db", "service.db", "home.key"
"""Names of a home's files within a backup; the store may lie elsewhere in reality."""
PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file of a backup: its size in bytes and its SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a backup says of itself.

    Attributes
    ----------
    made_at : float
        Unix seconds.
    occasion : str
        The version that made it.
    settings : mapping
        The settings in force; no secrets.
    stores : mapping
        Folder within the backup (``home``, ``home/tenants/x``) to what `state_of` said of its store.
    files : mapping of str to Member
    """

    made_at: float
    occasion: str
    settings: dict[str, Any]
    stores: dict[str, dict[str, Any]]
    files: dict[str, Member]

    def document(self) -> bytes:
        """Return it as JSON."""
        return json.dumps({"kind": KIND, "format": FORMAT, **asdict(self)}, indent=1).encode()


def state_of(store: Store) -> dict[str, Any]:
    """Return the counts of a store and a fingerprint of its events, answers aside: 32 hex digits that tell one log from another."""
    hashed = hashlib.blake2b(digest_size=16)
    for columns in store.events():
        for column in (columns.seq, columns.user, columns.item, columns.type, columns.value, columns.at, columns.context):
            hashed.update(np.ascontiguousarray(column).tobytes())
    return {"counts": store.counts(), "cursor": list(store.cursor()), "fingerprint": hashed.hexdigest()}


def digest(path: Path) -> Member:
    """Return the size and the SHA-256 of a file."""
    with path.open("rb") as file:
        return Member(size=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def read_contents(path: Path) -> Contents:
    """Return what a backup says of itself.

    Raises
    ------
    DataError
        Where the file is no backup, or of a newer kind.
    """
    with opened(path) as tar:
        return _contents(tar, path)


def copied_out(path: Path, folder: Path) -> Iterator[tuple[str, Path, int]]:
    """Copy all files of a backup into a folder, checking each; yield name, place, size.

    Raises
    ------
    DataError
        Where a file is missing, too much, or not what the manifest says.
    """
    with opened(path) as tar:
        contents = _contents(tar, path)
        missing = dict(contents.files)
        for entry in tar:
            if entry.name == MANIFEST:
                continue
            wanted = missing.pop(entry.name, None)
            source = tar.extractfile(entry) if entry.isreg() else None
            if wanted is None or source is None or not _plain(entry.name):
                raise DataError(f"{path} holds {entry.name!r:.200}, which its manifest does not list. Cure: another backup.")
            place = folder / entry.name
            place.parent.mkdir(parents=True, exist_ok=True)
            if _copied(source, place) != wanted:
                raise DataError(f"{entry.name} in {path} is not what was backed up: the file is damaged. Cure: another backup.")
            yield entry.name, place, wanted.size
    if missing:
        raise DataError(f"{path} lacks {min(missing)} and ends too early. Cure: another backup.")


class opened:  # noqa: N801
    """A tar file open for reading; what is wrong with it is said in words."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tar: tarfile.TarFile | None = None

    def __enter__(self) -> tarfile.TarFile:
        try:
            self._tar = tarfile.open(self._path, "r:*")
        except (OSError, tarfile.TarError, EOFError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else "it is no backup"
            raise DataError(f"{self._path} cannot be read: {why}. Cure: name a file that `occasion backup` wrote.") from None
        return self._tar

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._tar is not None:
            self._tar.close()
        if isinstance(error, (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error)):
            raise DataError(f"{self._path} is damaged or cut off. Cure: another backup.") from None


def _contents(tar: tarfile.TarFile, path: Path) -> Contents:
    first = tar.next()
    source = tar.extractfile(first) if first is not None and first.name == MANIFEST else None
    try:
        document = json.loads(source.read()) if source is not None else {}
        kind, form = document.pop("kind", None), document.pop("format", None)
        if kind == KIND and form == FORMAT:
            files = {name: Member(**fields) for name, fields in document.pop("files").items()}
            return Contents(files=files, **document)
    except (ValueError, TypeError, KeyError, AttributeError):
        kind = form = None
    if kind == KIND:
        raise DataError(f"{path} is a backup of the format {form!r}, known is {FORMAT}. Cure: a newer Occasion.")
    raise DataError(f"{path} is no backup. Cure: name a file that `occasion backup` wrote.")


def _plain(name: str) -> bool:
    """Tell whether a name stays within the folder that it is put into."""
    parts = PurePosixPath(name).parts
    return parts[:1] == ("home",) and ".." not in parts and not PurePosixPath(name).is_absolute() and "\\" not in name


def _copied(source: IO[bytes], place: Path) -> Member:
    hashed, size = hashlib.sha256(), 0
    with place.open("wb") as target:
        while piece := source.read(PIECE):
            hashed.update(piece)
            size += len(piece)
            target.write(piece)
    return Member(size=size, sha256=hashed.hexdigest())
