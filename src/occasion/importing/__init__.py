"""Importing: files of many shapes into the store; every rejected row explained.

A format is one file that reads rows in bounded memory. To add one: write the file, add its lines here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from occasion.importing.planning import plan_files, preview_file
    from occasion.importing.report import ColumnUse, FilePlan, ImportSummary, Reject, Warned
    from occasion.importing.run import import_files

__all__ = [
    "ENDINGS",
    "FORMATS",
    "ColumnUse",
    "FilePlan",
    "ImportSummary",
    "Reject",
    "Warned",
    "import_files",
    "plan_files",
    "preview_file",
]

FORMATS = {
    "csv": "occasion.importing.delimited:CommaReader",
    "tsv": "occasion.importing.delimited:TabReader",
    "atomic": "occasion.importing.delimited:AtomicReader",
    "jsonl": "occasion.importing.jsonlines:JsonLinesReader",
    "parquet": "occasion.importing.parquet:ParquetReader",
}
"""Format name to the reader's place."""

ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".inter": "atomic",
    ".item": "atomic",
    ".user": "atomic",
}
"""End of a file's name (``.gz`` taken off) to its format; other files are told apart by their first bytes."""

_PLACES = {
    "ColumnUse": "report",
    "FilePlan": "report",
    "ImportSummary": "report",
    "Reject": "report",
    "Warned": "report",
    "import_files": "run",
    "plan_files": "planning",
    "preview_file": "planning",
}


def __getattr__(name: str) -> Any:
    # Polars is heavy: it is loaded when something is imported, not when the registry is looked at.
    from importlib import import_module

    if name not in _PLACES:
        raise AttributeError(name)
    return getattr(import_module(f"occasion.importing.{_PLACES[name]}"), name)
