"""Assignment: what a process that trains with others is handed, as bytes and back: arrays as npy, all else as JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from occasion.tuning.lessons import Lessons
from occasion.tuning.options import TuneOptions
from occasion.tuning.questions import Questions

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Assignment", "packed", "received"]

_PATHS = ("home", "work", "folder")
_LESSON_ARRAYS = ("rows", "pairs", "counts")
_QUESTION_ARRAYS = ("user", "cold", "candidates")
_QUESTION_LISTS = ("history", "answers")
"""One array a question: kept as one, and their lengths."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What a process is handed; as for `occasion.tuning.training.train`, and what it cannot share with its parent.

    Attributes
    ----------
    lessons : Lessons
    options : TuneOptions
    home, work, folder : Path
        For base models; of checkpoints; of this launch.
    processes, threads : int
        How many there are; threads of each.
    epochs : int
    seconds : float, optional
        Until the deadline.
    """

    lessons: Lessons
    options: TuneOptions
    home: Path
    work: Path
    folder: Path
    processes: int
    threads: int
    epochs: int
    seconds: float | None


def packed(assignment: Assignment) -> bytes:
    """Return an assignment as bytes for a pipe that stays open: their number and a line's end, then the bytes themselves."""
    lessons, rest = assignment.lessons, {k: v for k, v in vars(assignment).items() if k not in ("lessons", "options")}
    arrays = {name: getattr(lessons, name) for name in _LESSON_ARRAYS}
    arrays |= {f"targets.{name}": getattr(lessons.targets, name) for name in ("data", "indices", "indptr")}
    questions = {name: _questions(getattr(lessons, name), name, arrays) for name in ("stop", "report")}
    told = {name: getattr(lessons, name) for name in ("texts", "sentences", "events", "fingerprint", "seq", "withdrawals")}
    plain = rest | {name: str(rest[name]) for name in _PATHS}
    document = {"plain": plain, "options": asdict(assignment.options), "lessons": told, "questions": questions}
    document["width"] = lessons.targets.shape[1]
    content = io.BytesIO()
    # Texts may hold anything, halves of surrogate pairs, too: JSON writes these as escapes.
    np.savez(content, json=np.frombuffer(json.dumps(document).encode("ascii"), np.uint8), **arrays)
    return b"%d\n" % content.tell() + content.getvalue()


def received(file: BinaryIO) -> Assignment:
    """Read what `packed` made, and no byte more."""
    content = io.BytesIO(file.read(int(file.readline())))
    with np.load(content, allow_pickle=False) as kept:
        arrays = dict(kept)
    document = json.loads(arrays["json"].tobytes())
    plain, width = document["plain"], document["width"]
    return Assignment(
        lessons=_lessons(document["lessons"], document["questions"], width, arrays),
        options=TuneOptions(**document["options"]),
        **plain | {name: Path(plain[name]) for name in _PATHS},
    )


def _questions(questions: Questions, name: str, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    arrays |= {f"{name}.{field}": getattr(questions, field) for field in _QUESTION_ARRAYS}
    for field in _QUESTION_LISTS:
        parts: Sequence[NDArray[np.int32]] = getattr(questions, field)
        arrays[f"{name}.{field}"] = np.concatenate([np.zeros(0, np.int32), *parts])
        arrays[f"{name}.{field}.lengths"] = np.array([len(part) for part in parts], np.int64)
    return {"sentence": questions.sentence, "repeats": bool(questions.repeats)}


def _lessons(told: Mapping[str, Any], questions: Mapping[str, Any], width: int, arrays: Mapping[str, Any]) -> Lessons:
    from scipy import sparse

    data, indices, indptr = (arrays[f"targets.{name}"] for name in ("data", "indices", "indptr"))
    asked: dict[str, Any] = {}
    for name, more in questions.items():
        fields: dict[str, Any] = {field: arrays[f"{name}.{field}"] for field in _QUESTION_ARRAYS}
        for field in _QUESTION_LISTS:
            ends = np.cumsum(arrays[f"{name}.{field}.lengths"])
            fields[field] = tuple(np.split(arrays[f"{name}.{field}"], ends)[:-1])
        asked[name] = Questions(sentence=tuple(more["sentence"]), repeats=more["repeats"], **fields)
    targets = sparse.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, width))
    fields = {name: arrays[name] for name in _LESSON_ARRAYS}
    return Lessons(targets=targets, **told, **asked, **fields)
