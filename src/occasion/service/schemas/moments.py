"""Moments: signals met in the data, and what a person's past says."""

from __future__ import annotations

from pydantic import Field

from occasion.service.schemas.base import Shown

__all__ = ["SignalsOut", "TasteOut"]

Value = bool | int | float | str


class MetValue(Shown):
    """A value of a signal, and the positive evidence of events under it."""

    value: Value
    evidence: float


class MetSignal(Shown):
    """A signal met in the data."""

    name: str
    distinct: int = Field(description="Values met in all; the most frequent ones are listed.")
    values: list[MetValue]


class SignalsOut(Shown):
    """What a form for a moment can offer."""

    signals: list[MetSignal] = Field(description="Most evidence first.")
    fields: list[str] = Field(description="Fields of items, for filters.")


class HabitOut(Shown):
    """Something that a person's evidence has more of than everybody's."""

    name: str = Field(description="The signal; `categories` for what is chosen.")
    value: Value
    share: float = Field(description="Of the person's evidence, 0 to 1.")
    usual: float = Field(description="Of everybody's.")
    lift: float


class Favourite(Shown):
    """An item that a person chose most."""

    item: str
    title: str
    evidence: float


class TasteOut(Shown):
    """What a person's past says."""

    allowed: bool = Field(description="False where the person refuses to be analysed: all else is then empty.")
    events: int = Field(description="Those looked at, the newest ones.")
    kinds: dict[str, int] = Field(description="Events by type.")
    chosen: list[HabitOut]
    moments: list[HabitOut]
    favourites: list[Favourite]
    prices: list[float] = Field(description="Quartiles of what was chosen; empty where no price is known.")
