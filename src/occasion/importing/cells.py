"""One cell to one value: numbers, times, yes and no, lists, JSON. Each raises `Fault` with a short reason."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any, Literal

from occasion.data import MAX_ID_LENGTH, MAX_TEXT_LENGTH, Attribute, Scalar

__all__ = [
    "Fault",
    "as_attribute",
    "as_id",
    "as_list",
    "as_long_text",
    "as_mapping",
    "as_number",
    "as_price",
    "as_records",
    "as_scalar",
    "as_text",
    "as_time",
    "as_truth",
    "place_of_day",
]

_SLASHED = ("%m/%d/%Y", "%d/%m/%Y")
_DATES = ("%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%m %d, %Y", "%b %d, %Y", "%d %b %Y", "%Y年%m月%d日")
_HOURS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_WHOLE = (
    "%a %b %d %H:%M:%S %z %Y",
    "%a, %d %b %Y %H:%M:%S %z",
    "%Y年%m月%d日%H:%M",
    "%Y年%m月%d日 %H时%M分",
    "%Y年%m月%d日%H时%M分",
)
_FORMATS = tuple((*(day + hour for day in (slashed, *_DATES) for hour in _HOURS), *_WHOLE) for slashed in _SLASHED)
"""Ways to write a time, where dates with slashes begin with the month, and where with the day."""
_SLASHES = re.compile(r"\s*(\d{1,2})/(\d{1,2})/\d{4}\b.*", re.DOTALL)
# As in data.py: years 1900 to 2500. Anything later is taken for a smaller unit of time.
_EARLIEST, _LATEST = -2_208_988_800.0, 16_725_225_600.0
_UNITS = ((1e11, 1e14, 1e3), (1e14, 1e17, 1e6), (1e17, 1e20, 1e9))
_DAY = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_CURRENCY = re.compile(r"^\s*[^\d\s.,+-]{0,4}\s*|\s*[^\d\s,+-]{0,4}\s*$")
_DECIMAL_COMMA = re.compile(r"(\d+|\d{1,3}(\.\d{3})+),\d{2}")
_FREE = frozenset({"free", "gratis", "kostenlos", "gratuit", "免费"})
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")
_TRUE, _FALSE = frozenset({"1", "1.0", "true", "t", "yes", "y"}), frozenset({"0", "0.0", "false", "f", "no", "n"})


class Fault(ValueError):
    """A cell cannot be used; the message is the reason, the same for all cells with the same fault."""


def as_text(cell: Any) -> str:
    """Return a cell as text: whole numbers without a fraction, true and false in lower case, nested values as JSON."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        if not math.isfinite(cell):
            raise Fault("not a finite number")
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, (datetime, date, time)):
        return cell.isoformat()
    if isinstance(cell, (list, tuple, dict)):
        # Escapes, because a nested text may hold half a character.
        return json.dumps(cell, separators=(",", ":"), default=str)
    return str(cell)


def as_id(cell: Any) -> str:
    """Return a cell as an id."""
    text = as_text(cell)
    if not text.strip():
        raise Fault("an id is empty")
    if len(text) > MAX_ID_LENGTH:
        raise Fault(f"an id has more than {MAX_ID_LENGTH} characters")
    if not text.isascii() and text != text.encode("utf-8", "replace").decode():
        raise Fault("an id holds half a character")
    return text


def as_long_text(cell: Any) -> str:
    """Return a cell as text of bounded length."""
    text = as_text(cell)
    if len(text) > MAX_TEXT_LENGTH:
        raise Fault(f"a text has more than {MAX_TEXT_LENGTH} characters")
    return text


def as_number(cell: Any) -> float:
    """Return a cell as a finite number."""
    try:
        number = float(cell.strip() if isinstance(cell, str) else cell)
    except (TypeError, ValueError, OverflowError):
        raise Fault("not a number") from None
    if not math.isfinite(number):
        raise Fault("not a finite number")
    return number


def as_price(cell: Any) -> float:
    """Return a cell as a number >= 0; "free" is 0.

    A currency of at most four signs before or behind it (R$, EUR, руб.) and marks between thousands are passed over; 3,50 and
    1.299,00 have a decimal comma.
    """
    if isinstance(cell, str):
        if cell.strip().lower() in _FREE:
            return 0.0
        cell = _CURRENCY.sub("", cell)
        if _THOUSANDS.fullmatch(cell):
            cell = cell.replace(",", "")
        elif _DECIMAL_COMMA.fullmatch(cell):
            cell = cell.replace(".", "").replace(",", ".")
    price = as_number(cell)
    if price < 0:
        raise Fault("a price is negative")
    return price


def as_truth(cell: Any) -> bool:
    """Return a cell as yes or no."""
    text = as_text(cell).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise Fault("neither yes nor no")


def place_of_day(cells: Iterable[Any]) -> Literal["first", "second", "open", "none"]:
    """Return where the day stands in dates such as 31/12/2026: "open" where cells leave it open, "none" where they have no such."""
    pairs = [(int(found[1]), int(found[2])) for cell in cells if isinstance(cell, str) and (found := _SLASHES.fullmatch(cell))]
    if not pairs:
        return "none"
    if max(second for _, second in pairs) > 12:
        return "second"
    return "first" if max(first for first, _ in pairs) > 12 else "open"


def as_time(cell: Any, zone: tzinfo = UTC, *, dates: bool = False, day_first: bool = False) -> float:
    """Return a cell as unix seconds.

    Numbers are seconds, or milli-, micro- or nanoseconds where they are too great for seconds; texts are ISO 8601 or one
    of the common ways to write a date. A text without a zone is in `zone`. With `dates`, 20240131 is a date; with `day_first`,
    2/1/2026 is in January.
    """
    if isinstance(cell, (datetime, date)):
        return _in_range(_seconds(cell, zone))
    text = as_text(cell).strip()
    if dates and _DAY.fullmatch(text):
        return _in_range(_seconds(datetime.strptime(text, "%Y%m%d"), zone))
    if _NUMBER.fullmatch(text):
        return _in_range(_scaled(float(text)))
    try:
        return _in_range(_seconds(datetime.fromisoformat(text), zone))
    except (ValueError, OverflowError):
        pass
    for form in _FORMATS[day_first]:
        try:
            return _in_range(_seconds(datetime.strptime(text, form), zone))
        except Fault:
            raise
        except (ValueError, OverflowError):
            continue
    raise Fault("not a time")


def _seconds(moment: datetime | date, zone: tzinfo) -> float:
    full = moment if isinstance(moment, datetime) else datetime.combine(moment, time())
    return (full if full.tzinfo else full.replace(tzinfo=zone)).timestamp()


def _scaled(number: float) -> float:
    for low, high, unit in _UNITS:
        if low <= abs(number) < high:
            return number / unit
    return number


def _in_range(seconds: float) -> float:
    if not _EARLIEST <= seconds <= _LATEST:
        raise Fault("a time outside the years 1900 to 2500")
    return seconds


def as_list(cell: Any, separator: str = "") -> tuple[str, ...]:
    """Return a cell as a list of texts: a JSON list, or a text parted at `separator` (empty: not parted)."""
    if isinstance(cell, str) and cell.startswith("[") and cell.endswith("]"):
        try:
            parts = json.loads(cell)
        except (ValueError, RecursionError):
            parts = cell
        cell = parts if isinstance(parts, list) and all(isinstance(p, (str, int, float)) for p in parts) else cell
    if isinstance(cell, (list, tuple)):
        return tuple(as_long_text(part) for part in cell if part is not None)
    text = as_long_text(cell)
    parts = [part.strip() for part in text.split(separator)] if separator else [text]
    return tuple(part for part in parts if part)


def as_scalar(cell: Any, form: str = "as is") -> Scalar:
    """Return a cell as text, number or truth value, in the form its column has."""
    if form == "number" and isinstance(cell, str):
        # A column of numbers may still hold a word or two: they stay words.
        return _number_or_text(cell)
    if isinstance(cell, str):
        return as_long_text(cell)
    if isinstance(cell, (bool, int)):
        return as_text(cell) if form == "text" else cell
    if isinstance(cell, float):
        if not math.isfinite(cell):
            raise Fault("not a finite number")
        return as_text(cell) if form == "text" else cell
    return as_long_text(cell)


def _number_or_text(text: str) -> Scalar:
    if not _NUMBER.fullmatch(text.strip()):
        return as_long_text(text)
    number = float(text)
    if not math.isfinite(number):
        raise Fault("not a finite number")
    return int(text) if number.is_integer() and abs(number) < 1e15 and "." not in text and "e" not in text.lower() else number


def as_attribute(cell: Any, form: str = "as is", separator: str = "") -> Attribute:
    """Return a cell as an attribute: a scalar or a list of texts."""
    if form == "list" or isinstance(cell, (list, tuple)):
        return as_list(cell, separator)
    return as_scalar(cell, form)


def as_mapping(cell: Any, value: Callable[[Any], Any]) -> dict[str, Any]:
    """Return a cell, a JSON object or its text, as names and values; None among them left out."""
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            raise Fault("not a JSON object") from None
    if not isinstance(cell, Mapping):
        raise Fault("not a JSON object")
    return {as_id(name): value(part) for name, part in cell.items() if part is not None}


def as_records(cell: Any) -> Sequence[Mapping[str, Any]]:
    """Return a cell, a JSON list of objects or its text, as a list."""
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            raise Fault("not a JSON list") from None
    if not isinstance(cell, (list, tuple)) or not all(isinstance(part, Mapping) for part in cell):
        raise Fault("not a list of objects")
    return cell
