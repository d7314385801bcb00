"""Labels: a field of few distinct values, one or several an item, as numbered values by key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.rules.matching import folded, number_of, passes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

__all__ = ["Labels"]

MANY = 50_000
"""Distinct values from which on a field may be scattered."""


class Labels:
    """One code a key; a code stands for all the values of an item together. 4 bytes an item, and each distinct value once."""

    def __init__(self) -> None:
        self._codes = np.full(0, -1, np.int32)
        self._values: list[tuple[Any, ...]] = []
        self._known: dict[tuple[Any, ...], int] = {}
        self._kept, self._single = 0, True
        # Text without case, or a number, to the codes that hold it: equality needs no look at every value.
        self._holding: dict[Any, list[int]] = {}

    def _scattered(self, value: tuple[Any, ...]) -> bool:
        """Return whether the values are many and nearly all different, single texts all."""
        return self._single and len(value) == 1 and isinstance(value[0], str) and len(self._values) > max(MANY, self._kept // 2)

    def put(self, key: int, value: tuple[Any, ...]) -> bool:
        """Keep a value; False where the field is better kept as texts, and then nothing is changed."""
        if key >= len(self._codes):
            grown = np.full(max(key + 1, 2 * len(self._codes), 256), -1, np.int32)
            grown[: len(self._codes)] = self._codes
            self._codes = grown
        typed = _typed(value)
        code = self._known.get(typed)
        if code is None:
            if self._scattered(value):
                return False
            code = self._new(typed, value)
        self._kept += 1
        self._codes[key] = code
        return True

    def forget(self, key: int) -> None:
        """Forget the value of a key."""
        if key < len(self._codes):
            self._codes[key] = -1

    def _new(self, typed: tuple[Any, ...], value: tuple[Any, ...]) -> int:
        code = self._known[typed] = len(self._values)
        self._values.append(value)
        self._single = self._single and len(value) == 1 and isinstance(value[0], str)
        for name in {folded(v) for v in value} | {number for v in value if (number := number_of(v)) is not None}:
            self._holding.setdefault(name, []).append(code)
        return code

    def get(self, key: int) -> tuple[Any, ...] | None:
        """Return the values of a key, None where it has none."""
        code = int(self._codes[key]) if key < len(self._codes) else -1
        return self._values[code] if code >= 0 else None

    def __len__(self) -> int:
        """Number of keys that there is room for."""
        return len(self._codes)

    # -- as arrays ------------------------------------------------------------------------------------------------------
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all that is held, values that no key has left out, as named arrays; `restore` takes them back."""
        used = np.unique(self._codes[self._codes >= 0])
        codes = np.where(self._codes >= 0, np.searchsorted(used, self._codes), -1).astype(np.int32)
        # JSON tells true, 1, 1.0 and "1" apart.
        values = json.dumps([self._values[code] for code in used.tolist()])
        return {"codes": codes, "values": np.frombuffer(values.encode(), np.uint8), "kept": np.array([self._kept])}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Labels:
        """Return what `arrays` gave, as an object again."""
        out = cls()
        for value in map(tuple, json.loads(arrays["values"].tobytes())):
            out._new(_typed(value), value)
        out._codes, out._kept = arrays["codes"], int(arrays["kept"][0])
        return out

    # -- reading --------------------------------------------------------------------------------------------------------
    def divided(self, mask: Mask, most: int) -> list[tuple[Any, int]] | None:
        """Return (value, number of keys in the mask that have it), most frequent first; None above `most` distinct values."""
        if len(self._values) > 4 * most:
            return None
        mine = self._codes[: len(mask)]
        codes = mine[mask[: len(mine)] & (mine >= 0)]
        numbers: dict[Any, int] = {}
        for code, number in enumerate(np.bincount(codes, minlength=len(self._values)).tolist()):
            for value in self._values[code] if number else ():
                numbers[value] = numbers.get(value, 0) + number
        return sorted(numbers.items(), key=_place) if len(numbers) <= most else None

    def mask(self, op: str, operand: Any, n: int) -> Mask:
        """Return which of n keys pass a test: one of their values does."""
        out = np.zeros(n, bool)
        mine = self._codes[:n]
        if op == "exists":
            out[: len(mine)] = mine >= 0
            return out
        table = np.zeros(len(self._values) + 1, bool)  # the last one is for -1
        if op in ("eq", "in"):
            for one in operand if op == "in" else (operand,):
                table[self._holders(one)] = True
        else:
            test = passes(op, operand)
            table[:-1] = [any(map(test, value)) for value in self._values]
        out[: len(mine)] = table[mine]
        return out

    def _holders(self, operand: Any) -> list[int]:
        """Return the codes of values that equal an operand, as `passes` has it: text by text, else by number."""
        if isinstance(operand, (str, bool)):
            number = number_of(operand)
            found = self._holding.get(folded(operand), [])
            return found if number is None else [*found, *self._untyped(number)]
        return self._holding.get(number_of(operand), [])

    def _untyped(self, number: float) -> list[int]:
        """Return the codes that hold a number, not text, of this size: "10" finds 10, but not "10.0"."""
        return [
            code for code in self._holding.get(number, [])
            if any(not isinstance(v, (str, bool)) and number_of(v) == number for v in self._values[code])
        ]  # fmt: skip


def _typed(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what tells values apart: 1 == True in Python, so their types too where they are not all texts."""
    texts = type(value[0]) is str if len(value) == 1 else all(type(v) is str for v in value)
    return value if texts else (*value, *map(type, value))


def _place(pair: tuple[Any, int]) -> tuple[int, str, str]:
    """Return where a value with its number stands in a facet: the most frequent first, then by name; "10" is not 10."""
    value, number = pair
    return -number, str(value), type(value).__name__
