"""Checkpoints: whole or not there. A checkpoint counts once its files are named, with their sums, in ``whole.json``."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from occasion.encoders.plan import fingerprint
from occasion.errors import ModelError

__all__ = ["newest_whole", "same_work", "saving", "seal"]

SEAL = "whole.json"


def seal(folder: Path) -> None:
    """Name all files of a checkpoint; from now on it counts."""
    files = {p.name: fingerprint([p]) for p in sorted(folder.iterdir()) if p.is_file() and p.name != SEAL}
    partial = folder / f"{SEAL}.partial"
    with partial.open("w", encoding="utf-8") as file:
        json.dump(files, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / SEAL)


def newest_whole(work: Path) -> tuple[Path | None, list[str]]:
    """Return the newest checkpoint whose files are all there and unchanged, and the names of the damaged ones, newest first."""
    numbered = [(int(m[1]), p) for p in work.glob("checkpoint-*") if (m := re.fullmatch(r"checkpoint-(\d+)", p.name))]
    damaged: list[str] = []
    for _, folder in sorted(numbered, reverse=True):
        if _whole(folder):
            return folder, damaged
        damaged.append(folder.name)
    return None, damaged


def _whole(folder: Path) -> bool:
    try:
        files: dict[str, str] = json.loads((folder / SEAL).read_text("utf-8"))
        return bool(files) and all(fingerprint([folder / name]) == digest for name, digest in files.items())
    except (OSError, ValueError, AttributeError):
        return False


def same_work(work: Path, plan: dict[str, Any]) -> bool:
    """Tell whether a work folder was begun with the same plan; where not, empty it and write the plan down."""
    wanted = json.dumps(plan, sort_keys=True)
    path = work / "plan.json"
    try:
        if path.read_text("utf-8") == wanted:
            return True
    except (OSError, ValueError):
        pass
    with saving(work):
        if work.exists():
            shutil.rmtree(work)
        work.mkdir(parents=True)
        path.write_text(wanted, "utf-8")
    return False


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Turn whatever a full disk or a forbidden folder brings about into one clear error."""
    try:
        yield
    except Exception as error:
        # torch and safetensors wrap what the system says in errors of their own.
        if isinstance(error, OSError) or type(error).__name__ == "SafetensorError" or "write" in str(error).lower():
            reason = str(error).split("\n")[0]
            raise ModelError(
                f"{folder} cannot be written: {reason}. Cure: free disk space and check that the folder is yours to write, then "
                "run the same command again; it goes on from the last whole checkpoint."
            ) from error
        raise
