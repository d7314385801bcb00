"""The files of an import: found by name or pattern, opened, told apart, and recognised again after a stop."""

from __future__ import annotations

import glob
import gzip
import hashlib
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from occasion.errors import DataError
from occasion.importing import ENDINGS, FORMATS

__all__ = ["InputFile", "find_files", "guess_format", "standard_input"]

SAMPLE = 1 << 20
"""Bytes of each end of a file that its fingerprint reads."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to import. `name` is what messages call it; standard input lies in a temporary file."""

    path: Path
    name: str

    @property
    def zipped(self) -> bool:
        """Whether the file is compressed with gzip."""
        with self.path.open("rb") as file:
            return file.read(2) == b"\x1f\x8b"

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size

    def open(self) -> BinaryIO:
        """Open it for reading, unzipped."""
        if self.zipped:
            return cast(BinaryIO, gzip.open(self.path, "rb"))
        return self.path.open("rb")

    def head(self, size: int = 1 << 16) -> bytes:
        """Return its first bytes, unzipped."""
        try:
            with self.open() as file:
                return file.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{self.name} cannot be read: {error}. Cure: check the file and its permissions.") from None

    def fingerprint(self) -> str:
        """Return 32 hex digits that change with the file's content: its size, its ends and when it was last changed."""
        status = self.path.stat()
        hashed = hashlib.blake2b(f"{status.st_size} {status.st_mtime_ns}".encode(), digest_size=16)
        with self.path.open("rb") as file:
            hashed.update(file.read(SAMPLE))
            file.seek(max(0, status.st_size - SAMPLE))
            hashed.update(file.read())
        return hashed.hexdigest()


def find_files(paths: Sequence[str | os.PathLike[str]]) -> list[InputFile]:
    """Return the files that names and patterns (``**`` for any depth) stand for, each once, in order.

    Raises
    ------
    DataError
        A name or pattern stands for nothing, or for a folder.
    """
    found: dict[Path, InputFile] = {}
    for path in [os.fspath(p) for p in paths]:
        matches = [path] if os.path.exists(path) else sorted(glob.glob(path, recursive=True))
        if not matches:
            raise DataError(f"{path!r} matches no file. Cure: check the path; quote patterns so that the shell leaves them.")
        files = [m for m in matches if not os.path.isdir(m)]
        if not files:
            raise DataError(f"{path!r} is a folder. Cure: name its files, for example '{path.rstrip('/')}/*.csv'.")
        for name in files:
            found.setdefault(Path(name).resolve(), InputFile(Path(name), name))
    return list(found.values())


@contextmanager
def standard_input(stream: BinaryIO | None = None) -> Iterator[InputFile]:
    """Keep standard input in a temporary file, so that it can be looked at before it is imported."""
    with tempfile.NamedTemporaryFile(prefix="occasion-stdin-") as file:
        shutil.copyfileobj(stream or sys.stdin.buffer, file, 1 << 20)
        file.flush()
        # The content alone tells it again: an earlier time of change would not.
        os.utime(file.name, ns=(0, 0))
        yield InputFile(Path(file.name), "standard input")


def guess_format(file: InputFile) -> str:
    """Return the format of a file by the end of its name, else by its first bytes.

    Raises
    ------
    DataError
        The file is empty or of no known kind.
    """
    ending = Path(file.name.removesuffix(".gz")).suffix.lower()
    if ending in ENDINGS:
        return ENDINGS[ending]
    head = file.head()
    if not head.strip():
        raise DataError(f"{file.name} is empty. Cure: check what wrote it.")
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return "jsonl"
    line = head.split(b"\n", 1)[0]
    if b"\x00" in line or head.startswith((b"PK\x03\x04", b"%PDF")):
        raise DataError(f"{file.name} is of no known format. Cure: convert it to one of {', '.join(FORMATS)}.")
    if b":token" in line or b":float" in line:
        return "atomic"
    return "tsv" if line.count(b"\t") > line.count(b",") else "csv"
