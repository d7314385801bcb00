"""The scenarios of a store: read before each answer, changed under a lock, each change in the audit log with what was before."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from filelock import FileLock

from occasion.data import checked_id
from occasion.errors import ConflictError, DataError, NotFoundError
from occasion.people import AuditEntry
from occasion.protocols import Store
from occasion.scenarios.scenario import Scenario, parse_scenario

__all__ = ["STATE", "STEERING", "Change", "Scenarios"]

STATE = "scenarios"
STEERING = "steering"
"""The scenario that holds what was hidden, pinned and boosted item by item; it always applies."""
MOST = 100
NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789_-"
MAX_NAME = 64
PUT, REMOVED, UNDONE = "scenario.put", "scenario.delete", "scenario.undo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a scenario, from the audit log.

    Attributes
    ----------
    seq : int
        Its place in the audit log.
    at : float
    actor, act, name : str
        Who did what to which scenario.
    before, after : mapping or None
        The scenario in its JSON form; None: there was, or is, none.
    """

    seq: int
    at: float
    actor: str
    act: str
    name: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class Scenarios:
    """The scenarios of one store.

    Parameters
    ----------
    store : Store
    home : Path
        Holds the lock that keeps two changes at once apart.
    """

    def __init__(self, store: Store, home: Path) -> None:
        self._store, self._lock = store, home / "scenarios.lock"
        self._read: tuple[str, Mapping[str, Scenario]] = ("", MappingProxyType({}))

    # -- reading ----------------------------------------------------------------------------------------------------------
    def all(self) -> Mapping[str, Scenario]:
        """Return all by name; parsed anew only where they changed."""
        return self.told(self._store.get_state(STATE))

    def told(self, text: str | None) -> Mapping[str, Scenario]:
        """Return all by name from the text of `STATE`, None where there is none, which the caller has just read."""
        text = text or ""
        if text != self._read[0]:
            documents: dict[str, Any] = json.loads(text) if text else {}
            made = {name: parse_scenario(document) for name, document in sorted(documents.items())}
            self._read = (text, MappingProxyType(made))
        return self._read[1]

    def get(self, name: str) -> Scenario:
        """Return one.

        Raises
        ------
        NotFoundError
            Where there is none of this name.
        """
        found = self.all()
        if name not in found:
            raise NotFoundError(f"there is no scenario {name!r:.100}. Cure: one of {', '.join(found) or '(none yet)'}.")
        return found[name]

    def changes(self, after: int = 0) -> Iterator[Change]:
        """Yield the changes behind a place in the audit log, oldest first."""
        for entry in self._store.audit(after):
            if entry.act in (PUT, REMOVED, UNDONE):
                change = _change(entry)
                if change is not None:
                    yield change

    # -- changing ---------------------------------------------------------------------------------------------------------
    def put(self, name: str, scenario: Scenario, *, actor: str = "local") -> None:
        """Make or replace one; it counts in the next request of every process.

        Raises
        ------
        DataError
            For a name that cannot be used.
        ConflictError
            Where there are `MOST` already.
        """
        _check_name(name)

        def change(found: dict[str, Any]) -> None:
            if name not in found and len(found) >= MOST:
                raise ConflictError(f"there are {MOST} scenarios already. Cure: remove one first.")
            found[name] = scenario.document()

        self._changed(name, change, PUT, actor)

    def alter(self, name: str, alter: Callable[[Scenario], Scenario], *, actor: str = "local") -> Scenario:
        """Change one, or an empty one where it is not there, from what it is at this moment; return what it became."""
        _check_name(name)
        made: list[Scenario] = []

        def change(found: dict[str, Any]) -> None:
            if name not in found and len(found) >= MOST:
                raise ConflictError(f"there are {MOST} scenarios already. Cure: remove one first.")
            made.append(alter(parse_scenario(found.get(name, {}))))
            found[name] = made[0].document()

        self._changed(name, change, PUT, actor)
        return made[0]

    def remove(self, name: str, *, actor: str = "local") -> None:
        """Remove one.

        Raises
        ------
        NotFoundError
            Where there is none of this name.
        """
        self.get(name)
        self._changed(name, lambda found: found.pop(name, None), REMOVED, actor)

    def undo(self, seq: int, *, actor: str = "local", force: bool = False) -> Change:
        """Put back what was before a change, as a change of its own; return the change undone.

        Raises
        ------
        NotFoundError
            Where the audit log has no change of a scenario at this place.
        ConflictError
            Where the scenario was changed again since and `force` is False.
        """
        undone = next((c for c in self.changes(seq - 1) if c.seq == seq), None)
        if undone is None:
            raise NotFoundError(f"there is no change {seq} of a scenario. Cure: take the number from the list of changes.")

        def change(found: dict[str, Any]) -> None:
            if not force and found.get(undone.name) != undone.after:
                raise ConflictError(
                    f"the scenario {undone.name} was changed again since change {seq}. Cure: undo later changes first, or force it."
                )
            if undone.before is None:
                found.pop(undone.name, None)
            else:
                found[undone.name] = dict(undone.before)

        self._changed(undone.name, change, UNDONE, actor)
        return undone

    def _changed(self, name: str, change: Callable[[dict[str, Any]], object], act: str, actor: str) -> None:
        with FileLock(self._lock, timeout=30):
            documents: dict[str, Any] = json.loads(self._store.get_state(STATE) or "{}")
            before = documents.get(name)
            change(documents)
            detail = json.dumps({"before": before, "after": documents.get(name)}, ensure_ascii=False)
            # First the log: a change that is not in it must never be.
            self._store.add_audit(AuditEntry(at=time.time(), actor=actor, act=act, target=name, detail=detail))
            self._store.put_state(STATE, json.dumps(documents, ensure_ascii=False))


def _check_name(name: str) -> None:
    checked_id(name, "scenario")
    if len(name) > MAX_NAME or name[0] in "_-" or any(c not in NAME_CHARACTERS for c in name):
        raise DataError(
            f"the scenario's name is {name!r:.100}. Cure: 1 to {MAX_NAME} of a-z, 0-9, _ and -, beginning with none of the two."
        )


def _change(entry: AuditEntry) -> Change | None:
    """Return the change that an entry tells of; None for one that was written otherwise."""
    try:
        detail = json.loads(entry.detail)
        before, after = detail["before"], detail["after"]
    except (ValueError, KeyError, TypeError):
        return None
    return Change(seq=entry.seq, at=entry.at, actor=entry.actor, act=entry.act, name=entry.target, before=before, after=after)
