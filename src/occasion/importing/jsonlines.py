"""JSON lines: an object a line, nested where it likes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from occasion.errors import DataError
from occasion.importing.chunks import Chunk
from occasion.importing.files import InputFile

__all__ = ["JsonLinesReader"]

ROWS = 50_000
"""Rows given at once, at most."""
BLOCK = 16 << 20
"""Bytes after whose rows a chunk ends: a zipped file of a few megabytes may hold rows of gigabytes."""
MAX_LINE = 64 << 20
"""Bytes after which a line cannot be one."""
TOO_LONG = f"no line: it has no end within {MAX_LINE >> 20} MiB"
SHOWN = 1000
"""Bytes kept of a line that is none."""


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


class JsonLinesReader:
    """Reads one object a line; empty lines are skipped. Rows come as dictionaries."""

    def __init__(self, file: InputFile, names: Sequence[str] | None = None) -> None:
        if names:
            raise DataError(f"{file.name}: JSON lines name their fields themselves. Cure: leave the column names out.")
        self.file = file
        self.total = file.size
        self.declared: Mapping[str, str] = {}
        self.names: Mapping[str, str] = {}

    def chunks(self, position: int = 0, line: int = 1) -> Iterator[Chunk]:
        """Yield chunks from the start, or from where an earlier chunk said that reading goes on."""
        chunk, lines, begun, cut = Chunk(rows=[]), list[int](), position, False
        with self.file.open() as file:
            file.seek(position)
            while text := file.readline(MAX_LINE):
                whole = text.endswith(b"\n") or len(text) < MAX_LINE
                if not (cut or whole):
                    chunk.faults.append((line, _shown(text), TOO_LONG))
                elif not cut:
                    self._take(text if position else text.removeprefix(b"\xef\xbb\xbf"), line, chunk, lines)
                position, cut = position + len(text), not whole
                line += whole
                full = len(lines) + len(chunk.faults) >= ROWS or position - begun >= BLOCK
                if full and not cut and (lines or chunk.faults):
                    chunk.lines, chunk.position, chunk.line = lines, position, line
                    yield chunk
                    chunk, lines, begun = Chunk(rows=[]), [], position
        if lines or chunk.faults:
            chunk.lines, chunk.position, chunk.line = lines, position, line
            yield chunk

    @staticmethod
    def _take(text: bytes, line: int, chunk: Chunk, lines: list[int]) -> None:
        if not text.strip():
            return
        try:
            row = json.loads(text.decode("utf-8"), parse_constant=_refuse)
        except UnicodeDecodeError:
            chunk.faults.append((line, _shown(text), "not UTF-8"))
        except (ValueError, RecursionError):
            chunk.faults.append((line, _shown(text), "not JSON"))
        else:
            if isinstance(row, dict):
                assert chunk.rows is not None
                chunk.rows.append(row)
                lines.append(line)
            else:
                chunk.faults.append((line, _shown(text), "not a JSON object"))


def _shown(text: bytes) -> str:
    return text[:SHOWN].decode("utf-8", "replace").strip()
