"""What those who keep a catalogue see: searches, items, the map."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from occasion.service.schemas.answers import Entry
from occasion.service.schemas.base import Body, Id, Shown
from occasion.service.schemas.catalogue import ItemOut

__all__ = ["ItemPageOut", "MapOut", "MarksIn", "MarksOut", "SearchIn", "SearchOut", "SteeringOut"]


class SearchIn(Body):
    """Words, a filter, and which page of what is found."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "something salty", "filter": "price < 5", "k": 2}]})

    text: Annotated[str, Field(max_length=1000)] = ""
    filter: Annotated[str, Field(max_length=10_000)] | dict[str, Any] | None = None
    k: Annotated[int, Field(ge=1, le=200)] = 50
    offset: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    facets: Annotated[list[Id], Field(max_length=20)] | None = Field(
        default=None, description="Fields; left out: some that divide well."
    )


class FoundItem(Shown):
    """An item found."""

    item: ItemOut
    title: str
    popularity: float


class SearchOut(Shown):
    """What was found: a page of it, and how it divides."""

    total: int = Field(description="With words at most 800: those behind are not looked at.")
    items: list[FoundItem]
    facets: dict[str, list[tuple[Any, int]] | list[float]] = Field(
        description="(value, number) pairs; of numbers least and greatest."
    )


class LiftOut(Shown):
    """How much more often an item is chosen under a value of a signal than at other times."""

    signal: str
    value: str | int | float | bool
    lift: float = Field(description="0: as at other times, 0.69: twice as often.")
    events: float
    expected: float


class TakenOut(Shown):
    """What was done with an item."""

    events: dict[str, int] = Field(description="Number by type, the most frequent first.")
    people: int
    sample: list[str] = Field(description="Users who did something with it last.")
    last_at: float | None


class SteeringOut(Shown):
    """How an item is steered."""

    hide: bool
    pin: int | None
    boost: float | None


class ItemPageOut(Shown):
    """One item: what the model reads of it, who takes it, when it works, what is near."""

    item: ItemOut
    title: str
    text: str
    popularity: float
    rank: int | None
    taken: TakenOut
    lifts: list[LiftOut]
    neighbours: list[Entry]
    titles: dict[str, str] = Field(description="Of the neighbours.")
    steering: dict[str, SteeringOut] = Field(description="By scenario, where it is steered.")


class MapOut(Shown):
    """The catalogue in two dimensions. Arrays are base64 of little-endian numbers, one an item, in the order of `ids`."""

    state: Literal["ready", "drawing", "empty", "failed", "cancelled"]
    done: int
    total: int
    ids: list[str] = []
    x: str = Field(default="", description="uint16; 65535 is the right edge.")
    y: str = Field(default="", description="uint16.")
    group: str = Field(default="", description="uint8: place in `groups`.")
    popularity: str = Field(default="", description="uint8: 255 is the most popular.")
    groups: list[str] = []
    field: str = ""
    trouble: str = Field(default="", description="Why the last drawing failed; an older map may be shown all the same.")


class MarksIn(Body):
    """The items whose places are asked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": ["chips", "dip"]}]})

    items: Annotated[list[Id], Field(max_length=1000)]


class MarksOut(Shown):
    """All points of the map, and the places of some items. Arrays are as those of the map."""

    state: Literal["ready", "drawing", "empty", "failed", "cancelled"]
    done: int
    total: int
    x: str = ""
    y: str = ""
    marks: dict[str, Annotated[list[int], Field(min_length=2, max_length=2)]] = Field(
        default={}, description="Item to place (x, y), each number 0 to 65535; items that are not on the map are left out."
    )
    trouble: str = ""
