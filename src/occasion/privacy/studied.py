"""Studies: evaluations kept in a home. Their figures are of many people, but a label or an option may name one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from occasion.privacy.rejected import naming, texts_in

__all__ = ["forget_studies"]

FOLDER = "studies"


def forget_studies(home: Path, names: Collection[str]) -> int:
    """Remove the studies of a home in which any text names a person; return how many there were. They can be made again.

    Numbers are not looked at: an id ``7`` is not the figure 7.
    """
    named = naming(names)
    gone = 0
    for folder in sorted((home / FOLDER).glob("*/")):
        if any(named.search(text) for path in sorted(folder.iterdir()) if path.is_file() for text in _texts(path)):
            shutil.rmtree(folder, ignore_errors=True)
            gone += 1
    return gone


def _texts(path: Path) -> Iterator[str]:
    """Yield all texts of a file: of JSON its names and values, of others the whole."""
    try:
        content = path.read_text("utf-8", "replace")
    except OSError:
        return
    if path.suffix != ".json":
        yield content
        return
    try:
        document = json.loads(content)
    except ValueError:
        yield content
        return
    yield from texts_in(document)
