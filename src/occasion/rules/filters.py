"""The filter language: as a JSON-like mapping, or as a short text.

Mapping: ``{"and": [...]}``, ``{"or": [...]}``, ``{"not": ...}``, and tests of one field: ``{"field": "price", "lt": 20}``
with one or more of eq, ne, in, lt, lte, gt, gte, between, contains, exists.

Text::

    brand in (Acme, "Best & Co") and not price > 20 and title contains "phone" and price between 5 and 10

Fields are those of `occasion.data.Item`: id, title and the other text fields, categories, price, and every attribute by
name. A field of several values passes a test if one of its values does; a missing field passes none (but ``ne``).
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from occasion.errors import RuleError

__all__ = ["OPERATORS", "Filter", "parse_filter"]

OPERATORS = ("eq", "ne", "in", "lt", "lte", "gt", "gte", "between", "contains", "exists")
MAX_DEPTH, MAX_TESTS, MAX_VALUES, MAX_LENGTH = 20, 200, 10_000, 100_000
_SYMBOLS = {"=": "eq", "==": "eq", "!=": "ne", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte", "has": "eq", "is": "eq"}


@dataclass(frozen=True, slots=True)
class Filter:
    """One node: ``op`` is and, or, not (with `parts`) or a test of `OPERATORS` (with `field` and `value`). Hashable."""

    op: str
    field: str = ""
    value: Any = None
    parts: tuple[Filter, ...] = ()
    types: tuple[type, ...] = dataclasses.field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        if (self.op in ("and", "or", "not")) != bool(self.parts) or (self.op not in OPERATORS and not self.parts):
            raise RuleError(f"a filter of {self.op!r} cannot be. Cure: let parse_filter make it.")
        # True == 1 in Python, but these are two filters.
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        object.__setattr__(self, "types", tuple(map(type, values)))

    def fields(self) -> set[str]:
        """Return the names of all fields tested."""
        return ({self.field} if self.field else set()).union(*(p.fields() for p in self.parts))


def parse_filter(source: str | Mapping[str, Any] | Filter) -> Filter:
    """Return a filter from its text or mapping form.

    Raises
    ------
    RuleError
        Naming the place that cannot be understood and what is expected there.
    """
    if isinstance(source, Filter):
        return source
    if isinstance(source, str):
        if len(source) > MAX_LENGTH:
            raise RuleError(f"the filter has {len(source)} characters. Cure: at most {MAX_LENGTH}.")
        return _limited(_Text(source).whole())
    return _limited(_node(source, 0, "the filter"))


def _limited(made: Filter) -> Filter:
    def count(node: Filter) -> int:
        return 1 + sum(map(count, node.parts))

    if count(made) > MAX_TESTS:
        raise RuleError(f"the filter has {count(made)} parts. Cure: at most {MAX_TESTS}.")
    return made


def _node(source: Any, depth: int, path: str) -> Filter:
    """Read a mapping; `path` says where it stands, such as ``the filter, and[1], not``."""
    if depth > MAX_DEPTH:
        raise RuleError(f"the filter is nested deeper than {MAX_DEPTH}. Cure: flatten it.")
    if not isinstance(source, Mapping) or not source:
        raise RuleError(f"{path} must be a mapping such as {{'field': 'price', 'lt': 20}}, found {_shown(source)}.")
    for op in ("and", "or"):
        if op in source:
            parts = source[op]
            if len(source) > 1 or not isinstance(parts, Sequence) or isinstance(parts, (str, bytes)) or not parts:
                raise RuleError(f"{path}: {op!r} takes a list of filters and stands alone, found {_shown(source)}.")
            if len(parts) > MAX_TESTS:
                raise RuleError(f"{path}: {op!r} has {len(parts)} parts. Cure: at most {MAX_TESTS}.")
            return Filter(op, parts=tuple(_node(part, depth + 1, f"{path}, {op}[{n}]") for n, part in enumerate(parts)))
    if "not" in source:
        if len(source) > 1:
            raise RuleError(f"{path}: 'not' stands alone, found {_shown(source)}.")
        return Filter("not", parts=(_node(source["not"], depth + 1, f"{path}, not"),))
    return _tests(source, path)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _tests(source: Mapping[str, Any], path: str) -> Filter:
    name = source.get("field")
    tests = {op: v for op, v in source.items() if op != "field"}
    if not isinstance(name, str) or not name or not tests:
        raise RuleError(f"{path} must name a field and at least one of {', '.join(OPERATORS)}, found {_shown(dict(source))}.")
    made = tuple(_test(name, _SYMBOLS.get(op, op) if isinstance(op, str) else "", value, path) for op, value in tests.items())
    return made[0] if len(made) == 1 else Filter("and", parts=made)


def _test(name: str, op: str, value: Any, path: str = "the filter") -> Filter:
    place = f"{path}, field {name!r}"
    if op not in OPERATORS:
        raise RuleError(f"{place}: there is no test {op!r}. Cure: one of {', '.join(OPERATORS)}.")
    if op == "in":
        if isinstance(value, (str, bytes)) or not isinstance(value, Sequence) or not value:
            raise RuleError(f"{place}: 'in' takes a list of values, found {_shown(value)}.")
        if len(value) > MAX_VALUES:
            raise RuleError(f"{place}: 'in' has {len(value)} values. Cure: at most {MAX_VALUES}.")
        return Filter("in", name, tuple(_plain(v, place) for v in value))
    if op == "between":
        if isinstance(value, (str, bytes)) or not isinstance(value, Sequence) or len(value) != 2:
            raise RuleError(f"{place}: 'between' takes two numbers, found {_shown(value)}.")
        low, high = _number(value[0], place), _number(value[1], place)
        if low > high:
            raise RuleError(f"{place}: 'between' {low:g} and {high:g} lets nothing pass. Cure: the smaller number first.")
        return Filter("between", name, (low, high))
    if op in ("lt", "lte", "gt", "gte"):
        return Filter(op, name, _number(value, place))
    if op == "contains" and (not isinstance(value, str) or not value):
        raise RuleError(f"{place}: 'contains' takes text, found {_shown(value)}.")
    if op == "exists":
        if not isinstance(value, bool):
            raise RuleError(f"{place}: 'exists' takes true or false, found {_shown(value)}.")
        return Filter("exists", name, value)
    return Filter(op, name, _plain(value, place))


def _plain(value: Any, place: str) -> Any:
    if isinstance(value, str) and len(value) <= MAX_LENGTH:
        return value
    if isinstance(value, bool) or (isinstance(value, (int, float)) and value == value):
        return value
    raise RuleError(f"{place}: a value must be text, a number or true/false, found {_shown(value)}.")


def _number(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or abs(value) > sys.float_info.max:
        raise RuleError(f"{place}: a number is needed to compare with, found {_shown(value)}.")
    return float(value)


_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')|(<=|>=|!=|==|[<>=(),])|([^\s<>=!(),"\']+))')


_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE | re.ASCII)


class _Text:
    """A recursive-descent parser of the text form."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens: list[tuple[str, str, int]] = []  # (kind: text | symbol | word, content, place)
        place = 0
        while place < len(source.rstrip()):
            found = _TOKEN.match(source, place)
            if found is None:
                raise RuleError(f"the filter cannot be read at place {place}: {source[place : place + 20]!r}.")
            group = found.lastindex or 0
            kind, content = ("text", "symbol", "word")[group - 1], found.group(group)
            if kind == "text":
                content = _ESCAPED.sub(r"\1", content[1:-1])
            self.tokens.append((kind, content, found.start(group)))
            place = found.end()
        self.next = 0

    def whole(self) -> Filter:
        made = self._or(0)
        if self.next < len(self.tokens):
            self._fail("'and', 'or' or the end")
        return made

    def _fail(self, expected: str) -> None:
        if self.next < len(self.tokens):
            _, content, place = self.tokens[self.next]
            raise RuleError(f"the filter has {content!r} at place {place}, where {expected} is expected: {self.source!r}.")
        raise RuleError(f"the filter ends where {expected} is expected: {self.source!r}.")

    def _is(self, *words: str) -> bool:
        if self.next >= len(self.tokens):
            return False
        kind, content, _ = self.tokens[self.next]
        return kind != "text" and content.lower() in words

    def _take(self, *words: str) -> bool:
        if self._is(*words):
            self.next += 1
            return True
        return False

    def _or(self, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise RuleError(f"the filter is nested deeper than {MAX_DEPTH}. Cure: flatten it.")
        parts = [self._and(depth)]
        while self._take("or"):
            parts.append(self._and(depth))
        return parts[0] if len(parts) == 1 else Filter("or", parts=tuple(parts))

    def _and(self, depth: int) -> Filter:
        parts = [self._not(depth)]
        while self._take("and"):
            parts.append(self._not(depth))
        return parts[0] if len(parts) == 1 else Filter("and", parts=tuple(parts))

    def _not(self, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise RuleError(f"the filter is nested deeper than {MAX_DEPTH}. Cure: flatten it.")
        if self._take("not"):
            return Filter("not", parts=(self._not(depth + 1),))
        if self._take("("):
            made = self._or(depth + 1)
            if not self._take(")"):
                self._fail("')'")
            return made
        return self._test()

    def _test(self) -> Filter:
        if self.next >= len(self.tokens) or self.tokens[self.next][0] == "symbol":
            self._fail("a field name")
        name = self.tokens[self.next][1]
        self.next += 1
        if self.next >= len(self.tokens):
            self._fail("a test such as = or contains")
        _, op, _ = self.tokens[self.next]
        op = _SYMBOLS.get(op.lower(), op.lower())
        if op not in OPERATORS:
            self._fail(f"a test ({', '.join(OPERATORS)}, =, <, >, has)")
        self.next += 1
        return _test(name, op, self._operand(op))

    def _operand(self, op: str) -> Any:
        if op == "exists":
            return True
        if op == "in":
            if not self._take("("):
                self._fail("'('")
            values = [self._value()]
            while self._take(","):
                values.append(self._value())
            if not self._take(")"):
                self._fail("',' or ')'")
            return values
        if op == "between":
            low = self._value()
            if not self._take("and"):
                self._fail("'and'")
            return [low, self._value()]
        first = self.next
        value = self._value()
        return value if op != "contains" else self.tokens[first][1]

    def _value(self) -> Any:
        if self.next >= len(self.tokens) or self.tokens[self.next][0] == "symbol":
            self._fail("a value")
        kind, content, _ = self.tokens[self.next]
        self.next += 1
        if kind == "text":
            return content
        if content.lower() in ("true", "false"):
            return content.lower() == "true"
        if _NUMBER.fullmatch(content) is None or len(content) > 300:
            return content
        return int(content) if content.lstrip("+-").isdigit() else float(content)
