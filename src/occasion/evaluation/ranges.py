"""Ranges: what the whole numbers among the options of an evaluation may be."""

from __future__ import annotations

from occasion.errors import DataError

__all__ = ["check_ranges"]


def check_ranges(**ranges: tuple[int, int, int]) -> None:
    """Raise DataError for an option (its value, the least and the greatest allowed) that is no whole number between these."""
    for name, (value, low, high) in ranges.items():
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise DataError(f"{name} is {value!r}. Cure: a whole number from {low} to {high}.")
