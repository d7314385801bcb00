"""Parquet files, read some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from occasion.errors import DataError
from occasion.importing.chunks import Chunk
from occasion.importing.files import InputFile

__all__ = ["ParquetReader"]

ROWS = 150_000
"""Rows read at once."""


class ParquetReader:
    """Reads a Parquet file; `Chunk.lines` are row numbers, `Chunk.position` counts rows.

    Raises
    ------
    DataError
        The file is damaged, compressed once more, or no Parquet.
    """

    def __init__(self, file: InputFile, names: Sequence[str] | None = None) -> None:
        if names:
            raise DataError(f"{file.name}: Parquet names its columns itself. Cure: leave the column names out.")
        self.file = file
        if file.zipped:
            raise DataError(f"{file.name}: a zipped Parquet file cannot be read. Cure: gunzip it first.")
        try:
            self._columns = list(pl.scan_parquet(file.path, glob=False).collect_schema())
            self.total = int(pl.scan_parquet(file.path, glob=False).select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise self._unreadable(error) from None
        self.declared: Mapping[str, str] = {}
        self.names: Mapping[str, str] = {name: name for name in self._columns}

    def _unreadable(self, error: Exception) -> DataError:
        reason = str(error).splitlines()[0][:200]
        return DataError(f"{self.file.name} is no readable Parquet file: {reason}. Cure: write it again.")

    def chunks(self, position: int = 0, line: int = 1) -> Iterator[Chunk]:
        """Yield chunks from the start, or from where an earlier chunk said that reading goes on."""
        while position < self.total:
            try:
                frame = pl.scan_parquet(self.file.path, glob=False).slice(position, ROWS).collect()
            except (pl.exceptions.PolarsError, OSError) as error:
                raise self._unreadable(error) from None
            lines = range(position + 1, position + frame.height + 1)
            position += frame.height
            yield Chunk(frame=frame, lines=lines, position=position, line=position + 1)
