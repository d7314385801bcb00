"""Matching: what a test of a filter means for one value. Text is compared without case; a number written as text is a number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["folded", "number_of", "passes"]

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "lt": lambda one, other: one < other,
    "lte": lambda one, other: one <= other,
    "gt": lambda one, other: one > other,
    "gte": lambda one, other: one >= other,
}


def number_of(value: Any) -> float | None:
    """Return a value as a number, None where it is none; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def folded(value: Any) -> Any:
    """Return what two equal values have in common: text without case, true and false as text, other values as they are."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.casefold() if isinstance(value, str) else value


def _equal(value: Any, operand: Any) -> bool:
    one, other = folded(value), folded(operand)
    if isinstance(one, str) == isinstance(other, str):
        return bool(one == other)
    number = number_of(value)
    return number is not None and number == number_of(operand)


def passes(op: str, operand: Any) -> Callable[[Any], bool]:
    """Return the test that one value must pass for ``eq``, ``in``, ``contains``, ``between``, ``lt``, ``lte``, ``gt``, ``gte``."""
    if op == "eq":
        return lambda value: _equal(value, operand)
    if op == "in":
        return lambda value: any(_equal(value, one) for one in operand)
    if op == "contains":
        needle = operand.casefold()
        return lambda value: needle in str(folded(value))
    if op == "between":
        low, high = operand
        return lambda value: (number := number_of(value)) is not None and low <= number <= high
    compare = _COMPARE[op]
    return lambda value: (number := number_of(value)) is not None and compare(number, operand)
