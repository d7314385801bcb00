"""Values as JSON texts and back, for any store. Names and order of text fields are kept; what is empty is left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from occasion.data import Context, Event, Item, Scalar, Slate, SlateEntry, User
from occasion.errors import DataError

__all__ = [
    "as_json",
    "context_fields",
    "context_signals",
    "event_fields",
    "item_body",
    "item_fields",
    "item_from",
    "slate_body",
    "slate_fields",
    "slate_from",
    "slate_from_fields",
    "user_body",
    "user_fields",
    "user_from",
]


# Made once: json.dumps makes an encoder for each call.
_ENCODE = {
    sort: json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=sort, allow_nan=False).encode
    for sort in (False, True)
}


def as_json(value: Any, *, sort: bool = False) -> str:
    """Return compact JSON that is valid UTF-8.

    Raises
    ------
    DataError
        A whole number too long to be written.
    """
    try:
        text = _ENCODE[sort](value)
    except ValueError as error:
        raise DataError(f"a value cannot be stored: {error}. Cure: pass shorter numbers, or pass them as text.") from None
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            # A name holds a lone surrogate: escapes are the only way to keep it.
            return json.dumps(value, separators=(",", ":"), sort_keys=sort)
    return text


def _filled(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value != () and value != {} and value != ""}


def _tupled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def item_fields(item: Item) -> dict[str, Any]:
    """Return what is known of an item, its id left out."""
    return _filled(
        text=dict(item.text),
        attributes=dict(item.attributes),
        categories=item.categories,
        price=item.price,
        available_from=item.available_from,
        available_until=item.available_until,
        media=dict(item.media),
    )


def item_body(item: Item) -> str:
    """Return an item as JSON, its id left out."""
    return as_json(item_fields(item))


def item_from(item_id: str, body: str) -> Item:
    """Return the item that `item_body` wrote."""
    return Item.unchecked(item_id, json.loads(body))


def user_fields(user: User) -> dict[str, Any]:
    """Return what is known of a user, the id left out."""
    return _filled(attributes=dict(user.attributes))


def user_body(user: User) -> str:
    """Return a user as JSON, the id left out."""
    return as_json(user_fields(user))


def user_from(user_id: str, body: str) -> User:
    """Return the user that `user_body` wrote."""
    return User(id=user_id, attributes=_tupled(json.loads(body).get("attributes", {})))


def context_signals(signals: Mapping[str, Scalar]) -> str:
    """Return signals as JSON with sorted names: equal signals give equal texts."""
    return as_json(dict(signals), sort=True)


def event_fields(event: Event) -> dict[str, Any]:
    """Return what is known of an event, its id included."""
    return _filled(
        id=event.id,
        user=event.user,
        session=event.session,
        item=event.item,
        type=event.type,
        value=event.value,
        at=event.at,
        text=event.text,
        signals=dict(event.signals),
        slate=event.slate,
    )


def context_fields(context: Context) -> dict[str, Any]:
    """Return what is known of a moment."""
    return _filled(
        user=context.user,
        session=context.session,
        at=context.at,
        text=context.text,
        signals=dict(context.signals),
        time_zone=context.time_zone,
        country=context.country,
        locale=context.locale,
        recent=context.recent,
    )


def _entry_fields(entry: SlateEntry) -> dict[str, Any]:
    fields: dict[str, Any] = {"item": entry.item, "score": float(entry.score), "propensity": float(entry.propensity)}
    if entry.parts:
        fields["parts"] = {name: float(part) for name, part in entry.parts.items()}
    if entry.because:
        fields["because"] = entry.because
    if entry.reason:
        fields["reason"] = entry.reason
    return fields


def slate_fields(slate: Slate) -> dict[str, Any]:
    """Return what is known of an answer, its id left out."""
    return _filled(
        context=context_fields(slate.context),
        entries=tuple(_entry_fields(entry) for entry in slate.entries),
        sentence=slate.sentence,
        notes=slate.notes,
        version=slate.version,
        policy=slate.policy,
        scenario=slate.scenario,
    )


def slate_body(slate: Slate) -> str:
    """Return an answer as JSON, its id left out."""
    from pydantic_core import PydanticSerializationError, to_json

    fields = slate_fields(slate)
    try:
        return to_json(fields).decode()
    except PydanticSerializationError:
        # A text holds a lone surrogate.
        return as_json(fields)


def slate_from_fields(slate_id: str, fields: Mapping[str, Any]) -> Slate:
    """Return the answer that `slate_fields` took apart."""
    context = dict(fields.get("context", {}))
    return Slate(
        id=slate_id,
        context=Context(**{**context, "recent": tuple(context.get("recent", ()))}),
        entries=tuple(SlateEntry(**{**entry, "because": tuple(entry.get("because", ()))}) for entry in fields.get("entries", ())),
        sentence=fields.get("sentence", ""),
        notes=tuple(fields.get("notes", ())),
        version=fields.get("version", ""),
        policy=fields.get("policy", ""),
        scenario=fields.get("scenario", ""),
    )


def slate_from(slate_id: str, body: str) -> Slate:
    """Return the answer that `slate_body` wrote."""
    return slate_from_fields(slate_id, json.loads(body))
