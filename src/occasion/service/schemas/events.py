"""Events: what people did."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from occasion.data import MAX_ID_LENGTH, Event
from occasion.service.schemas.base import Body, Id, Shown, Signals, Text, Time

__all__ = ["Acknowledged", "EventIn", "EventOut", "EventPage", "EventsIn", "Rejected", "Streamed"]

MOST = 1000


class EventIn(Body):
    """Something a person did with an item; a user or a session must be named."""

    item: Id
    user: Id | None = None
    session: Id | None = None
    type: Id = "click"
    value: float | None = None
    at: Time | None = Field(default=None, description="When it happened; left out: now.")
    text: Text = ""
    signals: Signals = {}
    slate: Id | None = Field(default=None, description="The answer it came from.")
    id: Annotated[str, Field(max_length=MAX_ID_LENGTH)] = Field(
        default="", description="The event's own id: the same one twice is stored once. Left out: made from the content."
    )

    def event(self, now: float) -> Event:
        """Return the value; an event without a time happened `now`."""
        return Event(
            item=self.item,
            user=self.user,
            session=self.session,
            type=self.type,
            value=self.value,
            at=now if self.at is None else self.at,
            text=self.text,
            signals=self.signals,
            slate=self.slate,
            id=self.id,
        )


class EventsIn(Body):
    """Events to store in one transaction: all or none."""

    events: Annotated[list[EventIn], Field(min_length=1, max_length=MOST)]


class Acknowledged(Shown):
    """The events are on the disk, and count in the next answer."""

    received: int = Field(ge=0, examples=[1])
    new: int = Field(ge=0, description="Those whose id was not stored before.", examples=[1])
    notes: list[str] = Field(description="What of them counts for nothing: signals that cannot be, such as a latitude of 131.")


class Rejected(Shown):
    """A line that was not taken."""

    line: int
    reason: str


class Streamed(Acknowledged):
    """The good lines of a stream are on the disk."""

    rejected: int
    rejects: list[Rejected] = Field(description="The first 100 lines that were not taken.")


class EventOut(Shown):
    """An event as stored, newest first in lists, with the context it happened in."""

    item: str
    type: str
    value: float | None = None
    at: float | None = None
    text: str = ""
    signals: dict[str, bool | int | float | str] = {}


class EventPage(Shown):
    """The newest events of a user or a session."""

    events: list[EventOut]
    analysed: bool = Field(
        default=True, description="False: the person refuses to be analysed; `events` is then empty but for an admin key."
    )
