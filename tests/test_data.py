"""The values: whatever can be made is usable, whatever cannot be used is refused with a cure."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion.data import MAX_ID_LENGTH, Context, Event, Item, User, content_hash
from occasion.errors import DataError, OccasionError

ids = st.text(min_size=1, max_size=40).filter(lambda t: t.strip())
scalars = st.one_of(st.text(max_size=20), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans())


@given(ids, st.dictionaries(ids, st.text(max_size=30), max_size=4), st.lists(st.text(max_size=10), max_size=3))
def test_any_id_and_text_makes_an_item_with_a_title_and_a_sentence(item_id, text, categories):
    item = Item(id=item_id, text=text, categories=tuple(categories))
    assert item.title
    assert len(item.sentence(50)) <= 50
    item.sentence().encode("utf-8")


@given(ids, ids, scalars, st.dictionaries(ids, scalars, max_size=3))
def test_the_same_event_has_the_same_id_and_another_one_has_not(user, item, value, signals):
    made = [Event(user=user, item=item, signals=signals) for _ in range(2)]
    assert made[0].id == made[1].id
    assert Event(user=user, item=item + "x", signals=signals).id != made[0].id


def test_signals_are_copied_and_cannot_be_changed():
    given_signals = {"weather": "rain"}
    context = Context(signals=given_signals)
    given_signals["weather"] = "sun"
    assert context.signals["weather"] == "rain"
    with pytest.raises(TypeError):
        context.signals["weather"] = "snow"


def test_none_signals_are_left_out():
    assert dict(Context(signals={"mood": None, "company": "alone"}).signals) == {"company": "alone"}


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Item(id=""), "empty"),
        (lambda: Item(id="  "), "empty"),
        (lambda: Item(id=7), "must be text"),
        (lambda: Item(id="x" * (MAX_ID_LENGTH + 1)), "characters"),
        (lambda: Item(id="a", price=math.nan), "finite"),
        (lambda: Item(id="a", price=-1), "at least 0"),
        (lambda: Item(id="a", categories="toys"), "sequence"),
        (lambda: Item(id="a", text={"title": None, "x": 5}), "must be text"),
        (lambda: Item(id="a", available_from=5.0, available_until=5.0), "after the start"),
        (lambda: Item(id="a", attributes={"x": math.inf}), "finite"),
        (lambda: User(id="u", attributes=[1]), "mapping"),
        (lambda: Event(item="a"), "user or a session"),
        (lambda: Event(item="a", user="u", at=1.7e12), "milliseconds"),
        (lambda: Event(item="a", user="u", at=True), "unix seconds"),
        (lambda: Event(item="a", user="u", value="5"), "finite number"),
        (lambda: Context(locale="fr"), "'en' or 'zh'"),
        (lambda: Context(recent="abc"), "sequence"),
        (lambda: Context(text="x" * 200_000), "at most"),
        (lambda: Context(signals={str(n): n for n in range(300)}), "at most"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(make, word):
    with pytest.raises(DataError, match=word) as caught:
        make()
    assert isinstance(caught.value, OccasionError)
    assert caught.value.exit_code == 2


@given(st.lists(scalars, max_size=4))
def test_content_hash_depends_on_content_alone(parts):
    assert content_hash(*parts) == content_hash(*list(parts))
    assert content_hash(*parts, "more") != content_hash(*parts)


def test_lone_surrogates_are_replaced_not_lost():
    assert Context(text="rain \ud800 now").text == "rain ? now"


def test_a_revised_context_is_the_one_that_replacing_makes():
    context = Context(user="u", session="s", at=5.0, text="rain", signals={"a": 1}, time_zone="UTC", country="DE", recent=("x",))
    for change in ({"at": 6.0}, {"recent": ()}, {"time_zone": None, "country": "FR"}):
        assert context.revised(**change) == replace(context, **change)
    assert context.at == 5.0
