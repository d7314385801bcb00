"""Making a backup while others read and write: each store is copied as it is at one moment, checked, and packed."""

from __future__ import annotations

import os
import shutil
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from occasion.backup.archive import CONTROL, KEY, MANIFEST, STORE, Contents, digest, state_of
from occasion.errors import DataError, StoreError
from occasion.privacy.keyring import HomeKey
from occasion.protocols import Progress
from occasion.settings import Settings
from occasion.stores import open_store
from occasion.stores.sqlite_upkeep import copy_control

__all__ = ["LEARNT", "BackedUp", "back_up", "cleared", "database_of", "homes"]

LEARNT = ("versions", "encoders")
"""Folders of a home that are packed whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUp:
    """What a backup holds."""

    path: Path
    size: int
    contents: Contents
    left_out: tuple[str, ...]
    seconds: float


def homes(settings: Settings) -> dict[str, Settings]:
    """Return the settings of a home and of its tenants, by the folder that each has in a backup."""
    found = {"home": settings}
    for folder in sorted((settings.home / "tenants").glob("*/")):
        found[f"home/tenants/{folder.name}"] = settings.model_copy(update={"home": folder, "store_url": ""})
    return found


def back_up(
    settings: Settings, path: Path, *, force: bool = False, with_key: bool = True, progress: Progress | None = None
) -> BackedUp:
    """Write a backup of a home and its tenants to a file, while services read and write.

    In it: stores (items, users, events, answers, choices, receipts, audit), keys of the service (hashes), the home's secret,
    model versions, tuned encoders. Not in it: what can be derived, imports and their rejected rows, secrets of the environment.

    Parameters
    ----------
    settings : Settings
    path : Path
        Ends with ``.gz``: compressed. Only its owner may read it.
    force : bool
        Replace a file that is there.
    with_key : bool
        Put ``home.key`` in. Without it pseudonyms and receipts of a lost home cannot be matched any more.
    progress : callable, optional
        Called with (bytes packed, bytes in all).

    Raises
    ------
    DataError
        Where the file is there, or cannot be written.
    StoreError
        Where a store cannot be read, is damaged, or there is none.
    """
    begun = time.monotonic()
    if path.exists() and not force:
        raise DataError(f"{path} exists. Cure: another name, or --force replaces it.")
    if not any(database_of(one).exists() for one in homes(settings).values()):
        raise StoreError(f"there is no store in {settings.home}. Cure: --home.")
    # Where the file will be: it needs room for a copy of the stores beside itself.
    staging = path.with_name(f".{path.name}.partial")
    with _errors(path), _alone(settings.home), cleared(staging):
        files, stores = _gathered(settings, staging, with_key)
        contents = Contents(
            made_at=round(time.time(), 3),
            occasion=version("occasion"),
            settings=_shown(settings),
            stores=stores,
            files={name: digest(place) for name, place in files.items()},
        )
        _pack(contents, files, path, staging / "backup", progress)
    left_out = ("derived files", "imports and rejected rows", "secrets of the environment", *(() if with_key else (KEY,)))
    return BackedUp(
        path=path, size=path.stat().st_size, contents=contents, left_out=left_out, seconds=round(time.monotonic() - begun, 2)
    )


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}. Cure: another place, or free some space.") from None


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    try:
        with FileLock(home / "backup.lock", timeout=0):
            yield
    except Timeout:
        raise StoreError(f"another backup of {home} is being made. Cure: let it end.") from None


@contextmanager
def cleared(folder: Path) -> Iterator[None]:
    """Yield with an empty folder and remove it; what a killed backup left in it goes first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def database_of(settings: Settings) -> Path:
    """Return the file of a store."""
    scheme, _, path = settings.resolved_store_url.partition(":///")
    if scheme != "sqlite":
        raise StoreError(f"backups are of sqlite stores, this one is {scheme}. Cure: the tools of that database.")
    return Path(path)


def _gathered(settings: Settings, staging: Path, with_key: bool) -> tuple[dict[str, Path], dict[str, dict[str, Any]]]:
    """Copy what changes into a folder; return where each file of the backup lies, and what is in each store."""
    files: dict[str, Path] = {}
    stores = {}
    for folder, one in homes(settings).items():
        if database_of(one).exists():
            files[f"{folder}/{STORE}"], stores[folder] = _copied_store(one, staging / folder)
        control = one.home / CONTROL
        if control.exists():
            files[f"{folder}/{CONTROL}"] = staging / folder / CONTROL
            copy_control(control, files[f"{folder}/{CONTROL}"])
        if with_key:
            # Made here where it was not needed yet: receipts of later erasures must fit the homes that backups are put into.
            files[f"{folder}/{KEY}"] = HomeKey(one.home).path
        # After the store: the version that serves there is whole by then.
        for name in LEARNT:
            files |= {f"{folder}/{path.relative_to(one.home).as_posix()}": path for path in _whole(one.home / name)}
    return files, stores


def _copied_store(settings: Settings, folder: Path) -> tuple[Path, dict[str, Any]]:
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / STORE
    with closing(open_store(settings.resolved_store_url)) as store:
        store.copy_to(place)
    # What is compared after a restore is what the copy says, not what the store says by now.
    looked_at = place.with_suffix(".look")
    shutil.copyfile(place, looked_at)
    with closing(open_store(f"sqlite:///{looked_at}")) as copy:
        state = state_of(copy)
    return place, state


def _whole(folder: Path) -> Iterator[Path]:
    """Yield the files of what was made whole; names that begin with a dot are work under way."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _shown(settings: Settings) -> dict[str, Any]:
    return {name: value for name, value in settings.model_dump(mode="json").items() if not name.endswith("url")}


def _pack(contents: Contents, files: dict[str, Path], path: Path, partial: Path, progress: Progress | None) -> None:
    """Write the tar file beside its place, force it to the disk, and put it there."""
    total, done = sum(member.size for member in contents.files.values()), 0
    with os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as raw:
        zipped = path.suffix == ".gz"
        with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=1) if zipped else tarfile.open(fileobj=raw, mode="w") as tar:
            document = contents.document()
            tar.addfile(_entry(MANIFEST, len(document), contents.made_at), BytesIO(document))
            for name, place in files.items():
                with place.open("rb") as file:
                    tar.addfile(_entry(name, contents.files[name].size, contents.made_at), file)
                done += contents.files[name].size
                if progress is not None:
                    progress(done, total)
        raw.flush()
        os.fsync(raw.fileno())
    partial.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _entry(name: str, size: int, at: float) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = size, int(at), 0o600
    return entry
