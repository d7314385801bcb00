"""Notes: the same is said in both languages."""

from __future__ import annotations

import re

import pytest

from occasion.notes import NOTES, note


@pytest.mark.parametrize("name", NOTES)
def test_both_languages_fill_the_same_gaps(name):
    english, chinese = NOTES[name]
    gaps = re.findall(r"{(\w+)}", english)
    assert sorted(gaps) == sorted(re.findall(r"{(\w+)}", chinese))
    given = {gap: f"<{n}>" for n, gap in enumerate(gaps)}
    for locale in ("en", "zh"):
        told = note(name, locale, **given)
        assert all(value in told for value in given.values())
        assert any("一" <= sign <= "鿿" for sign in told) == (locale == "zh")
