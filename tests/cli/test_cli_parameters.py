"""The small languages of the command line."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occasion.cli.parameters import WEEKDAYS, megabytes, named_values, scalar, unix_time, without_password
from occasion.errors import DataError

BASE = datetime(2026, 11, 24, 12, 0, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


@given(st.text())
def test_any_text_is_a_scalar(text: str) -> None:
    assert isinstance(scalar(text), (str, bool, int, float))


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7), ("7.5", 7.5), ("true", True), ('"7"', "7"), ("rain", "rain"), ("", ""), ("[1]", "[1]"), ("null", "null")],
)
def test_scalars(text: str, value: object) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


@given(st.dictionaries(st.text("abc", min_size=1), st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]))))
def test_pairs_come_back(pairs: dict[str, str]) -> None:
    found = named_values([f"{name}={value}" for name, value in pairs.items()], "--signal")
    assert found == {name: scalar(value) for name, value in pairs.items()}


def test_a_pair_keeps_further_equal_signs() -> None:
    assert named_values(["a=b=c"], "--signal") == {"a": "b=c"}


@given(st.floats(0, 4e9), st.sampled_from(["UTC", "Asia/Kathmandu", "America/New_York"]))
def test_seconds_and_iso_agree(seconds: float, zone: str) -> None:
    whole = float(int(seconds))
    assert unix_time(str(whole), zone) == whole
    assert unix_time(datetime.fromtimestamp(whole, ZoneInfo(zone)).isoformat(), "Europe/Berlin") == whole


@given(st.sampled_from(WEEKDAYS), st.integers(0, 23), st.integers(0, 59))
def test_weekdays_lie_within_the_week_ahead(day: str, hour: int, minute: int) -> None:
    found = unix_time(f"{day} {hour:02}:{minute:02}", "Europe/Berlin", base=BASE)
    assert found is not None
    local = datetime.fromtimestamp(found, ZoneInfo("Europe/Berlin"))
    assert (local.weekday(), local.hour, local.minute) == (WEEKDAYS.index(day), hour, minute)
    assert -86_400 < found - BASE < 7 * 86_400


def test_no_time() -> None:
    assert unix_time(None, "UTC") is None
    assert unix_time("", "UTC") is None


@pytest.mark.parametrize("text", ["soon", "25:00", "funday 10:00", "s 10:00", "2026-13-01", "10:5"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="Cure"):
        unix_time(text, "UTC")


def test_passwords_are_hidden() -> None:
    assert without_password("postgresql://me:hush@host/db") == "postgresql://me:***@host/db"
    assert without_password("sqlite:///a.db") == "sqlite:///a.db"


@given(st.sampled_from(["", *WEEKDAYS]), st.integers(0, 23), st.integers(0, 59))
def test_times_of_what_is_past_lie_behind(day: str, hour: int, minute: int) -> None:
    found = unix_time(f"{day} {hour:02}:{minute:02}", "Europe/Berlin", base=BASE, past=True)
    assert found is not None
    local = datetime.fromtimestamp(found, ZoneInfo("Europe/Berlin"))
    assert (local.hour, local.minute) == (hour, minute)
    assert not day or local.weekday() == WEEKDAYS.index(day)
    assert 0 <= BASE - found <= (7 if day else 1) * 86_400


@given(st.floats(1, 1e6, allow_nan=False), st.sampled_from((("", 1.0), ("m", 1.0), ("M", 1.0), ("g", 1024.0), ("G", 1024.0))))
def test_sizes_have_units(number: float, unit: tuple[str, float]) -> None:
    assert megabytes(f"{number}{unit[0]}", "--memory") == number * unit[1]


@pytest.mark.parametrize("text", ["", "g", "4t", "four"])
def test_sizes_that_are_none_are_named(text: str) -> None:
    with pytest.raises(DataError, match=r"--memory.*Cure"):
        megabytes(text, "--memory")
