"""Passed over: what of events counts for nothing is told in one note, and nothing is told of plain ones."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from occasion.context.signals import unusable
from occasion.data import Event
from occasion.passedover import PassedOver


def events(*signals):
    return [Event(user="ann", item="tea", signals=some) for some in signals]


def notes(*batches):
    passed_over = PassedOver()
    for batch in batches:
        passed_over.look(batch)
    return passed_over.notes()


def test_plain_events_get_no_note():
    assert notes() == notes([]) == []
    plain = ({}, {"hour": 23, "latitude": "48,1", "temperature": "unknown"}, {"month": "May", "mood": 999})
    assert notes(events(*plain)) == []


def test_one_event_is_told_of_as_an_answer_tells_of_its_moment():
    assert notes(events({"lat": 131.2, "hour": 7})) == ["Not usable, and passed over: lat 131.2 (-90 to 90)."]


def test_many_are_counted_and_the_first_different_signals_named():
    wrong = [{"hour": hour} for hour in (25, 25, 7, 26)]
    told = "Not usable, and passed over, in 5 of 7 events: hour 25 (0 to 23), hour 26 (0 to 23), month 13 (1 to 12)."
    assert notes(events(*wrong), events({"month": 13, "hour": 24}, {"hour": 31}, {})) == [told]


@given(st.lists(st.dictionaries(st.sampled_from(["hour", "lng", "mood"]), st.integers(-200, 200)), max_size=5))
def test_a_note_comes_where_and_only_where_a_signal_cannot_be(signals):
    assert bool(notes(events(*signals))) == any(map(unusable, signals))
