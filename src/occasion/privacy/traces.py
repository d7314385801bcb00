"""Traces: what an erasure cannot take a person out of, because it was learnt or copied: model versions, encoders, copies.

It can only be told what may have learnt from the person: what was made from a log that had their events, before they were erased.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occasion.people import Removed
from occasion.privacy.keyring import KEY_FILE
from occasion.protocols import Store
from occasion.versions import Versions

__all__ = ["KEPT_ASIDE", "Traces", "still_there", "traces"]

KEPT_ASIDE = "before-restore-"
"""Within the names of files and folders that a restore put aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What may hold traces of a person who was erased.

    Attributes
    ----------
    versions : tuple of str
        Ids of model versions. `occasion retire` removes one.
    encoders : tuple of str
        Names of tuned encoders, and of students of those: folders of ``<home>/encoders``.
    copies : tuple of str
        Files in the home that a restore put aside.
    """

    versions: tuple[str, ...] = ()
    encoders: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is anything."""
        return bool(self.versions or self.encoders or self.copies)


def traces(store: Store, home: Path, removed: Removed) -> Traces:
    """Return what may have learnt from the events of a person, or be a copy of them.

    Parameters
    ----------
    store : Store
    home : Path
    removed : Removed
        What the erasure removed.
    """
    aside = (path.name for path in home.glob(f"*{KEPT_ASIDE}*"))
    copies = tuple(sorted(name for name in aside if not name.startswith(KEY_FILE)))
    if not removed.events:
        return Traces(copies=copies)
    versions = tuple(m.id for m in Versions(store, home).all() if _learnt(m.data, removed))
    return Traces(versions=versions, encoders=_encoders(home, removed), copies=copies)


def still_there(home: Path, known: Traces) -> Traces:
    """Return those of known traces that are there still."""
    return Traces(
        versions=tuple(name for name in known.versions if (home / "versions" / name).exists()),
        encoders=tuple(name for name in known.encoders if (home / "encoders" / name).exists()),
        copies=tuple(name for name in known.copies if (home / name).exists()),
    )


def _learnt(data: Mapping[str, Any], removed: Removed) -> bool:
    """Tell whether something made from a log may have seen a person; where the manifest does not say, it may."""
    seq, withdrawals = data.get("seq"), data.get("withdrawals")
    if isinstance(seq, int) and seq < removed.first_seq:
        return False
    return not isinstance(withdrawals, int) or withdrawals < removed.withdrawals


def _encoders(home: Path, removed: Removed) -> tuple[str, ...]:
    manifests = {}
    for path in sorted((home / "encoders").glob("*/manifest.json")):
        try:
            manifests[path.parent.name] = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            # What cannot be read cannot be told to be free of anybody.
            manifests[path.parent.name] = {"kind": "tuned"}
    taught = {name for name, m in manifests.items() if m.get("kind") == "tuned" and _learnt(m.get("data", {}), removed)}
    while more := {name for name, m in manifests.items() if name not in taught and _bases(m) & taught}:
        taught |= more
    return tuple(sorted(taught))


def _bases(manifest: Mapping[str, Any]) -> set[str]:
    """Return the names that may stand for the encoder that another one was made from."""
    options = manifest.get("options", {})
    given = (manifest.get("base", ""), options.get("base", ""), options.get("teacher", ""))
    return {part for text in given for part in Path(str(text).rpartition(":")[2]).parts}
