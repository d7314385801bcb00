"""Columns: the fields of all items as arrays by key, so that a filter is a few vector operations."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.data import Item
from occasion.errors import RuleError
from occasion.rules.filters import Filter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

__all__ = ["Columns"]

CACHED = 32
LONGEST = 200
_COMPARE: Mapping[str, Any] = {"lt": np.less, "lte": np.less_equal, "gt": np.greater, "gte": np.greater_equal}


class _Field:
    """One field: a code of each key's value, codes to values; an item with several values has one code for all of them."""

    def __init__(self) -> None:
        self.codes = np.full(0, -1, np.int32)
        self.values: list[tuple[Any, ...]] = []
        self._known: dict[tuple[Any, ...], int] = {}

    def set(self, key: int, value: tuple[Any, ...] | None) -> None:
        if key >= len(self.codes):
            grown = np.full(max(key + 1, 2 * len(self.codes), 256), -1, np.int32)
            grown[: len(self.codes)] = self.codes
            self.codes = grown
        if value is None:
            self.codes[key] = -1
            return
        # 1 == True == 1.0 in Python; the type tells them apart.
        typed = tuple((type(v), v) for v in value)
        code = self._known.get(typed)
        if code is None:
            code = self._known[typed] = len(self.values)
            self.values.append(value)
        self.codes[key] = code

    def first(self, key: int) -> str | None:
        code = int(self.codes[key]) if key < len(self.codes) else -1
        return str(self.values[code][0]) if code >= 0 and self.values[code] else None

    def mask(self, n: int, passes: Any) -> Mask:
        """Return which of n keys have a value that passes; the test runs once a distinct value."""
        table = np.array([any(passes(v) for v in value) for value in self.values] + [False], bool)
        out = np.zeros(n, bool)
        size = min(n, len(self.codes))
        out[:size] = table[self.codes[:size]]
        return out


class _Texts:
    """A field that is different for nearly every item: the texts themselves by key, cut at `LONGEST` characters."""

    def __init__(self) -> None:
        self.texts: list[str | None] = []

    def set(self, key: int, value: tuple[Any, ...] | None) -> None:
        if key >= len(self.texts):
            self.texts.extend([None] * (key + 1 - len(self.texts)))
        self.texts[key] = None if value is None else value[0][:LONGEST]

    def mask(self, n: int, passes: Any) -> Mask:
        out = np.zeros(n, bool)
        size = min(n, len(self.texts))
        out[:size] = [text is not None and passes(text) for text in self.texts[:size]]
        return out

    def first(self, key: int) -> str | None:
        return self.texts[key] if key < len(self.texts) else None


class Columns:
    """Fields by item key; see the module. Of a text field the first `LONGEST` characters can be filtered by."""

    def __init__(self) -> None:
        self._fields: dict[str, _Field | _Texts] = {}
        self._from = np.zeros(0)
        self._until = np.zeros(0)
        self._masks: dict[tuple[Filter, int], Mask] = {}

    @property
    def names(self) -> list[str]:
        """Names of all fields, sorted."""
        return sorted(self._fields)

    def set(self, key: int, item: Item) -> None:
        """Take over an item's fields."""
        self.remove(key)
        texts = {"id", "title", *item.text}
        for name, value in _fields(item).items():
            if name not in self._fields:
                self._fields[name] = _Texts() if name in texts else _Field()
            self._fields[name].set(key, value if isinstance(self._fields[name], _Field) else (str(value[0]),))
        if item.available_from is not None or item.available_until is not None:
            self._window(key, item.available_from, item.available_until)

    def _window(self, key: int, start: float | None, end: float | None) -> None:
        if key >= len(self._from):
            size = max(key + 1, 2 * len(self._from), 256)
            grown = np.full(size, -np.inf), np.full(size, np.inf)
            grown[0][: len(self._from)], grown[1][: len(self._until)] = self._from, self._until
            self._from, self._until = grown
        self._from[key] = -np.inf if start is None else start
        self._until[key] = np.inf if end is None else end

    def remove(self, key: int) -> None:
        """Forget an item's fields; an unknown key is ignored."""
        self._masks.clear()
        for field in self._fields.values():
            if field.first(key) is not None:
                field.set(key, None)
        if key < len(self._from):
            self._from[key], self._until[key] = -np.inf, np.inf

    def availability(self, at: float, n: int) -> Mask:
        """Return which of n keys are available at a time: from <= at < until."""
        out = np.ones(n, bool)
        size = min(n, len(self._from))
        if size:
            out[:size] = (self._from[:size] <= at) & (at < self._until[:size])
        return out

    def mask(self, wanted: Filter, n: int) -> Mask:
        """Return which of n keys pass a filter; kept until an item changes. Do not change the result.

        Raises
        ------
        RuleError
            For a field that no item has, naming those that come near.
        """
        cached = self._masks.get((wanted, n))
        if cached is None:
            for name in sorted(wanted.fields()):
                self._check(name)
            if len(self._masks) >= CACHED:
                self._masks.clear()
            cached = self._masks[(wanted, n)] = self._evaluate(wanted, n)
        return cached

    def first(self, key: int, name: str) -> str | None:
        """Return the first value of an item's field as text, None where it has none."""
        self._check(name)
        return self._fields[name].first(key)

    def _check(self, name: str) -> None:
        if name not in self._fields:
            near = difflib.get_close_matches(name, self.names, 3) or self.names[:20]
            raise RuleError(f"no item has a field {name!r}. Cure: one of {', '.join(near) or '(the catalogue is empty)'}.")

    def _evaluate(self, wanted: Filter, n: int) -> Mask:
        if wanted.op == "and":
            return np.asarray(np.all([self._evaluate(p, n) for p in wanted.parts], axis=0), bool)
        if wanted.op == "or":
            return np.asarray(np.any([self._evaluate(p, n) for p in wanted.parts], axis=0), bool)
        if wanted.op == "not":
            return ~self._evaluate(wanted.parts[0], n)
        field = self._fields[wanted.field]
        if wanted.op == "exists":
            found = field.mask(n, lambda _: True)
            return found if wanted.value else ~found
        if wanted.op == "ne":
            return ~field.mask(n, _test("eq", wanted.value))
        return field.mask(n, _test(wanted.op, wanted.value))


def _fields(item: Item) -> dict[str, tuple[Any, ...]]:
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
        out[name] = value if isinstance(value, tuple) else (value,)
    return out


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _equal(one: Any, other: Any) -> bool:
    """Text is compared without case; a number written as text equals the number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other or (isinstance(one, str) != isinstance(other, str) and str(one).lower() == str(other).lower())
    if isinstance(one, str) != isinstance(other, str):
        return str(one) == str(other)
    return bool(_folded(one) == _folded(other))


def _test(op: str, operand: Any) -> Any:
    if op == "eq":
        return lambda v: _equal(v, operand)
    if op == "in":
        return lambda v: any(_equal(v, o) for o in operand)
    if op == "contains":
        needle = operand.casefold()
        return lambda v: needle in str(v).casefold()
    if op == "between":
        return lambda v: (number := _as_number(v)) is not None and operand[0] <= number <= operand[1]
    compare = _COMPARE[op]
    return lambda v: (number := _as_number(v)) is not None and bool(compare(number, operand))


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
