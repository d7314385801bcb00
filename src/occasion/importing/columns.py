"""From the columns of a file to what they mean: by name first, then by what they hold. A mapping given by hand wins."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from occasion.errors import DataError
from occasion.importing.cells import Fault, as_number, as_price, as_time, as_truth, place_of_day
from occasion.importing.report import DAY_FIRST, ColumnUse, FilePlan
from occasion.importing.synonyms import (
    ALSO_TEXT,
    ASKED_FOR,
    BARE_IDS,
    CATEGORIES,
    EVENT_ROLES,
    ID_LIKE,
    ITEM_ROLES,
    KNOWN_SIGNALS,
    NAME_HINTS,
    OUTCOME,
    PURCHASE_COLUMNS,
    ROLES,
    SIGNAL,
    TEXT_NAMES,
    TYPE_HINTS,
    USER_HINTS,
    VALUE_ROLES,
)

__all__ = ["ALSO", "KINDS", "check_mapping", "plan_file"]

KINDS = ("consents", "items", "users", "events", "slates")
"""What rows may be, in the order in which they are imported: choices first, as they say what may be kept."""

TIMES = frozenset({"at", "available_from", "available_until"})
_TESTS: Mapping[str, Callable[[Any], object]] = {
    **dict.fromkeys(TIMES, as_time),
    "price": as_price,
    "value": as_number,
    "rating": as_number,
    "amount": as_number,
    "granted": as_truth,
}
_NESTED = frozenset({"text", "attributes", "media", "context"})
_GROUPS = {"items": ("text", "attributes", "media"), "users": ("attributes",), "events": ("signals",)}
"""Columns called ``media.image`` and the like are what they are called."""
ALSO = "and part of the text"
"""Why a maker's name, or a colour, is an attribute and text."""
_WHY = {DAY_FIRST: "the day before the month"}
CODE = 3
"""Mean characters up to which words are codes: languages and countries by their ISO names, sizes."""
LONG = 40
"""Mean characters above which a column of texts is for reading, not for filtering."""


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _words(name: str) -> list[str]:
    """Return the words of a file's name: runs of letters of any script."""
    return re.split(r"[\W\d_]+", name)


def check_mapping(mapping: Mapping[str, str], columns: Sequence[str]) -> None:
    """Refuse a mapping to columns that no file has.

    Raises
    ------
    DataError
        Names the column and those there are.
    """
    for role, column in mapping.items():
        for name in column.split(","):
            if name.strip() not in columns:
                there = ", ".join(sorted(set(columns))[:30])
                raise DataError(f"mapping {role}={column}: there is no column {name.strip()!r}. Cure: use one of {there}.")


def _guess_kind(file: str, names: Mapping[str, str], roles_given: Mapping[str, str]) -> str:
    """Return the kind of rows by columns, then by the file's name."""
    plain = {_plain(n) for n in names.values()}
    given = set(roles_given)
    user = bool(plain & set(EVENT_ROLES["user"]) or plain & set(EVENT_ROLES["session"]) or given & {"user", "session"})
    item = bool(plain & set(EVENT_ROLES["item"]) or "item" in given)
    stem = re.sub(r"\.(gz|csv|tsv|jsonl?|ndjson|parquet|inter|item|user)$", "", file.rsplit("/", 1)[-1].lower())
    words = _words(stem)
    by_name = [kind for kind, hint in NAME_HINTS.items() if any(hint.fullmatch(w) for w in words)]
    if file.endswith((".inter", ".item", ".user")):
        return {"inter": "events", "item": "items", "user": "users"}[file.rsplit(".", 1)[-1]]
    if {"id", "context", "entries"} <= plain:
        return "slates"
    if {"purpose", "granted"} <= plain | given:
        return "consents"
    if user and item:
        return "events"
    if (plain | given) & BARE_IDS or user or item:
        texts = bool(plain & {n for role, ns in ITEM_ROLES.items() if role != "id" for n in ns} or plain & set(CATEGORIES[1]))
        if user and not item and not texts:
            return "users"
        if item or (texts and "users" not in by_name):
            return "items"
        if "users" in by_name or plain & USER_HINTS:
            return "users"
        if "items" in by_name:
            return "items"
    raise DataError(
        f"{file}: cannot tell whether its rows are items, users or events from the columns {', '.join(names.values())}. "
        "Cure: say which kind, and map the id, for example kind=items with id=<column>."
    )


class _Planner:
    """Gives each column of one file its role."""

    def __init__(
        self,
        file: str,
        kind: str,
        sample: Mapping[str, list[Any]],
        declared: Mapping[str, str],
        numeric: Collection[str],
        ambiguous: Collection[str],
    ) -> None:
        self.file, self.kind, self.sample, self.declared = file, kind, sample, declared
        self.numeric, self.ambiguous = numeric, ambiguous
        self.uses: dict[str, ColumnUse] = {}
        self.notes: list[str] = []
        self.taken: set[str] = set()

    def use(self, column: str, role: str, why: str = "") -> None:
        """Give a column a role."""
        form = self.form(column, role)
        self.uses[column] = ColumnUse(column=column, role=role, form=form, why=why or _WHY.get(form, ""))
        self.taken.add(role)

    def form(self, column: str, role: str) -> str:
        """Return how the cells of a column are read."""
        if role in TIMES:
            return DAY_FIRST if place_of_day(self.sample.get(column, ())) == "first" else "as is"
        if role.split(".")[0] not in ("attributes", "signals", "categories") or role in ("attributes", "signals"):
            return "as is"
        if column in self.declared:
            return self.declared[column]
        texts = [v for v in self.sample.get(column, ()) if isinstance(v, str) and v]
        if not texts:
            return "as is"
        if not role.startswith("signals") and sum("|" in t for t in texts) * 20 >= len(texts):
            return "list"
        if ID_LIKE.search(column) or role == "categories":
            return "text"
        return "number" if column in self.numeric else "text"

    def truth(self, column: str) -> bool:
        """Return whether a column holds yes and no only."""
        try:
            for value in self.sample.get(column, ()):
                as_truth(value)
        except Fault:
            return False
        return True


def plan_file(
    file: str,
    format: str,
    names: Mapping[str, str],
    sample: Mapping[str, list[Any]],
    *,
    kind: str = "auto",
    mapping: Mapping[str, str] | None = None,
    declared: Mapping[str, str] | None = None,
    numeric: Collection[str] = (),
    ambiguous: Collection[str] = (),
    event_type: str | None = None,
) -> FilePlan:
    """Return how a file is understood.

    Parameters
    ----------
    file, format : str
    names : mapping
        Column as in the file to its plain name.
    sample : mapping
        Column to its first values, None left out.
    kind : str
        ``auto`` or one of `KINDS`.
    mapping : mapping of str to str
        Role to column, or to several parted by commas: ``user``, ``item``, ``at``, ``text.title``, ``attributes.brand``,
        ``signals.weather``, ``title`` and ``description`` for short, or ``ignored``. Columns the file lacks are passed over.
    declared : mapping
        Column to the form that the file itself declares.
    numeric : collection of str
        Columns of texts that are all numbers.
    ambiguous : collection of str
        Columns that do not tell rows apart.
    event_type : str, optional
        The type of events whose row names none.

    Raises
    ------
    DataError
        The kind cannot be told, or a column that each row needs is missing.
    """
    here = {role: [c.strip() for c in columns.split(",") if c.strip() in names] for role, columns in (mapping or {}).items()}
    here = {_role(role): columns for role, columns in here.items() if columns}
    kind = _guess_kind(file, names, {r: c[0] for r, c in here.items()}) if kind == "auto" else kind
    planner = _Planner(file, kind, sample, declared or {}, numeric, ambiguous)
    for role, columns in here.items():
        for column in columns:
            planner.use(column, role, "as told")
    _by_name(planner, names)
    if kind == "events":
        _event_columns(planner, names)
    elif kind == "items":
        _item_columns(planner, names)
    else:
        for column, name in names.items():
            if column not in planner.uses:
                planner.use(column, f"attributes.{name}" if kind == "users" else "ignored")
    _check(planner, names)
    return FilePlan(
        file=file,
        format=format,
        kind=kind,
        columns=tuple(planner.uses.values()),
        event_type=event_type or (_default_type(planner, names) if kind == "events" else "click"),
        notes=tuple(planner.notes),
    )


def _role(role: str) -> str:
    short = {"title": "text.title", "description": "text.description", "image": "media.image", "brand": "attributes.brand"}
    return short.get(role, role.replace("ctx_", "signals.", 1) if role.startswith("ctx_") else role)


def _by_name(planner: _Planner, names: Mapping[str, str]) -> None:
    plain: dict[str, list[str]] = {}
    for column, name in names.items():
        group, _, part = name.partition(".")
        if part and group in _GROUPS.get(planner.kind, ()) and column not in planner.uses and name not in planner.taken:
            planner.use(column, name)
        plain.setdefault(_plain(name), []).append(column)
    for role, synonyms in ROLES[planner.kind].items():
        if role in planner.taken or (role in VALUE_ROLES and planner.taken & VALUE_ROLES):
            continue
        for synonym in synonyms:
            free = [c for c in plain.get(synonym, ()) if c not in planner.uses and _may_be(planner, role, c)]
            if free:
                planner.use(free[0], "value" if role == "amount" else role)
                break


def _may_be(planner: _Planner, role: str, column: str) -> bool:
    """Return whether what a column holds fits the role its name suggests."""
    values = planner.sample.get(column, [])
    if role == "clicked":
        return planner.truth(column)
    day = place_of_day(values) if role in TIMES else "none"
    if role in _TESTS and not _mostly(partial(as_time, day_first=day == "first") if role in TIMES else _TESTS[role], values):
        planner.notes.append(f"{column} is called like the {role}, but what it holds is not")
        return False
    if day == "open":
        planner.notes.append(f"{column}: dates such as 1/2/2026 are read as month/day; its first rows leave it open")
    if role == "signals" or (role in _NESTED and planner.kind != "events"):
        return sum(isinstance(v, dict) or str(v).lstrip().startswith("{") for v in values) * 2 >= len(values)
    if role == "id" and planner.kind == "events" and column in planner.ambiguous:
        planner.notes.append(f"{column} is the same for different rows, so it does not tell events apart")
        return False
    return True


def _mostly(test: Callable[[Any], object], values: Sequence[Any]) -> bool:
    """Return whether at least half of some values are as they should be."""
    some, good = values[:200], 0
    for value in some:
        with contextlib.suppress(Fault):
            test(value)
            good += 1
    return good * 2 >= len(some)


def _event_columns(planner: _Planner, names: Mapping[str, str]) -> None:
    for column, name in names.items():
        if column in planner.uses:
            continue
        signal = SIGNAL.fullmatch(name)
        if OUTCOME.match(signal["name"] if signal else name):
            planner.use(column, "ignored", "an outcome is no context")
        elif signal:
            planner.use(column, f"signals.{signal['name']}")
        elif _plain(name) in KNOWN_SIGNALS:
            planner.use(column, f"signals.{name}")
        else:
            planner.use(column, "ignored", "its meaning is not known; map it to use it")


def _item_columns(planner: _Planner, names: Mapping[str, str]) -> None:
    categories = [
        column
        for level in CATEGORIES
        for column, name in names.items()
        if _plain(name) in level and column not in planner.uses and "categories" not in planner.taken
    ]
    for column in categories:
        planner.use(column, "categories")
    for column, name in names.items():
        if column in planner.uses:
            continue
        plain, texts = _plain(name), [v for v in planner.sample.get(column, ()) if isinstance(v, str)]
        if re.fullmatch(r"column_\d+", name) or plain.startswith("unnamed"):
            planner.use(column, "ignored", "it has no name")
        elif plain in ALSO_TEXT or (plain in ASKED_FOR and _in_words(planner.sample.get(column, ()))):
            planner.use(column, f"attributes.{name}", ALSO)
        elif plain in TEXT_NAMES or _prose(planner, column, texts):
            planner.use(column, f"text.{name}")
        else:
            planner.use(column, f"attributes.{name}")
    # Categories are one path: broad first, whatever the order in the file.
    rest = sorted((c for c in planner.uses if c not in categories), key=lambda c: _reading_order(planner.uses[c]))
    planner.uses = {c: planner.uses[c] for c in [*categories, *rest]}


def _prose(planner: _Planner, column: str, texts: Sequence[str]) -> bool:
    """Return whether a column is for reading: long texts that are no lists and no addresses."""
    long = sum(map(len, texts)) > LONG * len(texts)
    return long and planner.form(column, "attributes.x") != "list" and not _addresses(texts)


def _in_words(values: Sequence[Any]) -> bool:
    """Return whether what a column holds, lists or texts, is told in words: no codes and no numbers."""
    texts = [
        text for value in values for text in (value if isinstance(value, (list, tuple)) else (value,)) if isinstance(text, str)
    ]
    words = [word.strip() for text in texts for word in re.split(r"[|,;/]", text) if any(sign.isalpha() for sign in word)]
    letters = sum(len(word) if word.isascii() else CODE + 1 for word in words)
    return len(words) * 2 > len(texts) and letters > CODE * len(words)


def _reading_order(use: ColumnUse) -> int:
    """Return the place of a column: what is cut off where a text gets too long comes last."""
    if use.role == "text.title":
        return 1
    if use.why == ALSO:
        return 2
    if use.role == "text.description":
        return 4
    return 3 if use.role.startswith("text.") and _plain(use.column) in TEXT_NAMES else 5


def _addresses(texts: Sequence[str]) -> bool:
    return sum(t.startswith(("http://", "https://", "/")) for t in texts) * 2 > len(texts)


_NEEDED: Mapping[str, Sequence[str]] = {
    "consents": ["purpose", "granted", "at"],
    "items": ["id"],
    "users": ["id"],
    "events": ["item"],
    "slates": ["id", "context", "entries"],
}


def _check(planner: _Planner, names: Mapping[str, str]) -> None:
    missing = [role for role in _NEEDED[planner.kind] if role not in planner.taken]
    if planner.kind in ("events", "consents") and not planner.taken & {"user", "session"}:
        missing.append("user")
    if missing:
        raise DataError(
            f"{planner.file}: no column is the {missing[0]} of {planner.kind}; there are {', '.join(names)}. "
            f"Cure: map it, for example {missing[0]}=<column>."
        )


def _default_type(planner: _Planner, names: Mapping[str, str]) -> str:
    """Return the type of events whose row names none."""
    plain = {_plain(n) for n in names.values()}
    words = _words(planner.file.rsplit("/", 1)[-1].lower())
    if "rating" in planner.taken:
        kind = "rating"
    elif "clicked" in planner.taken:
        kind = "impression"
    elif hint := next((t for t, h in TYPE_HINTS.items() if any(h.fullmatch(w) for w in words)), None):
        kind = str(hint)
    else:
        kind = "purchase" if plain & PURCHASE_COLUMNS else "click"
    if "type" not in planner.taken:
        planner.notes.append(
            f"each row is {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
            + (" or, where clicked, a click" if kind == "impression" else "")
        )
    return kind
