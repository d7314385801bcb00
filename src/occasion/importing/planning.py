"""Before the first row is written: which files, which format, what each column means."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from occasion.errors import DataError
from occasion.importing import FORMATS
from occasion.importing.chunks import Chunk, Reader, ambiguous_columns, numeric_columns, sample_of
from occasion.importing.columns import KINDS, check_mapping, plan_file
from occasion.importing.files import InputFile, find_files, guess_format, standard_input
from occasion.importing.report import FilePlan

__all__ = ["Options", "Paths", "Source", "open_files", "plan_files", "preview_file"]

EXAMPLES = 4
"""Values shown of each column in a preview."""
_UNTYPED = frozenset({"csv", "tsv"})
"""Formats whose cells are all text."""

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""A file, a pattern, ``-``, or several of them."""


class Source:
    """One file, its reader and its plan."""

    def __init__(self, file: InputFile, format: str, names: Sequence[str] | None) -> None:
        self.file = file
        self.format = guess_format(file) if format == "auto" else format
        module, cls = FORMATS[self.format].split(":")
        self.reader: Reader = getattr(import_module(module), cls)(file, names)
        first = next(iter(self._chunks()), Chunk())
        self.sample = sample_of(first) if len(first) else {}
        self.numeric = numeric_columns(first) if self.format in _UNTYPED else frozenset[str]()
        self.ambiguous = ambiguous_columns(first) if len(first) else frozenset[str]()
        self.names = dict(self.reader.names) or {name: name for name in self.sample}
        if not self.names:
            raise DataError(f"{file.name}: no row can be read as {self.format}. Cure: check the file, or say its format.")

    def _chunks(self, position: int = 0, line: int = 1) -> Iterator[Chunk]:
        try:
            yield from self.reader.chunks(position, line)
        except (EOFError, OSError, zlib.error) as error:
            raise DataError(
                f"{self.file.name} breaks off: {error}. Cure: get the file again; what was imported before stays, "
                "and importing it again does not double it."
            ) from None

    def chunks(self, position: int, line: int) -> Iterator[Chunk]:
        """Yield chunks from where an earlier import stopped."""
        return self._chunks(position, line)

    def meet(self, chunk: Chunk) -> bool:
        """Take note of columns that came up late in the file; return whether there are any."""
        new = [name for name in chunk.columns() if name not in self.names]
        if new:
            sample = sample_of(chunk)
            self.sample.update({name: sample.get(name, []) for name in new})
            self.names.update({name: name for name in new})
        return bool(new)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise DataError(f"{name!r} is no IANA time zone. Cure: use one such as 'Europe/Berlin'.") from None


class Options:
    """What the caller asked for, checked."""

    def __init__(
        self,
        kind: str,
        mapping: Mapping[str, str] | None,
        format: str,
        event_type: str | None,
        names: Sequence[str] | None,
        zone: str,
    ) -> None:
        if kind != "auto" and kind not in KINDS:
            raise DataError(f"kind is {kind!r}, it must be auto, {', '.join(KINDS)}.")
        if format != "auto" and format not in FORMATS:
            raise DataError(f"format is {format!r}, it must be auto, {', '.join(FORMATS)}.")
        self.kind, self.format, self.event_type = kind, format, event_type
        self.mapping, self.names = dict(mapping or {}), list(names) if names else None
        self.zone = _zone(zone)

    def plan(self, source: Source, kind: str | None = None) -> FilePlan:
        """Return the plan of a file."""
        return plan_file(
            source.file.name,
            source.format,
            source.names,
            source.sample,
            kind=kind or self.kind,
            mapping=self.mapping,
            declared=source.reader.declared,
            numeric=source.numeric,
            ambiguous=source.ambiguous,
            event_type=self.event_type,
        )

    def sources(self, files: Iterable[InputFile]) -> list[tuple[Source, FilePlan]]:
        """Return readers and plans of all files, choices first, items before users before events."""
        opened = [Source(file, self.format, self.names) for file in files]
        check_mapping(self.mapping, [name for source in opened for name in source.names])
        planned = [(source, self.plan(source)) for source in opened]
        return sorted(planned, key=lambda pair: KINDS.index(pair[1].kind))

    def key(self) -> tuple[Any, ...]:
        """Return what, besides a file's content, an import depends on."""
        return self.kind, self.mapping, self.format, self.event_type, self.names, self.zone.key


@contextlib.contextmanager
def open_files(paths: Paths, stdin: BinaryIO | None) -> Iterator[list[InputFile]]:
    """Find the files that are meant; standard input is kept in a temporary file meanwhile."""
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    named = find_files([p for p in given if os.fspath(p) != "-"])
    if len(named) == len(given) or "-" not in [os.fspath(p) for p in given]:
        if not named:
            raise DataError("no file was named. Cure: name at least one, or '-' for standard input.")
        yield named
        return
    with standard_input(stdin) as piped:
        yield [*named, piped]


def preview_file(path: str | os.PathLike[str], **options: Any) -> tuple[FilePlan | None, dict[str, list[Any]], str]:
    """Return how a file would be understood, the first values of each column, and why it cannot be where it cannot.

    Parameters
    ----------
    path : path
    options
        kind, mapping, format, event_type, names; see `import_files`.

    Raises
    ------
    DataError
        Where not even rows can be told apart.
    """
    given = {"kind": "auto", "mapping": None, "format": "auto", "event_type": None, "names": None, **options}
    chosen = Options(given["kind"], given["mapping"], given["format"], given["event_type"], given["names"], "UTC")
    with open_files(path, None) as files:
        source = Source(files[0], chosen.format, chosen.names)
        sample = {name: source.sample.get(name, [])[:EXAMPLES] for name in source.names}
        try:
            check_mapping(chosen.mapping, list(source.names))
            return chosen.plan(source), sample, ""
        except DataError as error:
            return None, sample, str(error)


def plan_files(
    paths: Paths,
    *,
    kind: str = "auto",
    mapping: Mapping[str, str] | None = None,
    format: str = "auto",
    event_type: str | None = None,
    names: Sequence[str] | None = None,
) -> list[FilePlan]:
    """Return how files would be understood, without importing them; see `import_files`."""
    options = Options(kind, mapping, format, event_type, names, "UTC")
    with open_files(paths, None) as files:
        return [plan for _, plan in options.sources(files)]
