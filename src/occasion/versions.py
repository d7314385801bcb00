"""Versions: what was learnt, one folder a version; which one is in service, which was before it, and why.

A version is a folder ``<home>/versions/<id>`` with the model's files and ``manifest.json``: what it was learnt from, how, how
good it is, and the SHA-256 of each file. Folders appear whole or not at all. Which version is in service stands in the store
(state ``version``), so that all processes that serve one store change over together and without a restart.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from occasion.errors import ModelError, NotFoundError, StoreError
from occasion.protocols import Store

__all__ = ["BLEND", "IN_SERVICE", "Manifest", "Versions"]

BLEND = "blend"
"""Name of what serves where nothing learnt is in service."""
IN_SERVICE, LOG = "version", "version_log"
KEPT = 500
"""Changes of the version in service that are remembered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What is known of a version.

    Attributes
    ----------
    id : str
        Sorts by time: ``20261124-101500-4f2a``.
    made_at : float
        Unix seconds.
    parent : str
        The version in service when it was made; "blend": none.
    data : mapping
        events, items, users, seq (greatest event number it was learnt from), withdrawals (third number of the store's cursor
        before the log was read), first_at, last_at, and a fingerprint.
    settings : mapping
        What it was fitted with.
    metrics : mapping
        Of the gate: name of a stratum to the figures of both systems with intervals.
    ratings : mapping
        Of a log with explicit ratings: errors of the ratings model and of plain means on those it had not seen, and its weight
        in the order.
    gate : mapping
        passed (bool) and reasons (list of sentences).
    parts, left_out : tuple of str
        What was learnt; what was not, and why.
    seconds, memory_mb : float
        Time of the fit, and the greatest memory of the process so far.
    libraries : mapping of name to version
    files : mapping of name to SHA-256
    """

    id: str
    made_at: float
    parent: str = BLEND
    data: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    ratings: Mapping[str, Any] = field(default_factory=dict)
    gate: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    seconds: float = 0.0
    memory_mb: float = 0.0
    libraries: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


class Versions:
    """The versions of one store.

    Parameters
    ----------
    store : Store
        Holds which one is in service.
    home : Path
        The folder ``versions`` lies in it.
    """

    def __init__(self, store: Store, home: Path) -> None:
        self.store, self.folder = store, home / "versions"

    # -- what there is ----------------------------------------------------------------------------------------------------
    def all(self) -> list[Manifest]:
        """Return the manifests of all readable versions, oldest first."""
        if not self.folder.is_dir():
            return []
        found = []
        for path in sorted(p for p in self.folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
            try:
                found.append(self.manifest(path.name))
            except ModelError:
                continue
        return found

    def manifest(self, version: str) -> Manifest:
        """Return a version's manifest.

        Raises
        ------
        NotFoundError
            Where there is no such version.
        ModelError
            Where its manifest cannot be read.
        """
        path = self._path(version) / "manifest.json"
        try:
            document = json.loads(path.read_text())
            return Manifest(**{**document, "parts": tuple(document["parts"]), "left_out": tuple(document["left_out"])})
        except FileNotFoundError:
            known = ", ".join(sorted(p.name for p in self.folder.glob("[0-9]*"))) or "none yet; `occasion fit` makes one"
            raise NotFoundError(f"there is no version {version!r}. Cure: one of: {known}.") from None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelError(f"the manifest {path} cannot be read ({error}). Cure: `occasion fit` makes a new version.") from None

    def model_folder(self, version: str) -> Path:
        """Return the folder of a version's model, after its files were checked against the manifest.

        Raises
        ------
        NotFoundError, ModelError
            Where it is not there; where a file is missing or changed.
        """
        folder = self._path(version)
        for name, wanted in self.manifest(version).files.items():
            try:
                found = _digest(folder / name)
            except OSError:
                found = ""
            if found != wanted:
                raise ModelError(
                    f"the file {name} of version {version} is {'missing' if not found else 'not what was written'}. "
                    "Cure: `occasion rollback` to another version, or `occasion fit` a new one."
                )
        return folder / "model"

    def _path(self, version: str) -> Path:
        if not version or "/" in version or "\\" in version or version.startswith("."):
            raise NotFoundError(f"there is no version {version!r}. Cure: `occasion versions` lists them.")
        return self.folder / version

    # -- making ---------------------------------------------------------------------------------------------------------
    def put(self, write: Callable[[Path], None], **facts: Any) -> Manifest:
        """Make a version: `write` fills its model folder; nothing is seen of it until it is whole and on the disk.

        Raises
        ------
        StoreError
            Where it cannot be written: a full disk, say.
        """
        now = time.time()
        version = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now)) + "-" + secrets.token_hex(2)
        partial = self.folder / f".{version}.partial"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            write(partial / "model")
            files = {str(p.relative_to(partial)): _digest(p) for p in sorted(partial.rglob("*")) if p.is_file()}
            manifest = Manifest(id=version, made_at=now, files=files, **facts)
            (partial / "manifest.json").write_text(json.dumps(asdict(manifest), indent=1))
            for path in partial.rglob("*"):
                _sync(path)
            partial.rename(self.folder / version)
            _sync(self.folder)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise StoreError(
                f"the version cannot be written to {self.folder}: {error.strerror or error}. "
                "Cure: free some space or mend its permissions, and fit again. What is in service is untouched."
            ) from error
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return manifest

    def _sweep(self) -> None:
        """Remove what a killed process left half made, once it is a day old: a living one may still write."""
        for path in self.folder.glob(".*.partial"):
            if time.time() - path.stat().st_mtime > 86_400:
                shutil.rmtree(path, ignore_errors=True)

    def remove(self, version: str) -> None:
        """Delete a version that is not in service.

        Raises
        ------
        NotFoundError
            Where it is not there.
        ModelError
            Where it is in service.
        """
        if version == self.in_service():
            raise ModelError(f"version {version} is in service. Cure: promote or roll back to another one first.")
        if not self._path(version).is_dir():
            raise NotFoundError(f"there is no version {version!r}. Cure: `occasion versions` lists them.")
        shutil.rmtree(self._path(version))

    # -- which one serves ---------------------------------------------------------------------------------------------------
    def in_service(self) -> str:
        """Return the id of the version in service, "blend" where it is none."""
        return self.told(self.store.get_state(IN_SERVICE))

    @staticmethod
    def told(text: str | None) -> str:
        """Return the same from the text of `IN_SERVICE`, None where there is none, which the caller has just read."""
        return text or BLEND

    def log(self) -> list[dict[str, Any]]:
        """Return the changes of the version in service, oldest first: version, before, at, why."""
        text = self.store.get_state(LOG)
        return list(json.loads(text)) if text else []

    def promote(self, version: str, why: str = "by hand") -> str:
        """Put a version (or "blend") into service; return the one that was before.

        Raises
        ------
        NotFoundError, ModelError
            Where it is not there, or damaged.
        """
        if version != BLEND:
            self.model_folder(version)
        # Otherwise a rollback would lead from a version to itself.
        return version if version == self.in_service() else self._change(version, why)

    def rollback(self, why: str = "by hand") -> str:
        """Put the version back that was in service before the present one; return it.

        A version that was itself rolled back from is not returned to, and one that was retired since is passed over.

        Raises
        ------
        ModelError
            Where there was none before; where that one is damaged.
        """
        before = [name for name in self._before() if name == BLEND or self._path(name).is_dir()]
        if not before:
            raise ModelError("no version was in service before this one. Cure: `occasion promote blend`, or a version by id.")
        version = before[-1]
        if version != BLEND:
            self.model_folder(version)
        self._change(version, why, back=True)
        return version

    def _before(self) -> list[str]:
        """Return what was in service before the present version and was not rolled back from, oldest first."""
        present, stack = BLEND, list[str]()
        for change in self.log():
            if not change.get("back"):
                stack.append(present)
            else:
                # More than one is taken away where those between had been retired.
                while stack and stack.pop() != change["version"]:
                    pass
            present = change["version"]
        return stack

    def _change(self, version: str, why: str, *, back: bool = False) -> str:
        before = self.in_service()
        change = {"version": version, "before": before, "at": time.time(), "why": why, "back": back}
        log = json.dumps([*self.log(), change][-KEPT:])
        self.store.put_states({LOG: log, IN_SERVICE: None if version == BLEND else version})
        return before


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
