"""Signals: lines of ``name = value`` as values, and values as lines."""

from __future__ import annotations

import json
import math

from occasion.console.words import Words, say
from occasion.data import Scalar
from occasion.errors import DataError

__all__ = ["WORDS", "parse_scalar", "parse_signals", "signal_lines"]

WORDS: Words = {
    "wrong": ("the line {line!r} is no signal. Cure: for example place = home", "{line!r} 不是信号。 Cure: 例如 place = home"),
}


def parse_signals(text: str, locale: str) -> dict[str, Scalar]:
    """Return the signals of lines ``name = value``.

    Raises
    ------
    DataError
        For a line that is none.
    """
    out: dict[str, Scalar] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, found, value = (piece.strip() for piece in line.partition("="))
        if not found or not name or not value:
            raise DataError(say(WORDS, locale, "wrong", line=f"{line:.200}"))
        out[name] = parse_scalar(value)
    return out


def parse_scalar(text: str) -> Scalar:
    """Return what a text stands for: a number as JSON has it, true or false, what stands in quotation marks, else the text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        found = json.loads(text)
    except ValueError:
        return text
    if isinstance(found, str) or (isinstance(found, (int, float)) and math.isfinite(found)):
        return found
    return text


def signal_lines(signals: dict[str, Scalar]) -> str:
    """Return signals so that `parse_signals` gives them back."""
    return "\n".join(f"{name} = {_text(value)}" for name, value in signals.items())


def _text(value: Scalar) -> str:
    plain = value if isinstance(value, str) else json.dumps(value)
    found = parse_scalar(plain)
    lines = plain.splitlines()
    if found == value and type(found) is type(value) and lines == [plain] == [plain.strip()]:
        return plain
    return json.dumps(value, ensure_ascii=lines != [plain])
