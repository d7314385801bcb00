"""Items and users."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from occasion.data import Item, User
from occasion.service.schemas.base import Attributes, Body, Id, Shown, Text, Time

__all__ = ["Changed", "ItemIn", "ItemOut", "ItemPage", "ItemsIn", "UserIds", "UserIn", "UserOut", "UsersIn"]

MOST = 1000


class ItemIn(Body):
    """Something that can be recommended."""

    id: Id
    text: Annotated[dict[str, Text], Field(max_length=256)] = {}
    attributes: Attributes = {}
    categories: Annotated[list[Text], Field(max_length=64)] = []
    price: Annotated[float, Field(ge=0)] | None = None
    available_from: Time | None = None
    available_until: Time | None = None
    media: Annotated[dict[str, Text], Field(max_length=256)] = {}

    def item(self) -> Item:
        """Return the value."""
        return Item(
            id=self.id,
            text=self.text,
            attributes={name: tuple(v) if isinstance(v, list) else v for name, v in self.attributes.items()},
            categories=tuple(self.categories),
            price=self.price,
            available_from=self.available_from,
            available_until=self.available_until,
            media=self.media,
        )


class ItemsIn(Body):
    """Items to insert or replace in one transaction."""

    items: Annotated[list[ItemIn], Field(min_length=1, max_length=MOST)]


class ItemOut(Shown):
    """An item as stored."""

    id: str
    text: dict[str, str] = {}
    attributes: dict[str, bool | int | float | str | list[str]] = {}
    categories: list[str] = []
    price: float | None = None
    available_from: float | None = None
    available_until: float | None = None
    media: dict[str, str] = {}


class ItemPage(Shown):
    """Some items, and where the next ones begin."""

    items: list[ItemOut]
    next: int | None = Field(default=None, description="Give it as `after` for the next page; null: this is the last.")


class Changed(Shown):
    """How many were new or changed."""

    changed: int = Field(ge=0, examples=[1])


class UserIn(Body):
    """A person, by id, with whatever is known of them."""

    id: Id
    attributes: Attributes = {}

    def user(self) -> User:
        """Return the value."""
        return User(id=self.id, attributes={n: tuple(v) if isinstance(v, list) else v for n, v in self.attributes.items()})


class UsersIn(Body):
    """Users to insert or replace in one transaction."""

    users: Annotated[list[UserIn], Field(min_length=1, max_length=MOST)]


class UserOut(Shown):
    """A user as stored."""

    id: str
    attributes: dict[str, bool | int | float | str | list[str]] = {}


class UserIds(Shown):
    """Ids of users."""

    users: list[str]
