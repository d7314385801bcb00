"""The values that travel through Occasion: items, users, contexts, events and slates.

All are frozen, keyword-only, and validated on creation: a value that exists is usable. Ids are non-empty strings of any
characters (at most 512). Times are unix seconds, UTC, as float. Mappings are copied on creation.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from occasion.errors import DataError

__all__ = [
    "EVENT_TYPES",
    "MAX_ID_LENGTH",
    "MAX_TEXT_LENGTH",
    "Attribute",
    "Context",
    "Event",
    "EventType",
    "Item",
    "Scalar",
    "Slate",
    "SlateEntry",
    "User",
    "checked_id",
    "checked_time",
    "checked_values",
    "content_hash",
]

T = TypeVar("T")
Scalar = str | int | float | bool
Attribute = Scalar | tuple[str, ...]

MAX_ID_LENGTH = 512
MAX_TEXT_LENGTH = 100_000
MAX_SIGNALS = 256
_EMPTY: Mapping[str, Any] = MappingProxyType({})
# Years 1900 to 2500: outside of it a time is nearly always milliseconds or a typing error.
_EARLIEST, _LATEST = -2_208_988_800.0, 16_725_225_600.0


@dataclass(frozen=True, slots=True)
class EventType:
    """What a kind of event says about a person's liking.

    Attributes
    ----------
    weight : float
        Evidence of liking, relative to a click = 1. Negative: the person does not want it. 0: says nothing.
    """

    weight: float


EVENT_TYPES: Mapping[str, EventType] = MappingProxyType(
    {
        "impression": EventType(0.0),
        "view": EventType(0.5),
        "click": EventType(1.0),
        "dwell": EventType(1.0),
        "play": EventType(1.0),
        "save": EventType(2.0),
        "like": EventType(2.0),
        "share": EventType(2.0),
        "cart": EventType(2.0),
        "purchase": EventType(3.0),
        "rating": EventType(2.0),
        "skip": EventType(-0.5),
        "dislike": EventType(-2.0),
        "hide": EventType(-2.0),
    }
)
"""Known event types. A type that is not listed counts as a click. A rating's sign follows its value (see statistics)."""


def checked_id(value: object, name: str) -> str:
    """Return an id; raise `DataError` where it is no text, empty or longer than `MAX_ID_LENGTH`."""
    if not isinstance(value, str):
        raise DataError(f"{name} must be text, found {type(value).__name__} {value!r}. Cure: pass str({name}).")
    if not value.strip():
        raise DataError(f"{name} is empty. Cure: give every {name} at least one visible character.")
    if len(value) > MAX_ID_LENGTH:
        raise DataError(f"{name} has {len(value)} characters, at most {MAX_ID_LENGTH} are allowed. Cure: shorten or hash it.")
    return value


def _check_text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{name} must be text, found {type(value).__name__} {value!r}.")
    if len(value) > MAX_TEXT_LENGTH:
        raise DataError(f"{name} has {len(value)} characters, at most {MAX_TEXT_LENGTH} are allowed. Cure: cut it.")
    # A lone surrogate cannot be stored or hashed; replace it rather than lose the row.
    return value.encode("utf-8", "replace").decode("utf-8") if not value.isascii() else value


def checked_time(value: object, name: str) -> float | None:
    """Return a time; raise `DataError` where it is no number or outside of the years 1900 to 2500."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise DataError(f"{name} must be unix seconds, found {value!r}. Cure: pass a finite number or None.")
    if not _EARLIEST <= value <= _LATEST:
        raise DataError(
            f"{name} = {value!r} lies outside the years 1900 to 2500. Cure: pass seconds, not milliseconds "
            f"(divide by 1000) or nanoseconds."
        )
    return float(value)


def _check_number(value: object, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise DataError(f"{name} must be a finite number, found {value!r}. Cure: pass a number or leave it out.")
    return float(value)


def _scalar(value: object, name: str) -> Scalar:
    if isinstance(value, str):
        return _check_text(value, name)
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise DataError(f"{name} must be text, a finite number or true/false, found {value!r}. Cure: leave unknown values out.")


def _attribute(value: object, name: str) -> Attribute:
    if isinstance(value, (list, tuple)):
        return tuple(_check_text(v, name) for v in value)
    return _scalar(value, name)


def _mapping(values: object, name: str, check: Any) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise DataError(f"{name} must be a mapping of names to values, found {type(values).__name__}.")
    if len(values) > MAX_SIGNALS:
        raise DataError(f"{name} has {len(values)} entries, at most {MAX_SIGNALS} are allowed.")
    for key in values:
        checked_id(key, f"a name in {name}")
    return MappingProxyType({k: check(v, f"{name}[{k!r}]") for k, v in values.items() if v is not None})


def _set(target: object, /, **fields: object) -> None:
    for name, content in fields.items():
        object.__setattr__(target, name, content)


def checked_values(kind: type[T], given: Iterable[T]) -> Iterator[T]:
    """Yield values of one kind, such as `Item`.

    Raises
    ------
    DataError
        Where they are no list, or at the first that is something else.
    """
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise DataError(f"a list of {kind.__name__} is wanted, found {given!r:.200}. Cure: put it in a list.")
    for value in given:
        if not isinstance(value, kind):
            found = f"{type(value).__name__} {value!r:.200}"
            raise DataError(f"a value of the kind {kind.__name__} is wanted, found {found}. Cure: {kind.__name__}(...).")
        yield value


def content_hash(*parts: object) -> str:
    """32 hex digits that depend on the content of `parts` alone (blake2b over canonical JSON)."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=dict)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """Something that can be recommended.

    Attributes
    ----------
    id : str
        Unique among the items of a store.
    text : mapping of str to str
        Text fields in reading order, for example title, description. What the language model reads.
    attributes : mapping of str to scalar or tuple of str
        Anything to filter, boost or learn by: brand, colour, tags.
    categories : tuple of str
        From broad to narrow.
    price : float or None
        In the shop's currency, >= 0.
    available_from, available_until : float or None
        Unix seconds; recommendable in [from, until). None: no limit.
    media : mapping of str to str
        Kind (image, audio, video) to a path or address. Images are looked at where the setting ``image_encoder`` is.
    """

    id: str
    text: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: _EMPTY)
    categories: tuple[str, ...] = ()
    price: float | None = None
    available_from: float | None = None
    available_until: float | None = None
    media: Mapping[str, str] = field(default_factory=lambda: _EMPTY)

    def __post_init__(self) -> None:
        checked_id(self.id, "item id")
        if isinstance(self.categories, str):
            raise DataError(
                f"categories must be a sequence of texts, found the text {self.categories!r}. Cure: ({self.categories!r},)"
            )
        price = _check_number(self.price, "price")
        if price is not None and price < 0:
            raise DataError(f"price of item {self.id!r} is {price}, it must be at least 0.")
        start, end = (
            checked_time(self.available_from, "available_from"),
            checked_time(self.available_until, "available_until"),
        )
        if start is not None and end is not None and end <= start:
            raise DataError(f"item {self.id!r} is available from {start} until {end}: the end must lie after the start.")
        _set(
            self,
            text=_mapping(self.text, "text", _check_text),
            attributes=_mapping(self.attributes, "attributes", _attribute),
            categories=tuple(_check_text(c, "category") for c in self.categories),
            price=price,
            available_from=start,
            available_until=end,
            media=_mapping(self.media, "media", _check_text),
        )

    @classmethod
    def unchecked(cls, id: str, fields: Mapping[str, Any]) -> Item:
        """Return an item of fields that were checked before, as a store reads them back: a fifth of the time of checking anew."""
        item = cls.__new__(cls)
        attributes = {n: tuple(v) if isinstance(v, list) else v for n, v in fields.get("attributes", _EMPTY).items()}
        _set(
            item,
            id=id,
            text=MappingProxyType(fields.get("text", {})),
            attributes=MappingProxyType(attributes),
            categories=tuple(fields.get("categories", ())),
            price=fields.get("price"),
            available_from=fields.get("available_from"),
            available_until=fields.get("available_until"),
            media=MappingProxyType(fields.get("media", {})),
        )
        return item

    @property
    def title(self) -> str:
        """The shortest name a person would recognise: title, name, else the first text, else the id."""
        for name in ("title", "name"):
            if self.text.get(name):
                return self.text[name]
        return next((t for t in self.text.values() if t), self.id)

    def sentence(self, limit: int = 600) -> str:
        """The text the language model reads: text fields in order, then categories; cut at `limit` characters."""
        parts = [t.strip() for t in self.text.values() if t and t.strip()]
        if self.categories:
            parts.insert(1 if parts else 0, " > ".join(self.categories))
        return " ".join(". ".join(parts).split())[:limit]


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A person, by id, with whatever is known of them."""

    id: str
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: _EMPTY)

    def __post_init__(self) -> None:
        checked_id(self.id, "user id")
        _set(self, attributes=_mapping(self.attributes, "attributes", _attribute))


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """The situation a request is made in.

    Attributes
    ----------
    user : str or None
        None: nobody known.
    session : str or None
        Ties the events of an anonymous visitor together.
    at : float or None
        Unix seconds. None: now. Only what happened before `at` is used.
    text : str
        The situation in the person's own words, any language the encoder knows.
    signals : mapping of str to scalar
        Typed signals, known ones (weather, device, company, mood, activity, place, latitude, longitude, temperature) and any other.
    time_zone : str or None
        IANA name. None: the configured one.
    country : str or None
        ISO 3166 code for public holidays.
    locale : str
        Language of sentences and reasons: "en" or "zh".
    recent : tuple of str
        Item ids just looked at, oldest first, that are not in the store as events.
    """

    user: str | None = None
    session: str | None = None
    at: float | None = None
    text: str = ""
    signals: Mapping[str, Scalar] = field(default_factory=lambda: _EMPTY)
    time_zone: str | None = None
    country: str | None = None
    locale: str = "en"
    recent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.user is not None:
            checked_id(self.user, "user")
        if self.session is not None:
            checked_id(self.session, "session")
        if self.locale not in ("en", "zh"):
            raise DataError(f"locale is {self.locale!r}, it must be 'en' or 'zh'.")
        if isinstance(self.recent, str):
            raise DataError("recent must be a sequence of item ids, found one text.")
        _set(
            self,
            at=checked_time(self.at, "at"),
            text=_check_text(self.text, "text"),
            signals=_mapping(self.signals, "signals", _scalar),
            recent=tuple(checked_id(i, "recent item") for i in self.recent),
        )

    def revised(self, **fields: Any) -> Context:
        """Return this context with some fields replaced by values that need no check, a mapping as one that nobody changes.

        A tenth of the time of `dataclasses.replace`, which checks all of them anew.
        """
        out = Context.__new__(Context)
        for name in _CONTEXT_FIELDS:
            object.__setattr__(out, name, fields[name] if name in fields else getattr(self, name))
        return out


_CONTEXT_FIELDS = tuple(Context.__dataclass_fields__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something a person did with an item.

    Attributes
    ----------
    id : str
        Given, or made from the content: the same event twice is stored once.
    user, session : str or None
        At least one of the two.
    type : str
        See `EVENT_TYPES`; any other name counts as a click.
    value : float or None
        Rating, seconds of dwell, price paid, number bought.
    at : float or None
        Unix seconds; None: the source knows no times, order of arrival counts.
    text, signals
        The context it happened in, as in `Context`.
    slate : str or None
        The answer it came from.
    """

    item: str
    user: str | None = None
    session: str | None = None
    type: str = "click"
    value: float | None = None
    at: float | None = None
    text: str = ""
    signals: Mapping[str, Scalar] = field(default_factory=lambda: _EMPTY)
    slate: str | None = None
    id: str = ""

    def __post_init__(self) -> None:
        checked_id(self.item, "item")
        if self.user is None and self.session is None:
            raise DataError("an event needs a user or a session, both are missing.")
        for name in ("user", "session", "slate"):
            if getattr(self, name) is not None:
                checked_id(getattr(self, name), name)
        checked_id(self.type, "event type")
        _set(
            self,
            value=_check_number(self.value, "value"),
            at=checked_time(self.at, "at"),
            text=_check_text(self.text, "text"),
            signals=_mapping(self.signals, "signals", _scalar),
        )
        if self.id:
            checked_id(self.id, "event id")
        else:
            parts = (
                self.user,
                self.session,
                self.item,
                self.type,
                self.value,
                self.at,
                self.text,
                dict(self.signals),
                self.slate,
            )
            _set(self, id=content_hash(*parts))


@dataclass(frozen=True, kw_only=True, slots=True)
class SlateEntry:
    """One place of an answer.

    Attributes
    ----------
    item : str
    score : float
        The sum of `parts`.
    propensity : float
        Probability that the policy put this item at this place, given the places before it; in (0, 1].
    parts : mapping of str to float
        What the score is made of: moment, history, looks, others, popularity, exploration, rules.
    because : tuple of str
        Item ids of the history that speak for this item, strongest first.
    reason : str
        The same in one sentence.
    """

    item: str
    score: float
    propensity: float = 1.0
    parts: Mapping[str, float] = field(default_factory=lambda: _EMPTY)
    because: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Slate:
    """One answer, as stored: what was recommended to whom, when, by which model, and why.

    Attributes
    ----------
    id : str
        Events name it to tie feedback to the answer.
    sentence : str
        The situation as the language model read it.
    notes : tuple of str
        What the caller should know, for example that a filter left fewer items than asked for.
    version, policy : str
        What chose it.
    scenario : str
        The scenario that the request named, "" for none.
    """

    id: str
    context: Context
    entries: tuple[SlateEntry, ...]
    sentence: str = ""
    notes: tuple[str, ...] = ()
    version: str = ""
    policy: str = ""
    scenario: str = ""

    @property
    def items(self) -> tuple[str, ...]:
        """The item ids in order."""
        return tuple(e.item for e in self.entries)
