"""Blocks of delimited text into records, with everything that is wrong with a record found before it is parsed.

The structure of a block is computed for all bytes at once: a byte lies inside quotes where the number of quotes before
it is odd; separators and line ends count only outside of them (RFC 4180).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BAD_QUOTES", "NOT_UTF8", "WRONG_COUNT", "Records", "split_records"]

BAD_QUOTES = "bad quotes"
WRONG_COUNT = "wrong number of columns"
NOT_UTF8 = "not UTF-8"

QUOTE, NEWLINE, RETURN = 34, 10, 13
MAX_RECORD = 1 << 20
"""Bytes after which an open quote is taken for a stray one."""
MAX_LINES = 100
"""Lines that a quoted field may span in a block that has stray quotes."""

Ints = NDArray[np.int64]


@dataclass(slots=True)
class Records:
    """The records of a block.

    Attributes
    ----------
    starts, ends, lines : (n,)
        Of good records: first byte, byte after the last, and line of the block, from 0.
    faults : list of (line, start, end, reason)
    rest : int
        Where the last, unfinished record begins.
    rest_line : int
        Line of the block it begins at.
    """

    starts: Ints
    ends: Ints
    lines: Ints
    faults: list[tuple[int, int, int, str]]
    rest: int
    rest_line: int


def _quotes_fit(data: NDArray[np.uint8], quotes: Ints, separator: int) -> bool:
    """Return whether each quote opens at the start of a field, closes at its end, or is one of a doubled pair."""
    if not len(quotes):
        return True
    opening, closing = quotes[::2], quotes[1::2]
    before = np.where(opening > 0, data[opening - 1], NEWLINE)
    doubled = np.zeros(len(opening), bool)
    doubled[1:] = opening[1:] == closing[: len(opening) - 1] + 1
    if not np.all((before == separator) | (before == NEWLINE) | doubled):
        return False
    after = data[np.minimum(closing + 1, len(data) - 1)]
    at_end = closing == len(data) - 1
    reopened = np.zeros(len(closing), bool)
    reopened[: len(opening) - 1] = closing[: len(opening) - 1] + 1 == opening[1:]
    return bool(np.all((after == separator) | (after == NEWLINE) | (after == RETURN) | at_end | reopened))


def _line_records(data: NDArray[np.uint8], newlines: Ints, quotes: Ints, separator: int) -> tuple[Ints, Ints, list[int]]:
    """Cut a block with stray quotes into records: starts and ends, and the numbers (among them) of lines beyond repair.

    A line with an even number of quotes is a record; one with an odd number and the next such line may be one together.
    """
    starts = np.concatenate([[0], newlines + 1])[: len(newlines)]
    odd = (np.diff(np.searchsorted(quotes, np.concatenate([[0], newlines]))) % 2).astype(bool)
    odd_lines = np.flatnonzero(odd)
    keep = np.ones(len(starts), bool)
    ends = newlines.copy()
    broken = []
    done = -1
    for place, line in enumerate(odd_lines.tolist()):
        if line <= done:
            continue
        after = int(odd_lines[place + 1]) if place + 1 < len(odd_lines) else -1
        if 0 < after <= line + MAX_LINES and _fits(data, starts[line], newlines[after], separator):
            ends[line] = newlines[after]
            keep[line + 1 : after + 1] = False
            done = after
        else:
            broken.append(line)
    for line in np.flatnonzero(keep & ~odd).tolist():
        if quotes.searchsorted(starts[line]) != quotes.searchsorted(newlines[line]) and not _fits(
            data, starts[line], newlines[line], separator
        ):
            broken.append(line)
    number = np.cumsum(keep) - 1
    return starts[keep], ends[keep], [int(number[line]) for line in sorted(broken)]


def _fits(data: NDArray[np.uint8], start: int, end: int, separator: int) -> bool:
    piece = data[start:end]
    return _quotes_fit(piece, np.flatnonzero(piece == QUOTE), separator)


def split_records(block: bytes, separator: int, columns: int, *, quoting: bool, last: bool) -> Records:
    """Return the records of a block that begins with a record.

    Parameters
    ----------
    block : bytes
    separator : int
        The byte between fields.
    columns : int
        Fields a record must have.
    quoting : bool
        Whether double quotes enclose fields.
    last : bool
        Whether the file ends with this block; else its last, unfinished record is left over.
    """
    if last and block and not block.endswith(b"\n"):
        block += b"\n"
    data = np.frombuffer(block, np.uint8)
    newlines = np.flatnonzero(data == NEWLINE)
    quotes = np.flatnonzero(data == QUOTE) if quoting else np.zeros(0, np.int64)
    inside = (np.searchsorted(quotes, newlines) % 2).astype(bool)
    ends = newlines[~inside]
    open_since = int(ends[-1]) + 1 if len(ends) else 0
    stray = len(quotes) % 2 == 1 and (last or len(block) - open_since > MAX_RECORD)
    broken: list[int] = []
    if stray or not _quotes_fit(data, quotes, separator):
        starts, ends, broken = _line_records(data, newlines, quotes, separator)
        if broken and not last and starts[broken[-1]] > 0 and len(starts) - broken[-1] <= MAX_LINES:
            # Perhaps no stray quote but a record that the end of the block cut in two.
            starts, ends, broken = starts[: broken[-1]], ends[: broken[-1]], broken[:-1]
    else:
        starts = np.concatenate([[0], ends + 1])[: len(ends)]
    if not len(starts):
        nothing = np.zeros(0, np.int64)
        return Records(nothing, nothing, nothing, [], 0, 0)
    rest = int(ends[-1]) + 1
    lines = np.searchsorted(newlines, starts)
    faults = {number: BAD_QUOTES for number in broken}
    _count_fields(data, quotes, starts, ends, separator, columns, faults)
    _check_encoding(block, starts, ends, faults)
    blank = ends - starts - (data[np.maximum(ends - 1, 0)] == RETURN) <= 0
    good = ~blank
    good[list(faults)] = False
    wrong = [(int(lines[n]), int(starts[n]), int(ends[n]), faults[n]) for n in sorted(faults) if not blank[n]]
    return Records(starts[good], ends[good], lines[good], wrong, rest, int(np.searchsorted(newlines, rest)))


def _count_fields(
    data: NDArray[np.uint8], quotes: Ints, starts: Ints, ends: Ints, separator: int, columns: int, faults: dict[int, str]
) -> None:
    separators = np.flatnonzero(data == separator)
    if len(quotes):
        # Quotes are counted from the record's start: a stray one before it must not matter.
        record = np.searchsorted(starts, separators, side="right") - 1
        before = np.searchsorted(quotes, separators) - np.searchsorted(quotes, starts)[np.maximum(record, 0)]
        separators = separators[before % 2 == 0]
    counts = np.searchsorted(separators, ends) - np.searchsorted(separators, starts) + 1
    for number in np.flatnonzero(counts != columns).tolist():
        faults.setdefault(number, WRONG_COUNT)


def _check_encoding(block: bytes, starts: Ints, ends: Ints, faults: dict[int, str]) -> None:
    begin = 0
    while True:
        try:
            block[begin:].decode("utf-8")
        except UnicodeDecodeError as error:
            number = int(np.searchsorted(starts, begin + error.start, side="right")) - 1
            if number < 0 or begin + error.start >= ends[-1]:
                # In the unfinished rest: it comes again with the next block.
                return
            faults.setdefault(number, NOT_UTF8)
            begin = int(ends[number]) + 1
        else:
            return
