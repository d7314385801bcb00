"""Reasons: what is said of a score, in both languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion.reasons import alike, reason
from occasion.titles import shortened


def test_titles_stand_in_quotation_marks_so_that_a_sentence_of_titles_can_be_read():
    told = reason({"others": 1.0}, because=["Guns in America", "No way, he says."])
    assert told == "People who chose “Guns in America”, “No way, he says.” chose this too."
    assert reason({"history": 1.0}, locale="zh", because=["风筝", "狼殿下"]) == "与您选择过的相近：“风筝”、“狼殿下”。"


def test_long_titles_are_cut_after_a_word():
    told = reason(
        {"others": 1.0}, because=["Commentary: the department of defence admits that it let somebody in and lost them all"]
    )
    assert told == "People who chose “Commentary: the department of defence admits that it let…” chose this too."


def test_who_chose_a_thing_once_does_not_come_back_to_it():
    assert reason({"history": 1.0}, own=1) == "You chose it before."
    assert reason({"history": 1.0}, own=2) == "You come back to it."


@pytest.mark.parametrize("moment", ["", "   ", "\n"])
def test_a_moment_without_words_is_not_quoted(moment):
    assert reason({"moment": 1.0}, moment=moment) == "Suits a moment like this one."


def test_likeness_to_an_item_speaks_of_that_item_and_not_of_a_past():
    assert alike({"history": 0.4, "others": 0.1}) == "Reads much the same."
    assert alike({"history": 0.1, "others": 0.4}, locale="zh") == "常与它一起被选择。"
    assert alike({"looks": 0.1}) == "Looks much the same."
    assert "little is known" in alike({"history": -0.1, "exploration": 0.01})


@given(st.text(), st.integers(2, 90))
def test_a_shortened_text_is_one_line_that_fits_and_begins_as_the_text_does(text, most):
    found = shortened(text, most)
    line = " ".join(text.split())
    assert len(found) <= most
    assert found == line or (found.endswith("…") and line.startswith(found[:-1]))
