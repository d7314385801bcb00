"""Assignments: what a process reads is what it was handed, whatever the texts hold, and nothing else is read from the pipe."""

import io
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
import tuning_worlds

from occasion.tuning import TuneOptions
from occasion.tuning.assignment import Assignment, packed, received
from occasion.tuning.lessons import read_lessons
from occasion.tuning.questions import Questions


@pytest.fixture(scope="module")
def assignment(tmp_path_factory):
    store = tuning_worlds.fill(tmp_path_factory.mktemp("world"), words=True)
    lessons = read_lessons(store)
    store.close()
    places = {"home": Path("/a home"), "work": Path("/a home/ä"), "folder": Path("/x")}
    return Assignment(
        lessons=lessons, options=TuneOptions(base="minilm", budget=9.5), processes=2, threads=1, epochs=3, seconds=7.25, **places
    )


def same(one, two):
    assert type(one) is type(two)
    for field in fields(one):
        mine, other = getattr(one, field.name), getattr(two, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == other.dtype
            assert np.array_equal(mine, other)
        elif field.name == "targets":
            assert (mine.dtype, mine.shape) == (other.dtype, other.shape)
            assert (mine != other).nnz == 0
        elif field.name in ("history", "answers"):
            assert [(part.dtype, part.tolist()) for part in mine] == [(part.dtype, part.tolist()) for part in other]
        elif isinstance(mine, Questions):
            same(mine, other)
        else:
            assert (field.name, mine) == (field.name, other)


def test_what_is_received_is_what_was_handed(assignment):
    pipe = io.BytesIO(packed(assignment) + b"what comes later")
    found = received(pipe)
    assert pipe.read() == b"what comes later"
    same(found.lessons, assignment.lessons)
    assert len(found.lessons.stop) > 0
    assert asdict(replace(found, lessons=None)) == asdict(replace(assignment, lessons=None))


def test_odd_texts_and_no_questions_at_all(assignment):
    lessons = assignment.lessons
    nothing = replace(
        lessons.report,
        **{
            "user": lessons.report.user[:0],
            "history": (),
            "answers": (),
            "sentence": (),
            "candidates": lessons.report.candidates[:0],
        },
    )
    odd = replace(lessons, texts=["\ud800 half", "\0", "手机\n", *lessons.texts[3:]], report=nothing)
    same(received(io.BytesIO(packed(replace(assignment, lessons=odd, seconds=None)))).lessons, odd)
