"""The demo's data: groceries of 120 households in the year 2017; see ``data/SOURCE.md`` for origin and terms."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

__all__ = ["COUNTRY", "FOLDER", "PERSON", "TIME_ZONE", "tables"]

FOLDER = Path(str(files("occasion.demo") / "data"))
TIME_ZONE, COUNTRY = "America/New_York", "US"
"""Where the shops are."""
PERSON = "404"
"""A household of two adults, 25 to 34 years old, with 621 purchases."""


def tables() -> dict[str, Path]:
    """Return the files: items, users, events, in the order of import."""
    return {name: FOLDER / f"{name}.parquet" for name in ("items", "users", "events")}
