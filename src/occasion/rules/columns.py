"""Columns: the fields of all items as arrays by key, so that a filter is a few vector operations."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from occasion.data import Item
from occasion.errors import RuleError
from occasion.keyed import named, parted
from occasion.rules.filters import Filter
from occasion.rules.labels import Labels
from occasion.rules.matching import folded
from occasion.rules.numbers import Numbers
from occasion.rules.texts import Texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

__all__ = ["Columns", "Field"]

CACHED = 64
"""Masks kept, the latest used."""
_NOTHING: tuple[float, float, Mask] = (np.inf, -np.inf, np.zeros(0, bool))
"""Times from and until, and the keys available between: at no time."""


class Field(Protocol):
    """The values of one field by key."""

    def put(self, key: int, value: tuple[Any, ...]) -> bool:
        """Keep a value; False where it does not fit here, and then nothing is changed."""

    def forget(self, key: int) -> None:
        """Forget the value of a key."""

    def get(self, key: int) -> tuple[Any, ...] | None:
        """Return the value of a key, None where it has none."""

    def __len__(self) -> int: ...

    def mask(self, op: str, operand: Any, n: int) -> Mask:
        """Return which of n keys pass a test."""

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all that is held, as named arrays; `restore` of the class takes them back."""


KINDS: Mapping[str, Any] = {"labels": Labels, "numbers": Numbers, "texts": Texts}
"""Classes of fields, by the name that files have for them."""


class Columns:
    """Fields by item key.

    ``id``, ``title`` and the other text fields are kept as texts (their first 200 characters can be filtered by), numbers as
    numbers, everything else as labels. A field changes its kind when a value comes that does not fit.
    """

    def __init__(self) -> None:
        self._fields: dict[str, Field] = {}
        self._filled = np.zeros(0, bool)
        self._from = np.zeros(0)
        self._until = np.zeros(0)
        self._masks: dict[tuple[Filter, int], Mask] = {}
        self._available = _NOTHING

    @property
    def names(self) -> list[str]:
        """Names of all fields, sorted."""
        return sorted(self._fields)

    # -- items ----------------------------------------------------------------------------------------------------------
    def set(self, key: int, item: Item) -> None:
        """Take over an item's fields, in place of those the key had."""
        if self._masks:
            self._masks.clear()
        self._available = _NOTHING
        self._room(key)
        values = _values(item)
        if self._filled[key]:
            for name, field in self._fields.items():
                if name not in values:
                    field.forget(key)
        for name, value in values.items():
            kept_by = self._fields.get(name)
            if kept_by is None or not kept_by.put(key, value):
                self._changed(key, name, value, texts=name in item.text or name in ("id", "title"))
        self._filled[key] = True
        self._from[key] = -np.inf if item.available_from is None else item.available_from
        self._until[key] = np.inf if item.available_until is None else item.available_until

    def remove(self, key: int) -> None:
        """Forget an item's fields; an unknown key is ignored."""
        if key >= len(self._filled) or not self._filled[key]:
            return
        self._masks.clear()
        self._available = _NOTHING
        for field in self._fields.values():
            field.forget(key)
        self._filled[key], self._from[key], self._until[key] = False, -np.inf, np.inf

    def _room(self, key: int) -> None:
        if key >= len(self._filled):
            size, old = max(key + 1, 2 * len(self._filled), 256), len(self._filled)
            filled, start, end = np.zeros(size, bool), np.full(size, -np.inf), np.full(size, np.inf)
            filled[:old], start[:old], end[:old] = self._filled, self._from, self._until
            self._filled, self._from, self._until = filled, start, end

    def _changed(self, key: int, name: str, value: tuple[Any, ...], *, texts: bool) -> None:
        """Keep a value in a new field that can, with all that an older one of the name kept."""
        old = self._fields.get(name)
        # Numbers give way to labels, labels that are nearly all different to texts.
        new: Field = Texts() if texts or isinstance(old, Labels) else Labels()
        if old is None and not texts and isinstance(value[0], (int, float)) and not isinstance(value[0], bool):
            new = Numbers()
        if old is not None:
            for other in range(len(old)):
                kept = old.get(other)
                if kept is not None:
                    new.put(other, kept)
        self._fields[name] = new
        if not new.put(key, value):
            self._changed(key, name, value, texts=texts)

    def is_text(self, name: str) -> bool:
        """Return whether a field is kept as text: nearly every item has another value; False for a field that no item has."""
        return isinstance(self._fields.get(name), Texts)

    def first(self, key: int, name: str) -> str | None:
        """Return the first value of an item's field as text without case, None where it has none.

        Raises
        ------
        RuleError
            For a field that no item has, naming those that come near.
        """
        self._check(name)
        value = self._fields[name].get(key)
        return None if not value else str(folded(value[0]))

    def facet(self, name: str, mask: Mask, most: int) -> list[Any] | None:
        """Return how the keys of a mask (n,) divide by a field: (value, number) pairs, the most frequent first.

        Of a field of numbers its least and greatest; None where the field is text or has more than `most` distinct values.
        """
        self._check(name)
        field = self._fields[name]
        if isinstance(field, Numbers):
            return field.span(mask)
        return field.divided(mask, most) if isinstance(field, Labels) else None

    # -- as arrays ------------------------------------------------------------------------------------------------------
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all that is held, as named arrays, for keeping in files; `restore` takes them back."""
        kinds = {kind: name for name, kind in KINDS.items()}
        fields = json.dumps([[name, kinds[type(field)]] for name, field in self._fields.items()])
        out = {"filled": self._filled, "from": self._from, "until": self._until, "fields": np.frombuffer(fields.encode(), np.uint8)}
        for n, field in enumerate(self._fields.values()):
            out |= named(str(n), field.arrays())
        return out

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Columns:
        """Return what `arrays` gave, as an object again, without copying what is large.

        Raises
        ------
        KeyError, ValueError
            Where arrays are missing, or are none of these.
        """
        out, parts = cls(), parted(arrays)
        out._filled, out._from, out._until = arrays["filled"], arrays["from"], arrays["until"]
        for n, (name, kind) in enumerate(json.loads(arrays["fields"].tobytes())):
            out._fields[name] = KINDS[kind].restore(parts[str(n)])
        return out

    # -- masks ----------------------------------------------------------------------------------------------------------
    def availability(self, at: float, n: int) -> Mask:
        """Return which of n keys are available at a time: from <= at < until. Do not change the result."""
        since, until, kept = self._available
        if len(kept) != n or not since <= at < until:
            since, until, kept = self._available = self._availability(at, n)
        return kept

    def _availability(self, at: float, n: int) -> tuple[float, float, Mask]:
        """Return the span of time around `at` in which the same keys are available, and which these are."""
        out = np.ones(n, bool)
        starts, ends = self._from[:n], self._until[:n]
        out[: len(starts)] = (starts <= at) & (at < ends)
        out.flags.writeable = False
        past = max(float(np.max(b, where=b <= at, initial=-np.inf)) for b in (starts, ends))
        future = min(float(np.min(b, where=b > at, initial=np.inf)) for b in (starts, ends))
        return past, future, out

    def mask(self, wanted: Filter, n: int) -> Mask:
        """Return which of n keys pass a filter; kept until an item changes. Do not change the result.

        Raises
        ------
        RuleError
            For a field that no item has, naming those that come near.
        """
        cached = self._masks.pop((wanted, n), None)
        if cached is None:
            for name in sorted(wanted.fields()):
                self._check(name)
            if len(self._masks) >= CACHED:
                del self._masks[next(iter(self._masks))]
            cached = self._evaluated(wanted, n)
            cached.flags.writeable = False
        self._masks[wanted, n] = cached
        return cached

    def _check(self, name: str) -> None:
        if name not in self._fields:
            near = difflib.get_close_matches(name, self.names, 3)
            close = f"Near: {', '.join(near)}. " if near else ""
            some = ", ".join(self.names[:40]) or "(the catalogue is empty)"
            raise RuleError(f"no item has a field {name!r}. {close}Cure: one of {some}{', ...' if len(self.names) > 40 else ''}.")

    def _evaluated(self, wanted: Filter, n: int) -> Mask:
        if wanted.op in ("and", "or"):
            out = self._evaluated(wanted.parts[0], n)
            for part in wanted.parts[1:]:
                mine = self._evaluated(part, n)
                out = np.logical_and(out, mine, out=out) if wanted.op == "and" else np.logical_or(out, mine, out=out)
            return out
        if wanted.op == "not":
            mine = self._evaluated(wanted.parts[0], n)
            return np.logical_not(mine, out=mine)
        field = self._fields[wanted.field]
        if wanted.op == "ne" or (wanted.op == "exists" and not wanted.value):
            mine = field.mask("eq" if wanted.op == "ne" else "exists", wanted.value, n)
            return np.logical_not(mine, out=mine)
        return field.mask(wanted.op, wanted.value, n)


def _values(item: Item) -> dict[str, tuple[Any, ...]]:
    out: dict[str, tuple[Any, ...]] = {"id": (item.id,)}
    for name, text in item.text.items():
        out[name] = (text,)
    if "title" not in item.text:
        out["title"] = (item.title,)
    if item.categories:
        out["categories"] = item.categories
    if item.price is not None:
        out["price"] = (item.price,)
    for name, value in item.attributes.items():
        if not isinstance(value, tuple):
            out[name] = (value,)
        elif value:
            out[name] = value
    return out
