"""CSV, TSV and RecBole's atomic files: a header line, then a record a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import polars as pl

from occasion.errors import DataError
from occasion.importing.chunks import Chunk
from occasion.importing.files import InputFile
from occasion.importing.records import BAD_QUOTES, Records, split_records

__all__ = ["AtomicReader", "CommaReader", "TabReader"]

BLOCK = 8 << 20
"""Bytes read at once."""
MAX_LINE = 64 << 20
"""Bytes after which a record cannot be one."""

_FORMS = {"token": "text", "token_seq": "list", "float": "number", "float_seq": "list"}


class _Delimited:
    """Reads records of separated fields; all cells are text, an empty cell is none.

    Parameters
    ----------
    file : InputFile
    names : sequence of str, optional
        Column names of a file that has no header line.

    Raises
    ------
    DataError
        The file has no usable header.
    """

    separators: tuple[str, ...] = (",",)
    quoting = True

    def __init__(self, file: InputFile, names: Sequence[str] | None = None) -> None:
        self.file = file
        self.total = file.size
        self.declared: Mapping[str, str] = {}
        head = file.head()
        if head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise DataError(f"{file.name} is UTF-16 text. Cure: convert it to UTF-8, for example with iconv.")
        self._skip = 3 if head.startswith(b"\xef\xbb\xbf") else 0
        line, newline, _ = head[self._skip :].partition(b"\n")
        try:
            text = line.decode("utf-8").rstrip("\r")
        except UnicodeDecodeError:
            raise DataError(f"{file.name}: the header is not UTF-8. Cure: convert the file, for example with iconv.") from None
        self.separator = max(self.separators, key=text.count)
        self._names = [n.strip() for n in names or self._header(text)]
        self.names = {name: name for name in self._names}
        self._check_names()
        self._start = self._skip if names else self._skip + len(line) + len(newline)
        self._first_line = 1 if names else 2
        self.quoting = self.quoting and self._quotes_mean_quotes(head)

    def _header(self, line: str) -> list[str]:
        if not line.strip():
            raise DataError(f"{self.file.name} begins with an empty line, a header was expected. Cure: name the columns.")
        try:
            return next(
                csv.reader([line], delimiter=self.separator, quotechar='"' if self.quoting else None, quoting=self._style())
            )
        except csv.Error as error:
            raise DataError(
                f"{self.file.name}: the header cannot be read: {error}. Cure: end each line with a line feed."
            ) from None

    def _style(self) -> Literal[0, 3]:
        return csv.QUOTE_MINIMAL if self.quoting else csv.QUOTE_NONE

    def _check_names(self) -> None:
        for number, name in enumerate(self._names):
            if not name:
                self._names[number] = f"column_{number + 1}"
        twice = sorted({n for n in self._names if self._names.count(n) > 1})
        if twice:
            raise DataError(f"{self.file.name}: the column {twice[0]!r} is there twice. Cure: rename one of them.")
        self.names = {name: self.names.get(name, name) for name in self._names}

    def _quotes_mean_quotes(self, head: bytes) -> bool:
        return True

    def chunks(self, position: int = 0, line: int = 1) -> Iterator[Chunk]:
        """Yield chunks from the start, or from where an earlier chunk said that reading goes on."""
        if position < self._start:
            position, line = self._start, self._first_line
        rest = b""
        with self.file.open() as file:
            file.seek(position)
            while True:
                read = file.read(BLOCK)
                block = rest + read
                if not block:
                    return
                records = split_records(block, ord(self.separator), len(self._names), quoting=self.quoting, last=not read)
                rest = block[records.rest :] if read else b""
                if len(rest) > MAX_LINE:
                    raise DataError(f"{self.file.name}: the record at line {line} has no end within {MAX_LINE >> 20} MiB.")
                position += len(block) - len(rest)
                chunk = self._chunk(block, records, line)
                line += records.rest_line
                chunk.position, chunk.line = position, line
                if len(chunk) or chunk.faults:
                    yield chunk
                if not read:
                    return

    def _chunk(self, block: bytes, records: Records, line: int) -> Chunk:
        faults = [
            (line + at, block[start:end].decode("utf-8", "replace").rstrip("\r\n"), reason)
            for at, start, end, reason in records.faults
        ]
        return Chunk(
            frame=self._frame(_joined(block, records), len(records.starts)), lines=(records.lines + line).tolist(), faults=faults
        )

    def _frame(self, text: bytes, rows: int) -> pl.DataFrame:
        schema = dict.fromkeys(self._names, pl.String)
        if not rows:
            return pl.DataFrame(schema=schema)
        try:
            frame = pl.read_csv(
                text,
                has_header=False,
                separator=self.separator,
                quote_char='"' if self.quoting else None,
                schema=schema,
                infer_schema=False,
            )
        except pl.exceptions.PolarsError:
            frame = None
        if frame is None or frame.height != rows:
            frame = self._frame_slowly(text, schema)
        return frame

    def _frame_slowly(self, text: bytes, schema: Mapping[str, type[pl.String]]) -> pl.DataFrame:
        """Parse with the standard library: slower, and sure to give a row a record."""
        lines = io.StringIO(text.decode("utf-8"), newline="")
        rows = [row for row in csv.reader(lines, delimiter=self.separator, quoting=self._style()) if row]
        return pl.DataFrame([[cell or None for cell in row] for row in rows], schema=schema, orient="row")


def _joined(block: bytes, records: Records) -> bytes:
    """Return the bytes of the good records alone."""
    starts, ends = records.starts, records.ends
    if not records.faults and len(starts):
        return block[: int(ends[-1]) + 1]
    return b"".join(block[s:e] + b"\n" for s, e in zip(starts.tolist(), ends.tolist(), strict=True))


class CommaReader(_Delimited):
    """Comma-separated values; semicolons, tabs and bars are recognised as well."""

    separators = (",", ";", "\t", "|")


class TabReader(_Delimited):
    """Tab-separated values. Double quotes enclose fields unless the file shows that they are plain characters."""

    separators = ("\t",)

    def _quotes_mean_quotes(self, head: bytes) -> bool:
        if b'"' not in head:
            return True
        whole = len(head) == len(self.file.head(len(head) + 1))
        records = split_records(head, ord(self.separator), len(self._names), quoting=True, last=whole)
        return not any(reason == BAD_QUOTES for *_, reason in records.faults)


class AtomicReader(_Delimited):
    """RecBole's atomic files: tab-separated, columns named ``name:token``, ``token_seq``, ``float`` or ``float_seq``."""

    separators = ("\t",)
    quoting = False

    def __init__(self, file: InputFile, names: Sequence[str] | None = None) -> None:
        super().__init__(file, names)
        declared = {name: name.rpartition(":") for name in self._names}
        self.declared = {name: _FORMS[form] for name, (_, _, form) in declared.items() if form in _FORMS}
        self.names = {name: plain if form in _FORMS else name for name, (plain, _, form) in declared.items()}
