"""Numbers: a field that holds one number an item, as an array by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from occasion.rules.matching import number_of, passes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

__all__ = ["Numbers"]

EXACT = 2.0**53
"""Beyond it a float cannot tell one whole number from the next."""
_COMPARE: Any = {"lt": np.less, "lte": np.less_equal, "gt": np.greater, "gte": np.greater_equal}


class Numbers:
    """One float64 a key, NaN where the item has none: 8 bytes an item."""

    def __init__(self) -> None:
        self._numbers = np.zeros(0)

    def put(self, key: int, value: tuple[Any, ...]) -> bool:
        """Keep a value; False where it does not fit, and then nothing is changed."""
        number = number_of(value[0]) if len(value) == 1 else None
        if number is None or abs(number) > EXACT:
            return False
        if key >= len(self._numbers):
            grown = np.full(max(key + 1, 2 * len(self._numbers), 256), np.nan)
            grown[: len(self._numbers)] = self._numbers
            self._numbers = grown
        self._numbers[key] = number
        return True

    def forget(self, key: int) -> None:
        """Forget the value of a key."""
        if key < len(self._numbers):
            self._numbers[key] = np.nan

    def get(self, key: int) -> tuple[Any, ...] | None:
        """Return the value of a key, None where it has none."""
        if key >= len(self._numbers) or np.isnan(self._numbers[key]):
            return None
        number = float(self._numbers[key])
        return (int(number),) if number.is_integer() else (number,)

    def span(self, mask: Mask) -> list[float] | None:
        """Return the least and greatest number of the keys in a mask (n,); None where none has one."""
        mine = self._numbers[: len(mask)]
        known = mine[mask[: len(mine)] & np.isfinite(mine)]
        return [float(known.min()), float(known.max())] if len(known) else None

    def __len__(self) -> int:
        """Number of keys that there is room for."""
        return len(self._numbers)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return all that is held, as named arrays; `restore` takes them back."""
        return {"numbers": self._numbers}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Numbers:
        """Return what `arrays` gave, as an object again."""
        out = cls()
        out._numbers = arrays["numbers"]
        return out

    def mask(self, op: str, operand: Any, n: int) -> Mask:
        """Return which of n keys pass a test."""
        out = np.zeros(n, bool)
        mine = self._numbers[:n]
        out[: len(mine)] = self._tested(op, operand, mine)
        return out

    def _tested(self, op: str, operand: Any, mine: NDArray[np.float64]) -> Mask:
        if op == "exists":
            return ~np.isnan(mine)
        if op == "between":
            return np.asarray((mine >= operand[0]) & (mine <= operand[1]), bool)
        if op in _COMPARE:
            return np.asarray(_COMPARE[op](mine, operand), bool)
        if op == "contains":
            values, where = np.unique(mine, return_inverse=True)  # NaN comes last, once
            test = passes(op, operand)
            table: Mask = np.array([v == v and test(f"{v:.12g}") for v in values.tolist()], bool)
            return np.asarray(table[where], bool)
        wanted = [number for v in (operand if op == "in" else (operand,)) if (number := number_of(v)) is not None]
        return np.asarray(mine == wanted[0] if len(wanted) == 1 else np.isin(mine, wanted), bool)
