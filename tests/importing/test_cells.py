"""One cell to one value."""

import math
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion.importing.cells import (
    Fault,
    as_attribute,
    as_id,
    as_list,
    as_number,
    as_price,
    as_scalar,
    as_text,
    as_time,
    as_truth,
    place_of_day,
)

SECONDS = 1_488_283_384.0  # 2017-02-28 12:03:04 UTC


@pytest.mark.parametrize(
    "cell",
    [
        1488283384,
        1488283384.0,
        "1488283384",
        " 1488283384 ",
        1488283384000,
        "1488283384000",
        1488283384000000,
        1488283384000000000,
        "2017-02-28 12:03:04",
        "2017-02-28T12:03:04Z",
        "2017-02-28T14:03:04+02:00",
        "20170228T120304Z",
        "02/28/2017 12:03:04",
        "02/28/2017 12:03:04 PM",
        "2017年2月28日 12:03:04",
        "28.02.2017 12:03:04",
        "2017/02/28 12:03:04",
        "Tue, 28 Feb 2017 12:03:04 +0000",
        "Tue Feb 28 12:03:04 +0000 2017",
        datetime(2017, 2, 28, 12, 3, 4, tzinfo=UTC),
        datetime(2017, 2, 28, 12, 3, 4),
    ],
)
def test_many_ways_to_write_one_time(cell):
    assert as_time(cell) == SECONDS


@pytest.mark.parametrize("cell", ["2017-02-28", "02/28/2017", "Feb 28, 2017", "28 Feb 2017", "2017年02月28日", date(2017, 2, 28)])
def test_many_ways_to_write_one_day(cell):
    assert as_time(cell) == SECONDS - (12 * 3600 + 3 * 60 + 4)


def test_a_day_without_marks_is_a_day_only_where_days_are_expected():
    assert as_time("20170228", dates=True) == as_time("2017-02-28")
    assert as_time("20170228") == 20170228.0


def test_dates_with_slashes_are_read_either_way():
    assert as_time("1/2/2017 9:05") == as_time("2017-01-02T09:05")
    assert as_time("1/2/2017 9:05", day_first=True) == as_time("2017-02-01T09:05")
    assert as_time("31/12/2017", day_first=True) == as_time("2017-12-31")
    assert as_time("2017年2月3日 8时05分") == as_time("2017-02-03T08:05")


@given(st.dates(date(1970, 1, 1), date(2400, 1, 1)), st.booleans())
def test_what_tells_the_place_of_the_day_is_right(day, day_first):
    cell = f"{day.day}/{day.month}/{day.year}" if day_first else f"{day.month}/{day.day}/{day.year}"
    told = place_of_day(["1/1/2020", cell])
    assert told in ({"first", "open"} if day_first else {"second", "open"})
    if told != "open":
        assert as_time(cell, day_first=told == "first") == as_time(day)


def test_a_time_without_zone_is_in_the_given_one():
    zone = ZoneInfo("Asia/Shanghai")
    assert as_time("2017-02-28 20:03:04", zone) == SECONDS
    assert as_time("2017-02-28T12:03:04Z", zone) == SECONDS
    assert as_time(1488283384, zone) == SECONDS


@pytest.mark.parametrize("cell", ["soon", "", "2017-02-30", "9999-01-01", 5e10, "1e300", True, [], "12:03", "0001-01-01"])
def test_what_is_no_time(cell):
    if cell is True:
        return
    with pytest.raises(Fault):
        as_time(cell)


@given(st.floats(-2.2e9, 1.6e10))
def test_seconds_stay_what_they_are(seconds):
    assert as_time(seconds) == as_time(repr(seconds)) == seconds


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_being_written(number):
    assert as_number(repr(number)) == number


@pytest.mark.parametrize("cell", ["nan", "inf", math.nan, "-Infinity", "x", "", "1,5", None, "1e999"])
def test_what_is_no_number(cell):
    with pytest.raises(Fault):
        as_number(cell)


@pytest.mark.parametrize(
    ("cell", "price"),
    [
        ("$12.50", 12.5),
        ("1,299.00", 1299.0),
        ("1,299", 1299.0),
        ("¥ 8", 8.0),
        ("3,50 €", 3.5),
        ("1.299,00", 1299.0),
        ("59.9元", 59.9),
        ("EUR 7", 7.0),
        ("R$12,00", 12.0),
        ("83,13\xa0руб.", 83.13),
        ("Free", 0.0),
        ("免费", 0.0),
        (3, 3.0),
        ("0", 0.0),
    ],
)
def test_prices(cell, price):
    assert as_price(cell) == price


@pytest.mark.parametrize("cell", ["-1", "on request", "1,2", "", "€", -0.5])
def test_what_is_no_price(cell):
    with pytest.raises(Fault):
        as_price(cell)


@pytest.mark.parametrize(
    ("cell", "text"), [(7, "7"), (7.0, "7"), (7.5, "7.5"), ("007", "007"), (True, "true"), (2**60, str(2**60))]
)
def test_ids_are_texts(cell, text):
    assert as_id(cell) == text


@pytest.mark.parametrize("cell", ["", "  ", "x" * 513, "a\ud800", math.nan])
def test_what_is_no_id(cell):
    with pytest.raises(Fault):
        as_id(cell)


def test_lists():
    assert as_list("a|b | c", "|") == ("a", "b", "c")
    assert as_list('["a","b, c"]') == ("a", "b, c")
    assert as_list(["x", None, 3]) == ("x", "3")
    assert as_list("a|b") == ("a|b",)
    assert as_list("[no json") == ("[no json",)


def test_scalars_keep_their_kind():
    assert [as_scalar(cell) for cell in ("7", 7, 7.5, True)] == ["7", 7, 7.5, True]
    assert type(as_scalar(True)) is bool
    assert [as_scalar(cell, "number") for cell in ("7", "7.0", "1e3", "x")] == [7, 7.0, 1000.0, "x"]
    assert as_attribute("a|b", "list", "|") == ("a", "b")
    with pytest.raises(Fault):
        as_scalar(math.nan)


def test_truth():
    assert [as_truth(cell) for cell in ("1", 1, "true", True, "Yes", 1.0)] == [True] * 6
    assert [as_truth(cell) for cell in ("0", 0, "FALSE", False, "no", 0.0)] == [False] * 6
    with pytest.raises(Fault):
        as_truth("2")


def test_text_of_nested_values_is_json():
    assert as_text({"a": [1, "ü"]}) == '{"a":[1,"\\u00fc"]}'
