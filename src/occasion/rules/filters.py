"""The filter language: as a JSON-like mapping, or as a short text.

Mapping: ``{"and": [...]}``, ``{"or": [...]}``, ``{"not": ...}``, and tests of one field: ``{"field": "price", "lt": 20}``
with one or more of eq, ne, in, lt, lte, gt, gte, between, contains, exists.

Text::

    brand in (Acme, "Best & Co") and not price > 20 and title contains "phone" and price between 5 and 10

Fields are those of `occasion.data.Item`: id, title and the other text fields, categories, price, and every attribute by
name. A field of several values passes a test if one of its values does; a missing field passes none (but ``ne``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from occasion.errors import RuleError

__all__ = ["OPERATORS", "Filter", "parse_filter"]

OPERATORS = ("eq", "ne", "in", "lt", "lte", "gt", "gte", "between", "contains", "exists")
MAX_DEPTH, MAX_TESTS, MAX_LENGTH = 20, 200, 10_000
_SYMBOLS = {"=": "eq", "==": "eq", "!=": "ne", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte", "has": "eq", "is": "eq"}


@dataclass(frozen=True, slots=True)
class Filter:
    """One node: ``op`` is and, or, not (with `parts`) or a test of `OPERATORS` (with `field` and `value`). Hashable."""

    op: str
    field: str = ""
    value: Any = None
    parts: tuple[Filter, ...] = ()

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
    return _limited(_node(source, 0))


def _limited(made: Filter) -> Filter:
    def count(node: Filter) -> int:
        return 1 + sum(map(count, node.parts))

    if count(made) > MAX_TESTS:
        raise RuleError(f"the filter has {count(made)} parts. Cure: at most {MAX_TESTS}.")
    return made


def _node(source: Any, depth: int) -> Filter:
    if depth > MAX_DEPTH:
        raise RuleError(f"the filter is nested deeper than {MAX_DEPTH}. Cure: flatten it.")
    if not isinstance(source, Mapping) or not source:
        raise RuleError(f"a filter is a mapping such as {{'field': 'price', 'lt': 20}}, found {source!r}.")
    for op in ("and", "or"):
        if op in source:
            parts = source[op]
            if len(source) > 1 or not isinstance(parts, Sequence) or isinstance(parts, str) or not parts:
                raise RuleError(f"'{op}' takes a list of filters and stands alone, found {source!r}.")
            return Filter(op, parts=tuple(_node(p, depth + 1) for p in parts))
    if "not" in source:
        if len(source) > 1:
            raise RuleError(f"'not' stands alone, found {source!r}.")
        return Filter("not", parts=(_node(source["not"], depth + 1),))
    return _tests(source)


def _tests(source: Mapping[str, Any]) -> Filter:
    field = source.get("field")
    tests = {op: v for op, v in source.items() if op != "field"}
    if not isinstance(field, str) or not field or not tests:
        raise RuleError(f"a test names a field and at least one of {', '.join(OPERATORS)}, found {dict(source)!r}.")
    made = tuple(_test(field, _SYMBOLS.get(op, op), value) for op, value in tests.items())
    return made[0] if len(made) == 1 else Filter("and", parts=made)


def _test(field: str, op: str, value: Any) -> Filter:
    if op not in OPERATORS:
        raise RuleError(f"there is no test {op!r} (of field {field!r}). Cure: one of {', '.join(OPERATORS)}.")
    if op == "in":
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise RuleError(f"'in' takes a list of values, found {value!r} (field {field!r}).")
        return Filter("in", field, tuple(_plain(v, field) for v in value))
    if op == "between":
        if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
            raise RuleError(f"'between' takes two numbers, found {value!r} (field {field!r}).")
        return Filter("between", field, (_number(value[0], field), _number(value[1], field)))
    if op in ("lt", "lte", "gt", "gte"):
        return Filter(op, field, _number(value, field))
    if op == "contains" and not isinstance(value, str):
        raise RuleError(f"'contains' takes text, found {value!r} (field {field!r}).")
    if op == "exists":
        return Filter("exists", field, bool(value))
    return Filter(op, field, _plain(value, field))


def _plain(value: Any, field: str) -> Any:
    if isinstance(value, (str, int, float, bool)):
        return value
    raise RuleError(f"a value must be text, a number or true/false, found {value!r} (field {field!r}).")


def _number(value: Any, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise RuleError(f"a number is needed to compare {field!r} with, found {value!r}.")
    return float(value)


_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')|(<=|>=|!=|==|[<>=(),])|([^\s<>=!(),"\']+))')


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
            kind = ("text", "symbol", "word")[found.lastindex - 1] if found.lastindex else "word"
            content = found.group(found.lastindex or 0)
            self.tokens.append((kind, content[1:-1] if kind == "text" else content, found.start(found.lastindex or 0)))
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
        field = self.tokens[self.next][1]
        self.next += 1
        if self.next >= len(self.tokens):
            self._fail("a test such as = or contains")
        _, op, _ = self.tokens[self.next]
        op = _SYMBOLS.get(op.lower(), op.lower())
        if op not in OPERATORS:
            self._fail(f"a test ({', '.join(OPERATORS)}, =, <, >, has)")
        self.next += 1
        return _test(field, op, self._operand(op))

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
        value = self._value()
        return value if op != "contains" else str(value)

    def _value(self) -> Any:
        if self.next >= len(self.tokens) or self.tokens[self.next][0] == "symbol":
            self._fail("a value")
        kind, content, _ = self.tokens[self.next]
        self.next += 1
        if kind == "text":
            return content
        if content.lower() in ("true", "false"):
            return content.lower() == "true"
        try:
            return float(content) if "." in content or "e" in content.lower() else int(content)
        except ValueError:
            return content
